"""A Start that comes after its slot lapsed and went to another device: found by the granting properties.

Nothing is granted to it, its use is charged to a right that is another's, it waits to be cut, and while it is online
it counts as one of the devices there.
"""

from radius.domain import charging, entitlement, lifecycle, policy, session
from radius.domain.intent import IntentReason
from radius.domain.policy import Accept, Reason, Reject
from radius.domain.session import Kind
from radius.domain.subscriber import Subscriber
from radius.domain.world import LAPSE_S, World
from tests.unit.domain.builders import LAPTOP, MIB, PHONE, T0, TABLET, Catalogue, ask, day_terms, nas, packet
from tests.unit.domain.builders import subscriber as customer
from tests.unit.domain.builders import world as world_at

TERMS = day_terms("both.1", quota_bytes=200 * MIB, quota_s=7200)
LATER = T0 + LAPSE_S


def world(now: int) -> World:
    return world_at(now, Catalogue(TERMS))


def let_in_late() -> Subscriber:
    """The phone's slot lapses, laptop and tablet take the two rights, then the router says that the phone is online."""
    house = customer(entitlement.issue("first", TERMS, T0))
    assert isinstance(policy.reserve(house, ask(PHONE, "resPHONE01"), nas(), world(T0)), Accept)
    assert isinstance(policy.reserve(house, ask(LAPTOP, "resLAPTOP1"), nas(), world(LATER)), Accept)
    house.rights.append(entitlement.issue("second", TERMS, LATER))
    assert isinstance(policy.reserve(house, ask(TABLET, "resTABLET1"), nas(), world(LATER)), Accept)
    event = packet(Kind.START, LATER, time_s=LAPSE_S, reservation="resPHONE01", device=PHONE)
    assert session.account(house, event, nas(), world(LATER)).opened
    return house


def test_it_gets_no_lease_and_waits_to_be_cut() -> None:
    house = let_in_late()
    phone = house.sessions[-1]
    assert (phone.device, phone.right, phone.leases, phone.slowed) == (PHONE, "second", [], False)
    assert [(intent.session, intent.reason) for intent in house.intents] == [(phone.uid, IntentReason.REPLACED)]
    assert [one.device for one in house.sessions if one.leases and one.right == "second"] == [TABLET]


def test_it_counts_as_a_device_while_it_is_online() -> None:
    house = let_in_late()
    assert {one.device for one in charging.devices_on(house, "second", None)} == {TABLET, PHONE}
    house.sessions = [one for one in house.sessions if one.device != LAPTOP]
    house.rights = [house.rights[1]]
    again = policy.reserve(house, ask(TABLET, "resTABLET2"), nas(), world(LATER + 1))
    assert again == Reject(Reason.DEVICE_LIMIT)


def test_it_is_not_taken_for_silent_between_two_updates_of_an_ordinary_router() -> None:
    house = let_in_late()
    event = packet(Kind.INTERIM, LATER + 300, 1, 1, LAPSE_S + 300, reservation="resPHONE01", device=PHONE)
    phone = session.account(house, event, nas(), world(LATER + 300)).session
    lifecycle.settle(house, world(LATER + 300 + 599))
    assert phone.cause == ""
    assert {intent.session for intent in house.intents} == {phone.uid}


def test_what_the_other_device_leaves_it_gets_with_its_next_update() -> None:
    house = let_in_late()
    house.sessions = [one for one in house.sessions if one.device != TABLET]
    event = packet(Kind.INTERIM, LATER + 60, 1, 1, LAPSE_S + 60, reservation="resPHONE01", device=PHONE)
    phone = session.account(house, event, nas(), world(LATER + 60)).session
    assert [lease.right for lease in phone.leases] == ["second"]
