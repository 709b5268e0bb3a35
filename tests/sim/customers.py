"""Customers: they log in, use, roam to other routers, run out, buy, leave; and what their routers do to them."""

from collections import defaultdict

from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress, NameKind, NasId, Username
from radius.domain.request import AccessRequest, Method, Status, Tunnel
from radius.domain.terms import Service
from radius.services.access import Granted, HandOver, Refused
from tests.sim.auditor import Auditor
from tests.sim.network import Network
from tests.sim.plan import HOUR, RouterPlan
from tests.sim.routers import TrueSession
from tests.sim.stage import Customer, Stage

SPEEDS = (0, 2_000, 60_000, 400_000, 3_000_000)  # bytes a second


class Customers:
    """The devices of the evening and the sessions that they hold."""

    bought_before = (0, 3)  # at least and at most, before they come
    leave = 0.6  # chance that one goes before the router ends it

    def __init__(self, stage: Stage, network: Network, auditor: Auditor) -> None:
        self._stage = stage
        self._network = network
        self._auditor = auditor
        self._next_id: dict[str, int] = defaultdict(int)
        self._purchases = 0

    def arrive(self, within_s: int = HOUR) -> None:
        """Everybody comes within that time."""
        for customer in self._stage.customers:
            for device in customer.devices:
                self._come(customer, device, within_s)

    def _come(self, customer: Customer, device: MacAddress, within_s: int) -> None:
        self._stage.later(0, within_s, lambda: self._log_in(customer, device))

    # -- log in ------------------------------------------------------------------------------------------------

    def _log_in(self, customer: Customer, device: MacAddress) -> None:
        stage = self._stage
        if stage.quiet:
            return
        router = stage.random.choice(stage.plan.routers)
        stage.later(60, 2400, lambda: self._log_in(customer, device))
        if (router.name, device) not in stage.online:
            self._come_in(router, customer, device)

    def _come_in(self, router: RouterPlan, customer: Customer, device: MacAddress) -> None:
        stage = self._stage
        granted = self._ask(router, customer, device)
        # One in sixteen walks away, or never hears the Accept.
        if granted is not None and not stage.chance(0.06):
            stage.later(0, 3, lambda: self._begin(router, customer, device, granted))

    def _ask(self, router: RouterPlan, customer: Customer, device: MacAddress) -> Granted | None:
        """One server after the other; None if nobody said yes, or the yes was lost."""
        stage = self._stage
        for node in stage.random.sample(stage.nodes, 2):
            if not node.takes(stage.clock.now) or stage.chance(stage.plan.badness.lost):
                continue
            handed = node.process.access.authorize(_request(router, customer.name, device))
            if not isinstance(handed, HandOver):
                continue
            self._auditor.asks(customer.id, device)
            request = _request(router, customer.name, device, handed.token)
            answer = node.process.access.post_auth(request, stage.clock.now)
            if isinstance(answer, Granted):
                self._auditor.granted(customer.id, answer)
                stage.note(customer.id, f"accept {device} at {router.name}: {_told(answer)}")
                if not stage.chance(stage.plan.badness.answer_lost):
                    return answer
            elif isinstance(answer, Refused):
                stage.note(customer.id, f"reject {device} at {router.name}: {answer.reason}")
                self._auditor.refused(customer.id, device, answer.reason)
                if stage.chance(0.4):
                    stage.later(10, 300, lambda: self.buy(customer))
                return None
        return None

    # -- pay ---------------------------------------------------------------------------------------------------

    def buy(self, customer: Customer) -> None:
        """A payment arrives: the right is granted once, however often its callback comes."""
        if self._stage.quiet:
            return
        self._purchases += 1
        right, terms = f"bought-{self._purchases}", self._stage.random.choice(self._stage.plan.terms).id
        self._settle(customer, right, terms)
        if self._stage.chance(0.3):
            self._stage.later(0, 120, lambda: self._settle(customer, right, terms))

    def _settle(self, customer: Customer, right: str, terms: str) -> None:
        """Tried until the store has taken it."""
        process = self._stage.random.choice(self._stage.nodes).process
        self._auditor.buys(customer.id, right, terms)
        try:
            process.provision.grant(customer.id, terms, self._stage.clock.now, right)
        except Unavailable:
            self._stage.later(1, 30, lambda: self._settle(customer, right, terms))
            return
        self._auditor.bought(customer.id, right)
        self._stage.note(customer.id, f"bought {right} of {terms}")

    def block(self, customer: Customer, reason: str) -> None:
        """Staff blocks an account ("" unblocks), until the store has taken it."""
        process = self._stage.random.choice(self._stage.nodes).process
        self._auditor.blocks(customer.id)
        try:
            process.provision.block(customer.id, reason, self._stage.clock.now)
        except Unavailable:
            self._stage.later(1, 30, lambda: self.block(customer, reason))
            return
        self._auditor.blocked(customer.id, reason)
        self._stage.note(customer.id, f"blocked: {reason!r}")

    # -- sessions ----------------------------------------------------------------------------------------------

    def _begin(self, router: RouterPlan, customer: Customer, device: MacAddress, granted: Granted) -> None:
        stage = self._stage
        if stage.quiet or stage.dark(router.name) or (router.name, device) in stage.online:
            return
        self._next_id[router.name] += 1
        limits, now, speeds = granted.limits, stage.clock.now, stage.random.choices(SPEEDS, k=2)
        session = TrueSession(
            router, granted.nas, customer.id, customer.name, device, f"{self._next_id[router.name]:08x}", limits,
            granted.degraded, began_at=now, bps_in=speeds[0], bps_out=speeds[1], cap_bytes=_cap(granted),
            must_end_at=now + limits.session_s, interims=[limits.interim_s],
        )  # fmt: skip
        for other in stage.of[customer.id]:
            if granted.degraded and not other.ended_at and other.device == device:
                other.displaced = True  # the store hears of the one that began behind its back, and ends this one
        stage.begins(session)
        self._network.say(session, Status.START)
        stage.later(limits.interim_s * 0.9, limits.interim_s, lambda: self._interim(session))
        self.time_out_at(session, session.must_end_at)
        self.watch_cap(session)
        if stage.chance(self.leave):
            stage.later(10, 5400, lambda: self.end(session, "User-Request"))

    def watch_cap(self, session: TrueSession) -> None:
        """The router ends it when the cap that it knows now is reached."""
        full_at = session.full_at()

        def reached() -> None:
            if session.full_at() == full_at:
                self.end(session, "Session-Timeout")

        if full_at is not None:
            self._stage.at(full_at, reached)

    def time_out_at(self, session: TrueSession, at: int) -> None:
        """The router ends it at `at`, unless it is told another instant meanwhile."""
        session.must_end_at = at

        def over() -> None:
            if session.router.keeps_time and self._stage.clock.now >= session.must_end_at:
                self.end(session, "Session-Timeout")

        self._stage.at(at, over)

    def _interim(self, session: TrueSession) -> None:
        if not session.ended_at:
            self._network.say(session, Status.INTERIM)
            self._stage.at(self._stage.clock.now + session.interims[-1], lambda: self._interim(session))

    def end(self, session: TrueSession, cause: str) -> None:
        """It ends, and its router says so, unless the Stop is lost with all its repetitions."""
        if session.ended_at:
            return
        self._gone(session, cause)
        if not self._stage.chance(self._stage.plan.badness.lost / 2):
            self._network.say(session, Status.STOP)

    def reboot(self, router: RouterPlan) -> None:
        """A router loses its sessions without a word, and comes back."""
        self._stage.note("*", f"{router.name} reboots, says on: {router.says_on}")
        self.lights_out(router)
        self.lights_on(router)

    def lights_out(self, router: RouterPlan) -> None:
        """Its sessions are gone without a word."""
        for session in self._stage.at_router[router.name]:
            if not session.ended_at:
                self._gone(session, "power")

    def lights_on(self, router: RouterPlan, within_s: int = 90) -> None:
        """It is there again, and says so if it is one that does."""
        if router.reuses_ids:
            self._next_id[router.name] = 0
        if router.says_on:
            self._stage.later(1, within_s, lambda: self._network.boot(router))

    def go_home(self) -> None:
        """Everybody leaves."""
        for session in list(self._stage.online.values()):
            self.end(session, "User-Request")

    def _gone(self, session: TrueSession, cause: str) -> None:
        session.ended_at, session.cause = self._stage.clock.now, cause
        self._stage.online.pop((session.router.name, session.device), None)


def _told(granted: Granted) -> str:
    limits = granted.limits
    return f"{limits.session_s} s, {limits.total_bytes} B{' degraded' if granted.degraded else ''}"


def _cap(granted: Granted) -> int | None:
    """What the router will hold the session to."""
    can, total_bytes = granted.nas.capabilities, granted.limits.total_bytes
    if not can.byte_cap or total_bytes is None:
        return None
    return total_bytes if can.byte_cap_gigawords else min(total_bytes, (1 << 32) - 1)


def _request(router: RouterPlan, name: str, device: MacAddress, token: str = "") -> AccessRequest:
    return AccessRequest(
        username=Username(name, NameKind.PHONE, "254" + name[1:]), mac=device, device=device, service=Service.HOTSPOT,
        method=Method.PAP, password="secret", chap=None, router=NasId(router.name), pair=None, source="10.0.0.1",
        nas_identifier="", nas_ip="", nas_port_id="", nas_port_type="", called_station="", ssid="", framed_ip="",
        acct_session_id="", message_authenticator=True, tunnel=Tunnel.NONE, token=token, escaped=False,
    )  # fmt: skip
