"""Group commit: callers that find all slots busy travel together in the next request.

There is no thread here. A caller that finds a free slot *leads*: it sends its own request at once. Callers that come
while all slots are busy wait; when a leader returns, the next waiting group gets the slot and one of its own members
leads it. So the group size follows the load, and an idle store costs nobody a delay.

How many groups are in flight follows the distance of the store (`Slots`).

The control rule
----------------
A slot is worth having as long as the machine could do another group's work while the first is on its way:
`slots = 1 + wire_s / GROUP_COST_S`, between `SLOTS_MIN` and `SLOTS_MAX`. That gives 2 beside the store, 7 at 5 ms and
100 at 80 ms, where measurements found their best at 2, 6 and 100.

`wire_s` is the shortest time that a *light* group (at most `LIGHT_SIZE` requests, nothing else in flight) took of late.
A loaded store answers late because we queue there, and more slots would only lengthen that queue; light groups do not
queue. Under steady load no group is light; so when the answers no longer fit the known distance (another route, another
store), the slots drain and `PROBE_SAMPLES` single requests measure it, one after the other, at most every
`PROBE_AFTER_S`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from threading import Lock
from typing import Generic, TypeVar

from radius.domain.errors import Unavailable

R = TypeVar("R")
V = TypeVar("V")

GROUP_COST_S = 0.0008  # work of this process per group, client and decision together (measured: 0.3-1.5 ms)
SLOTS_MIN = 2  # one group travels while the next is made
SLOTS_MAX = 100  # beyond, threads only wait for the interpreter lock (measured at 80 ms)
LIGHT_SIZE = 2  # requests; the time of such a group is the way there and back, and little else
LIGHT_WINDOW = 16  # light groups per half of the sliding minimum: one slow answer does not count
PROBE_AFTER_S = 5.0  # at least so long between two measurements by draining: 4 of 60 round trips at 80 ms, if ever
PROBE_SAMPLES = 3  # one alone may be late by chance
PROBE_FACTOR = 3.0  # a shortest answer so much above the known distance is worth a measurement
# Groups leave at least so far apart: a group costs client and engine much the same whatever its size, so at a middling
# load many small ones would use up the machine. Nobody waits for longer, and at an idle store nobody waits (measured at
# 833 interim updates a second: 1.0 ms of processor time each instead of 1.5; at 6 ms 0.85).
SPACING_S = 0.004
STUCK_FACTOR = 1.5  # a group in flight so much longer than a call may take no longer holds its slot


class Slots:
    """How many groups may be in flight. Not thread-safe: its owner holds a lock. All times in seconds."""

    def __init__(self, slots_min: int = SLOTS_MIN, slots_max: int = SLOTS_MAX) -> None:
        self._min = slots_min
        self._max = slots_max
        self._previous = float("inf")
        self._current = float("inf")
        self._light_seen = 0
        self._shortest = float("inf")
        self._measured_at = float("-inf")
        self._guessed = True  # `wire_s` is only an upper bound
        self._probes_left = 0
        self.limit = slots_min

    @property
    def probing(self) -> bool:
        """The distance is being measured: one request at a time, alone."""
        return self._probes_left > 0

    @property
    def wire_s(self) -> float:
        """Distance of the store; 0 before anything is known."""
        shortest = min(self._previous, self._current)
        return 0.0 if shortest == float("inf") else shortest

    def observe(self, took_s: float, size: int, in_flight: int, now: float) -> None:
        """Learn from an answered group of `size` requests that left with `in_flight` groups out, itself included."""
        if size <= LIGHT_SIZE and in_flight <= 1:
            self._learn(took_s, now)
        elif self.probing:
            pass  # left before the slots were drained
        elif took_s < self.wire_s:
            self._current, self._guessed = took_s, True  # nothing is shorter than the way itself
            self._aim()
        else:
            self._doubt(took_s, now)

    def lost(self) -> None:
        """A group got no answer: if it was the measuring one, give up measuring."""
        if self.probing:
            self._probes_left = 0
            self._aim()

    def _learn(self, took_s: float, now: float) -> None:
        if self._light_seen >= LIGHT_WINDOW:
            self._previous, self._current, self._light_seen = self._current, float("inf"), 0
        self._light_seen += 1
        self._current = min(self._current, took_s)
        self._shortest, self._measured_at, self._guessed = float("inf"), now, False
        self._probes_left = max(0, self._probes_left - 1)
        if not self.probing:
            self._aim()

    def _doubt(self, took_s: float, now: float) -> None:
        self._shortest = min(self._shortest, took_s)
        if now - self._measured_at < PROBE_AFTER_S:
            return
        self._measured_at = now
        if self._guessed or self._shortest > PROBE_FACTOR * self.wire_s:
            self._previous = self._current = float("inf")
            self._probes_left = PROBE_SAMPLES
            self.limit = 1
        self._shortest = float("inf")

    def _aim(self) -> None:
        self.limit = max(self._min, min(self._max, 1 + int(self.wire_s / GROUP_COST_S)))


class Pending(Enum):
    """Value of a ticket that nobody has answered yet; None can be an answer."""

    PENDING = 0


class Ticket(Generic[R, V]):
    """One caller's request on its way. `execute` sets `value` or `error`; the rest belongs to Coalescer."""

    __slots__ = ("abandoned", "answered", "deadline", "error", "gate", "group", "leaves_at", "request", "value")

    def __init__(self, request: R, deadline: float) -> None:
        self.request = request
        self.deadline = deadline
        self.value: V | Pending = Pending.PENDING
        self.error: Exception | None = None
        self.gate: Lock | None = None
        self.group: list[Ticket[R, V]] | None = None
        self.leaves_at = 0.0  # of the group that it leads, if that must wait for its departure
        self.abandoned = False
        self.answered: deque[Ticket[R, V]] | None = None  # those of its group who are still to be woken


