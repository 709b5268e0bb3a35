"""What must change on live sessions after a fact, and when someone must look again (the due index).

Nothing here says how a router is told; an intent only says that a session needs attention. A predicted exhaustion is no
fact: nobody is cut before the quota is used.
"""

from collections.abc import Iterator

from radius.domain import charging, entitlement, lifecycle, policy
from radius.domain.entitlement import Right
from radius.domain.intent import IntentReason
from radius.domain.nas import CoaScope, Nas
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from radius.domain.terms import INTERIM_S_DEFAULT, Service, Terms
from radius.domain.world import (
    FILE_AFTER_S,
    HELD_BACK_S,
    LATE_END_S,
    RENEW_PERCENT,
    SILENCE_VISIT_S,
    World,
)


def after_use(subscriber: Subscriber, session: Session, at: int, nas: Nas, world: World) -> None:
    """Look at an open session after its use was charged: renew, run on, or commit what must be done to it."""
    uid, now = session.uid, world.now
    if subscriber.blocked:
        lifecycle.add_intent(subscriber, uid, IntentReason.BLOCKED, now)
    elif at >= session.ends_at + LATE_END_S or lifecycle.ended(subscriber, session.right, at):
        reason = IntentReason.TERMS if lease_again(subscriber, session, nas, world) else IntentReason.ENDED
        lifecycle.add_intent(subscriber, uid, reason, now)
    elif session.slowed:
        # A new period, a top-up or the next right gives the full rate back.
        if lease_again(subscriber, session, nas, world):
            lifecycle.add_intent(subscriber, uid, IntentReason.TERMS, now)
    elif charging.spent(session):
        slotless = not session.leases and _crowded_out(subscriber, session, world)
        short = IntentReason.REPLACED if slotless else IntentReason.QUOTA
        reason = IntentReason.TERMS if lease_again(subscriber, session, nas, world) else short
        lifecycle.add_intent(subscriber, uid, reason, now)
    elif _renewable(session, nas):
        _renew(subscriber, session, nas, world)


def _crowded_out(subscriber: Subscriber, session: Session, world: World) -> bool:
    """True when other devices have all slots of a session's right: it is not the quota that it lacks."""
    right = subscriber.right(session.right)
    if right is None:
        return False
    return len(charging.devices_on(subscriber, right.id, session)) >= world.terms(right.terms).devices


