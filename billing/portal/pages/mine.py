"""What a customer has, for who proved a phone: packages, devices, payments. Each call waits for the store."""

from typing import NamedTuple

from billing.domain.payment import PAID_STATES
from billing.domain.person import Person
from billing.portal.deps import Deps
from billing.portal.pages.guest import Guest, Line, lines
from billing.portal.pages.plain import instant, money
from billing.ports import PAGE_MAX
from radius.domain import subscriber as aggregate
from radius.domain.identity import NameKind, SubscriberId
from radius.domain.subscriber import SessionState, Subscriber

PAYMENTS_SHOWN = 10


class Device(NamedTuple):
    """A device of a customer. `name`: the customer's own, else the end of its address."""

    mac: str
    name: str
    online: bool


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


def mine(deps: Deps, guest: Guest, subscriber: SubscriberId) -> Mine:
    """What a customer sees on this device."""
    deadline, stores = deps.book.deadline, deps.book.stores
    stored = stores.subscribers.read(subscriber, deadline())
    present = aggregate.decode(stored.body) if stored else None
    person = stores.customers.thing(Person, subscriber, deadline())
    customer = stores.customers.customer(subscriber, deadline())
    view = guest.view()
    rights = lines(deps, present, view.language, guest.now, view.zone)
    devices = _devices(present, person.thing if person else None)
    here = any(each.mac == guest.visit.arrival.mac for each in devices)
    return Mine(
        rights,
        devices,
        _payments(deps, present, guest),
        customer.number if customer else "",
        money(customer.balance_cents, view.language) if customer else "",
        bool(rights) and not here,
    )


def _devices(present: Subscriber | None, person: Person | None) -> list[Device]:
    if present is None:
        return []
    prefix, names = f"{NameKind.MAC.value}:", person.devices if person else {}
    macs = [each.removeprefix(prefix) for each in present.aliases if each.startswith(prefix)]
    online = {each.device for each in present.sessions if each.state is SessionState.OPEN}
    return [Device(mac, names.get(mac, f"…{mac[6:8]}:{mac[8:10]}:{mac[10:]}".upper()), mac in online) for mac in macs]


def _payments(deps: Deps, present: Subscriber | None, guest: Guest) -> list[Paid]:
    """Of what is still remembered: a payment is called as the right that it bought."""
    ids = [right.id for right in present.rights][-PAGE_MAX:] if present else []
    found = deps.book.stores.payments.payments(ids, deps.book.deadline()) if ids else []
    packages = {each.id: each for each in deps.book.stores.packages.packages(deps.book.deadline())}
    view, language = guest.view(), guest.visit.language
    done = [each.payment for each in found if each.payment.state in PAID_STATES]
    return [
        Paid(
            instant(each.paid_at, guest.now, view.zone, language),
            packages[each.package].name(language) if each.package in packages else each.package,
            money(each.cents, language),
            each.mpesa_receipt,
        )
        for each in sorted(done, key=lambda each: -each.paid_at)[:PAYMENTS_SHOWN]
    ]
