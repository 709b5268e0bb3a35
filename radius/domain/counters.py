"""High-water marks: from what a router counts to what a session used (invariant 1).

A router's counters only grow while it counts one session, so of two honest reports of one count the later has both
marks at least as high. A report that does not fit tells that the count turned in between:

- a 32-bit counter wrapped (only on routers that send no Acct-*-Gigawords, RFC 2869 §5.1): session time grew from the
  same start.
- the router lost its counters and began again: session time grew on a router that cannot wrap, or the start that the
  report implies lies after the last evidence. What had been counted is kept, the new count is added.

Only a report that is certainly later than the marks may say so; any other is late news, and raises the marks only where
it proves more than they do. So no order, repetition or loss of reports makes more than there was. Left undecided, and
taken for a wrap: a router without gigawords whose counters begin again while its session time goes on.
"""

from typing import NamedTuple

from radius.domain.subscriber import Session
from radius.domain.terms import RATE_BPS_MAX

WRAP = 1 << 32
AHEAD_S_MAX = 3600  # session time is believed up to this beyond the start we know: that may have come late
START_SLACK_S = 5  # timer rounding: how far apart the starts may be that two reports of one count imply


class Counters(NamedTuple):
    """One report. Bytes in RFC 2866 view, both None when it has none; `time_s` None without Acct-Session-Time.

    `at` is the event's instant; `stamped` that it comes from the router's own sane clock, not from our receipt.
    """

    in_bytes: int | None
    out_bytes: int | None
    time_s: int | None
    at: int
    stamped: bool


def believed(report: Counters, began_at: int) -> Counters:
    """The report (itself, if all is well) without what cannot be: time from before the session, more than lines carry.

    A router that counts session time by a clock which is set meanwhile (from 1970, or from its last saved minute)
    shows hours or decades; one whose counter ran below zero shows nearly 2**64 bytes.
    """
    passed_s = max(0, report.at - began_at)
    sane = report
    if report.time_s is not None and report.time_s > passed_s + AHEAD_S_MAX:
        sane = sane._replace(time_s=passed_s)
    if (report.in_bytes or 0) + (report.out_bytes or 0) > RATE_BPS_MAX // 8 * (passed_s + AHEAD_S_MAX):
        sane = sane._replace(in_bytes=None, out_bytes=None)
    return sane


def advance(session: Session, report: Counters, *, gigawords: bool) -> tuple[int, int]:
    """Move the marks; return the growth (bytes, seconds), never negative."""
    before_bytes, before_s = session.total_bytes, session.total_s
    _learn_start(session, report)
    if _began_again(session, report):
        _begin_again(session, report)
    elif _of_this_count(session, report):
        _count(session, report, gigawords=gigawords)
        _go_on(session, report)
    return session.total_bytes - before_bytes, session.total_s - before_s


def _implied_start(report: Counters) -> int:
    return report.at - (report.time_s or 0)


def _learn_start(session: Session, report: Counters) -> None:
    """The first packet's instant may have been late, or of a later count: now only what dominates is safe."""
    if not (report.stamped and report.time_s) or session.epoch_at:
        return
    start = _implied_start(report)
    if start < session.opened_at - START_SLACK_S:
        session.epoch_at, session.loose = start, True


def _go_on(session: Session, report: Counters) -> None:
    """Session time grew: the start known is that of the count which has the marks now."""
    if not report.time_s or report.time_s <= session.time_s:
        return
    session.time_s = report.time_s
    if report.stamped and _implied_start(report) > (session.epoch_at or session.opened_at) + START_SLACK_S:
        session.epoch_at = _implied_start(report)


def _after_marks(session: Session, report: Counters) -> bool:
    """The count reported began when the session had already reached its marks."""
    if session.loose:  # when the count of the marks began is not known
        return _implied_start(report) >= session.last_at + START_SLACK_S
    reached_at = min(session.last_at, (session.epoch_at or session.opened_at) + session.time_s)
    return _implied_start(report) >= reached_at - START_SLACK_S


