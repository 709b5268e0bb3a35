"""Endings that no packet brings (reboots, silence, time that ran out, slots that change hands) and their intents.

What is decided here is true wherever the aggregate is read, whether or not a worker has written it down yet.
"""

from radius.domain import charging, entitlement
from radius.domain.entitlement import RightState
from radius.domain.identity import NasId
from radius.domain.intent import ENDS, Intent, IntentReason, IntentState, Step, Waiting, step
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.world import (
    CLOSED_KEPT_MAX,
    END_GRACE_S,
    KEEP_CLOSED_S,
    LAPSE_S,
    LATE_END_S,
    SESSIONS_MAX,
    SILENCE_GRACE_S,
    SILENCE_INTERIMS,
    World,
)

_REAUTHORIZE = IntentReason.REAUTHORIZE
# Ended rights stay in the aggregate for the questions of a week (an outage's credit among them); the ledger keeps them
# for ever. Each is 100 bytes of every write: of who buys three hours a day, a month's would cost ten units for one.
RIGHT_KEEP_S = 8 * 86_400


def settle(subscriber: Subscriber, world: World, *, marks_whole: bool = False, but: Session | None = None) -> bool:
    """Write down what is already true at `world.now`; True if anything changed.

    `marks_whole`: the marks of a spilled account were laid over, so that silence can be told. `but` is left as it is.
    """
    silence = marks_whole or not subscriber.spilled
    changed = False
    for session in list(subscriber.sessions):
        cause = _ending(session, world, silence=silence) if session is not but else None
        if cause is None:
            continue
        changed = True
        if session.state is SessionState.OPEN:
            close(subscriber, session, cause, world.now)
        else:
            _leave(subscriber, [session])
    changed |= thin(subscriber)
    for right in list(subscriber.rights):
        changed |= entitlement.roll_period(right, world.terms(right.terms), world.now)
        if _forgotten(subscriber, right.id, right.revoked_at or right.ends_at or right.redeem_by, world.now):
            subscriber.rights.remove(right)
            changed = True
    return changed


def thin(subscriber: Subscriber) -> bool:
    """Let the oldest filed sessions go where there are too many of them; True if any went.

    A late packet finds their record, as it does two hours after any end. The last one of a device that is online goes
    only when nothing else helps: the new session's counters may yet carry on the old one's (`reauth`).
    """
    filed = [s for s in subscriber.sessions if s.state is SessionState.CLOSED and s.filed]
    if len(filed) <= CLOSED_KEPT_MAX:
        return False
    filed.sort(key=lambda s: s.closed_at)
    online = {s.device for s in subscriber.sessions if charging.live(s)}
    last = {s.device: s for s in filed if s.device in online}
    wanted = {intent.session for intent in subscriber.intents if intent.state is not IntentState.ABANDONED}
    free = [s for s in filed[:-CLOSED_KEPT_MAX] if s.uid not in wanted]
    going = [s for s in free if last.get(s.device) is not s]
    over = len(subscriber.sessions) - len(going) - SESSIONS_MAX
    if over > 0:
        going += [s for s in free if last.get(s.device) is s][:over]
    _leave(subscriber, going)
    return bool(going)


def _leave(subscriber: Subscriber, going: list[Session]) -> None:
    """Take sessions out of the aggregate, with what was given up about them: nobody can be asked about them again."""
    places, uids = {id(session) for session in going}, {session.uid for session in going}
    subscriber.sessions = [session for session in subscriber.sessions if id(session) not in places]
    if subscriber.intents:
        subscriber.intents = [
            intent
            for intent in subscriber.intents
            if intent.session not in uids or intent.state is not IntentState.ABANDONED
        ]


def _ending(session: Session, world: World, *, silence: bool) -> str | None:
    """Why a session is over (or, reserved or filed, out of the aggregate) at `world.now`; None if it is not."""
    booted = session.last_at < world.boots.get(session.nas, 0)
    if session.state is SessionState.RESERVED:
        return "lapsed" if booted or world.now >= session.opened_at + LAPSE_S else None
    if session.state is SessionState.CLOSED:
        return "filed" if session.filed and world.now >= session.closed_at + KEEP_CLOSED_S else None
    if booted:
        return "nas-reboot"
    heard = min(world.now, world.heard_until(session.nas))
    silent = silent_at(session) if silence else None
    if silent is not None and heard >= silent:
        return "silent"
    over = timeout_at(session)
    return "timeout" if over is not None and heard >= over else None


