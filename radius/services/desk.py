"""The desk: all changes of subscribers on this node go over it, one at a time for each subscriber.

Those who want to change the same subscriber queue; the first of them decides for all who wait, in order, and commits
one write. Another node's write shows as STALE: read, decide again, at most `STALE_TRIES_MAX` times.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar, cast

from radius.domain import enforcement
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Corrupt, Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Outcome, Stored, Subscribers
from radius.services.cache import BoundedMap

STALE_TRIES_MAX = 5  # accounting then goes to the spool, authorization stays silent

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decided(NamedTuple, Generic[T_co]):
    """What a decision came to. Only with `changed` is the aggregate written; else its alterations are dropped."""

    result: T_co
    changed: bool
    records: tuple[SessionRecord, ...] = ()
    visited: bool = False  # a worker looked at all due work: the due index moves on


Decision = Callable[[Subscriber], Decided[T]]


class Copy(NamedTuple):
    """The node's last committed or read copy of an aggregate, and when it was had (monotonic seconds)."""

    stored: Stored
    had_at: float


class _Job:
    __slots__ = ("deadline", "decide", "error", "gone", "leads", "result", "woken")

    def __init__(self, decide: Callable[[Subscriber], Decided[Any]], deadline: float) -> None:
        self.decide = decide
        self.deadline = deadline
        self.woken = Lock()
        self.woken.acquire()
        self.result: Any = None
        self.error: Exception | None = None
        self.leads = False  # woken to decide for those who wait, not because it is done
        self.gone = False  # its thread gave up waiting


class Desk:
    """Serialises the changes of each subscriber on this node. One for the whole process."""

    def __init__(
        self, store: Subscribers, new_write_id: Callable[[], str], monotonic: Callable[[], float], entries_max: int
    ) -> None:
        self._store = store
        self._new_write_id = new_write_id
        self._monotonic = monotonic
        self._copies: BoundedMap[SubscriberId, Copy] = BoundedMap(entries_max)
        self._queues: dict[SubscriberId, list[_Job]] = {}
        self._lock = Lock()
        self.stale_count = 0
        self.hits = 0
        self.misses = 0

    @property
    def records_atomic(self) -> bool:
        """See `Subscribers.records_atomic`."""
        return self._store.records_atomic

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        """Strongly consistent read; the node remembers what it saw."""
        stored = self._store.read(subscriber, deadline)
        if stored is None:
            self._copies.pop(subscriber)
        else:
            self._remember(subscriber, stored)
        return stored

    def copy(self, subscriber: SubscriberId) -> Copy | None:
        """The node's last copy, without asking the store."""
        return self._copies.get(subscriber)

    def change(self, subscriber: SubscriberId, decide: Decision[T], deadline: float) -> T | None:
        """Decide on the node's last copy (read if there is none) and commit; None if there is no such subscriber.

        Raises Unavailable (nothing known), Contended (overtaken too often), or what `decide` raised.
        """
        job = _Job(decide, deadline)
        with self._lock:
            queue = self._queues.get(subscriber)
            if queue is None:
                self._queues[subscriber] = []
                job.leads = True
            else:
                queue.append(job)
        if not job.leads:
            self._wait(subscriber, job)
        if job.leads:
            self._lead(subscriber, job)
        if job.error is not None:
            raise job.error
        return cast("T | None", job.result)

    def _wait(self, subscriber: SubscriberId, job: _Job) -> None:
        if job.woken.acquire(timeout=max(0.0, job.deadline - self._monotonic())):
            return
        with self._lock:
            if job.leads:  # promoted at the last instant: the queue counts on this thread
                return
            job.gone = True
        raise Unavailable(f"subscriber {subscriber}: still queued at the deadline")

    def _lead(self, subscriber: SubscriberId, own: _Job) -> None:
        """Serve `own` and all who wait now; then hand the lead to one who came meanwhile."""
        with self._lock:
            jobs = [own, *self._queues[subscriber]]
            self._queues[subscriber] = []
        try:
            self._commit(subscriber, jobs)
        except Exception as error:  # noqa: BLE001 - handed to every thread whose job this was
            for job in jobs:
                job.error = job.error or error
        for job in jobs[1:]:
            job.woken.release()
        with self._lock:
            queue = self._queues[subscriber]
            heir = next((job for job in queue if not job.gone), None)
            if heir is None:
                del self._queues[subscriber]
                return
            queue.remove(heir)
            heir.leads = True
            heir.woken.release()

    def _commit(self, subscriber: SubscriberId, jobs: list[_Job]) -> None:
        deadline = max(job.deadline for job in jobs)
        for _ in range(STALE_TRIES_MAX):
            stored = self._load(subscriber, deadline)
            if stored is None:
                return
            change = self._decide(subscriber, stored, jobs)
            if change is None:
                return
            if self._store.commit(change, deadline) is Outcome.STALE:
                self.stale_count += 1
                self._copies.pop(subscriber)
                continue
            self._remember(subscriber, Stored(change.body, change.version, change.due_at))
            return
        raise Contended(f"subscriber {subscriber}: overtaken {STALE_TRIES_MAX} times")

    def _load(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        copy = self._copies.get(subscriber)
        if copy is not None:
            self.hits += 1
            return copy.stored
        self.misses += 1
        return self.read(subscriber, deadline)

    def _decide(self, subscriber: SubscriberId, stored: Stored, jobs: list[_Job]) -> Change | None:
        body, due_at, changed = stored.body, stored.due_at, False
        records: tuple[SessionRecord, ...] = ()
        present = aggregate.decode(body)
        for job in jobs:
            job.error = None
            try:
                decided = job.decide(present)
            except (Corrupt, ValueError, LookupError, TypeError, AssertionError) as error:
                job.error = error  # its own fault; the others who wait are served
                present = aggregate.decode(body)
                continue
            job.result = decided.result
            if decided.changed:
                changed = True
                body = aggregate.encode(present)
                records = (*records, *decided.records)
                due_at = enforcement.due_at(present, due_at, visited=decided.visited)
            if len(jobs) > 1 and not decided.changed:
                present = aggregate.decode(body)
        if not changed:
            return None
        return Change(subscriber, stored.version + 1, self._new_write_id(), body, due_at, records)

    def _remember(self, subscriber: SubscriberId, stored: Stored) -> None:
        self._copies.put(subscriber, Copy(stored, self._monotonic()))
