"""The desk: all changes of subscribers on this node go over it, one at a time for each subscriber.

Those who want to change the same subscriber queue; the first of them decides for all who wait, in order, and commits
one write. Another node's write shows as STALE: read, decide again, at most `STALE_TRIES_MAX` times.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar, cast

from radius.domain import enforcement, spill
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Unavailable
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.record import SessionRecord
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Outcome, Stored, Subscribers
from radius.services.cache import BoundedMap

STALE_TRIES_MAX = 5  # accounting then goes to the spool, authorization stays silent
JOBS_MAX = 64  # decisions in one write: with a record each they still fit one transaction of 100 items

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decided(NamedTuple, Generic[T_co]):
    """What a decision came to. Only with `changed` is the aggregate written; else its alterations are dropped."""

    result: T_co
    changed: bool
    records: tuple[SessionRecord, ...] = ()
    looked_at: int = 0  # when a worker looked at all due work: the due index moves on; 0: none did
    recount: bool = False  # a worker moved what was due: the index says the earliest that is due now, also a later one


Decision = Callable[[A], Decided[T]]


class Codec(NamedTuple, Generic[A]):
    """How an item is read and written. `absent` is the body of one that is not there (None: it must be there).

    `due_at(item, known, looked_at=)` says when a worker must look again.
    """

    decode: Callable[[bytes], A]
    encode: Callable[[A], bytes]
    due_at: Callable[..., int]
    absent: bytes | None = None


SUBSCRIBERS: Codec[Subscriber] = Codec(aggregate.decode, aggregate.encode, enforcement.due_at)
MARKS: Codec[Shard] = Codec(spill.decode, spill.encode, lambda _shard, _known, *, looked_at: 0, absent=b"")  # noqa: ARG005


class Copy(NamedTuple):
    """The node's last committed or read copy of an aggregate, and when it was had (monotonic seconds)."""

    stored: Stored
    had_at: float


class _Job:
    __slots__ = ("deadline", "decide", "error", "gone", "leads", "result", "woken")

    def __init__(self, decide: Callable[[Any], Decided[Any]], deadline: float) -> None:
        self.decide = decide
        self.deadline = deadline
        self.woken = Lock()
        self.woken.acquire()
        self.result: Any = None
        self.error: Exception | None = None
        self.leads = False  # woken to decide for those who wait, not because it is done
        self.gone = False  # its thread gave up waiting


class Desk(Generic[A]):
    """Serialises the changes of each subscriber on this node. One for the whole process."""

    def __init__(
        self,
        store: Subscribers,
        new_write_id: Callable[[], str],
        monotonic: Callable[[], float],
        entries_max: int,
        wall: Callable[[], float] = lambda: 0.0,
        codec: Codec[Any] = SUBSCRIBERS,
    ) -> None:
        """`wall` (UTC seconds): what a replayed packet makes due in the past is due now, where workers still look."""
        self._store = store
        self._new_write_id = new_write_id
        self._monotonic = monotonic
        self._wall = wall
        self._codec: Codec[A] = codec
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
        if stored is None and self._codec.absent is not None:
            stored = Stored(self._codec.absent, 0, 0)
        if stored is None:
            self._copies.pop(subscriber)
        else:
            self._remember(subscriber, stored)
        return stored

    def copy(self, subscriber: SubscriberId) -> Copy | None:
        """The node's last copy, without asking the store."""
        return self._copies.get(subscriber)

    def fresh(self, subscriber: SubscriberId, age_s_max: float, deadline: float) -> Stored | None:
        """The node's copy if it is not older than `age_s_max`, else a strongly consistent read."""
        copy = self._copies.get(subscriber)
        if copy is not None and self._monotonic() - copy.had_at <= age_s_max:
            return copy.stored
        return self.read(subscriber, deadline)

    def change(self, subscriber: SubscriberId, decide: Decision[A, T], deadline: float) -> T | None:
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
            if job.leads or job.woken.acquire(blocking=False):
                return  # promoted at the last instant (the queue counts on this thread), or just done
            job.gone = True
        raise Contended(f"subscriber {subscriber}: still queued at the deadline")

    def _lead(self, subscriber: SubscriberId, own: _Job) -> None:
        """Serve `own` and all who wait now; then hand the lead to one who came meanwhile."""
        with self._lock:
            # Who gave up waiting has told the router so: nothing is reserved for them any more.
            waiting = [job for job in self._queues[subscriber] if not job.gone]
            jobs = [own, *waiting[: JOBS_MAX - 1]]
            self._queues[subscriber] = waiting[JOBS_MAX - 1 :]
        try:
            self._commit(subscriber, jobs)
        except BaseException as error:  # also a panic of a native library: the queue must not die with it
            shared = error if isinstance(error, Exception) else Unavailable(f"{type(error).__name__} in the store")
            for job in jobs:
                job.error = job.error or shared
            if not isinstance(error, Exception):
                raise
        finally:
            for job in jobs[1:]:
                job.woken.release()
            self._hand_over(subscriber)

    def _hand_over(self, subscriber: SubscriberId) -> None:
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
        body, due_at, changed, looked = stored.body, stored.due_at, False, False
        records: dict[tuple[SessionUid, int], SessionRecord] = {}
        present = self._codec.decode(body)
        for job in jobs:
            job.error = None
            try:
                decided = job.decide(present)
            except Exception as error:  # noqa: BLE001 - its own fault, raised in its own thread; the others are served
                job.error = error
                present = self._codec.decode(body)
                continue
            job.result = decided.result
            if decided.changed:
                changed = True
                body = self._codec.encode(present)
                records |= {(record.uid, record.started_at): record for record in decided.records}
                due_at = self._codec.due_at(present, 0 if decided.recount else due_at, looked_at=decided.looked_at)
                looked |= decided.looked_at > 0 or decided.recount
            if len(jobs) > 1 and not decided.changed:
                present = self._codec.decode(body)
        if not changed:
            return None
        if due_at and (looked or due_at != stored.due_at):
            due_at = max(due_at, int(self._wall()))
        return Change(subscriber, stored.version + 1, self._new_write_id(), body, due_at, tuple(records.values()))

    def _remember(self, subscriber: SubscriberId, stored: Stored) -> None:
        """Keep a copy. A read that was overtaken by a commit of this node does not put the older state back."""
        known = self._copies.get(subscriber)
        if known is None or known.stored.version <= stored.version:
            self._copies.put(subscriber, Copy(stored, self._monotonic()))
