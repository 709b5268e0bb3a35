"""Live sessions as they are now: from the index of open ones to the customers who hold their figures.

An aggregate is shown as it is true at this instant: with its marks laid over, and what has ended by itself as ended.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from billing.cli import find
from billing.cli.exits import Nobody
from billing.cli.frame import Frame
from coa.plan import record_of
from radius.domain import lifecycle
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.wanted import session_of
from radius.ports import RECORDS_MAX
from radius.services.marks import lay_all_over, shards_of

OPEN_MAX = 5_000  # open sessions of one router that a list walks: the largest site's at once


class Live(NamedTuple):
    """A session, whose it is, and its record, which has what only packets carry."""

    owner: Subscriber
    session: Session
    record: SessionRecord | None


class Asked(NamedTuple):
    """Which live sessions: all of these must hold. `idle_s`: no report for so long."""

    routers: tuple[NasId, ...]
    package: str = ""
    over_bytes: int = 0
    idle_s: int = 0

    def holds(self, live: Live, now: int) -> bool:
        """True if this session is meant."""
        named = self.package in {"", package_of(live), package_of(live).rpartition(".")[0]}
        quiet = not self.idle_s or now - live.session.last_at >= self.idle_s
        return named and quiet and live.session.total_bytes >= self.over_bytes


def owner(frame: Frame, subscriber: SubscriberId) -> Subscriber:
    """A customer as is true now. Raises Nobody."""
    frame.directory  # noqa: B018 - opened here: what a reboot has ended is told by it
    world = frame.core.world(frame.now)
    shards = shards_of(frame.core.desk, frame.core.marks, subscriber, frame.deadline)
    present = find.read(frame, subscriber)
    lay_all_over(present, shards, world)
    lifecycle.settle(present, world, marks_whole=shards is not None)
    return present


def of_customer(frame: Frame, subscriber: SubscriberId) -> list[Live]:
    """The open sessions of one customer."""
    present = owner(frame, subscriber)
    return _with_records(
        frame, [Live(present, each, None) for each in present.sessions if each.state is SessionState.OPEN]
    )


def walk(frame: Frame, asked: Asked, most: int) -> Iterator[Live]:
    """Open sessions, router by router, the oldest first; reads as few as `most` need."""
    filtered = asked.package or asked.over_bytes or asked.idle_s
    left = most
    for router in asked.routers:
        limit = OPEN_MAX if filtered else min(left, OPEN_MAX)
        entries = frame.core.store.sessions.open_on(router, frame.now + 1, limit, frame.deadline())
        for first in range(0, len(entries), RECORDS_MAX):
            page = _page(frame, entries[first : first + RECORDS_MAX])
            for live in page:
                if asked.holds(live, frame.now):
                    yield live
                    left -= 1
                    if not left:
                        return


def _page(frame: Frame, entries: Sequence[tuple[SessionUid, int, SubscriberId]]) -> list[Live]:
    owners: dict[SubscriberId, Subscriber | None] = {}
    found = []
    for uid, _, subscriber in entries:
        if subscriber not in owners:
            owners[subscriber] = _owner_if_there(frame, subscriber)
        present = owners[subscriber]
        session = session_of(present, uid) if present is not None else None
        if present is not None and session is not None and session.state is SessionState.OPEN:
            found.append(Live(present, session, None))
    return _with_records(frame, found)


def _owner_if_there(frame: Frame, subscriber: SubscriberId) -> Subscriber | None:
    """Whoever a packet without a customer is filed under is nobody."""
    try:
        return owner(frame, subscriber) if subscriber else None
    except Nobody:
        return None


def _with_records(frame: Frame, found: Sequence[Live]) -> list[Live]:
    keys = [(live.session.uid, live.session.opened_at) for live in found]
    records = frame.core.store.sessions.records(keys[:RECORDS_MAX], frame.deadline()) if keys else []
    return [
        live._replace(record=record_of(live.session.uid, live.session.opened_at, records_of(records, live.session.uid)))
        for live in found
    ]


def records_of(records: Sequence[SessionRecord], uid: SessionUid) -> list[SessionRecord]:
    """The generations of a session among `records`."""
    return [record for record in records if record.uid == uid]


def package_of(live: Live) -> str:
    """The terms of the right that a session uses, "" for none."""
    right = live.owner.right(live.session.right)
    return right.terms if right is not None else ""


def facts(live: Live) -> dict[str, Any]:
    """What is told of a live session."""
    session, record = live.session, live.record
    return {
        "session": session.uid,
        "user": record.user_name if record else "",
        "customer": live.owner.id,
        "router": session.nas,
        "site": record.site if record else "",
        "device": session.device,
        "ip": record.framed_ip if record else "",
        "package": package_of(live),
        "since": session.opened_at,
        "last_at": session.last_at,
        "ends_at": session.ends_at,
        "seconds": session.total_s,
        "up_bytes": session.base_in + session.in_bytes,
        "down_bytes": session.base_out + session.out_bytes,
        "bytes": session.total_bytes,
        "slowed": session.slowed or session.held,
        "owed": [intent.reason.value for intent in live.owner.intents if intent.session == session.uid],
    }
