"""What runs beside the customers: keepers, heartbeats, replay, sweeps, a sender of intents; and what befalls them."""

from collections.abc import Callable

from coa.families import WAYS
from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress
from radius.domain.intent import IntentReason
from radius.domain.nas import CoaScope
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.wanted import owed, session_of
from radius.services.desk import Decided
from tests.sim.customers import Customers
from tests.sim.plan import EVENING_S, T0
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage


class Upkeep:
    """The product's background work, and the incidents that hit its machines."""

    def __init__(self, stage: Stage, customers: Customers) -> None:
        self._stage = stage
        self._customers = customers

    def begin(self, until: int) -> None:
        """Start all that recurs, and draw the incidents."""
        stage = self._stage
        stage.every(20, self._refresh, until)
        stage.every(15, self._beat, until)
        stage.every(20, self._replay, until)
        stage.every(30, self._sweep, until)
        stage.every(10, self._send, until)
        for _ in range(stage.random.randint(0, 4)):
            stage.later(0, EVENING_S, self._incident)

    def round(self) -> None:
        """Everything once, as far as it goes."""
        self._refresh()
        self._beat()
        self._replay(whole=True)
        self._sweep()

    def _refresh(self) -> None:
        for process in (self._stage.worker, *(node.process for node in self._stage.nodes)):
            process.refresh()

    def _beat(self) -> None:
        for node in self._stage.nodes:
            if self._stage.clock.now >= node.down_until:
                node.beat()

    def _replay(self, *, whole: bool = False) -> None:
        for node in self._stage.nodes:
            while node.spool:
                waiting = len(node.spool)
                node.replay(self._stage.random, self._stage.worker)
                if not whole or len(node.spool) == waiting:
                    break

    def _sweep(self) -> None:
        worker, now = self._stage.worker, self._stage.clock.now
        try:
            while worker.sweep.poll(now).more:
                pass
            for nas in list(worker.directory.boots):
                while worker.sweep.boots(nas, now):
                    pass
        except Unavailable:
            return

    # -- the sender of intents, in small: cut, or tell new limits ------------------------------------------------

    def _send(self) -> None:
        if self._stage.quiet:
            return
        for body in self._stage.store.bodies():
            for intent in body.intents:
                known = next((one for one in body.sessions if one.uid == intent.session), None)
                if known is not None:
                    self._enforce(body, known, intent.reason)

    def _enforce(self, body: Subscriber, known: Session, reason: IntentReason) -> None:
        stage = self._stage
        true = stage.online.get((known.nas, MacAddress(known.device)))
        if true is None or true.subscriber != body.id or not _same(true, known):
            return
        if true.nas.capabilities.coa is CoaScope.NONE or stage.chance(0.3):
            return
        if reason is not IntentReason.TERMS:
            stage.note(body.id, f"cut {true.acct_session_id}: {reason}")
            self._customers.end(true, "Admin-Reset")
        elif known.state is SessionState.OPEN:
            self._tell(body, true, known)

    def _tell(self, body: Subscriber, true: TrueSession, known: Session) -> None:
        self._stage.note(body.id, f"terms of {true.acct_session_id}: {known.cap_bytes} B until {known.ends_at - T0}")
        self._customers.time_out_at(true, known.ends_at)
        if true.cap_bytes is not None:
            if not (true.nas.capabilities.coa_byte_cap and known.cap_bytes):
                self._customers.end(true, "Admin-Reset")  # it cannot be told a new cap: in again with the next log-in
                return
            true.cap_bytes = known.cap_bytes
            self._customers.watch_cap(true)
        self._confirm(body, true, known)

    def _confirm(self, body: Subscriber, true: TrueSession, known: Session) -> None:
        """What is told is committed; a router whose CoA carries it reports at another pace from then on."""
        uid, worker, world = known.uid, self._stage.worker, self._stage.worker.world(self._stage.clock.now)

        def decide(present: Subscriber) -> Decided[int]:
            present.intents = [i for i in present.intents if i.session != uid or i.reason is not IntentReason.TERMS]
            session = session_of(present, uid)
            there = session is not None and present.right(session.right) is not None
            pace_s = owed(present, session, true.nas, world).limits.interim_s if session is not None and there else 0
            return Decided(pace_s, changed=True)

        try:
            pace_s = worker.desk.change(body.id, decide, worker.deadline())
        except Unavailable:
            return
        if pace_s and "Acct-Interim-Interval" in WAYS[true.nas.family].changes:
            true.interims.append(pace_s)

    # -- incidents -----------------------------------------------------------------------------------------------

    def _incident(self) -> None:
        if self._stage.quiet:
            return
        kinds: list[Callable[[], None]] = [self._store_away, self._node, self._router, self._router, self._power]
        self._stage.random.choice([*kinds, self._pay, self._block])()

    def _store_away(self) -> None:
        self._stage.away_until = self._stage.clock.now + self._stage.random.choice([5, 60, 600, 2400])
        self._stage.note("*", f"store away until {self._stage.away_until - T0}")

    def _node(self) -> None:
        node = self._stage.random.choice(self._stage.nodes)
        node.restart(self._stage.clock.now + self._stage.random.choice([1, 30, 400]))
        self._stage.note("*", f"{node.name} down until {node.down_until - T0}")

    def _router(self) -> None:
        self._customers.reboot(self._stage.random.choice(self._stage.plan.routers))

    def _power(self) -> None:
        for router in self._stage.plan.routers:
            self._customers.reboot(router)
        for _ in self._stage.nodes:
            self._node()

    def _pay(self) -> None:
        self._customers.buy(self._stage.random.choice(self._stage.customers))

    def _block(self) -> None:
        customer = self._stage.random.choice(self._stage.customers)
        self._customers.block(customer, "staff")
        if self._stage.chance(0.7):
            self._stage.later(60, 1200, lambda: self._customers.block(customer, ""))


def _same(true: TrueSession, known: Session) -> bool:
    """The packets of this session carry the names under which the product knows it."""
    return (true.acct_session_id, true.reservation) == (known.acct_session_id, known.reservation)
