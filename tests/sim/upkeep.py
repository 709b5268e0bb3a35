"""What runs beside the customers: keepers, heartbeats, replay, sweeps, the senders; and what befalls them."""

from collections.abc import Callable

from radius.domain.errors import Unavailable
from tests.sim.customers import Customers
from tests.sim.plan import EVENING_S, SEND_S, T0
from tests.sim.senders import Senders
from tests.sim.stage import Stage


class Upkeep:
    """The product's background work, and the incidents that hit its machines."""

    def __init__(self, stage: Stage, customers: Customers, senders: Senders) -> None:
        self._stage = stage
        self._senders = senders
        self._customers = customers

    def begin(self, until: int) -> None:
        """Start all that recurs, and draw the incidents."""
        stage = self._stage
        stage.every(20, self.refresh, until)
        stage.every(15, self.beat, until)
        stage.every(20, self.replay, until)
        stage.every(30, self._sweep, until)
        stage.every(SEND_S, self._senders.poll, until)
        for _ in range(stage.random.randint(0, 4)):
            stage.later(0, EVENING_S, self._incident)

    def round(self) -> None:
        """Everything once, as far as it goes."""
        self.refresh()
        self.beat()
        self.replay(whole=True)
        self._sweep()
        self._senders.poll()

    def refresh(self) -> None:
        """Every process reads routers, boots and heartbeats."""
        for process in (self._stage.worker, *(node.process for node in self._stage.nodes)):
            process.refresh()
        self._senders.refresh()

    def beat(self) -> None:
        """Every node that is up publishes its heartbeat."""
        for node in self._stage.nodes:
            if self._stage.clock.now >= node.down_until:
                node.beat()

    def replay(self, *, whole: bool = False) -> None:
        """A batch of each spool, or all."""
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

    # -- incidents -----------------------------------------------------------------------------------------------

    def _incident(self) -> None:
        if self._stage.quiet:
            return
        kinds: list[Callable[[], None]] = [self._store_away, self._node, self._router, self._router, self._power]
        self._stage.random.choice([*kinds, self._pay, self._block])()

    def _store_away(self) -> None:
        now = self._stage.clock.now
        self._stage.away.append((now, now + self._stage.random.choice([5, 60, 600, 2400])))
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
