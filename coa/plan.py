"""From what a session should have to the request that says so to its router, if any does. Pure."""

from coa.codec import Request
from coa.families import Way
from coa.outcome import Reason, Refused
from coa.requests import Change, Target, change, disconnect
from radius.domain.identity import SessionUid
from radius.domain.nas import Capabilities
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Session
from radius.domain.wanted import Cut, Owed
from radius.rlm.vendors import Limit, not_carried

LIMITS = {
    "total_bytes": Limit.BYTES,
    "rate": Limit.RATE,
    "idle_s": Limit.IDLE,
    "devices": Limit.DEVICES,
}  # `radius.domain.wanted.MOVABLE` in the words of profiles


def target_of(session: Session | SessionRecord, record: SessionRecord | None) -> Target:
    """How the router knows a session. What only packets carry is in its record."""
    return Target(
        acct_session_id=session.acct_session_id,
        user_name=record.user_name if record else "",
        device=session.device,
        framed_ip=record.framed_ip if record else "",
        nas_ip=record.nas_ip if record else "",
    )


def record_of(uid: SessionUid, started_at: int, records: list[SessionRecord]) -> SessionRecord | None:
    """Of the generations of a uid the one that began then; names do not change, so else the latest will do."""
    same = [record for record in records if record.uid == uid and record.started_at == started_at]
    return (same or records)[-1] if records else None


def plan(wish: Cut | Owed, target: Target, way: Way, can: Capabilities, *, cut: bool) -> Request | Refused | None:
    """The request; None where the router has all that it could be told. `cut`: a change was tried and did not work."""
    if isinstance(wish, Cut) or cut:
        return disconnect(target, way, can)
    moved = {LIMITS[name] for name in wish.moved} - not_carried(way.family, can)
    said = change(target, wish.limits, way, can)
    if isinstance(said, Change):
        return disconnect(target, way, can) if moved & said.unsaid else said.request
    if said.reason is Reason.NO_CHANGE:
        return disconnect(target, way, can) if moved else None
    return said
