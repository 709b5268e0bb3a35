"""What a customer has, in words, for who proved a phone: packages, devices, payments. Each call waits for the store."""

from typing import NamedTuple

from billing.domain.payment import Payment
from billing.portal.deps import Deps
from billing.portal.holdings import Device, holdings
from billing.portal.pages.guest import Guest, Line, lines
from billing.portal.pages.plain import instant, money
from radius.domain.identity import SubscriberId


class Paid(NamedTuple):
    """A payment in words. `receipt`: M-Pesa's code."""

    at: str
    name: str
    price: str
    receipt: str


class Mine(NamedTuple):
    """All of it. `number` "" and `balance` "": there is no account."""

    rights: list[Line]
    devices: list[Device]
    payments: list[Paid]
    number: str
    balance: str
    takes: bool  # something is there, and this device is not its
    notices: bool  # is told of outages and works


def mine(deps: Deps, guest: Guest, subscriber: SubscriberId) -> Mine:
    """What a customer sees on this device. A device without a name is called by the end of its address."""
    has, view = holdings(deps, subscriber, guest.now), guest.view()
    here = any(each.mac == guest.visit.arrival.mac for each in has.devices)
    return Mine(
        lines(deps, has.rights, view.language, guest.now, view.zone),
        [each._replace(name=each.name or _ending(each.mac)) for each in has.devices],
        _payments(deps, has.payments, guest),
        has.customer.number if has.customer else "",
        money(has.customer.balance_cents, view.language) if has.customer else "",
        bool(has.rights) and not here,
        has.notices,
    )


def _ending(mac: str) -> str:
    return f"…{mac[6:8]}:{mac[8:10]}:{mac[10:]}".upper()


def _payments(deps: Deps, payments: list[Payment], guest: Guest) -> list[Paid]:
    packages = {each.id: each for each in deps.book.stores.packages.packages(deps.book.deadline())}
    view, language = guest.view(), guest.visit.language
    return [
        Paid(
            instant(each.paid_at, guest.now, view.zone, language),
            packages[each.package].name(language) if each.package in packages else each.package,
            money(each.cents, language),
            each.mpesa_receipt,
        )
        for each in payments
    ]
