"""The sweep looks at the due index through a window that moves on: what stays due must not fall behind it.

Found by the simulation (seed 72): an intent that came while another stood overdue kept the index where it was, and all
that fell due for that customer afterwards was hidden behind it, for ever.
"""

from random import Random

import pytest

from radius.domain import subscriber as aggregate
from radius.domain.entitlement import issue
from radius.domain.identity import NasId, SubscriberId
from radius.domain.intent import Intent, IntentReason
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.ports import Change, Node, Outcome
from radius.services.desk import Decided
from radius.services.due import OVERLAP_S
from radius.store.memory import Faults
from tests.sim.cluster import Clock, Process, ShakyStore
from tests.unit.domain.builders import NAS, T0, live
from tests.unit.domain.builders import subscriber as customer

POLL_S = 30
TERMS = Terms("day.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY))


class World:
    """One customer with one open session, and a worker that polls."""

    def __init__(self, session: Session, *intents: Intent) -> None:
        self.clock = Clock(T0)
        self.store = ShakyStore(Faults(), self.clock.monotonic, atomic=True)
        self.worker = Process("worker", self.store, self.clock, Random(0))
        self.worker.provision.terms(TERMS)
        body = customer(issue("right001", TERMS, T0), sessions=[session])
        body.intents = list(intents)
        self.id = body.id
        change = Change(body.id, 1, "w", aggregate.encode(body), T0)
        assert self.store.create(change, ["n:one"], self.worker.deadline()) is Outcome.COMMITTED

    def present(self) -> Subscriber:
        return self.store.bodies()[0]

    def spool(self, oldest_at: int) -> None:
        """A node says that it heard this router and what still waits in its spool."""
        node = Node("node-a", self.clock.now, oldest_at, (NasId(NAS),))
        self.store.publish(node, self.worker.deadline())

    def poll_for(self, seconds: int) -> None:
        for _ in range(seconds // POLL_S):
            self.clock.now += POLL_S
            self.worker.refresh()
            while self.worker.sweep.poll(self.clock.now).more:
                pass

    def commit_to(self, reason: IntentReason) -> None:
        """Something is to be done to the session, from now on."""

        def decide(body: Subscriber) -> Decided[None]:
            intent = Intent(body.sessions[0].uid, reason, 1, self.clock.now, due_at=self.clock.now)
            body.intents = [intent]
            return Decided(None, changed=True)

        self.worker.desk.change(self.id, decide, self.worker.deadline())


def open_until(ends_at: int) -> Session:
    return live(state=SessionState.OPEN, ends_at=ends_at)


@pytest.mark.parametrize("waits_s", [600, 3 * 3600])
def test_a_session_that_a_waiting_spool_held_back_is_ended_when_the_spool_is_empty(waits_s: int) -> None:
    there = World(open_until(T0 - 400))
    there.spool(T0 - 200)
    there.poll_for(waits_s)
    assert there.present().sessions[0].state is SessionState.OPEN
    there.spool(0)
    there.poll_for(600)
    assert there.present().sessions[0].cause == "timeout"


def test_looking_at_what_is_held_back_does_not_write_at_every_poll() -> None:
    there = World(open_until(T0 - 400))
    there.spool(T0 - 200)
    there.poll_for(3600)
    stored = there.store.read(there.id, there.worker.deadline())
    assert stored is not None
    assert stored.version <= 1 + 3600 // 300


def test_intents_that_replace_each_other_hide_nothing_that_falls_due_later() -> None:
    there = World(open_until(T0 + 1000))
    for reason in [IntentReason.TERMS, IntentReason.QUOTA, IntentReason.ENDED, IntentReason.BLOCKED] * 3:
        there.commit_to(reason)
        there.poll_for(OVERLAP_S // 2)
        stored = there.store.read(SubscriberId(there.id), there.worker.deadline())
        assert stored is not None
        assert stored.due_at > there.clock.now - POLL_S - OVERLAP_S
    there.poll_for(1800)
    assert there.present().sessions[0].cause == "timeout"
