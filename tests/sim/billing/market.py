"""One seeded market day: customers pay, everything misbehaves, then a quiet time in which all must come right."""

import time
from collections.abc import Callable
from random import Random

from radius.store.memory import MemoryStore
from radius.store.open import Store, memory_store
from tests.sim.billing.auditor import Auditor
from tests.sim.billing.bank import Bank
from tests.sim.billing.clockwork import Badness, Clockwork
from tests.sim.billing.people import People
from tests.sim.billing.shop import Shop
from tests.unit.billing.values import T0

HOUR = 3_600
PAYMENTS = 40
ROUND_S = 20  # from one round of the workers to the next; longer by night
QUIET_S = 60 * HOUR  # longer than anything is asked about, and two statements


class Market:
    """A run of one seed. `run` raises AssertionError with the seed's story. `store` None: in memory."""

    def __init__(
        self,
        seed: int,
        store: Store | None = None,
        *,
        over_http: bool = False,
        payments: int = PAYMENTS,
        round_s: int = ROUND_S,
    ) -> None:
        self.seed, self._payments, self._round_s = seed, payments, round_s
        self.breaks: Callable[[], object] = lambda: None  # when the day begins
        self.heals: Callable[[], object] = lambda: None  # when it ends
        random = Random(seed)
        began_at = T0 + random.choice((0, 39_000))  # 13:00, or ten minutes before the business day ends
        self.world = Clockwork(random, _badness(random), began_at)
        self._until = began_at + random.choice((HOUR // 2, HOUR, 3 * HOUR))
        self.bank = Bank(
            self.world, till=random.random() < 0.4, over_http=over_http, lossy=random.choice((0, 0.1, 0.5))
        )
        deadline = (lambda: time.monotonic() + 20) if store else self.world.deadline
        clock = time.monotonic if store else self.world.monotonic
        self.shop = Shop(self.world, store or memory_store(MemoryStore(clock=clock)), self.bank, deadline)
        self.people = People(
            self.world, self.shop, self.bank, random.randint(2, 10), random.choice((0.0, 0.3, 0.7, 1.0))
        )

    def run(self) -> None:
        """The day, the quiet time, the audit."""
        try:
            self._day()
            self._quiet()
            self._check()
        finally:
            self.bank.close()

    def _day(self) -> None:
        world, people = self.world, self.people
        self.shop.open()
        for customer in people.customers:
            self.shop.register(customer.id, customer.account, customer.payer, world.now)
        world.quiet = False
        self.breaks()
        length = self._until - world.now
        for _ in range(self._payments):
            world.later(0, length, people.visit)
        for _ in range(self._payments // 10):
            world.later(0, length + HOUR, people.forge)
            world.later(0, length + 2 * HOUR, people.claim)
        for at in range(world.now, self._until + HOUR, self._round_s):
            world.at(at, people.round)
        world.play(self._until + HOUR)

    def _quiet(self) -> None:
        world, people, began = self.world, self.people, self.world.now
        world.quiet, self.shop.busy = True, 0.0
        self.heals()
        for at in range(0, 3 * HOUR, 6 * self._round_s):
            world.at(began + at, people.round)
        for at in range(3 * HOUR, QUIET_S, 120 * self._round_s):
            world.at(began + at, people.round)
        world.at(began + HOUR, people.by_now)
        world.at(began + 3 * HOUR, people.asked_by_now)
        for at in (20, 40):
            world.at(began + at * HOUR, people.import_statement)
        for _ in range(self._payments):
            world.at(began + 50 * HOUR, people.claim)
        world.play(began + QUIET_S)

    def _check(self) -> None:
        failures = self.world.broken + Auditor(self.shop, self.people, self.bank).failures()
        if failures:
            story = "\n".join(self.world.story)
            raise AssertionError(f"seed {self.seed}:\n{story}\n" + "\n".join(failures))


def _badness(random: Random) -> Badness:
    store = random.choice((0.0, 0.0, 0.01, 0.05))
    return Badness(
        switched=random.choice((0.0, 0.05, 0.3, 0.7)),
        death=random.choice((0.0, 0.002, 0.02)),
        before=store,
        after=store,
        index_lag=random.choice((0.0, 0.3)),
    )
