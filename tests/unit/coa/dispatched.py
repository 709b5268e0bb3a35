"""A dispatcher over the memory store, with a sender that a test answers for and clocks that it moves."""

from typing import Any, NamedTuple

from coa.codec import Code, Request
from coa.das import Das
from coa.dispatch import Dispatcher, Sent, Stage, Stores
from coa.outcome import Acked, Answer, Nak, Silent
from radius.domain.attempt import Attempt
from radius.domain.identity import NasId, SubscriberId, parse_class
from radius.domain.nas import Family, Router
from radius.domain.request import Status
from radius.domain.subscriber import Session
from radius.domain.terms import Rate, Terms
from tests.unit.domain.builders import MIB, day_terms
from tests.unit.services.wired import DEADLINE_S, SECRET, Node, access_request, accounting_request

FAST, SLOW = Rate(2_000_000, 5_000_000), Rate(64_000, 128_000)
QUOTA = day_terms(quota_bytes=100 * MIB, rate=FAST)
SLOWING = day_terms("slow.1", quota_bytes=100 * MIB, rate=FAST, slow_rate=SLOW)
COOVA, MIKROTIK, ARUBA, UNIFI = NasId("coova-1"), NasId("mikrotik-1"), NasId("aruba-1"), NasId("unifi-1")
CAFE = NasId("cafe")  # hears nothing, and takes limits in the answers to its reports
ACK = Acked(1, 0.01)
SILENCE = Silent(5, 30.0)


def nak(cause: int | None) -> Nak:
    return Nak(1, 0.01, cause)


class Out(NamedTuple):
    """A request on its way, and how to answer it."""

    das: Das
    request: Request
    done: Any

    @property
    def values(self) -> dict[str, str]:
        return dict(self.request.attributes)


class Told:
    """What the dispatcher told."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.sends: list[tuple[Code, Family]] = []
        self.ends: list[float] = []
        self.errors: list[Exception] = []

    def sent(self, code: Code, family: Family, age_s: float) -> None:
        self.sends.append((code, family))

    def came(self, stage: Stage) -> None:
        self.stages.append(stage)

    def ended(self, family: Family, age_s: float) -> None:
        self.ends.append(age_s)

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        self.errors.append(error)

    @property
    def outcomes(self) -> list[str]:
        return [stage.attempt.outcome for stage in self.stages]

    @property
    def alarms(self) -> list[str]:
        return [stage.attempt.words for stage in self.stages if stage.alarm]


class Works:
    """Routers of several families, one dispatcher (more by `another`), and customers to be online."""

    def __init__(self) -> None:
        self.node = Node()
        self.nodes = [self.node]
        for number, (name, family) in enumerate(
            ((COOVA, Family.COOVA), (MIKROTIK, Family.MIKROTIK), (ARUBA, Family.ARUBA), (UNIFI, Family.UNIFI)), start=11
        ):
            self.node.provision.router(Router(name, "kilimani", family, (f"10.8.0.{number}",)), SECRET)
        behind_nat = Router(CAFE, "kilimani", Family.COOVA, ("10.8.0.20",), overrides={"coa": "none"})
        self.node.provision.router(behind_nat, SECRET)
        self.refresh()
        self.out: list[Out] = []
        self.called_off: list[Out] = []
        self.told = Told()
        self.one = self.another("one")
        self._number = 0

    def refresh(self) -> None:
        self.node.directory.refresh(self.node.now, self.node.deadline)

    def another(self, name: str, node: Node | None = None) -> Dispatcher:
        node = node or self.node
        made: list[Dispatcher] = []

        def hand_back(sent: Sent, answer: Answer) -> None:
            made[0].answered(sent, answer, self.node.now)

        stores = Stores(node.desk, node.marks, node.store, node.store, node.store, node.directory, node.world)
        made.append(
            Dispatcher(
                stores,
                self,
                hand_back,
                self.told,
                name,
                monotonic=node.monotonic,
                wall=lambda: float(self.node.now),
                deadline_s=DEADLINE_S,
            )
        )
        return made[0]

    def elsewhere(self, name: str) -> Dispatcher:
        """A dispatcher of another machine, with copies of its own."""
        self.nodes.append(Node(self.node.store, name="b"))
        return self.another(name, self.nodes[-1])

    def send(self, das: Das, request: Request, done: Any) -> Out:
        self.out.append(Out(das, request, done))
        return self.out[-1]

    def cancel(self, ticket: Out) -> None:
        self.called_off.append(ticket)

    # -- customers -----------------------------------------------------------------------------------------------

    def online(self, terms: Terms = QUOTA, on: NasId = COOVA, name: str = "0712345678") -> SubscriberId:
        self._number += 1
        found = self.node.provision.customer([name], "karibu", self.node.now)
        self.node.grant(found, terms)
        self.log_in(found, on, name)
        return found

    def log_in(self, subscriber: SubscriberId, on: NasId, name: str = "0712345678") -> None:
        session_id = f"81c0{self._number:04d}"
        granted = self.node.log_in(access_request(name, router=on, acct_session_id=session_id))
        class_of = parse_class(granted.limits.class_text)
        start = accounting_request(
            Status.START, self.node.now, class_of=class_of, router=on, acct_session_id=session_id, user_name=name
        )
        self.node.account(start)

    def session(self, subscriber: SubscriberId) -> Session:
        """The latest that its router has told of."""
        return next(one for one in reversed(self.node.home(subscriber).sessions) if one.acct_session_id)

    def report(self, subscriber: SubscriberId, used: int, status: Status = Status.INTERIM, pass_s: int = 300) -> None:
        """The router reports after some time; `used` bytes in all."""
        self.pass_time(pass_s)
        session = self.session(subscriber)
        self.node.account(
            accounting_request(
                status,
                self.node.now,
                (0, used),
                self.node.now - session.opened_at,
                class_of=(subscriber, session.reservation),
                router=session.nas,
                acct_session_id=session.acct_session_id,
            )
        )

    def used_up(self, terms: Terms = QUOTA, on: NasId = COOVA) -> SubscriberId:
        found = self.online(terms, on)
        self.report(found, 100 * MIB)
        return found

    # -- time and answers ------------------------------------------------------------------------------------------

    def pass_time(self, seconds: int) -> None:
        for node in self.nodes:
            node.pass_time(seconds)

    def poll(self, dispatcher: Dispatcher | None = None) -> None:
        """As a worker does: until nothing more is due."""
        for _ in range(200):
            if not (dispatcher or self.one).poll(self.node.now):
                return
        raise AssertionError("never done")

    def wait(self, seconds: int) -> None:
        """Let time pass with a poll each second."""
        for _ in range(seconds):
            self.pass_time(1)
            self.poll()

    def await_request(self) -> int:
        """How long until a request goes out."""
        for seconds in range(4000):
            if self.out:
                return seconds
            self.wait(1)
        raise AssertionError("nothing is sent")

    def take(self) -> Out:
        """The one request that is on its way."""
        (one,) = self.out
        self.out.clear()
        return one

    def answer(self, answer: Answer) -> Out:
        one = self.take()
        one.done(answer)
        return one

    def audit(self, subscriber: SubscriberId) -> list[Attempt]:
        return self.node.store.of_session(self.session(subscriber).uid, self.node.now, self.node.deadline)
