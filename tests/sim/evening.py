"""One seeded evening: customers come and go, everything misbehaves, then a quiet night in which all must come right."""

from radius.domain.identity import MacAddress, NasId
from radius.domain.nas import Router, Site
from tests.sim.auditor import Auditor
from tests.sim.customers import Customers
from tests.sim.network import Network
from tests.sim.plan import AFTER_S, EVENING_S, HOUR, T0
from tests.sim.senders import Senders
from tests.sim.stage import Customer, Stage
from tests.sim.upkeep import Upkeep
from tests.sim.wire import Wire

NIGHT_ROUND_S = 300


class Evening:
    """A run of one seed. `run` raises AssertionError with the story of the subscriber that came out wrong."""

    def __init__(self, seed: int) -> None:
        self.stage = Stage(seed)
        self.auditor = Auditor(self.stage)
        self._customers = Customers(self.stage, Network(self.stage, self.auditor), self.auditor)
        wire = Wire(self.stage, self._customers, self.auditor.cut)
        self.senders = Senders(self.stage, self._customers, wire)
        self._upkeep = Upkeep(self.stage, self._customers, self.senders)

    def run(self) -> None:
        """The whole evening and the quiet night after it, audited."""
        stage, night_at = self.stage, T0 + EVENING_S
        self._set_up()
        stage.quiet = False
        self._customers.arrive()
        self._upkeep.begin(until=night_at + HOUR)
        stage.play(night_at)
        stage.quiet = True
        self._customers.go_home()
        for seconds in range(HOUR, AFTER_S, NIGHT_ROUND_S):
            stage.at(night_at + seconds, self._upkeep.round)
        stage.play(night_at + AFTER_S)
        self._upkeep.round()
        for who, error in self.senders.broken:
            self.auditor.fail(who, f"cannot be worked on: {error!r}")
        self.auditor.at_the_end()

    def _set_up(self) -> None:
        stage = self.stage
        provision = stage.worker.provision
        provision.site(Site("lodge"))
        for number, router in enumerate(stage.plan.routers, start=1):
            entry = Router(
                NasId(router.name), "lodge", router.family, (), overrides=router.overrides,
                coa_address=f"10.9.0.{number}",
            )  # fmt: skip
            provision.router(entry, "a-shared-secret-of-32-characters")
        for terms in stage.plan.terms:
            provision.terms(terms)
        for number in range(stage.plan.customers):
            name = f"07120000{number:02d}"
            macs = [MacAddress(f"aabbcc00{number:02x}{d:02x}") for d in range(stage.plan.devices_each)]
            customer = Customer(provision.customer([name], "secret", T0), name, macs)
            stage.customers.append(customer)
            for _ in range(stage.random.randint(0, 3)):
                stage.quiet = False
                self._customers.buy(customer)
                stage.quiet = True
        self._upkeep.round()
