"""One seeded evening: customers come and go, everything misbehaves, then a quiet night in which all must come right."""

from radius.domain.identity import MacAddress, NasId
from radius.domain.nas import Router, Site
from tests.sim.auditor import Auditor
from tests.sim.customers import Customers
from tests.sim.network import Network
from tests.sim.plan import AFTER_S, EVENING_S, HOUR, T0, Plan
from tests.sim.senders import Senders
from tests.sim.stage import Customer, Stage
from tests.sim.upkeep import Upkeep
from tests.sim.wire import Wire, coa_address

NIGHT_ROUND_S = 300


class Evening:
    """A run of one seed. `run` raises AssertionError with the story of the subscriber that came out wrong."""

    def __init__(self, seed: int, plan: Plan | None = None, customers: type[Customers] = Customers) -> None:
        self.stage = Stage(seed, plan)
        self.auditor = Auditor(self.stage)
        self.customers = customers(self.stage, Network(self.stage, self.auditor), self.auditor)
        wire = Wire(self.stage, self.customers, self.auditor.cut)
        self.senders = Senders(self.stage, self.customers, wire)
        self.upkeep = Upkeep(self.stage, self.customers, self.senders)

    def run(self) -> None:
        """The whole evening and the quiet night after it, audited."""
        self.set_up()
        self.stage.quiet = False
        self.customers.arrive()
        self.upkeep.begin(until=T0 + EVENING_S + HOUR)
        self.stage.play(T0 + EVENING_S)
        self.night(AFTER_S)

    def night(self, seconds: int) -> None:
        """Everybody leaves, nothing fails any more, and after so long everything must have come right."""
        stage, night_at = self.stage, self.stage.clock.now
        stage.quiet = True
        self.customers.go_home()
        for at in range(night_at + HOUR, night_at + seconds, NIGHT_ROUND_S):
            stage.at(at, self.upkeep.round)
        stage.play(night_at + seconds)
        self.upkeep.round()
        for who, error in self.senders.broken:
            self.auditor.fail(who, f"cannot be worked on: {error!r}")
        self.auditor.at_the_end()

    def set_up(self) -> None:
        """Routers, packages and customers with what they bought before."""
        stage = self.stage
        provision = stage.worker.provision
        provision.site(Site("lodge"))
        for number, router in enumerate(stage.plan.routers):
            entry = Router(
                NasId(router.name), "lodge", router.family, (), overrides=router.overrides,
                coa_address=coa_address(number),
            )  # fmt: skip
            provision.router(entry, "a-shared-secret-of-32-characters")
        for terms in stage.plan.terms:
            provision.terms(terms)
        for number in range(stage.plan.customers):
            name = f"0712{number:06d}"
            macs = [MacAddress(f"aabbcc{number:04x}{d:02x}") for d in range(stage.plan.devices_each)]
            customer = Customer(provision.customer([name], "secret", T0), name, macs)
            stage.customers.append(customer)
            for _ in range(stage.random.randint(*self.customers.bought_before)):
                stage.quiet = False
                self.customers.buy(customer)
                stage.quiet = True
        self.upkeep.round()
