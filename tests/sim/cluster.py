"""The product under test: two nodes and a worker, the real services over one memory store and a virtual clock."""

from collections import deque
from collections.abc import Callable
from random import Random

from radius.domain import subscriber as aggregate
from radius.domain.errors import Unavailable
from radius.domain.guessing import Guard
from radius.domain.identity import SubscriberId
from radius.domain.record import SessionRecord
from radius.domain.request import AccountingRequest, Chap
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.domain.world import World
from radius.ports import Change, Node, Outcome
from radius.rlm import vendors
from radius.services.access import Access, Tools
from radius.services.accounting import Accounting
from radius.services.desk import MARKS, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook
from radius.services.provision import Provision, Stores
from radius.services.sweep import Sweep
from radius.services.terms import TermsBook
from radius.services.watch import Watch
from radius.store.memory import Faults, MemoryStore

# Virtual time stands still within a step; but one that races another on the same desk really waits its turn this long.
DEADLINE_S = 0.004
POST_AUTH_S = 0.001
REPLAY_BATCH = 16
NODE_PACKETS_PER_S = 1_000  # less than one does with a store that is 80 ms away


class Clock:
    """Virtual time. Nothing in a simulation reads another clock."""

    def __init__(self, now: int) -> None:
        self.now = now

    def wall(self) -> float:
        return float(self.now)

    def monotonic(self) -> float:
        return float(self.now - 1_000_000_000)


class OpenVault:
    """Seals nothing: secrets are not what is simulated."""

    def seal(self, clear: str, owner: str, field: str, epoch: int) -> str:
        return clear

    def unseal(self, sealed: str, owner: str, field: str, epoch: int) -> str:
        return sealed

    def hash_password(self, password: str) -> str:
        return password

    def password_matches(self, password: str, stored_hash: str) -> bool:
        return bool(stored_hash) and password == stored_hash

    def any_equal(self, given: str, accepted: list[str]) -> bool:
        return given in accepted

    def chap_matches(self, chap: Chap, accepted: list[str]) -> bool:
        return False


class ShakyStore(MemoryStore):
    """The store all share; before a commit takes place, another node may get its own in."""

    def __init__(self, faults: Faults, clock: Callable[[], float], *, atomic: bool) -> None:
        super().__init__(faults, clock)
        self.records_atomic = atomic
        self.meanwhile: Callable[[], None] = lambda: None

    def commit(self, change: Change, deadline: float) -> Outcome:
        self.meanwhile()
        if self.records_atomic or not change.records:
            return super().commit(change, deadline)
        outcome = super().commit(change._replace(records=()), deadline)
        if outcome is Outcome.COMMITTED:
            for record in change.records:  # each may be lost on its own, and then the caller hears Unavailable
                self.file(record, deadline)
        return outcome

    def bodies(self) -> list[Subscriber]:
        """Every aggregate, past all faults: for the auditor only."""
        return [aggregate.decode(c.body) for key, c in self._state.subscribers.items() if "#m" not in key]

    def body(self, subscriber: SubscriberId) -> Subscriber:
        """One aggregate, past all faults: for the auditor only."""
        return aggregate.decode(self._state.subscribers[subscriber].body)

    def due_items(self) -> list[tuple[SubscriberId, int]]:
        """What is in the due index, past all faults."""
        return [(key, change.due_at) for key, change in self._state.subscribers.items() if change.due_at]

    def all_records(self) -> list[SessionRecord]:
        """Every session record, past all faults."""
        return list(self._state.records.values())


class Process:
    """One process of the product: its desk, caches and services. A restart is a new one."""

    def __init__(self, name: str, store: ShakyStore, clock: Clock, random: Random) -> None:
        self.name, self.store, self.clock = name, store, clock
        vault = OpenVault()

        def new_id() -> str:
            return "".join(random.choices("abcdefghijklmnopqrstuvwxyz234567", k=16))

        self.desk: Desk[Subscriber] = Desk(store, new_id, clock.monotonic, 10_000, clock.wall)
        self.marks: Desk[Shard] = Desk(store, new_id, clock.monotonic, 10_000, codec=MARKS)
        names = NameBook(store, lambda text: text, clock.monotonic, 10_000, 30)
        self.directory = Directory(store, store, vault.unseal, vendors.capabilities_of)
        terms = TermsBook(store, clock.monotonic, DEADLINE_S)

        def world(now: int) -> World:
            return World(now, terms, self.directory.boots, lambda nas: self.directory.heard_until(nas, now))

        self.world = world
        tools = Tools(vault, Guard(), terms, clock.monotonic, new_id)
        self.access = Access(self.desk, names, self.directory, tools, DEADLINE_S, POST_AUTH_S)
        self.accounting = Accounting(self.desk, self.marks, names, self.directory, store, store, world)
        self.sweep = Sweep(self.desk, self.marks, store, store, self.directory, world, clock.monotonic, DEADLINE_S)
        stores = Stores(store, store, store, store)
        self.provision = Provision(
            stores, self.desk, names, vault, terms, new_id, self.deadline, vendors.capabilities_of
        )
        self.watch = Watch(clock.wall)

    def deadline(self) -> float:
        return self.clock.monotonic() + DEADLINE_S

    def refresh(self) -> None:
        """Read routers, boots and heartbeats, as the keeper does."""
        try:
            self.directory.refresh(self.clock.now, self.deadline())
        except Unavailable:
            return


class RadiusNode:
    """A node: a process that may be restarted, and a spool that survives it."""

    def __init__(self, name: str, make: Callable[[str], Process]) -> None:
        self.name, self._make = name, make
        self.process = make(name)
        self.spool: deque[tuple[AccountingRequest, int]] = deque()
        self.heard: set[str] = set()
        self.down_until = 0
        self.packets_per_s = NODE_PACKETS_PER_S
        self._second, self._packets = 0, 0

    def takes(self, now: int) -> bool:
        """One more packet in this second; False: it is down or has no room, and the packet is lost."""
        if now != self._second:
            self._second, self._packets = now, 0
        self._packets += 1
        return now >= self.down_until and self._packets <= self.packets_per_s

    def restart(self, back_at: int) -> None:
        """The process dies now and is there again at `back_at`, knowing nothing."""
        self.down_until = back_at
        self.process = self._make(self.name)

    def beat(self) -> None:
        """Publish the heartbeat."""
        now, oldest = self.process.clock.now, min((at for _, at in self.spool), default=0)
        node = Node(self.name, now, oldest, tuple(sorted(self.heard)))  # type: ignore[arg-type]  # names are NasIds
        try:
            self.process.store.publish(node, self.process.deadline())
        except Unavailable:
            return

    def replay(self, random: Random, worker: Process) -> None:
        """Count a batch of what waits, in any order within it; what cannot be counted now waits on."""
        batch = [self.spool.popleft() for _ in range(min(len(self.spool), REPLAY_BATCH))]
        random.shuffle(batch)
        while batch:
            request, received_at = batch[-1]
            try:
                worker.accounting.account(request, received_at, worker.deadline())
            except Unavailable:
                self.spool.extendleft(batch)
                return
            batch.pop()
