"""The real dispatcher, as several workers that share the due work; one of them dies between any two of its steps."""

from collections.abc import Callable

from coa.codec import Code, Request
from coa.das import Das
from coa.dispatch import Dispatcher, Sent, Stores
from coa.dispatch import Stage as Told
from coa.outcome import Answer
from radius.domain.attempt import Attempt
from radius.domain.errors import Unavailable
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.nas import Family
from tests.sim.cluster import DEADLINE_S, Process
from tests.sim.customers import Customers
from tests.sim.plan import BAD_IN_A_ROW_MAX
from tests.sim.stage import Stage
from tests.sim.wire import Wire

SENDERS = 2
PAGES_MAX = 200  # of due work in one poll


class Died(BaseException):
    """The process is gone in the middle of what it did: no handler of the product sees it."""


class Worker:
    """One process of the sender. What it was still to be told when it died, nobody hears."""

    def __init__(self, stage: Stage, name: str, senders: "Senders") -> None:
        self._stage, self._senders, self.name = stage, senders, name
        self.alive = True
        self.process: Process = stage.process(name)
        process, store = self.process, stage.store
        stores = Stores(process.desk, process.marks, store, store, self, process.directory, process.world)
        clock = stage.clock
        self.dispatcher = Dispatcher(
            stores, self, self._hand_back, self, name, monotonic=clock.monotonic, wall=clock.wall, deadline_s=DEADLINE_S
        )

    def guarded(self, job: Callable[[], object]) -> object:
        """As `coa.run` does a job: a store that is away is waited for. Back comes what the job gave; None: nothing."""
        if not self.alive:
            return None
        try:
            return job()
        except Unavailable:
            return None
        except Died:
            if self.alive:
                self.alive = False
                self._senders.replace(self)
            return None

    def _may_die(self, step: str) -> None:
        """Between two steps; raises Died, also where another thread of it has died meanwhile."""
        if not self.alive:
            raise Died(step)
        self._senders.may_die(step)

    def poll(self) -> None:
        """Everything that is due now, and the Stops that are awaited."""
        for _ in range(PAGES_MAX):
            if not self.page():
                break

    def page(self) -> bool:
        """A page of what is due; after the last one the Stops that are awaited, and False."""
        more = self.dispatcher.poll(self._stage.clock.now)
        if not more:
            self.dispatcher.check(self._stage.clock.now)
        return more

    # -- Sending ---------------------------------------------------------------------------------------------------

    def send(self, das: Das, request: Request, done: Callable[[Answer], None]) -> None:
        self._may_die("claimed")
        self._senders.worst_instant(request)
        self._senders.wire.carry(das, request, done)
        self._may_die("sent")

    def cancel(self, ticket: object) -> None:
        """The virtual wire repeats nothing."""

    def _hand_back(self, sent: Sent, answer: Answer) -> None:
        def judge() -> None:
            self._may_die("answered")
            self.dispatcher.answered(sent, answer, self._stage.clock.now)

        self.guarded(judge)

    # -- Attempts: the step between the judgement and its record ---------------------------------------------------

    def record(self, attempt: Attempt, deadline: float) -> None:
        self._may_die("judged")
        self._stage.store.record(attempt, deadline)
        self._may_die("recorded")

    def of_session(self, uid: SessionUid, now: int, deadline: float) -> list[Attempt]:
        return self._stage.store.of_session(uid, now, deadline)

    # -- News ------------------------------------------------------------------------------------------------------

    def sent(self, code: Code, family: Family, age_s: float) -> None:
        """Nothing to tell."""

    def came(self, stage: Told) -> None:
        attempt = stage.attempt
        self._stage.note(attempt.subscriber, f"{self.name} {attempt.request} {attempt.outcome}: {attempt.words}")
        if stage.alarm:
            self._senders.alarms.add(attempt.uid)
            if attempt.verdict in {"later", "unknown"} and attempt.number <= BAD_IN_A_ROW_MAX:
                self._senders.broken.append((attempt.subscriber, RuntimeError("given up before its router obeyed")))

    def ended(self, family: Family, age_s: float) -> None:
        """Nothing to tell."""

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        if not isinstance(error, Unavailable):
            self._senders.broken.append((subscriber, error))


class Senders:
    """`SENDERS` workers at a time."""

    def __init__(self, stage: Stage, customers: Customers, wire: Wire) -> None:
        self._stage, self._customers, self.wire = stage, customers, wire
        self.alarms: set[str] = set()
        self.deaths: list[str] = []
        self.broken: list[tuple[SubscriberId, Exception]] = []
        self._named = 0
        self.workers = [self._another() for _ in range(SENDERS)]

    def _another(self) -> Worker:
        self._named += 1
        return Worker(self._stage, f"sender-{self._named}", self)

    def poll(self) -> None:
        """Each looks once."""
        for worker in list(self.workers):
            worker.guarded(worker.poll)

    def refresh(self) -> None:
        for worker in self.workers:
            worker.process.refresh()

    def replace(self, dead: Worker) -> None:
        """Somebody starts another one: it has a name of its own and remembers nothing."""
        self.workers[self.workers.index(dead)] = self._another()

    def may_die(self, step: str) -> None:
        """Between two steps; raises Died."""
        if not self._stage.quiet and self._stage.chance(self._stage.plan.deaths):
            self.deaths.append(step)
            self._stage.deaths.append(self._stage.clock.now)
            self._stage.note("*", f"a sender dies: {step}")
            raise Died(step)

    def worst_instant(self, request: Request) -> None:
        """A payment comes between claim and send, or between send and answer."""
        name = dict(request.attributes).get("User-Name")
        if not self._stage.chance(self._stage.plan.worst_instants):
            return
        payer = next((one for one in self._stage.customers if one.name == name), None)
        if payer is None:
            return
        if self._stage.chance(0.5):
            self._customers.buy(payer)
        else:
            self._stage.later(0, 1, lambda: self._customers.buy(payer))
