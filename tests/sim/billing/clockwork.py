"""Virtual time, tasks that stop between any two steps, processes that die there, and a store that fails.

A task is a thread that holds the one baton: everything runs one at a time, in an order that the seed decides. Whoever
asks the store or the bank takes a step, and at each step another task may get the baton, the process may end, and the
request or its answer may be lost.
"""

import heapq
import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from radius.domain.errors import Unavailable

RACE_S = 3  # a task that was stopped may stand still while so much of the agenda goes by
STORY_EVENTS = 400

Act = Callable[[], object]


def _red() -> threading.Lock:
    """A lamp that one thread waits at and another turns green, once. A `Semaphore` does the same, slowly."""
    lamp = threading.Lock()
    lamp.acquire()
    return lamp


class Killed(BaseException):
    """The process ends here."""


class Badness(NamedTuple):
    """Chances at each step of a process. `death`: it ends; `before`, `after`: request or answer is lost."""

    switched: float
    death: float
    before: float
    after: float
    index_lag: float


class Task:
    """Something that a process does, in a thread of its own."""

    def __init__(self, what: str, act: Act, done: Callable[[object], object]) -> None:
        self.what, self.act, self.done = what, act, done
        self.answer: object = None
        self.over = False
        self.go = _red()


class Clockwork:
    """The agenda, the tasks, and chance. `quiet`: nothing fails any more."""

    def __init__(self, random: Random, badness: Badness, now: int) -> None:
        self.random, self.badness, self.now = random, badness, now
        self.quiet = True
        self.steps = 0
        self.deaths = 0
        self.story: deque[str] = deque(maxlen=STORY_EVENTS)
        self.broken: list[str] = []  # what no process may do
        self._agenda: list[tuple[int, int, Act]] = []
        self._number = 0
        self._stopped: list[Task] = []
        self._current: Task | None = None
        self._back = _red()
        self._due_before: dict[tuple[int, str], tuple[int, list[tuple[int, str]]]] = {}

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def monotonic(self) -> float:
        return float(self.now)

    def deadline(self) -> float:
        """One that nothing misses: time does not pass within a request."""
        return float(self.now + 86_400)

    def lie(self, text: str) -> None:
        """Something was answered that is not so."""
        self.broken.append(text)

    def note(self, text: str) -> None:
        self.story.append(f"{self.now} {text}")

    # -- agenda ----------------------------------------------------------------------------------------------------

    def at(self, when: float, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (max(int(when), self.now), self._number, act))

    def later(self, least_s: float, most_s: float, act: Act) -> None:
        self.at(self.now + self.random.uniform(least_s, most_s), act)

    def play(self, until: int) -> None:
        """Let time run; every task that began has ended afterwards."""
        while True:
            upcoming = self._agenda[0][0] if self._agenda else until + 1
            if self._stopped and (upcoming > min(until, self.now + RACE_S) or self.chance(0.7)):
                self._resume(self._stopped.pop(self.random.randrange(len(self._stopped))))
            elif upcoming <= until:
                when, _, act = heapq.heappop(self._agenda)
                self.now = max(self.now, when)
                act()
            else:
                self.now = max(self.now, until)
                return

    # -- tasks -----------------------------------------------------------------------------------------------------

    def begin(self, what: str, act: Act, done: Callable[[object], object] = lambda _answer: None) -> None:
        """Run something as a task; `done` gets its answer, or the exception that ended it."""
        task = Task(what, act, done)
        threading.Thread(target=self._run, args=(task,), daemon=True).start()
        self._resume(task)

    def _run(self, task: Task) -> None:
        task.go.acquire()
        try:
            task.answer = task.act()
        except BaseException as ended:  # noqa: BLE001 - a death is an answer too, and anything else breaks the seed
            task.answer = ended
            if not isinstance(ended, Killed | Unavailable):
                self.broken.append(f"{task.what}: {ended!r}")
        task.over = True
        self._back.release()

    def _resume(self, task: Task) -> None:
        before, self._current = self._current, task
        task.go.release()
        self._back.acquire()
        self._current = before
        if task.over:
            task.done(task.answer)
        else:
            self._stopped.append(task)

    def pause(self) -> None:
        """Another task may have its turn here."""
        task = self._current
        if task is not None and self.chance(self.badness.switched):
            self._back.release()
            task.go.acquire()

    def drain(self) -> None:
        """Let all tasks that stand still come to their end."""
        self.play(self.now)


class Process:
    """A process of the product: what it does ends with it."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork
        self.dead = False

    def step(self, what: str) -> None:
        """Before a request takes effect."""
        self._live(what)
        if not self.clockwork.quiet and self.clockwork.chance(self.clockwork.badness.before):
            raise Unavailable(f"{what} was lost on its way")

    def stepped(self, what: str) -> None:
        """After it did."""
        self._live(what)
        if not self.clockwork.quiet and self.clockwork.chance(self.clockwork.badness.after):
            raise Unavailable(f"the answer to {what} was lost")

    def _live(self, what: str) -> None:
        world = self.clockwork
        world.steps += 1
        world.pause()
        if not self.dead and not world.quiet and world.chance(world.badness.death):
            self.dead = True
            world.deaths += 1
            world.note(f"a process ends at {what}")
        if self.dead:
            raise Killed(what)


class Stepping:
    """Any port or `Rows`, each request a step of a process. Its due index may be what it was a moment ago."""

    def __init__(self, target: Any, process: Process) -> None:
        self._target, self._process = target, process

    def __getattr__(self, method: str) -> Callable[..., Any]:
        request = getattr(self._target, method)

        def ask(*arguments: Any, **named: Any) -> Any:
            self._process.step(method)
            answer = request(*arguments, **named)
            self._process.stepped(method)
            return answer

        return ask

    def due(self, k: str, until: int, limit: int, deadline: float) -> list[tuple[int, str]]:
        """The index follows the table: sometimes it shows what it showed up to `RACE_S` ago."""
        world = self._process.clockwork
        self._process.step("due")
        found: list[tuple[int, str]] = self._target.due(k, until, limit, deadline)
        at, before = world._due_before.get((limit, k), (0, found))
        if not world.quiet and world.now - at <= RACE_S and world.chance(world.badness.index_lag):
            return [each for each in before if each[0] <= until]
        world._due_before[limit, k] = (world.now, found)
        self._process.stepped("due")
        return found
