"""The desk: who waits is decided for in order and in one write, and what one does wrong hurts nobody else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread, get_ident
from typing import Any

import pytest

from radius.domain import spill
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.intent import Intent, IntentReason
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Outcome, Stored
from radius.services.desk import JOBS_MAX, MARKS, STALE_TRIES_MAX, Decided, Desk
from radius.store.memory import MemoryStore
from tests.contract.values import record
from tests.unit.domain.builders import T0, right, subscriber

WHO = SubscriberId("abcdefghijklmnop")
LATER = 1e9


class Office:
    """A desk over a store that can be held up in the middle of a request."""

    def __init__(self, store: MemoryStore | None = None, wall: Callable[[], float] = lambda: T0) -> None:
        ids = count(1)
        self.store = store or MemoryStore(clock=lambda: 0.0)
        self.came: set[int] = set()  # threads that looked at the clock: whoever queues does, to know how long
        self.clock = 0.0
        self.desk: Desk[Subscriber] = Desk(self.store, lambda: f"w{next(ids)}", self.monotonic, 100, wall)
        self.commits: list[Change] = []
        self.reads = 0
        self.store.faults.before = self._count
        if store is None:
            change = Change(WHO, 1, "w0", aggregate.encode(subscriber(right())), 0)
            assert self.store.create(change, [], LATER) is Outcome.COMMITTED

    def monotonic(self) -> float:
        self.came.add(get_ident())
        return self.clock

    def _count(self, method: str) -> bool:
        self.reads += method == "read"
        self.commits += [Change(WHO, 0, "", b"", 0)] if method == "commit" else []
        return False

    def add(self, note: str) -> bool | None:
        """A change that shows in the aggregate: a name more."""
        return self.desk.change(WHO, adding(note), LATER)

    @property
    def stored(self) -> Stored:
        found = self.store.read(WHO, LATER)
        assert found is not None
        self.reads -= 1
        return found

    @property
    def notes(self) -> list[str]:
        return aggregate.decode(self.stored.body).aliases

    def meddle(self, note: str) -> None:
        """Another node commits."""
        before = self.stored
        home = aggregate.decode(before.body)
        home.aliases.append(note)
        change = Change(WHO, before.version + 1, f"other{before.version}", aggregate.encode(home), 0)
        assert self.store.commit(change, LATER) is Outcome.COMMITTED
        self.commits.pop()


def adding(note: str, records: tuple[Any, ...] = ()) -> Callable[[Subscriber], Decided[bool]]:
    def decide(home: Subscriber) -> Decided[bool]:
        home.aliases.append(note)
        return Decided(result=True, changed=True, records=records)

    return decide


class Asker(Thread):
    """One thread that wants one change."""

    def __init__(self, office: Office, decide: Callable[[Subscriber], Decided[Any]], deadline: float = LATER) -> None:
        super().__init__()
        self.office, self.decide, self.deadline = office, decide, deadline
        self.result: object = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self.office.desk.change(WHO, self.decide, self.deadline)
        except Exception as error:  # noqa: BLE001 - told in the test's own thread
            self.error = error


@contextmanager
def held_up(office: Office, method: str) -> Iterator[Event]:
    """The first request of this kind stays out until the block ends; the event tells that it is out."""
    out, go, counted = Event(), Event(), office.store.faults.before

    def wait(asked: str) -> bool:
        if asked == method and not out.is_set():
            out.set()
            assert go.wait(10)
        return counted(asked)

    office.store.faults.before = wait
    try:
        yield out
    finally:
        go.set()


def queue_up(office: Office, askers: list[Asker]) -> None:
    """Start them one after the other; each is in the queue before the next one starts."""
    for asker in askers:
        asker.start()
        while asker.ident not in office.came:
            asker.join(0.001)


def finish(*askers: Asker) -> None:
    for asker in askers:
        asker.join(10)
        assert not asker.is_alive()


# -- one asker ---------------------------------------------------------------------------------------------------


def test_a_change_is_one_read_and_one_write_and_the_next_one_needs_no_read() -> None:
    office = Office()
    assert office.add("one")
    assert (office.reads, len(office.commits), office.stored.version) == (1, 1, 2)
    assert office.add("two")
    assert (office.reads, len(office.commits), office.stored.version) == (1, 2, 3)
    assert office.notes == ["one", "two"]
    assert (office.desk.hits, office.desk.misses) == (1, 1)


def test_nobody_is_there() -> None:
    office = Office()
    assert office.desk.change(SubscriberId("nobody"), adding("x"), LATER) is None
    assert office.commits == []


def test_what_a_decision_altered_and_did_not_want_kept_is_dropped() -> None:
    office = Office()

    def look(home: Subscriber) -> Decided[int]:
        home.aliases.append("not kept")
        return Decided(result=len(home.rights), changed=False)

    assert office.desk.change(WHO, look, LATER) == 1
    assert (office.commits, office.notes) == ([], [])
    office.add("kept")
    assert office.notes == ["kept"]


def test_the_write_carries_records_due_work_and_an_id_of_its_own() -> None:
    office = Office()

    def decide(home: Subscriber) -> Decided[bool]:
        home.intents = [Intent("uid", IntentReason.QUOTA, 0, T0, due_at=T0 + 60)]
        return Decided(result=True, changed=True, records=(record("u7"),))

    office.desk.change(WHO, decide, LATER)
    written = office.store._state.subscribers[WHO]
    assert (written.version, written.write_id, written.due_at) == (2, "w1", T0 + 60)
    assert [found.uid for found in office.store.find(record("u7").uid, LATER)] == ["u7"]
    office.add("more")
    written = office.store._state.subscribers[WHO]
    assert (written.version, written.write_id, written.due_at) == (3, "w2", T0 + 60)


def test_what_falls_due_in_the_past_is_due_now_where_workers_still_look() -> None:
    office = Office(wall=lambda: T0 + 5000)

    def decide(home: Subscriber) -> Decided[bool]:
        home.intents = [Intent("uid", IntentReason.QUOTA, 0, T0, due_at=T0 + 60)]
        return Decided(result=True, changed=True)

    office.desk.change(WHO, decide, LATER)
    assert office.stored.due_at == T0 + 5000


def test_an_item_that_may_be_absent_is_begun_from_nothing() -> None:
    store = MemoryStore(clock=lambda: 0.0)
    marks: Desk[Shard] = Desk(store, lambda: "w1", lambda: 0.0, 10, codec=MARKS)

    def decide(shard: Shard) -> Decided[bool]:
        shard.marks["u"] = [1]
        return Decided(result=True, changed=True)

    assert marks.change(SubscriberId("abc#m1"), decide, LATER)
    stored = store.read(SubscriberId("abc#m1"), LATER)
    assert stored is not None
    assert (stored.version, spill.decode(stored.body).marks) == (1, {"u": [1]})


# -- other nodes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", range(1, STALE_TRIES_MAX))
def test_another_nodes_write_makes_it_decide_again_on_what_is_there_now(times: int) -> None:
    office = Office()
    seen: list[list[str]] = []

    def decide(home: Subscriber) -> Decided[int]:
        seen.append(list(home.aliases))
        if len(seen) <= times:
            office.meddle(f"theirs {len(seen)}")
        home.aliases.append("mine")
        return Decided(result=len(seen), changed=True)

    assert office.desk.change(WHO, decide, LATER) == times + 1
    theirs = [f"theirs {n}" for n in range(1, times + 1)]
    assert seen == [theirs[:n] for n in range(times + 1)]
    assert (office.notes, office.desk.stale_count) == ([*theirs, "mine"], times)


def test_after_five_times_it_is_given_up() -> None:
    office = Office()

    def decide(home: Subscriber) -> Decided[bool]:
        office.meddle("theirs")
        home.aliases.append("mine")
        return Decided(result=True, changed=True)

    with pytest.raises(Contended):
        office.desk.change(WHO, decide, LATER)
    assert office.notes == ["theirs"] * 5
    assert office.add("mine"), "the queue is whole and the next one gets through"


def test_an_answer_that_was_lost_is_found_out_by_the_next_change() -> None:
    office = Office()
    office.store.faults.after = lambda method: method == "commit"
    with pytest.raises(Unavailable):
        office.add("once")
    office.store.faults.after = lambda _: False

    def again(home: Subscriber) -> Decided[bool]:
        if "once" in home.aliases:
            return Decided(result=False, changed=False)
        home.aliases.append("once")
        return Decided(result=True, changed=True)

    assert office.desk.change(WHO, again, LATER) is False, "it had been written: Stale, read, seen"
    assert office.notes == ["once"]


def test_a_store_that_is_away_is_no_end_of_the_queue() -> None:
    office = Office()
    counted, office.store.faults.before = office.store.faults.before, lambda _: True
    with pytest.raises(Unavailable):
        office.add("lost")
    office.store.faults.before = counted
    assert office.add("kept")
    assert office.notes == ["kept"]


# -- several askers ----------------------------------------------------------------------------------------------


def test_who_waits_while_a_write_is_out_is_decided_for_in_order_and_in_one_write() -> None:
    office = Office()
    askers = [Asker(office, adding(f"n{number}")) for number in range(6)]
    with held_up(office, "commit") as out:
        askers[0].start()
        assert out.wait(10)
        queue_up(office, askers[1:])
    finish(*askers)
    assert [asker.result for asker in askers] == [True] * 6
    assert office.notes == ["n0", "n1", "n2", "n3", "n4", "n5"]
    assert len(office.commits) == 2
    assert office.reads == 1


def test_one_write_takes_a_bounded_number_of_decisions_with_their_records() -> None:
    office = Office()
    wanted = JOBS_MAX + 5
    askers = [Asker(office, adding(f"n{number}", (record(f"u{number}"),))) for number in range(wanted + 1)]
    with held_up(office, "commit") as out:
        askers[0].start()
        assert out.wait(10)
        queue_up(office, askers[1:])
    finish(*askers)
    assert office.notes == [f"n{number}" for number in range(wanted + 1)]
    assert len(office.commits) == 3
    assert len(office.store._state.records) == wanted + 1


def test_the_error_of_one_is_its_own_and_what_it_altered_is_dropped() -> None:
    office = Office()

    def broken(home: Subscriber) -> Decided[bool]:
        home.aliases.append("half done")
        raise ZeroDivisionError

    def looking(home: Subscriber) -> Decided[list[str]]:
        home.aliases.append("never kept")
        return Decided(result=list(home.aliases), changed=False)

    first, bad, idle, last = (
        Asker(office, adding("first")),
        Asker(office, broken),
        Asker(office, looking),
        Asker(office, adding("last")),
    )
    with held_up(office, "commit") as out:
        first.start()
        assert out.wait(10)
        queue_up(office, [bad, idle, last])
    finish(first, bad, idle, last)
    assert isinstance(bad.error, ZeroDivisionError)
    assert (first.error, idle.error, last.error) == (None, None, None)
    assert idle.result == ["first", "never kept"]
    assert office.notes == ["first", "last"]


def test_all_who_are_in_a_write_that_fails_hear_of_it_and_none_is_forgotten() -> None:
    office = Office()
    askers = [Asker(office, adding(f"n{number}")) for number in range(3)]
    with held_up(office, "commit") as out:
        askers[0].start()
        assert out.wait(10)
        queue_up(office, askers[1:])
        waiting = office.store.faults.before
        office.store.faults.before = lambda method: waiting(method) or method == "commit"
    finish(*askers)
    # The first was out already and is through; the write of the others is lost.
    assert askers[0].error is None
    assert [type(asker.error) for asker in askers[1:]] == [Unavailable, Unavailable]
    assert office.notes == ["n0"]


def test_who_gave_up_waiting_is_not_decided_for_any_more() -> None:
    office = Office()
    first, impatient, last = (
        Asker(office, adding("first")),
        Asker(office, adding("gone"), deadline=0.0),  # now: the office's clock stands still
        Asker(office, adding("last")),
    )
    with held_up(office, "commit") as out:
        first.start()
        assert out.wait(10)
        impatient.start()
        finish(impatient)
        queue_up(office, [last])
    finish(first, last)
    assert isinstance(impatient.error, Unavailable)
    assert office.notes == ["first", "last"]


class _Panic(BaseException):
    pass


def test_a_panic_below_ends_its_own_thread_and_not_the_queue() -> None:
    class Panicking(MemoryStore):
        panics = True

        def commit(self, change: Change, deadline: float) -> Outcome:
            if self.panics:
                raise _Panic
            return super().commit(change, deadline)

    office = Office()
    store = Panicking(clock=lambda: 0.0)
    store._state = office.store._state
    shaken = Office(store)
    with pytest.raises(_Panic):
        shaken.add("lost")
    store.panics = False
    assert shaken.add("kept")
    assert shaken.notes == ["kept"]


def test_subscribers_do_not_wait_for_each_other() -> None:
    office = Office()
    other = SubscriberId("other")
    office.store.create(Change(other, 1, "w0", aggregate.encode(subscriber(right())), 0), [], LATER)
    first = Asker(office, adding("first"))
    with held_up(office, "commit") as out:
        first.start()
        assert out.wait(10)
        assert office.desk.change(other, adding("at once"), LATER)
    finish(first)


# -- the copies --------------------------------------------------------------------------------------------------


def test_a_read_that_a_commit_overtook_does_not_put_the_older_state_back() -> None:
    office = Office()
    office.add("first")
    read_back: list[Stored | None] = []
    out, go = Event(), Event()

    def hold(method: str) -> bool:
        if method == "read" and not out.is_set():
            out.set()
            assert go.wait(10)
        return False

    office.store.faults.after = hold  # the store has answered; the answer is on its way
    reader = Thread(target=lambda: read_back.append(office.desk.read(WHO, LATER)))
    reader.start()
    assert out.wait(10)
    office.add("second")
    go.set()
    reader.join(10)
    assert read_back[0] is not None
    assert read_back[0].version == 2
    copy = office.desk.copy(WHO)
    assert copy is not None
    assert copy.stored.version == 3


def test_a_fresh_enough_copy_is_not_read_again() -> None:
    office = Office()
    assert office.desk.copy(WHO) is None
    office.desk.read(WHO, LATER)
    office.clock = 60.0
    assert office.desk.fresh(WHO, 60.0, LATER) is not None
    assert office.reads == 1
    office.clock = 60.5
    assert office.desk.fresh(WHO, 60.0, LATER) is not None
    assert office.reads == 2


def test_a_subscriber_that_is_gone_leaves_no_copy() -> None:
    office = Office()
    office.desk.read(WHO, LATER)
    del office.store._state.subscribers[WHO]
    assert office.desk.read(WHO, LATER) is None
    assert office.desk.copy(WHO) is None