class Coalescer(Generic[R, V]):
    """Sends callers' requests in groups.

    `execute(group, deadline)` runs in the leader's thread, sets `value` or `error` of every ticket and does not raise
    for a fault of the store. `take(waiting)` removes from the left what may travel together, never nothing.
    """

    def __init__(
        self,
        execute: Callable[[Sequence[Ticket[R, V]], float], None],
        take: Callable[[deque[Ticket[R, V]]], list[Ticket[R, V]]],
        *,
        stuck_s: float,
        slots: Slots | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        spacing_s: float = SPACING_S,
    ) -> None:
        self._pause = pause
        self._spacing_s = spacing_s
        self._left_at = float("-inf")  # when the last group left, or is to leave
        self._boarding = False  # a group waits for its departure
        self._execute = execute
        self._take = take
        self._stuck_s = stuck_s * STUCK_FACTOR
        self._clock = clock
        self._lock = Lock()
        self._waiting: deque[Ticket[R, V]] = deque()
        self._in_flight: dict[int, float] = {}
        self._closed = False
        self.slots = slots or Slots()
        self.groups = 0
        self.requests = 0

    def call(self, request: R, deadline: float) -> V:
        """Answer to one request. Raises Unavailable at the deadline, or what `execute` put into the ticket."""
        ticket: Ticket[R, V] = Ticket(request, deadline)
        now = self._clock()
        with self._lock:
            if self._closed or now >= deadline:
                raise Unavailable("the store is closed" if self._closed else "no time is left to ask the store")
            if self._has_slot(now):
                group = [ticket]
                self._board(ticket, group, now)
                gate = None
            else:
                gate = ticket.gate = Lock()
                gate.acquire()
                self._waiting.append(ticket)
        if gate is None:
            self._lead(ticket, group)
        else:
            self._wait(ticket, gate, deadline - now)
        if ticket.error is not None:
            raise _own(ticket.error)
        value = ticket.value
        if isinstance(value, Pending):
            raise Unavailable("the request was not answered")
        return value

    def close(self, timeout_s: float) -> bool:
        """Refuse new requests and wait until all that are under way are answered. False if some are still out."""
        with self._lock:
            self._closed = True
        end = self._clock() + timeout_s
        while self._in_flight or self._waiting:
            if self._clock() >= end:
                return False
            time.sleep(0.005)
        return True

    def _has_slot(self, now: float) -> bool:
        """Whether one more group may be made; not while one waits for its departure, which all who come may join.

        A group that is stuck far beyond its time-out gives its slot back.
        """
        if self._boarding:
            return False
        flying = self._in_flight
        while len(flying) >= self.slots.limit and flying:
            oldest = next(iter(flying))
            if now - flying[oldest] < self._stuck_s:
                return False
            del flying[oldest]
        return True

    def _wait(self, ticket: Ticket[R, V], gate: Lock, timeout_s: float) -> None:
        if not gate.acquire(timeout=timeout_s):
            with self._lock:
                if ticket.group is None and ticket.answered is None:
                    ticket.abandoned = True
                    if ticket.value is Pending.PENDING and ticket.error is None:
                        ticket.error = Unavailable("the store did not answer in time")
                    return
        if ticket.group is not None:
            self._lead(ticket, ticket.group)
        elif ticket.answered is not None:
            _wake(ticket.answered)

    def _lead(self, leader: Ticket[R, V], group: list[Ticket[R, V]]) -> None:
        group = self._depart(leader, group)
        started = self._clock()
        out = len(self._in_flight)
        answered = False
        try:
            self._execute(group, max(map(_deadline, group)))
            answered = not isinstance(leader.error, Unavailable)
        except Exception as fault:
            for ticket in group:
                ticket.error = fault
            raise
        finally:
            self._land(leader, group, started, out if answered else 0)

    def _board(self, leader: Ticket[R, V], group: list[Ticket[R, V]], now: float) -> None:
        """Give a group a slot; it leaves now, or at the next departure if the last one was just now."""
        leader.group = group
        self._in_flight[id(leader)] = now
        self._left_at = max(now, self._left_at + self._spacing_s)
        if self._left_at > now:
            leader.leaves_at, self._boarding = self._left_at, True

    def _depart(self, leader: Ticket[R, V], group: list[Ticket[R, V]]) -> list[Ticket[R, V]]:
        """Wait for the departure, and take along who came meanwhile."""
        if not leader.leaves_at:
            return group
        self._pause(max(0.0, leader.leaves_at - self._clock()))
        with self._lock:
            self._boarding = False
            if self._waiting and not self.slots.probing:
                self._waiting.extendleft(reversed(group))
                group = leader.group = self._take(self._waiting)
            promoted = self._promote(self._clock())
        _open(promoted)
        return group

    def _land(self, leader: Ticket[R, V], group: list[Ticket[R, V]], started: float, out: int) -> None:
        """Give the slot on, then wake those who travelled along, each by the one before (`_wake`).

        `out` 0: there was no answer.
        """
        now = self._clock()
        with self._lock:
            self._in_flight.pop(id(leader), None)
            self.groups += 1
            self.requests += len(group)
            if out:
                self.slots.observe(now - started, len(group), out, now)
            else:
                self.slots.lost()
            promoted = self._promote(now)
            answered = deque(ticket for ticket in group if ticket is not leader and not ticket.abandoned)
            for ticket in answered:
                ticket.answered = answered
        _open(promoted)
        _wake(answered)

    def _promote(self, now: float) -> list[Ticket[R, V]]:
        """Fill the free slots with waiting groups; the one with most time left leads (its time-out holds for all)."""
        leaders = []
        waiting = self._waiting
        while waiting and self._has_slot(now):
            while waiting and (waiting[0].abandoned or waiting[0].deadline <= now):
                waiting.popleft()
            if not waiting:
                break
            group = [waiting.popleft()] if self.slots.probing else self._take(waiting)
            leader = max(group, key=_deadline)
            self._board(leader, group, now)
            leaders.append(leader)
        return leaders


def _open(leaders: list[Ticket[R, V]]) -> None:
    for leader in leaders:
        if leader.gate is not None:
            leader.gate.release()


def _deadline(ticket: Ticket[R, V]) -> float:
    return ticket.deadline


def _wake(answered: deque[Ticket[R, V]]) -> None:
    """Wake the next one of a group; it wakes the one after it as soon as it runs.

    Woken all at once they would only queue for the interpreter lock, each with a second switch of threads. Who gives up
    waiting at this very moment wakes the next one too; who gave up before is not in the row.
    """
    try:
        gate = answered.popleft().gate
    except IndexError:
        return
    if gate is not None:
        gate.release()


def _own(error: Exception) -> Exception:
    """An exception of one's own for each caller: several threads must not raise the same object."""
    if isinstance(error, Unavailable):
        own = type(error)(*error.args)
        own.__cause__ = error.__cause__
        return own
    return error