def lease_again(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> bool:
    """Give an open session new leases on whatever rights allow it now; False if there are none.

    A dormant right is started by a log-in, never by running on.
    """
    session.leases = []
    for right, terms, lease in _leasable(subscriber, session, nas, world):
        session.note_told()
        session.leases, session.right, session.slowed = [lease], right.id, False
        session.interim_s = session.interim_s or terms.interim_s
        session.ends_at = policy.end_of(subscriber, session, nas, terms, world)
        session.cap_bytes = policy.cap_bytes(session, nas, terms) or 0
        return True
    session.interim_s = session.interim_s or INTERIM_S_DEFAULT  # how often its router was told to report is not known
    blame(subscriber, session)
    return False


def reach_further(
    subscriber: Subscriber, session: Session, delta_bytes: int, delta_s: int, nas: Nas, world: World
) -> None:
    """Lease from rights that came since the log-in, before use that the leases do not cover is called too much.

    A right of another rate is news for the router. A session that was ended has no lease any more; late news of it, or
    proof that it goes on, is covered by whatever its log-in could have had.
    """
    held = {lease.right for lease in session.leases}
    ended = session.state is SessionState.CLOSED
    if not (held or ended) or charging.covered(session, delta_bytes, delta_s):
        return
    current = subscriber.right(session.right)
    for right, terms, lease in _leasable(subscriber, session, nas, world):
        if right.id not in held:
            if not ended and current is not None and terms.rate != world.terms(current.terms).rate:
                session.note_told()
                lifecycle.add_intent(subscriber, session.uid, IntentReason.TERMS, world.now)
            session.leases.append(lease)
            if charging.covered(session, delta_bytes, delta_s):
                return


def _leasable(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> Iterator[tuple[Right, Terms, Lease]]:
    """Started rights with a slot and something left for this session, in the order that wastes least."""
    for right, terms in candidates(subscriber, session, nas, world):
        others = charging.devices_on(subscriber, right.id, session)
        if len(others) >= terms.devices or entitlement.exhausted(right, terms) or not right.starts_at:
            continue
        lease = charging.lease_of(subscriber, right, terms, session)
        if lease is not None:
            yield right, terms, lease


def blame(subscriber: Subscriber, session: Session) -> None:
    """Say where the use of a session without a right goes: to what its device uses, else to the latest; it happened."""
    if session.right:
        return
    named = [other.right for other in lifecycle.others_of_device(subscriber, session) if other.right]
    started = [right.id for right in subscriber.rights if right.starts_at]
    session.right = next(iter([*named, *reversed(started)]), "")


def candidates(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> list[tuple[Right, Terms]]:
    """The rights that allow an open session now, in the order in which it would use them."""
    current = subscriber.right(session.right)
    service = world.terms(current.terms).service if current is not None else Service.ANY
    return policy.usable(subscriber, service, nas, world, [])


def _renewable(session: Session, nas: Nas) -> bool:
    left = sum(lease.bytes for lease in session.leases)
    can_move_cap = nas.capabilities.coa is CoaScope.CHANGE and nas.capabilities.coa_byte_cap
    return can_move_cap and session.cap_bytes > 0 and left * 100 < session.cap_bytes * (100 - RENEW_PERCENT)


def _renew(subscriber: Subscriber, session: Session, nas: Nas, world: World) -> None:
    """Extend the lease of a shared right before it runs out, where the router can be told a higher cap."""
    right = subscriber.right(session.right)
    if right is None:
        return
    terms = world.terms(right.terms)
    lease = charging.lease_of(subscriber, right, terms, session)
    # A renewal that hardly helps would come again with every interim update.
    if lease is not None and lease.bytes >= 2 * session.leases[0].bytes:
        session.note_told()
        session.leases[0] = lease
        session.cap_bytes = policy.cap_bytes(session, nas, terms) or 0
        lifecycle.add_intent(subscriber, session.uid, IntentReason.TERMS, world.now)


def due_at(subscriber: Subscriber, known: int, *, looked_at: int = 0) -> int:
    """When a worker should look at this subscriber next; 0 for never.

    `known` is what the index says today: it stays unless something falls due earlier, so an ordinary interim update
    touches no index key. A new intent moves it: behind older work that still waits for its own worker, whoever looks
    for intents would have passed it by. `looked_at`: a worker looked at that instant, and `known` has served. A session
    that it could not end then, because its router may have said more than was counted, is looked at again after
    `HELD_BACK_S`.
    """
    earliest = _earliest(subscriber, looked_at)
    if known and not looked_at:
        new = max((intent.due_at for intent in subscriber.intents if intent.due_at == intent.created_at), default=0)
        if new > known:
            return new
        return known if earliest == 0 else min(known, earliest)
    return earliest


def _earliest(subscriber: Subscriber, looked_at: int) -> int:
    instants = [intent.due_at for intent in subscriber.intents]
    for session in subscriber.sessions:
        if session.state is SessionState.CLOSED and not session.filed:
            instants.append(session.closed_at + FILE_AFTER_S)
        elif session.state is SessionState.OPEN:
            over, silent = lifecycle.timeout_at(session), lifecycle.silent_at(session)
            if silent is not None:
                silent = max(silent, session.last_at + SILENCE_VISIT_S)
            ends = [end for end in (over, silent) if end is not None]
            instants += [end if end > looked_at else looked_at + HELD_BACK_S for end in ends]
    return min(instants, default=0)
