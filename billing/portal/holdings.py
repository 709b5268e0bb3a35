"""What a customer has, for pages and programs: what is left, devices, payments. Each call waits for the store."""

from typing import NamedTuple

import msgspec

from billing.domain.payment import PAID_STATES, Payment
from billing.domain.person import Person
from billing.portal.deps import Deps
from billing.ports import PAGE_MAX, Customer
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import Right, RightState
from radius.domain.identity import NameKind, SubscriberId
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.terms import Terms

PAYMENTS_SHOWN = 10
BY_PORTAL = "portal"


class Held(NamedTuple):
    """A right as of now, and what it promises."""

    right: Right
    terms: Terms


class Device(NamedTuple):
    """A device of a customer. `name`: the customer's own, "" for none."""

    mac: str
    name: str
    online: bool


class Holdings(NamedTuple):
    """Rights that live or sleep, the first to end first; payments, the last first. `customer` None: has no account.

    `notices`: whether it is told of outages and works.
    """

    rights: list[Held]
    devices: list[Device]
    payments: list[Payment]
    customer: Customer | None
    notices: bool


def holdings(deps: Deps, subscriber: SubscriberId, now: int) -> Holdings:
    """All of it, at `now` in UTC seconds; nothing for nobody."""
    deadline, stores = deps.book.deadline, deps.book.stores
    stored = stores.subscribers.read(subscriber, deadline())
    present = aggregate.decode(stored.body) if stored else None
    person = stores.customers.thing(Person, subscriber, deadline())
    return Holdings(
        usable(deps, present, now),
        _devices(present, person.thing if person else None),
        _payments(deps, present),
        stores.customers.customer(subscriber, deadline()),
        person is not None and not _left_alone(deps, person.thing),
    )


def _left_alone(deps: Deps, person: Person) -> bool:
    phone = deps.pages.people.phone_of(person)
    return not phone or deps.pages.opt_outs.out(phone)


def choose_notices(deps: Deps, subscriber: SubscriberId, now: int, *, wanted: bool) -> None:
    """Whether a customer is told of outages and works from now on; nothing for who proved no phone."""
    person = deps.book.stores.customers.thing(Person, subscriber, deps.book.deadline())
    phone = deps.pages.people.phone_of(person.thing) if person else ""
    if phone:
        deps.pages.opt_outs.say(phone, BY_PORTAL, now, out=not wanted)


def usable(deps: Deps, present: Subscriber | None, now: int) -> list[Held]:
    """Rights that live or sleep, the first to end first."""
    states = {RightState.LIVE, RightState.DORMANT}
    found = (
        [held(deps, each, now) for each in present.rights if entitlement.state(each, now) in states] if present else []
    )
    return sorted(found, key=lambda each: each.right.ends_at or now)


def held(deps: Deps, right: Right, now: int) -> Held:
    """A right in the quota period of `now`. A copy: to look changes nothing."""
    terms, right = deps.terms(right.terms), msgspec.structs.replace(right)
    entitlement.roll_period(right, terms, now)
    return Held(right, terms)


def _devices(present: Subscriber | None, person: Person | None) -> list[Device]:
    if present is None:
        return []
    prefix, names = f"{NameKind.MAC.value}:", person.devices if person else {}
    macs = [each.removeprefix(prefix) for each in present.aliases if each.startswith(prefix)]
    online = {each.device for each in present.sessions if each.state is SessionState.OPEN}
    return [Device(mac, names.get(mac, ""), mac in online) for mac in macs]


def _payments(deps: Deps, present: Subscriber | None) -> list[Payment]:
    """Of what is still remembered: a payment is called as the right that it bought."""
    ids = [right.id for right in present.rights][-PAGE_MAX:] if present else []
    found = deps.book.stores.payments.payments(ids, deps.book.deadline()) if ids else []
    done = [each.payment for each in found if each.payment.state in PAID_STATES]
    return sorted(done, key=lambda each: -each.paid_at)[:PAYMENTS_SHOWN]
