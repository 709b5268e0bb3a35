"""The product under test: several processes of the real services over one store. Each may end at any step."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from billing.domain.package import Package
from billing.ports import Claim, ClaimKind, Customer, Posting
from billing.services.book import SERIES, Book, Stores
from billing.services.callbacks import Callbacks, Seals
from billing.services.check import LedgerCheck
from billing.services.checkout import Cashier
from billing.services.reconcile import Reconciler
from billing.services.settle import Settle
from billing.services.strays import Strays
from billing.store.open import open_billing
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.ports import Change, Outcome, Stored
from radius.services.terms import TermsBook
from radius.store.open import Store
from tests.fakes.bucket import Bucket
from tests.sim.billing.bank import Bank, read
from tests.sim.billing.clockwork import Clockwork, Process, Stepping
from tests.unit.billing.values import VAT

PACKAGES = (
    Package("hour", 1, "Hour", "Saa", 1_000, Terms("hour.1", Window(WindowStart.PURCHASE, 3_600, PeriodUnit.SECOND))),
    Package("day", 1, "Day", "Siku", 5_000, Terms("day.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY))),
)
WEB, WORKERS = 2, 2


class Busy:
    """The aggregates, as they are with customers who are online: a report is counted whenever one is read here."""

    def __init__(self, target: Any, shop: "Shop") -> None:
        self._target, self._shop = target, shop

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        stored: Stored | None = self._target.read(subscriber, deadline)
        if stored is not None and self._shop.world.chance(self._shop.busy):
            self._shop.report(subscriber)
        return stored


class Services:
    """One process with all services, as `billing.wiring` puts them together."""

    def __init__(self, shop: "Shop", process: Process, seed: int) -> None:
        world = process.clockwork
        self.process = process
        random = Random(seed)
        rows: Any = Stepping(shop.rows, process)
        self.ports = ports = BillingStore(rows)
        subscribers: Any = Busy(Stepping(shop.store.subscribers, process), shop)
        self.book = Book(
            Stores(ports, ports, ports, ports, ports, ports, subscribers),
            TermsBook(shop.store.catalogue, shop.deadline, 20),
            (VAT,),
            lambda: random.randbytes(10).hex(),
            shop.deadline,
            series=SERIES[: shop.series],
        )
        provider = shop.bank.provider(process)
        self.settle = Settle(self.book)
        seals = Seals(
            lambda text, owner: f"{owner} {text[::-1]}", lambda text, owner: text.removeprefix(f"{owner} ")[::-1]
        )
        self.callbacks = Callbacks(self.book, self.settle, read, seals)
        self.cashier = Cashier(self.book, provider, random.randbytes, lambda phone: f"hash of {phone}")
        self.reconciler = Reconciler(self.book, self.settle, provider, Bucket(shop.queries_per_minute), world.monotonic)
        self.strays = Strays(self.book)
        self.check = LedgerCheck(self.book)


class Shop:
    """All processes. `web` and `worker` give one that lives."""

    def __init__(self, world: Clockwork, store: Store, bank: Bank, deadline: Callable[[], float]) -> None:
        self.world, self.store, self.bank, self.deadline = world, store, bank, deadline
        opened = open_billing(store)
        opened.create_tables()
        self.rows = opened.ports.rows
        self.queries_per_minute = world.random.choice((5, 60))
        self.series = world.random.choice((1, 2, 8))
        self.busy = world.random.choice((0.0, 0.2))
        self.reports: Counter[SubscriberId] = Counter()
        self._processes: list[Services | None] = [None] * (WEB + WORKERS)

    def _at(self, number: int) -> Services:
        there = self._processes[number]
        if there is None or there.process.dead:
            there = Services(self, Process(self.world), self.world.random.getrandbits(64))
            self._processes[number] = there
        return there

    def report(self, subscriber: SubscriberId) -> None:
        """A node counts what a router reported, and fails at nothing."""
        stored = self.store.subscribers.read(subscriber, self.deadline())
        assert stored
        present = aggregate.decode(stored.body)
        present.unheeded_until += 1  # any figure that selling does not write
        self.reports[subscriber] += 1
        write = f"report {self.reports[subscriber]} of {subscriber}"
        after = Change(subscriber, stored.version + 1, write, aggregate.encode(present), stored.due_at)
        assert self.store.subscribers.commit(after, self.deadline()) is Outcome.COMMITTED

    def web(self) -> Services:
        return self._at(self.world.random.randrange(WEB))

    def worker(self) -> Services:
        return self._at(WEB + self.world.random.randrange(WORKERS))

    def open(self) -> None:
        """The packages are on sale."""
        for package in PACKAGES:
            self.store.catalogue.add(package.terms, self.deadline())
            BillingStore(self.rows).add(package, self.deadline())

    def register(self, subscriber: SubscriberId, account: str, payer: str, now: int) -> None:
        """A customer with an account number; `payer` is the hash of a number they gave us, or empty."""
        body = aggregate.encode(Subscriber(subscriber, Credential(SecretKind.DEVICE), now))
        self.store.subscribers.create(Change(subscriber, 1, "born", body, 0), [f"n:{subscriber}"], self.deadline())
        claims = [Claim(ClaimKind.ACCOUNT, account, subscriber)]
        if payer:
            claims.append(Claim(ClaimKind.PAYER, payer, subscriber))
        customer = Customer(subscriber, account, 0, 1)
        BillingStore(self.rows).post(
            Posting(f"born-{subscriber}", claims=tuple(claims), customer=customer), self.deadline()
        )
