"""The stage of one seed: virtual time, its agenda, the product's processes, and who is really online."""

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from radius.domain.identity import MacAddress, SubscriberId
from radius.store.memory import Faults
from tests.sim import plan as plans
from tests.sim.cluster import Clock, Process, RadiusNode, ShakyStore
from tests.sim.plan import T0, Plan
from tests.sim.routers import TrueSession

STORY_EVENTS = 60  # what a failure shows of one subscriber
RACE_S = 2  # what is due this soon may slip in between a decision and its commit

Act = Callable[[], object]


class Customer(NamedTuple):
    """Somebody with one account and several devices."""

    id: SubscriberId
    name: str
    devices: list[MacAddress]


class Stage:
    """Everything that the parts of an evening share. `quiet`: nothing fails (set-up, and the night)."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)
        self.plan = plan or plans.draw(self.random)
        self.clock = Clock(T0)
        self.quiet = True
        self.away: list[tuple[int, int]] = []  # the store, from when until when
        self.deaths: list[int] = []  # of senders
        self.boots: dict[str, list[int]] = defaultdict(list)  # of routers, when a node counted them
        self.store_calls = 0
        self.dark_until: dict[str, int] = {}  # routers without power
        faults = Faults(self._lost_before, self._lost_after)
        self.store = ShakyStore(faults, self.clock.monotonic, atomic=self.plan.atomic)
        self.store.meanwhile = self._meanwhile
        self.nodes = [RadiusNode(name, self.process) for name in ("node-a", "node-b")]
        self.worker = self.process("worker")
        self.customers: list[Customer] = []
        self.sessions: list[TrueSession] = []
        self.of: dict[SubscriberId, list[TrueSession]] = defaultdict(list)
        self.at_router: dict[str, list[TrueSession]] = defaultdict(list)
        self.online: dict[tuple[str, MacAddress], TrueSession] = {}
        self.stories: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=STORY_EVENTS))
        self._agenda: list[tuple[int, int, Act]] = []
        self._number = 0
        self._racing = False

    def process(self, name: str) -> Process:
        process = Process(name, self.store, self.clock, self.random)
        process.refresh()
        return process

    def begins(self, session: TrueSession) -> None:
        """A session is online."""
        self.sessions.append(session)
        self.of[session.subscriber].append(session)
        self.at_router[session.router.name].append(session)
        self.online[session.router.name, session.device] = session

    def dark(self, router: str) -> bool:
        """Whether a router has no power."""
        return self.clock.now < self.dark_until.get(router, 0)

    @property
    def away_until(self) -> int:
        """When the store was last back, or will be."""
        return self.away[-1][1] if self.away else 0

    # -- chance ------------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _lost_before(self, _method: str) -> bool:
        self.store_calls += 1
        away = self.clock.now < self.away_until
        return not self.quiet and (away or self.chance(self.plan.badness.store_before))

    def _lost_after(self, _method: str) -> bool:
        return not self.quiet and self.chance(self.plan.badness.store_after)

    def _meanwhile(self) -> None:
        """Somebody else's step comes between this decision and its commit: two desks race."""
        soon = bool(self._agenda) and self._agenda[0][0] <= self.clock.now + RACE_S
        if self._racing or self.quiet or not soon or not self.chance(self.plan.badness.interleaved):
            return
        self._racing = True
        heapq.heappop(self._agenda)[-1]()
        self._racing = False

    # -- agenda ------------------------------------------------------------------------------------------------

    def at(self, when: float, act: Act) -> None:
        """Do something at an instant, or now if that has passed."""
        self._number += 1
        heapq.heappush(self._agenda, (max(int(when), self.clock.now), self._number, act))

    def later(self, least_s: float, most_s: float, act: Act) -> None:
        """Do something after a while."""
        self.at(self.clock.now + self.random.uniform(least_s, most_s), act)

    def every(self, period_s: int, act: Act, until: int) -> None:
        """Do something again and again."""

        def step() -> None:
            act()
            if self.clock.now + period_s <= until:
                self.at(self.clock.now + period_s, step)

        self.later(0, period_s, step)

    def play(self, until: int) -> None:
        """Let virtual time run."""
        while self._agenda and self._agenda[0][0] <= until:
            when, _, act = heapq.heappop(self._agenda)
            self.clock.now = max(self.clock.now, when)
            act()
        self.clock.now = until

    def note(self, who: str, text: str) -> None:
        """Remember for the story."""
        self.stories[who].append(f"{self.clock.now - T0:>6} {text}")
