"""Accounts with very many devices: the marks of their sessions leave the root item (DESIGN §4).

Above `SESSIONS_INLINE_MAX` live sessions an ordinary interim update writes only the marks of its session, into one of
`SHARDS` small items; the root is written at Start, Stop, and when a lease or an intent changes. Until then the root's
own marks lag behind, and what was used since is covered by the session's lease. Marks only grow, so laying them over
the root twice, or late, comes to the same.
"""

import msgspec

from radius.domain import charging
from radius.domain.errors import Corrupt
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.shapes import decoder
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.world import World

SESSIONS_INLINE_MAX = 32
SHARDS = 64  # 2,000 devices leave 32 sessions to a shard, some 3 KB
_MARKS = (
    "revision", "last_at", "in_bytes", "out_bytes", "time_s", "base_in", "base_out", "base_s", "epoch_at", "interim_s",
    "over_bytes", "loose", "interim_seen",
)  # fmt: skip


class Shard(msgspec.Struct, rename={"marks": "m"}):
    """Marks by session uid, as the values of `_MARKS` in that order."""

    marks: dict[str, list[int]] = {}


def shard_id(subscriber: SubscriberId, uid: SessionUid) -> SubscriberId:
    """The item that holds the marks of a session; it lives beside the root under a key of its own."""
    return SubscriberId(f"{subscriber}#m{int(uid[:4], 16) % SHARDS}")


def shard_ids(subscriber: SubscriberId) -> list[SubscriberId]:
    """All items that may hold marks of an account."""
    return [SubscriberId(f"{subscriber}#m{number}") for number in range(SHARDS)]


def decode(body: bytes) -> Shard:
    """A fresh copy; an item that is not there yet is an empty one. Raises Corrupt."""
    if not body:
        return Shard()
    try:
        return decoder(Shard).decode(body)
    except msgspec.MsgspecError as bad:
        raise Corrupt(f"marks shard: {bad}") from bad


def encode(shard: Shard) -> bytes:
    """The stored body."""
    return msgspec.json.encode(shard)


def note(subscriber: Subscriber) -> None:
    """Mark an account that has grown beyond the root, for ever: its marks may lie in shards from now on."""
    if not subscriber.spilled and sum(map(charging.live, subscriber.sessions)) > SESSIONS_INLINE_MAX:
        subscriber.spilled = True


def keep(shard: Shard, session: Session, live: set[str]) -> None:
    """Put a session's marks into its shard, and drop those of sessions that are gone from the root."""
    shard.marks = {uid: marks for uid, marks in shard.marks.items() if uid in live}
    shard.marks[session.uid] = [int(getattr(session, name)) for name in _MARKS]


def lay_over(subscriber: Subscriber, session: Session, shard: Shard, world: World) -> None:
    """Bring a session of the root up to its marks in the shard, and charge what was used in between."""
    marks = shard.marks.get(session.uid)
    if marks is None or marks[0] <= session.revision:
        return
    since, before_bytes, before_s = session.last_at, session.total_bytes, session.total_s
    interim_s = session.interim_s  # the root may know that its router was told a slower pace since
    for name, value in zip(_MARKS, marks, strict=True):
        setattr(session, name, type(getattr(session, name))(value))
    session.interim_s = max(session.interim_s, interim_s)
    delta_bytes, delta_s = session.total_bytes - before_bytes, session.total_s - before_s
    if delta_bytes or delta_s:
        charging.charge(subscriber, session, delta_bytes, delta_s, since, session.last_at, world)


def promises(subscriber: Subscriber, session: Session) -> tuple[object, ...]:
    """What of an account the root must show; while it stays the same, a report changes nothing but marks."""
    rights = tuple(lease.right for lease in session.leases)
    limits = (session.state, session.right, rights, session.cap_bytes, session.ends_at)
    open_sessions = sum(other.state is SessionState.OPEN for other in subscriber.sessions)
    return (limits, len(subscriber.sessions), open_sessions, len(subscriber.intents))