def _began_again(session: Session, report: Counters) -> bool:
    """A count that certainly began after the last evidence. A Start has no session time yet and proves nothing."""
    if not (report.stamped and report.time_s and session.time_s):
        return False
    known_start = session.epoch_at or session.opened_at
    return _implied_start(report) > known_start + 2 * START_SLACK_S and _after_marks(session, report)


def _begin_again(session: Session, report: Counters) -> None:
    time_back = (report.time_s or 0) < session.time_s
    marks = _marks(session, report)
    if time_back:
        session.base_s += session.time_s
    # With time grown and both counters too it may as well be a timer that paused: nothing is added on a suspicion.
    if time_back or (marks is not None and not _dominates(session, marks)):
        _keep(session)
        session.in_bytes, session.out_bytes = marks or (0, 0)
    elif marks is not None:
        session.in_bytes, session.out_bytes = marks
    session.loose = marks is None
    session.time_s = report.time_s or 0
    session.epoch_at = _implied_start(report)


def _of_this_count(session: Session, report: Counters) -> bool:
    """False for late news of a count that ended before the present one began."""
    if report.time_s is None:
        return True  # it moves no session time, and `_count` asks whether its bytes are of later
    if not report.stamped:
        return session.base_s <= 0  # below 0: one count, of which a session before this one has the beginning
    if not _turned(session) and report.time_s >= session.time_s:
        return True  # one count that went on, whatever a clock that was set in between implies about its start
    return _implied_start(report) >= session.epoch_at - START_SLACK_S


def _marks(session: Session, report: Counters) -> tuple[int, int] | None:
    """The report's counters; None if it has none. Two zeros after traffic: a Stop that forgot them, no proof."""
    if report.in_bytes is None or report.out_bytes is None:
        return None
    if report.in_bytes == report.out_bytes == 0 and (session.in_bytes or session.out_bytes):
        return None
    return report.in_bytes, report.out_bytes


def _dominates(session: Session, marks: tuple[int, int]) -> bool:
    return marks[0] >= session.in_bytes and marks[1] >= session.out_bytes


def _turned(session: Session) -> bool:
    return bool(session.base_in or session.base_out or session.base_s)


def _later(session: Session, report: Counters) -> bool:
    """Certainly taken after the marks were."""
    if report.time_s is None:
        return report.stamped and report.at > session.last_at
    in_order = not report.stamped or report.at >= session.last_at - START_SLACK_S
    return report.time_s > session.time_s and in_order


def _count(session: Session, report: Counters, *, gigawords: bool) -> None:
    marks, later = _marks(session, report), _later(session, report)
    if marks is None:
        return
    if _dominates(session, marks):
        _raise(session, marks, report, later=later)
    elif later and report.time_s is not None and not session.loose:
        if gigawords:
            _keep(session)
        else:
            _wrap(session, marks, surely=not _after_marks(session, report))
        session.in_bytes, session.out_bytes = marks
    elif not (later or gigawords or session.loose or _turned(session)):
        # Late, and since then one direction wrapped: the other's old value is still evidence, each for itself.
        session.in_bytes = max(session.in_bytes, marks[0])
        session.out_bytes = max(session.out_bytes, marks[1])


def _raise(session: Session, marks: tuple[int, int], report: Counters, *, later: bool) -> None:
    """Marks at least as high. After a turn a late report may be of the count before: it raises nothing."""
    if _turned(session) and not later:
        return
    later = later or report.time_s == session.time_s
    if report.time_s is not None:
        session.loose = session.loose and not later
    elif marks != (session.in_bytes, session.out_bytes):
        session.loose = True
    session.in_bytes, session.out_bytes = marks


def _keep(session: Session) -> None:
    session.base_in += session.in_bytes
    session.base_out += session.out_bytes


def _wrap(session: Session, marks: tuple[int, int], *, surely: bool) -> None:
    """Each direction wraps for itself. One that may as well have begun again counts for what it showed, and no more."""
    if marks[0] < session.in_bytes:
        session.base_in += _turns(session.in_bytes - marks[0]) * WRAP if surely else session.in_bytes
    if marks[1] < session.out_bytes:
        session.base_out += _turns(session.out_bytes - marks[1]) * WRAP if surely else session.out_bytes


def _turns(gap: int) -> int:
    return -(-gap // WRAP)
