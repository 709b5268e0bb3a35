"""Values for contract tests."""

import time

from radius.domain.attempt import Attempt
from radius.domain.deed import Deed
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.record import SessionRecord
from radius.ports import Change
from radius.store import keys


def soon() -> float:
    """A deadline that no healthy store misses."""
    return time.monotonic() + 20.0


def name(number: int) -> SubscriberId:
    return SubscriberId(f"s{number:015d}")


def change(
    subscriber: SubscriberId,
    version: int,
    write_id: str = "",
    body: bytes = b"{}",
    due_at: int = 0,
    records: tuple[SessionRecord, ...] = (),
) -> Change:
    return Change(subscriber, version, write_id or f"w{version}", body, due_at, records)


def record(uid: str = "u1", started_at: int = 1_000, revision: int = 1, **fields: object) -> SessionRecord:
    defaults: dict[str, object] = {
        "subscriber": name(1),
        "nas": NasId("gate"),
        "site": "lodge",
        "acct_session_id": "8100001",
        "user_name": "+254712000001",
        "device": "aabbccddeeff",
        "right": "r1",
        "in_bytes": 10,
        "out_bytes": 2**40,
        "time_s": 60,
        "last_at": 1_060,
        "day": "20261123",
    }
    return SessionRecord(SessionUid(uid), started_at, revision, **{**defaults, **fields})  # type: ignore[arg-type]


def attempt(uid: str = "u1", at_ms: int = 1_764_000_000_123, worker: str = "w1", **fields: object) -> Attempt:
    defaults: dict[str, object] = {
        "subscriber": name(1),
        "nas": NasId("gate"),
        "reason": "quota",
        "outcome": "acked",
        "request": "disconnect",
        "target": "192.0.2.1:3799",
        "number": 1,
        "tries": 2,
        "round_trip_ms": 41,
    }
    return Attempt(SessionUid(uid), at_ms, worker, **{**defaults, **fields})  # type: ignore[arg-type]


def day_keys(owner: str, day: str) -> list[str]:
    """All hash keys of one router, site or subscriber on one day: what a reader of those indexes has to ask."""
    return [f"{owner}#{day}#{shard}" for shard in range(keys.DAY_SHARDS)]


def deed(at_ms: int = 1_764_000_000_123, id_: str = "ab12cd34", outcome: str = "begun") -> Deed:
    return Deed(at_ms, id_, "mary", "routers add", "kilimani-01", "a new site", "kilimani", outcome)
