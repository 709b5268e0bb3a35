"""What a session should have now: asked when something is sent, never remembered from when it was decided.

`wanted` changes the aggregate it is given (leases on what was bought since) and the caller commits that before anything
is sent. It knows nothing of packets; which of these wishes a router can be told is for the sender to say.
"""

from typing import NamedTuple

import msgspec

from radius.domain import charging, enforcement, entitlement, lifecycle, policy
from radius.domain.entitlement import Right
from radius.domain.intent import ENDS, IntentReason
from radius.domain.limits import Limits
from radius.domain.nas import CoaScope, Nas
from radius.domain.subscriber import Session, SessionState, Subscriber, Told
from radius.domain.terms import Rate, Terms
from radius.domain.world import World

MOVABLE = ("total_bytes", "rate", "idle_s", "devices")  # limits in which a session can differ from what it was told
RATE_SLACK = 1.25  # a queue of a router lets bursts through
RATE_SLACK_BYTES = 1 << 20


class Cut(NamedTuple):
    """It may not be online."""

    reason: IntentReason


class Owed(NamedTuple):
    """It may, with these limits; `moved` are those of `MOVABLE` that its router was told otherwise.

    `limits.session_s` counts from the session's start, as in a CoA (RFC 5176 §3.6).
    """

    limits: Limits
    moved: frozenset[str]


class Nothing(NamedTuple):
    """Nothing is to be done, because."""

    why: str


Wanted = Cut | Owed | Nothing


def session_of(subscriber: Subscriber, uid: str) -> Session | None:
    """The session of that uid, if the aggregate still has it; of two generations the latest."""
    return next((session for session in reversed(subscriber.sessions) if session.uid == uid), None)


def wanted(subscriber: Subscriber, session: Session | None, nas: Nas, world: World) -> Wanted:
    """Decide. An intent about a session that has ended here means that its router serves it on."""
    if session is None or session.state is SessionState.RESERVED:
        return Nothing("no such session")
    if session.state is SessionState.CLOSED:
        return Cut(IntentReason.REPLACED)
    lifecycle.settle(subscriber, world, but=session)  # nobody is cut for want of what others have already left
    reason = _cut(subscriber, session, nas, world)
    if reason is not None:
        return Cut(reason)
    _run_on(subscriber, session, nas, world)
    if session.told is None:
        return Nothing("it has what it should have")
    return owed(subscriber, session, nas, world)


