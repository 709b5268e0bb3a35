"""All ports in memory, for unit tests and the simulation: same answers, no engine.

Thread-safe (one lock). `Faults` lets a test lose a request before or after it took effect.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from radius.domain.attempt import ATTEMPT_KEPT_S, Attempt
from radius.domain.deed import DEED_KEPT_S, Deed
from radius.domain.errors import Unavailable
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.nas import Router, Site
from radius.domain.record import SessionRecord
from radius.domain.terms import Terms
from radius.domain.tunnel import Tunnel
from radius.ports import (
    ALIASES_MAX,
    RECORDS_MAX,
    TALLY_KEPT_S,
    UNKNOWN_KEPT_S,
    Change,
    Listed,
    Node,
    Outcome,
    Stored,
    Tally,
    Where,
    check_due_window,
)
from radius.store.records import body_item, local_day, readable


def _never(_method: str) -> bool:
    return False


Name = TypeVar("Name", bound=str)
Versioned = TypeVar("Versioned", Router, Tunnel)


@dataclass
class Faults:
    """Asked with the method's name: True loses the request before, or the answer after, it took effect."""

    before: Callable[[str], bool] = _never
    after: Callable[[str], bool] = _never


@dataclass
class _State:
    subscribers: dict[SubscriberId, Change] = field(default_factory=dict)
    aliases: dict[str, SubscriberId] = field(default_factory=dict)
    listed: dict[SubscriberId, Listed] = field(default_factory=dict)
    records: dict[tuple[SessionUid, int], SessionRecord] = field(default_factory=dict)
    of_uid: dict[SessionUid, list[int]] = field(default_factory=lambda: defaultdict(list))  # when each of them started
    open_on: dict[str, set[tuple[SessionUid, int]]] = field(default_factory=lambda: defaultdict(set))  # by router
    checkpoints: dict[str, int] = field(default_factory=dict)
    attempts: dict[tuple[SessionUid, int, str], Attempt] = field(default_factory=dict)
    deeds: dict[tuple[int, str], Deed] = field(default_factory=dict)
    tallies: dict[tuple[str, str], tuple[int, Counter[str]]] = field(default_factory=dict)
    terms: dict[str, Terms] = field(default_factory=dict)
    routers: dict[NasId, Router] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    boots: dict[NasId, int] = field(default_factory=dict)
    unknown: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    tunnels: dict[str, Tunnel] = field(default_factory=dict)


