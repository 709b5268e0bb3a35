import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from radius.domain.errors import Contended, Unavailable
from radius.store.batch import Coalescer, Slots, Ticket


class Engine:
    """Answers when told to; notes the groups it saw."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.threads: list[str] = []
        self.gate = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.fault: Exception | None = None

    def execute(self, group: Sequence[Ticket[int, int]], deadline: float) -> None:
        self.groups.append([ticket.request for ticket in group])
        self.threads.append(threading.current_thread().name)
        self.arrived.release()
        self.gate.acquire()
        if self.fault is not None:
            raise self.fault
        for ticket in group:
            if ticket.request < 0:
                ticket.error = Contended("no")
            else:
                ticket.value = ticket.request * 10


def take(waiting: deque[Ticket[int, int]]) -> list[Ticket[int, int]]:
    group = list(waiting)
    waiting.clear()
    return group


def soon() -> float:
    return time.monotonic() + 20


def start(run: Callable[[], object], name: str = "") -> threading.Thread:
    thread = threading.Thread(target=run, name=name or None)
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def are_waiting(coalescer: Coalescer[int, int], number: int) -> bool:
    return len(coalescer._waiting) == number


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def coalescer(engine: Engine) -> Coalescer[int, int]:
    return Coalescer(engine.execute, take, stuck_s=60, slots=Slots(1, 1))


def test_a_lone_caller_goes_at_once_in_its_own_thread(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    engine.gate.release()
    assert coalescer.call(4, soon()) == 40
    assert engine.threads == [threading.current_thread().name]


def test_those_who_wait_travel_together(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = coalescer.call(number, soon())

    threads = [start(lambda: ask(0))]
    engine.arrived.acquire()
    for number in range(1, 6):
        threads.append(start(partial(ask, number)))
        wait_until(partial(are_waiting, coalescer, number))
    engine.gate.release(2)
    for thread in threads:
        thread.join()
    assert engine.groups == [[0], [1, 2, 3, 4, 5]]
    assert answers == {number: number * 10 for number in range(6)}
    assert (coalescer.groups, coalescer.requests) == (2, 6)


def test_a_caller_that_waited_too_long_is_told_and_not_sent(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    first = start(lambda: coalescer.call(0, soon()))
    engine.arrived.acquire()
    with pytest.raises(Unavailable):
        coalescer.call(1, time.monotonic() + 0.05)
    engine.gate.release()
    first.join()
    assert engine.groups == [[0]]


def test_the_member_with_most_time_leads(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    threads = [start(lambda: coalescer.call(0, soon()))]
    engine.arrived.acquire()
    threads.append(start(lambda: coalescer.call(1, time.monotonic() + 60), "patient"))
    wait_until(lambda: len(coalescer._waiting) == 1)
    threads.append(start(lambda: coalescer.call(2, soon()), "hurried"))
    wait_until(lambda: len(coalescer._waiting) == 2)
    engine.gate.release(2)
    for thread in threads:
        thread.join()
    assert engine.threads[1] == "patient"


def test_errors_are_each_callers_own(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    caught: list[Exception] = []

    def ask() -> None:
        with pytest.raises(Contended, match="no") as met:
            coalescer.call(-1, soon())
        caught.append(met.value)

    threads = [start(ask)]
    engine.arrived.acquire()
    threads += [start(ask), start(ask)]
    wait_until(lambda: len(coalescer._waiting) == 2)
    engine.gate.release(2)
    for thread in threads:
        thread.join()
    assert len(set(map(id, caught))) == 3


def test_a_leader_that_breaks_lets_nobody_hang(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    first = start(lambda: coalescer.call(0, soon()))
    engine.arrived.acquire()
    met: list[str] = []

    def ask(number: int) -> None:
        try:
            coalescer.call(number, soon())
        except ZeroDivisionError as fault:
            met.append(str(fault))

    threads = [start(lambda: ask(1)), start(lambda: ask(2))]
    wait_until(lambda: len(coalescer._waiting) == 2)
    engine.gate.release()
    first.join()
    engine.arrived.acquire()
    engine.fault = ZeroDivisionError("bug")
    engine.gate.release()
    for thread in threads:
        thread.join()
    assert met == ["bug", "bug"]
    engine.fault = None
    engine.gate.release()
    assert coalescer.call(3, soon()) == 30


def test_a_stuck_group_does_not_keep_its_slot(engine: Engine) -> None:
    coalescer: Coalescer[int, int] = Coalescer(engine.execute, take, stuck_s=0.01, slots=Slots(1, 1))
    stuck = start(lambda: coalescer.call(0, soon()))
    engine.arrived.acquire()
    time.sleep(0.05)
    second = start(lambda: coalescer.call(1, soon()))
    engine.arrived.acquire()
    assert engine.groups == [[0], [1]]
    engine.gate.release(2)
    stuck.join()
    second.join()


def test_closed_is_unavailable_and_waits_for_what_is_out(engine: Engine, coalescer: Coalescer[int, int]) -> None:
    first = start(lambda: coalescer.call(0, soon()))
    engine.arrived.acquire()
    assert coalescer.close(0.02) is False
    with pytest.raises(Unavailable):
        coalescer.call(1, soon())
    engine.gate.release()
    assert coalescer.close(20) is True
    first.join()


def test_hundreds_of_threads_and_no_answer_is_lost_or_crossed() -> None:
    def execute(group: Sequence[Ticket[int, int]], deadline: float) -> None:
        for ticket in group:
            ticket.value = ticket.request + 1

    coalescer: Coalescer[int, int] = Coalescer(execute, take, stuck_s=60)
    wrong: list[int] = []

    def work(number: int) -> None:
        for step in range(200):
            request = number * 1_000 + step
            if coalescer.call(request, soon()) != request + 1:
                wrong.append(request)

    threads = [start(partial(work, number)) for number in range(100)]
    for thread in threads:
        thread.join()
    assert wrong == []
    assert coalescer.requests == 20_000
    assert coalescer.close(0)


@pytest.mark.parametrize("gives_up", [2, 3, 5])
def test_one_who_gives_up_on_the_way_does_not_keep_the_others_asleep(
    engine: Engine, coalescer: Coalescer[int, int], gives_up: int
) -> None:
    """Each of a group wakes the next: whoever is gone is not in the row."""
    answers: dict[int, int | str] = {}

    def ask(number: int, deadline: float) -> None:
        try:
            answers[number] = coalescer.call(number, deadline)
        except Unavailable as late:
            answers[number] = str(late)

    threads = [start(partial(ask, 1, soon()))]
    engine.arrived.acquire()
    for number in range(2, 6):
        impatient = number == gives_up
        threads.append(start(partial(ask, number, time.monotonic() + 0.2 if impatient else soon() + number)))
        wait_until(partial(are_waiting, coalescer, number - 1))
    engine.gate.release()
    engine.arrived.acquire()  # the four are on their way
    threads[gives_up - 1].join(20)
    engine.gate.release()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    others = {number: number * 10 for number in range(1, 6) if number != gives_up}
    assert answers == {**others, gives_up: "the store did not answer in time"}


def test_groups_leave_apart_and_take_along_who_comes_meanwhile(engine: Engine) -> None:
    now, paused, may_leave = [100.0], [], threading.Event()

    def pause(wait_s: float) -> None:
        paused.append(wait_s)
        may_leave.wait(20)
        now[0] += wait_s

    coalescer: Coalescer[int, int] = Coalescer(
        engine.execute, take, stuck_s=60, slots=Slots(2, 2), clock=lambda: now[0], pause=pause, spacing_s=0.5
    )
    engine.gate.release()
    assert coalescer.call(1, 200.0) == 10, "at once: nothing has left lately"
    threads = [start(partial(coalescer.call, 2, 200.0))]
    wait_until(lambda: len(paused) == 1)
    for number in (3, 4):  # a slot is free, but a group is waiting that they can join
        threads.append(start(partial(coalescer.call, number, 200.0)))
        wait_until(partial(are_waiting, coalescer, number - 2))
    may_leave.set()
    engine.gate.release(3)
    for thread in threads:
        thread.join(20)
    assert (engine.groups, paused) == ([[1], [2, 3, 4]], [0.5])
    now[0] += 0.5
    assert coalescer.call(5, 200.0) == 50
    assert paused == [0.5], "the last departure was long ago"