def timeout_at(session: Session) -> int | None:
    """When a session counts as ended by its Session-Timeout; None if its router goes on reporting after that.

    Then it is online until it is silent or cut: to call it ended would drop what is to be done to it.
    """
    if session.interim_seen and session.last_at >= session.ends_at + LATE_END_S:
        return None
    return session.ends_at + END_GRACE_S


def silent_at(session: Session) -> int | None:
    """When a session without further packets counts as silent; None before its first interim update."""
    if not session.interim_seen:
        return None
    return session.last_at + SILENCE_INTERIMS * session.interim_s + SILENCE_GRACE_S


def _forgotten(subscriber: Subscriber, right_id: str, ended_at: int, now: int) -> bool:
    in_use = any(session.right == right_id for session in subscriber.sessions)
    return not in_use and 0 < ended_at <= now - RIGHT_KEEP_S


def close(subscriber: Subscriber, session: Session, cause: str, now: int) -> None:
    """End a session at its last evidence. Its open leases go back; whatever was to be done to it is done."""
    session.state = SessionState.CLOSED
    session.cause = cause
    session.closed_at = now
    session.leases = []
    session.filed = False
    session.revision += 1
    drop_intents(subscriber, session)


def drop_intents(subscriber: Subscriber, session: Session) -> None:
    """Forget what was to be done to a session: it is over.

    A Disconnect that its router acknowledged is confirmed by that, and stays until a worker has told of it.
    """
    if not subscriber.intents:
        return
    uid = session.uid
    for intent in subscriber.intents:
        if intent.session == uid and intent.state is IntentState.ACKED and not intent.mark_at:
            intent.state = step(intent.state, Step.STOP)
    subscriber.intents = [
        intent for intent in subscriber.intents if intent.session != uid or intent.state is IntentState.CONFIRMED
    ]


def add_intent(subscriber: Subscriber, session: str, reason: IntentReason, now: int, version: int = 0) -> bool:
    """Commit to look after a session because of `reason`; False if that is pending already."""
    for intent in subscriber.intents:
        if intent.session == session and intent.reason is reason and intent.state not in ENDS:
            return False
    subscriber.intents.append(Intent(session, reason, version, now, due_at=now))
    return True


def await_device(subscriber: Subscriber, device: str, waits: Waiting | None, now: int) -> None:
    """Commit to let a device in that waits behind the portal; the latest news of where it waits counts."""
    subscriber.intents = [one for one in subscriber.intents if one.reason is not _REAUTHORIZE or one.session != device]
    subscriber.intents.append(Intent(device, _REAUTHORIZE, 0, now, due_at=now, waits=waits))


def arrived(subscriber: Subscriber, device: str, now: int) -> None:
    """A device is online: who waits for that looks at once, and finds it also where it has left again by then."""
    for intent in subscriber.intents:
        if intent.reason is _REAUTHORIZE and intent.session == device:
            intent.due_at, intent.mark_at = min(intent.due_at, now), now


def added(subscriber: Subscriber, before: tuple[Intent, ...]) -> tuple[IntentReason, ...]:
    """Why there are more intents now than `before`."""
    return tuple(intent.reason for intent in subscriber.intents if intent not in before)


def lapse(subscriber: Subscriber, world: World) -> None:
    """Drop the slots that were granted and never used in time."""
    subscriber.sessions = [
        session
        for session in subscriber.sessions
        if session.state is not SessionState.RESERVED or _ending(session, world, silence=False) is None
    ]


def others_of_device(subscriber: Subscriber, session: Session) -> list[Session]:
    """The live sessions of a session's device besides it."""
    return [s for s in subscriber.sessions if s is not session and charging.live(s) and s.device == session.device]


def release_device(subscriber: Subscriber, device: str, nas: NasId, now: int, *, but: Session | None = None) -> None:
    """Take the slots of a device that logs in again, on any router: it never competes with its own old session.

    On another router the old session may be alive (a Stop that was lost, or a copied MAC): it is to be cut there.
    """
    for session in list(subscriber.sessions):
        if session is but or session.device != device or not charging.live(session):
            continue
        if session.state is SessionState.RESERVED:
            subscriber.sessions.remove(session)
            continue
        close(subscriber, session, "replaced", now)
        if session.nas != nas:
            add_intent(subscriber, session.uid, IntentReason.REPLACED, now)


def ended(subscriber: Subscriber, right_id: str, now: int) -> bool:
    """True when a right no longer carries a session."""
    right = subscriber.right(right_id)
    return right is None or entitlement.state(right, now) is not RightState.LIVE