class _Room:
    """What the parts below share: state, lock, clock and faults."""

    def __init__(self, faults: Faults | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = faults or Faults()
        self._clock = clock
        self._lock = Lock()
        self._state = _State()

    @contextmanager
    def _request(self, method: str, deadline: float) -> Iterator[_State]:
        """One atomic request, or Unavailable at the deadline or by a fault."""
        if self._clock() >= deadline:
            raise Unavailable("no time is left to ask the store")
        if self.faults.before(method):
            raise Unavailable(f"{method} was lost on its way")
        with self._lock:
            yield self._state
        if self.faults.after(method):
            raise Unavailable(f"the answer to {method} was lost")


class _MemorySubscribers(_Room):
    records_atomic = True

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        with self._request("read", deadline) as state:
            change = state.subscribers.get(subscriber)
        return None if change is None else Stored(change.body, change.version, change.due_at)

    def commit(self, change: Change, deadline: float) -> Outcome:
        with self._request("commit", deadline) as state:
            there = state.subscribers.get(change.subscriber)
            if there is not None and there.write_id == change.write_id:
                return Outcome.COMMITTED
            if (there.version if there else 0) != change.version - 1:
                return Outcome.STALE
            self._write(state, change)
        return Outcome.COMMITTED

    def create(self, change: Change, aliases: Sequence[str], deadline: float, listed: Listed | None = None) -> Outcome:
        if len(set(aliases)) > ALIASES_MAX:
            raise ValueError(f"at most {ALIASES_MAX} aliases")
        with self._request("create", deadline) as state:
            own = {None, change.subscriber}
            if any(state.aliases.get(alias) not in own for alias in aliases):
                return Outcome.CONFLICT
            there = state.subscribers.get(change.subscriber)
            if there is not None:
                return Outcome.COMMITTED if there.write_id == change.write_id else Outcome.ALREADY_DONE
            self._write(state, change)
            state.aliases.update(dict.fromkeys(aliases, change.subscriber))
            if listed is not None:
                state.listed[change.subscriber] = listed
        return Outcome.COMMITTED

    def latest(
        self, site: str, before: tuple[int, SubscriberId] | None, limit: int, deadline: float
    ) -> list[tuple[SubscriberId, int]]:
        with self._request("latest", deadline) as state:
            found = [(listed.at, subscriber) for subscriber, listed in state.listed.items() if listed.site == site]
        found = sorted((each for each in found if before is None or each < before), reverse=True)
        return [(subscriber, at) for at, subscriber in found[:limit]]

    def many(self, subscribers: Sequence[SubscriberId], deadline: float) -> dict[SubscriberId, Stored]:
        if len(subscribers) > RECORDS_MAX:
            raise ValueError(f"at most {RECORDS_MAX} customers at once")
        with self._request("many", deadline) as state:
            found = {each: state.subscribers[each] for each in subscribers if each in state.subscribers}
        return {each: Stored(change.body, change.version, change.due_at) for each, change in found.items()}

    def resolve(self, alias: str, deadline: float) -> SubscriberId | None:
        with self._request("resolve", deadline) as state:
            return state.aliases.get(alias)

    def bind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        with self._request("bind", deadline) as state:
            there = state.aliases.setdefault(alias, subscriber) if alias in state.aliases else None
            if there is not None:
                return Outcome.ALREADY_DONE if there == subscriber else Outcome.CONFLICT
            state.aliases[alias] = subscriber
        return Outcome.COMMITTED

    def unbind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        with self._request("unbind", deadline) as state:
            there = state.aliases.get(alias)
            if there != subscriber:
                return Outcome.ALREADY_DONE if there is None else Outcome.CONFLICT
            del state.aliases[alias]
        return Outcome.COMMITTED

    @contextmanager
    def exclusive(self, method: str, deadline: float) -> Iterator[dict[SubscriberId, Change]]:
        """One atomic request for a room that commits aggregates together with items of its own."""
        with self._request(method, deadline) as state:
            yield state.subscribers

    @staticmethod
    def _write(state: _State, change: Change) -> None:
        state.subscribers[change.subscriber] = change._replace(records=())
        for record in change.records:
            _file(state, record)


class _MemorySessions(_Room):
    def file(self, record: SessionRecord, deadline: float) -> Outcome:
        with self._request("file", deadline) as state:
            return _file(state, record)

    def find(self, uid: SessionUid, deadline: float) -> list[SessionRecord]:
        with self._request("find", deadline) as state:
            found = [state.records[uid, started_at] for started_at in sorted(state.of_uid.get(uid, ()))]
        return [copy(record) for record in found]

    def open_on(
        self, nas: NasId, before: int, limit: int, deadline: float
    ) -> list[tuple[SessionUid, int, SubscriberId]]:
        with self._request("open_on", deadline) as state:
            records = [state.records[key] for key in state.open_on.get(nas, ()) if key[1] < before]
        records.sort(key=lambda record: (record.started_at, record.uid))
        return [(record.uid, record.started_at, SubscriberId(record.subscriber)) for record in records[:limit]]

    def begun_on(self, where: Where, name: str, day: str, limit: int, deadline: float) -> list[tuple[SessionUid, int]]:
        with self._request("begun_on", deadline) as state:
            found = [record for record in state.records.values() if _is_of(record, where, name, day)]
        found.sort(key=lambda record: (record.started_at, record.uid), reverse=True)
        return [(record.uid, record.started_at) for record in found[:limit]]

    def records(self, keys: Sequence[tuple[SessionUid, int]], deadline: float) -> list[SessionRecord]:
        if len(keys) > RECORDS_MAX:
            raise ValueError(f"at most {RECORDS_MAX} records at once")
        with self._request("records", deadline) as state:
            return [copy(state.records[key]) for key in dict.fromkeys(keys) if key in state.records]

    def count_open(self, nas: NasId, deadline: float) -> int:
        with self._request("count_open", deadline) as state:
            return len(state.open_on.get(nas, ()))

    def due(self, since: int, until: int, limit: int, deadline: float) -> list[tuple[SubscriberId, int]]:
        check_due_window(since, until)
        with self._request("due", deadline) as state:
            found = sorted(
                (change.due_at, subscriber)
                for subscriber, change in state.subscribers.items()
                if change.due_at and since <= change.due_at <= until
            )
        return [(subscriber, due_at) for due_at, subscriber in found[:limit]]

    def checkpoint(self, worker: str, deadline: float) -> int:
        with self._request("checkpoint", deadline) as state:
            return state.checkpoints.get(worker, 0)

    def advance(self, worker: str, to: int, deadline: float) -> Outcome:
        with self._request("advance", deadline) as state:
            return _forward(state.checkpoints, worker, to)


class _MemoryAttempts(_Room):
    def record(self, attempt: Attempt, deadline: float) -> None:
        with self._request("record", deadline) as state:
            state.attempts[attempt.uid, attempt.at_ms, attempt.worker] = attempt

    def of_session(self, uid: SessionUid, now: int, deadline: float) -> list[Attempt]:
        with self._request("of_session", deadline) as state:
            found = sorted(key for key in state.attempts if key[0] == uid and key[1] // 1000 + ATTEMPT_KEPT_S > now)
            return [state.attempts[key] for key in found]


class _MemoryDeeds(_Room):
    def note(self, deed: Deed, deadline: float) -> None:
        with self._request("note", deadline) as state:
            state.deeds[deed.at_ms, deed.id] = deed

    def on(self, day: str, now: int, deadline: float) -> list[Deed]:
        with self._request("on", deadline) as state:
            found = [state.deeds[key] for key in sorted(state.deeds)]
        return [deed for deed in found if deed.day == day and deed.at_ms // 1000 + DEED_KEPT_S > now]


class _MemoryTallies(_Room):
    def tally(self, day: str, process: str, counts: Mapping[str, int], now: int, deadline: float) -> None:
        with self._request("tally", deadline) as state:
            expires_at, there = state.tallies.get((day, process), (0, Counter()))
            state.tallies[day, process] = (max(expires_at, now + TALLY_KEPT_S), there + Counter(counts))

    def tallied(self, first: str, last: str, now: int, deadline: float) -> list[Tally]:
        with self._request("tallied", deadline) as state:
            return [
                Tally(day, process, dict(counts))
                for (day, process), (expires_at, counts) in sorted(state.tallies.items())
                if first <= day <= last and expires_at > now
            ]


class _MemoryConfig(_Room):
    def terms(self, terms_id: str, deadline: float) -> Terms | None:
        with self._request("terms", deadline) as state:
            return state.terms.get(terms_id)

    def add(self, terms: Terms, deadline: float) -> Outcome:
        with self._request("add", deadline) as state:
            there = state.terms.get(terms.id)
            if there is not None:
                return Outcome.ALREADY_DONE if there == terms else Outcome.CONFLICT
            state.terms[terms.id] = terms
        return Outcome.COMMITTED

    def routers(self, deadline: float, broken: dict[str, str] | None = None) -> list[Router]:
        with self._request("routers", deadline) as state:
            items = [body_item("router", name, state.routers[name]) for name in sorted(state.routers)]
        return readable(items, Router, broken)

    def sites(self, deadline: float, broken: dict[str, str] | None = None) -> list[Site]:
        with self._request("sites", deadline) as state:
            items = [body_item("site", name, state.sites[name]) for name in sorted(state.sites)]
        return readable(items, Site, broken)

    def boots(self, deadline: float) -> dict[NasId, int]:
        with self._request("boots", deadline) as state:
            return dict(state.boots)

    def put_router(self, router: Router, deadline: float) -> Outcome:
        with self._request("put_router", deadline) as state:
            return _next_version(state.routers, router.id, router)

    def put_site(self, site: Site, deadline: float) -> Outcome:
        with self._request("put_site", deadline) as state:
            state.sites[site.id] = site
        return Outcome.COMMITTED

    def boot(self, nas: NasId, at: int, deadline: float) -> Outcome:
        with self._request("boot", deadline) as state:
            return _forward(state.boots, nas, at)

    def note_unknown(self, seen: Iterable[tuple[str, int, int, str]], deadline: float) -> None:
        with self._request("note_unknown", deadline) as state:
            for source, packets, last, why in seen:
                before, latest, reason = state.unknown.get(source, (0, last, why))
                later = last >= latest
                state.unknown[source] = (before + packets, max(last, latest), why if later else reason)

    def unknown(self, now: int, deadline: float) -> list[tuple[str, int, int, str]]:
        with self._request("unknown", deadline) as state:
            heard = [(source, *what) for source, what in state.unknown.items() if what[1] + UNKNOWN_KEPT_S > now]
        return sorted(heard, key=lambda entry: (-entry[2], entry[0]))

    def tunnels(self, deadline: float) -> list[Tunnel]:
        with self._request("tunnels", deadline) as state:
            return [state.tunnels[address] for address in sorted(state.tunnels)]

    def put_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        with self._request("put_tunnel", deadline) as state:
            return _next_version(state.tunnels, tunnel.address, tunnel)

    def drop_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        with self._request("drop_tunnel", deadline) as state:
            there = state.tunnels.get(tunnel.address)
            if there is None:
                return Outcome.ALREADY_DONE
            if there.version != tunnel.version:
                return Outcome.STALE
            del state.tunnels[tunnel.address]
        return Outcome.COMMITTED

    def publish(self, node: Node, deadline: float) -> None:
        with self._request("publish", deadline) as state:
            state.nodes[node.id] = node

    def nodes(self, deadline: float) -> list[Node]:
        with self._request("nodes", deadline) as state:
            return [state.nodes[name] for name in sorted(state.nodes)]


class MemoryStore(_MemorySubscribers, _MemorySessions, _MemoryAttempts, _MemoryDeeds, _MemoryTallies, _MemoryConfig):
    """Every port of `radius.ports` in one object."""


def _is_of(record: SessionRecord, where: Where, name: str, day: str) -> bool:
    named = {Where.ROUTER: record.nas, Where.SITE: record.site, Where.SUBSCRIBER: record.subscriber}
    return named[where] == name and local_day(record) == day


def _file(state: _State, record: SessionRecord) -> Outcome:
    key = (record.uid, record.started_at)
    there = state.records.get(key)
    if there is not None and there.revision >= record.revision:
        return Outcome.ALREADY_DONE
    if there is None:
        state.of_uid[record.uid].append(record.started_at)
    else:
        state.open_on[there.nas].discard(key)
    if not record.closed_at:
        state.open_on[record.nas].add(key)
    state.records[key] = copy(record)  # it is mutable, and a store keeps what it was given
    return Outcome.COMMITTED


def _next_version(things: dict[Name, Versioned], name: Name, thing: Versioned) -> Outcome:
    there = things.get(name)
    if there == thing:
        return Outcome.ALREADY_DONE
    if (there.version if there else 0) != thing.version - 1:
        return Outcome.STALE
    things[name] = thing
    return Outcome.COMMITTED


def _forward(instants: dict[Name, int], name: Name, to: int) -> Outcome:
    if name in instants and instants[name] >= to:
        return Outcome.ALREADY_DONE
    instants[name] = to
    return Outcome.COMMITTED