def owed(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> Owed:
    """All limits of an open session that `wanted` lets go on, also where its router has been told them.

    Where they say a slower pace of reports, silence is measured by that from now on: told or not, it hurts nobody.
    """
    _, terms = _right_of(subscriber, session.right, world)
    limits = policy.limits_of(subscriber, session, nas, terms, world)
    limits = msgspec.structs.replace(limits, session_s=max(1, session.ends_at - session.opened_at))
    session.interim_s = max(session.interim_s, limits.interim_s)
    told = session.told
    return Owed(limits, _moved(subscriber, session, told, limits, nas, world) if told is not None else frozenset())


def answer(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> Cut | Owed | None:
    """What the answer to a report of a session tells a router that takes limits there and hears nothing else.

    All that it should have goes every time, so that a lost answer needs no memory: its router reports again. A cut
    stays an intent until the Stop proves it.
    """
    if not nas.capabilities.by_answer or session.state is SessionState.RESERVED:
        return None
    if session.state is SessionState.CLOSED:
        cut = any(intent.session == session.uid and intent.state not in ENDS for intent in subscriber.intents)
        return Cut(IntentReason.REPLACED) if cut else None
    wish = wanted(subscriber, session, nas, world)
    if isinstance(wish, Cut):
        lifecycle.add_intent(subscriber, session.uid, wish.reason, world.now)
        return wish
    wish = owed(subscriber, session, nas, world)
    session.told = None
    lifecycle.drop_intents(subscriber, session)
    return wish


def _cut(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> IntentReason | None:
    """Why an open session may not go on; None if it may, on leases that it has then."""
    if subscriber.blocked:
        return IntentReason.BLOCKED
    for right in subscriber.rights:
        entitlement.roll_period(right, world.terms(right.terms), world.now)
    over = lifecycle.ended(subscriber, session.right, world.now) or world.now >= session.ends_at
    if _stands(subscriber, session, world.now) or enforcement.lease_again(subscriber, session, nas, world):
        return None
    if _sleeps(subscriber, session, nas, world):
        return IntentReason.TERMS  # a right that sleeps is started by a log-in: this is the way to one
    if _slow(subscriber, session, nas, world):
        return None
    return IntentReason.ENDED if over else IntentReason.QUOTA


def _stands(subscriber: Subscriber, session: Session, now: int) -> bool:
    alive = not lifecycle.ended(subscriber, session.right, now) and now < session.ends_at
    return alive and not session.slowed and not charging.spent(session)


def _sleeps(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> bool:
    return any(not right.starts_at for right, _ in enforcement.candidates(subscriber, session, nas, world))


def _slow(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> bool:
    """Give a session the slow rate of a right that is used up; True also if it has it."""
    for right, terms in enforcement.candidates(subscriber, session, nas, world):
        others = charging.devices_on(subscriber, right.id, session)
        if not policy.can_slow(nas, terms) or not right.starts_at or len(others) >= terms.devices:
            continue
        if session.slowed and session.right == right.id and world.now < session.ends_at:
            return True
        session.note_told()
        session.leases, session.right, session.slowed = [], right.id, True
        session.ends_at = policy.end_of(subscriber, session, nas, terms, world)
        session.cap_bytes = 0
        return True
    return False


def _run_on(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> None:
    """Let a session run on into what was bought meanwhile, where its router sees no difference but the amounts.

    A cap that the router cannot move stays: it ends the session there, and the next log-in brings the rest.
    """
    can = nas.capabilities
    told = can.by_answer or can.coa is CoaScope.CHANGE
    if session.slowed or not told or (session.cap_bytes and not (can.by_answer or can.coa_byte_cap)):
        return
    found = [one for one in enforcement.candidates(subscriber, session, nas, world) if one[0].starts_at]
    current = [(right, terms) for right, terms in found if right.id == session.right and terms.devices == 1]
    if not current:
        return
    before, session.leases = session.leases, []
    leases = policy.chain(subscriber, [*current, *(one for one in found if one[0].id != session.right)])
    if not leases or {lease.right for lease in leases} == {lease.right for lease in before}:
        session.leases = before
        return
    session.note_told()
    session.leases = leases
    session.ends_at = policy.end_of(subscriber, session, nas, current[0][1], world)
    session.cap_bytes = policy.cap_bytes(session, nas, current[0][1]) or 0


def _right_of(subscriber: Subscriber, right_id: str, world: World) -> tuple[Right, Terms]:
    right = subscriber.right(right_id)
    assert right is not None  # it was leased from, in this decision
    return right, world.terms(right.terms)


def _moved(
    subscriber: Subscriber, session: Session, told: Told, limits: Limits, nas: Nas, world: World
) -> frozenset[str]:
    if subscriber.right(told.right) is None:
        return frozenset(MOVABLE)
    before_it = {"right": told.right, "cap_bytes": told.cap_bytes, "slowed": told.slowed, "held": told.held}
    was = msgspec.structs.replace(session, **before_it)
    _, terms = _right_of(subscriber, told.right, world)
    before = policy.limits_of(subscriber, was, nas, terms, world)
    return frozenset(name for name in MOVABLE if getattr(before, name) != getattr(limits, name))


def above(rate: Rate, used_bytes: int, seconds: int) -> bool:
    """True when that much in that time proves that a rate limit is not kept."""
    return used_bytes > (rate.up_bps + rate.down_bps) / 8 * seconds * RATE_SLACK + RATE_SLACK_BYTES
