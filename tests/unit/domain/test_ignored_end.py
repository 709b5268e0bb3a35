"""A router that goes on serving a session after its end: it stays online, to be cut, until it is silent.

Found by the simulation: such a session was called ended between any two of its updates, which dropped what was to be
done to it and gave its slot away.
"""

from radius.domain import enforcement, entitlement, lifecycle, policy, session
from radius.domain.intent import IntentReason
from radius.domain.policy import Accept
from radius.domain.session import Kind
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.world import World
from tests.unit.domain.builders import MIB, PHONE, T0, Catalogue, ask, day_terms, nas, packet
from tests.unit.domain.builders import subscriber as customer
from tests.unit.domain.builders import world as world_at

HOUR = 3600
TERMS = day_terms("hour.1", quota_s=HOUR)


def world(now: int) -> World:
    return world_at(now, Catalogue(TERMS))


def reported_until(after_end_s: int) -> Subscriber:
    """One hour was granted; the router reports until so long after it."""
    house = customer(entitlement.issue("first", TERMS, T0))
    assert isinstance(policy.reserve(house, ask(PHONE), nas(), world(T0)), Accept)
    session.account(house, packet(Kind.START, T0), nas(), world(T0))
    for at in range(T0 + 300, T0 + HOUR + after_end_s + 1, 300):
        session.account(house, packet(Kind.INTERIM, at, MIB, MIB, at - T0), nas(), world(at))
    return house


def test_while_it_reports_it_is_online_and_waits_to_be_cut() -> None:
    house = reported_until(600)
    now = T0 + HOUR + 600
    lifecycle.settle(house, world(now + 400))
    assert house.sessions[0].state is SessionState.OPEN
    assert {intent.reason for intent in house.intents} == {IntentReason.QUOTA, IntentReason.ENDED}


def test_then_silence_ends_it() -> None:
    house = reported_until(600)
    silent_at = T0 + HOUR + 600 + 3 * 300 + 60
    house.intents = []
    assert enforcement.due_at(house, 0) == T0 + HOUR + 600 + 1800  # a worker looks; whoever reads it sees it at once
    lifecycle.settle(house, world(silent_at - 1))
    assert house.sessions[0].cause == ""
    lifecycle.settle(house, world(silent_at))
    assert house.sessions[0].cause == "silent"


def test_one_that_stopped_reporting_with_its_end_is_timed_out() -> None:
    house = reported_until(0)
    lifecycle.settle(house, world(T0 + HOUR + 299))
    assert house.sessions[0].cause == ""
    lifecycle.settle(house, world(T0 + HOUR + 300))
    assert house.sessions[0].cause == "timeout"
