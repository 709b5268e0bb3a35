"""Live sessions as they are now: from the index of open ones to the customers who hold their figures.

An aggregate is shown as it is true at this instant: with its marks laid over, and what has ended by itself as ended.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from billing.cli import find
from billing.cli.frame import Frame
from billing.cli.progress import Search
from coa.plan import record_of
from radius.domain import lifecycle
from radius.domain import subscriber as aggregate
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

    @property
    def filters(self) -> bool:
        """True if only some of the open sessions of these routers are meant."""
        return bool(self.package or self.over_bytes or self.idle_s)

    def holds(self, live: Live, now: int) -> bool:
        """True if this session is meant."""
        named = self.package in {"", package_of(live), package_of(live).rpartition(".")[0]}
        quiet = not self.idle_s or now - live.session.last_at >= self.idle_s
        return named and quiet and live.session.total_bytes >= self.over_bytes


def owner(frame: Frame, subscriber: SubscriberId) -> Subscriber:
    """A customer as is true now. Raises Nobody."""
    return _as_now(frame, find.read(frame, subscriber))


def owners(frame: Frame, subscribers: Iterable[str]) -> dict[str, Subscriber]:
    """Those of up to a hundred customers that are there, as is true now, by one request. "" is nobody."""
    wanted = [SubscriberId(each) for each in dict.fromkeys(subscribers) if each]
    found = frame.core.store.lists.many(wanted, frame.deadline()) if wanted else {}
    return {each: _as_now(frame, aggregate.decode(stored.body)) for each, stored in found.items()}


def _as_now(frame: Frame, present: Subscriber) -> Subscriber:
    """With its marks laid over, and what has ended by itself as ended."""
    frame.directory  # noqa: B018 - opened here: what a reboot has ended is told by it
    world = frame.core.world(frame.now)
    shards = None
    if present.spilled:  # the root is read after its marks: what it holds by then is in them
        shards = shards_of(frame.core.desk, frame.core.marks, present.id, frame.deadline)
        present = find.read(frame, present.id)
    lay_all_over(present, shards, world)
    lifecycle.settle(present, world, marks_whole=shards is not None)
    return present


def of_customer(frame: Frame, subscriber: SubscriberId) -> list[Live]:
    """The open sessions of one customer."""
    present = owner(frame, subscriber)
    return _with_records(
        frame, [Live(present, each, None) for each in present.sessions if each.state is SessionState.OPEN]
    )


def walk(frame: Frame, asked: Asked, most: int, search: Search) -> Iterator[Live]:
    """Open sessions, router by router, the oldest first; reads as few as `most` need, and as `search` allows."""
    left = most
    for router in asked.routers:
        room = min(search.left, OPEN_MAX)
        seen = 0
        entries = _entries(frame, router, room if asked.filters else min(left, room), room)
        while page := list(islice(entries, RECORDS_MAX)):
            seen += len(page)
            search.looked += len(page)
            for live in _with_records(frame, [each for each in _open(frame, page) if asked.holds(each, frame.now)]):
                yield live
                left -= 1
                if not left:
                    return
        if seen == room < OPEN_MAX:
            search.cut = True
            return


def _entries(frame: Frame, router: NasId, first: int, most: int) -> Iterator[tuple[SessionUid, int, SubscriberId]]:
    """Up to `most` of a router's index: `first` of them, and the others only if somebody still asks."""
    found: list[tuple[SessionUid, int, SubscriberId]] = []
    for limit in dict.fromkeys((first, most)):
        before = len(found)
        found = frame.core.store.sessions.open_on(router, frame.now + 1, limit, frame.deadline()) if limit else []
        yield from found[before:]
        if len(found) < limit:
            return


def _open(frame: Frame, entries: Sequence[tuple[SessionUid, int, SubscriberId]]) -> list[Live]:
    """The sessions of these entries that are open now. Whoever a packet without a customer is filed under is nobody."""
    present = owners(frame, (subscriber for _, _, subscriber in entries))
    found = []
    for uid, _, subscriber in entries:
        whose = present.get(subscriber)
        session = session_of(whose, uid) if whose is not None else None
        if whose is not None and session is not None and session.state is SessionState.OPEN:
            found.append(Live(whose, session, None))
    return found


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
        "user": find.shown_name(record.user_name, record.device) if record else "",
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
