"""A device that logs in again within its session: the router asks anew and goes on counting, under the old session id.

Access points with 802.1X do so every hour (hostapd's `eap_reauth_period`), some controllers and captive portals more
often. Where the Access-Request names the session (Acct-Session-Id), it is granted anew and keeps its Class. Where it
does not, the router echoes the new Class, the old one or none; its counters go on in any case and count once.
"""

from radius.domain.counters import Counters
from radius.domain.identity import NasId
from radius.domain.subscriber import Session, SessionState, Subscriber

# How far apart the starts may be that two reports of one session imply: a packet's retries.
SAME_START_S = 30


def running(subscriber: Subscriber, nas: NasId, acct_session_id: str, device: str) -> Session | None:
    """The open session that an Access-Request names as its own; None if it begins one."""
    if not acct_session_id:
        return None
    names = (nas, acct_session_id, device)
    return next(
        (s for s in reversed(subscriber.sessions) if s.state is SessionState.OPEN and _names(s) == names),
        None,
    )


def go_on(subscriber: Subscriber, session: Session, booked: Session) -> Session:
    """Give a running session what was booked for its new log-in; it keeps its place, its Class and its marks."""
    subscriber.sessions.remove(booked)
    subscriber.sessions.append(session)
    session.right, session.leases, session.slowed = booked.right, booked.leases, booked.slowed
    session.ends_at, session.interim_s, session.addressed = booked.ends_at, booked.interim_s, booked.addressed
    # The router counts from the session's start.
    session.cap_bytes = booked.cap_bytes and session.total_bytes + booked.cap_bytes
    session.told = None
    return session


def predecessor(subscriber: Subscriber, names: tuple[str, str, str], report: Counters) -> Session | None:
    """The session whose counters a packet of a new log-in carries on: both began at one instant, and none went back.

    `names` are router, Acct-Session-Id and device. Two sessions of a router that reuses its ids begin apart, or count
    from zero.
    """
    for session in reversed(subscriber.sessions):
        if session.state is not SessionState.RESERVED and _names(session) == names and _carried_on(session, report):
            return session
    return None


def _names(session: Session) -> tuple[str, str, str]:
    return session.nas, session.acct_session_id, session.device


def _carried_on(session: Session, report: Counters) -> bool:
    if not report.time_s or report.time_s <= session.time_s:
        return False
    on_time = any(abs(report.at - report.time_s - start) <= SAME_START_S for start in _starts(session))
    grew = (report.in_bytes or 0) >= session.in_bytes and (report.out_bytes or 0) >= session.out_bytes
    return on_time and grew


def _starts(session: Session) -> tuple[int, int]:
    """As the first packet said, which may have come late, and as the last one did."""
    return session.epoch_at or session.opened_at, session.last_at - session.time_s


def begin_after(session: Session, before: Session, at: int) -> None:
    """Let a session begin where `before` ended: what its router's counters show up to there was counted already."""
    session.opened_at = session.last_at = min(before.last_at, at)
    session.epoch_at, session.loose = min(_starts(before)), before.loose
    session.in_bytes, session.out_bytes, session.time_s = before.in_bytes, before.out_bytes, before.time_s
    session.base_in, session.base_out, session.base_s = -before.in_bytes, -before.out_bytes, -before.time_s


def drop_waiting(subscriber: Subscriber, session: Session) -> None:
    """Drop what the same router was granted for a session that it proves to serve on: that was this session's log-in.

    If it was not, the Start of the other takes the place back.
    """
    subscriber.sessions = [
        other
        for other in subscriber.sessions
        if other is session
        or other.state is not SessionState.RESERVED
        or (other.nas, other.device) != (session.nas, session.device)
    ]
