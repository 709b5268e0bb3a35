"""Seeded evenings of one customer and a sender whose workers die: what must hold at every step, and at the end."""

from random import Random

import pytest

from coa.codec import Code
from coa.dispatch import Dispatcher
from coa.outcome import Answer, Nak, Reason, Refused, Silent
from coa.steps import LEASE_S
from radius.domain.entitlement import RightState, remaining_bytes, state
from radius.domain.identity import SubscriberId
from radius.domain.intent import IntentState
from radius.domain.request import Status
from radius.domain.subscriber import SessionState, Subscriber
from tests.unit.coa.dispatched import ACK, QUOTA, SLOWING, Out, Works
from tests.unit.domain.builders import MIB

STEPS = 60
SEEDS = 60


class Evening:
    """CoovaChilli, which can be told everything: whatever is cut there may not be online."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.works = Works()
        self.workers: list[Dispatcher] = [self.works.one, self.works.elsewhere("two")]
        self.terms = self.chance.choice([QUOTA, SLOWING])
        self.found: SubscriberId = self.works.online(self.terms)
        self.used = 0
        self.bought = 1
        self.flying: list[tuple[int, Out]] = []

    def play(self) -> None:
        moves = [
            self._report,
            self._report,
            self._buy,
            self._block,
            self._answer,
            self._answer,
            self._wait,
            self._sweep,
        ]
        for _ in range(STEPS):
            self.chance.choice(moves)()
            self._poll()
        self._settle()

    # -- moves ---------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        self.used += self.chance.randrange(60) * MIB
        if self.works.session(self.found).state is SessionState.OPEN:
            self.works.report(self.found, self.used, pass_s=self.chance.choice([5, 60, 300]))

    def _buy(self) -> None:
        self.bought += 1
        self.works.node.grant(self.found, self.terms, f"right{self.bought:03d}")

    def _block(self) -> None:
        self.works.node.provision.block(self.found, self.chance.choice(["", "chargeback"]), self.works.node.now)

    def _answer(self) -> None:
        if self.flying:
            answers: list[Answer] = [ACK, ACK, Nak(1, 0.1, 506), Nak(1, 0.1, 401), Silent(5, 30.0)]
            answers += [Refused(Reason.DOWN, retry_after_s=20.0), Refused(Reason.CANCELLED)]
            _, out = self.flying.pop(self.chance.randrange(len(self.flying)))
            out.done(self.chance.choice(answers))

    def _wait(self) -> None:
        self.works.pass_time(self.chance.choice([1, 11, 61, 301]))
        if self.chance.random() < 0.2:
            self.flying.clear()  # that worker died with all it had

    def _sweep(self) -> None:
        while self.works.node.sweep.poll(self.works.node.now).more:
            pass

    def _poll(self) -> None:
        for worker in self.chance.sample(self.workers, 2):
            self.works.poll(worker)
        for out in self.works.out:
            self._check_sent(out)
            self.flying.append((self.works.node.now, out))
        self.works.out.clear()
        self._check_books(self.home())

    # -- what must hold ------------------------------------------------------------------------------------------

    def home(self) -> Subscriber:
        return self.works.node.home(self.found)

    def _check_sent(self, out: Out) -> None:
        now, home = self.works.node.now, self.home()
        fresh = [at for at, other in self.flying if now - at < LEASE_S and other is not out]
        assert not fresh, "one request a session at a time"
        if out.request.code is Code.DISCONNECT_REQUEST and not any(intent.cut for intent in home.intents):
            assert home.blocked or not self._may(home), "nobody is cut who paid"

    def _may(self, home: Subscriber) -> bool:
        live = [right for right in home.rights if state(right, self.works.node.now) is RightState.LIVE]
        return any(self.terms.slow_rate or remaining_bytes(right, self.terms) for right in live)

    def _check_books(self, home: Subscriber) -> None:
        for right in home.rights:
            promised = sum(lease.bytes for s in home.sessions for lease in s.leases if lease.right == right.id)
            assert promised + min(right.used_bytes, 100 * MIB) <= 100 * MIB, "nothing is promised twice"
        assert len({(intent.session, intent.reason) for intent in home.intents}) == len(home.intents)

    def _settle(self) -> None:
        """From now on every worker lives and the router obeys: in the end nothing is left to be done."""
        self.flying.clear()
        for _ in range(200):
            self.works.wait(31)
            for out in self.works.out:
                if out.request.code is Code.DISCONNECT_REQUEST and self._open():
                    self.works.report(self.found, self.used, Status.STOP, pass_s=1)
                out.done(ACK)
            self.works.out.clear()
            if not self._open():
                break
            self.works.report(self.found, self.used, pass_s=60)
        home = self.home()
        if self._open() and (home.blocked or not self._may(home)):
            assert IntentState.ABANDONED in {intent.state for intent in home.intents}, "or an alarm has said why"
            assert self.works.told.alarms
        assert not [i for i in home.intents if not self._open()], "what has ended leaves nothing to do"

    def _open(self) -> bool:
        return self.works.session(self.found).state is SessionState.OPEN


@pytest.mark.parametrize("seed", range(SEEDS))
def test_an_evening(seed: int) -> None:
    Evening(seed).play()
