"""One seeded evening: customers log in, use, roam and leave; the network, the routers and the store misbehave."""

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from random import Random

from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress, NameKind, NasId, SubscriberId, Username
from radius.domain.intent import IntentReason
from radius.domain.limits import Limits
from radius.domain.nas import CoaScope, Router, Site
from radius.domain.request import AccessRequest, AccountingRequest, Method, Status, Tunnel
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.terms import Service
from radius.services.access import Granted, HandOver
from radius.services.desk import Decided
from radius.store.memory import Faults
from tests.sim import plan as plans
from tests.sim.auditor import Auditor
from tests.sim.cluster import Clock, Process, RadiusNode, ShakyStore
from tests.sim.plan import AFTER_S, EVENING_S, HOUR, T0, RouterPlan
from tests.sim.routers import TrueSession

STORY_EVENTS = 60  # what a failure shows of one subscriber
TRY_AGAIN_S = 3
SPEEDS = (0, 2_000, 60_000, 400_000, 3_000_000)  # bytes a second


class Evening:
    """A run of one seed. `run` raises AssertionError with the story of the subscriber that came out wrong."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.plan = plans.draw(self.random)
        self.clock = Clock(T0)
        self.away_until = 0
        self.store = ShakyStore(Faults(self._lost_before, self._lost_after), self.clock.monotonic, atomic=self.plan.atomic)
        self.store.meanwhile = self._meanwhile
        self.quiet = True  # no faults while the world is set up, and when all is over
        self.nodes = [RadiusNode(name, self._process) for name in ("node-a", "node-b")]
        self.worker = self._process("worker")
        self.sessions: list[TrueSession] = []
        self.customers: list[tuple[SubscriberId, str, list[MacAddress]]] = []
        self.online: dict[tuple[str, MacAddress], TrueSession] = {}
        self.next_id: dict[str, int] = defaultdict(int)
        self.stories: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=STORY_EVENTS))
        self.auditor = Auditor(self)
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._nested = False

    # -- machinery ---------------------------------------------------------------------------------------------

    def _process(self, name: str) -> Process:
        process = Process(name, self.store, self.clock, self.random)
        process.refresh()
        return process

    def _lost_before(self, method: str) -> bool:
        if self.quiet:
            return False
        return self.clock.now < self.away_until or self.random.random() < self.plan.badness.store_before

    def _lost_after(self, method: str) -> bool:
        return not self.quiet and self.random.random() < self.plan.badness.store_after

    def _meanwhile(self) -> None:
        """Somebody else's step comes between this decision and its commit: two desks race."""
        if self._nested or self.quiet or self.random.random() >= self.plan.badness.interleaved or not self._agenda:
            return
        at, _, act = self._agenda[0]
        if at > self.clock.now + 2:
            return
        self._nested = True
        heapq.heappop(self._agenda)
        act()
        self._nested = False

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something later."""
        self._number += 1
        heapq.heappush(self._agenda, (max(int(when), self.clock.now), self._number, act))

    def later(self, least_s: float, most_s: float, act: Callable[[], None]) -> None:
        """Do something after a while."""
        self.at(self.clock.now + self.random.uniform(least_s, most_s), act)

    def every(self, period_s: int, act: Callable[[], None], until: int) -> None:
        """Do something again and again."""

        def step() -> None:
            act()
            if self.clock.now + period_s <= until:
                self.at(self.clock.now + period_s, step)

        self.later(0, period_s, step)

    def note(self, who: str, text: str) -> None:
        """Remember for the story."""
        self.stories[who].append(f"{self.clock.now - T0:>6} {text}")

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # -- the run -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The whole evening and the quiet night after it, audited."""
        self._set_up()
        night_at, end_at = T0 + EVENING_S, T0 + EVENING_S + AFTER_S
        for subscriber, name, devices in self.customers:
            for device in devices:
                self.later(0, HOUR, lambda s=subscriber, n=name, d=device: self._log_in(s, n, d))  # type: ignore[misc]
        self.every(10, self._refresh, night_at + HOUR)
        self.every(15, self._beat, night_at + HOUR)
        self.every(20, self._replay, night_at + HOUR)
        self.every(30, self._sweep, night_at + HOUR)
        self.every(10, self._send_coa, night_at + HOUR)
        for _ in range(self.random.randint(0, 4)):
            self.later(0, EVENING_S, self._incident)
        self.at(night_at, self._night)
        for minute in range(HOUR, AFTER_S, 300):
            self.at(night_at + minute, self._hourly)
        while self._agenda:
            when, _, act = heapq.heappop(self._agenda)
            if when > end_at:
                break
            self.clock.now = max(self.clock.now, when)
            act()
        self.clock.now = end_at
        self._hourly()
        self.auditor.at_the_end()

    def _set_up(self) -> None:
        provision = self.worker.provision
        provision.site(Site("lodge"))
        for router in self.plan.routers:
            entry = Router(NasId(router.name), "lodge", router.family, (), overrides=router.overrides)
            provision.router(entry, "a-shared-secret-of-32-characters")
        for terms in self.plan.terms:
            provision.terms(terms)
        for number in range(self.plan.customers):
            name = f"07120000{number:02d}"
            subscriber = provision.customer([name], "secret", T0)
            for right in range(self.random.randint(0, 3)):
                provision.grant(subscriber, self.random.choice(self.plan.terms).id, T0, f"right-{right}")
            macs = [MacAddress(f"aabbcc00{number:02x}{d:02x}") for d in range(self.plan.devices_each)]
            self.customers.append((subscriber, name, macs))
        for process in (self.worker, *(node.process for node in self.nodes)):
            process.refresh()
        self.quiet = False

    def _night(self) -> None:
        """Everybody goes home, and nothing fails any more."""
        self.quiet = True
        for session in list(self.online.values()):
            self._end(session, "User-Request")
        self.customers = []

    def _hourly(self) -> None:
        self._refresh()
        self._beat()
        self._replay(whole=True)
        self._sweep()

    # -- incidents ---------------------------------------------------------------------------------------------

    def _incident(self) -> None:
        if self.quiet:
            return
        kind = self.random.choice(["store", "node", "router", "router", "power", "top-up", "block"])
        if kind == "store":
            self.away_until = self.clock.now + self.random.choice([5, 60, 600, 2400])
            self.note("*", f"store away until {self.away_until - T0}")
        elif kind == "node":
            self._restart(self.random.choice(self.nodes))
        elif kind == "router":
            self._reboot(self.random.choice(self.plan.routers))
        elif kind == "power":
            for router in self.plan.routers:
                self._reboot(router)
            for node in self.nodes:
                self._restart(node)
        elif self.customers:
            subscriber = self.random.choice(self.customers)[0]
            self._operate(subscriber, block=kind == "block", tag=f"bought-{self.clock.now}")

    def _restart(self, node: RadiusNode) -> None:
        node.restart(self.clock.now + self.random.choice([1, 30, 400]))
        self.note("*", f"{node.name} down until {node.down_until - T0}")

    def _reboot(self, router: RouterPlan) -> None:
        self.note("*", f"{router.name} reboots, says on: {router.says_on}")
        for session in [s for s in self.online.values() if s.router is router]:
            self._gone(session, "power")
        if router.reuses_ids:
            self.next_id[router.name] = 0
        if router.says_on:
            said = self._boot_packet(router)
            self.later(1, 90, lambda: self._send(None, said, router))

    def _boot_packet(self, router: RouterPlan) -> AccountingRequest:
        return AccountingRequest(
            status=Status.ON, router=NasId(router.name), source="", acct_session_id="", user_name="", mac=None, device="x",
            class_of=None, in_bytes=None, out_bytes=None, gigawords=False, time_s=None, delay_s=0,
            event_timestamp=None, original_at=None, cause="", framed_ip="", nas_ip="", nas_identifier="",
        )  # fmt: skip

    def _operate(self, subscriber: SubscriberId, *, block: bool, tag: str) -> None:
        """A top-up or a block, tried until the store takes it."""
        process = self.random.choice(self.nodes).process
        try:
            if block:
                process.provision.block(subscriber, "" if self.chance(0.5) else "staff", self.clock.now)
            else:
                process.provision.grant(subscriber, self.random.choice(self.plan.terms).id, self.clock.now, tag)
            self.note(subscriber, "blocked or unblocked" if block else f"topped up {tag}")
        except Unavailable:
            self.later(1, 30, lambda: self._operate(subscriber, block=block, tag=tag))

    # -- customers ---------------------------------------------------------------------------------------------

    def _log_in(self, subscriber: SubscriberId, name: str, device: MacAddress) -> None:
        if self.quiet:
            return
        router = self.random.choice(self.plan.routers)
        self.later(60, 2400, lambda: self._log_in(subscriber, name, device))
        if (router.name, device) in self.online:
            return
        granted = self._ask(router, name, device)
        if granted is None:
            return
        self.auditor.granted(subscriber, granted, self.nodes)
        self.note(subscriber, f"accept {device} at {router.name}: {granted.limits.session_s} s, "
                  f"{granted.limits.total_bytes} B{' degraded' if granted.degraded else ''}")  # fmt: skip
        if self.chance(0.06):
            return  # the Accept was lost, or the customer walked away
        self.later(0, 3, lambda: self._begin(router, subscriber, name, device, granted))

    def _ask(self, router: RouterPlan, name: str, device: MacAddress) -> Granted | None:
        for node in self.random.sample(self.nodes, 2):
            if self.clock.now < node.down_until or self.chance(self.plan.badness.lost):
                continue
            answer = node.process.access.authorize(_request(router, name, device))
            if not isinstance(answer, HandOver):
                continue
            end = node.process.access.post_auth(_request(router, name, device, answer.token), self.clock.now)
            if isinstance(end, Granted) and not self.chance(self.plan.badness.answer_lost):
                return end
        return None

    def _begin(
        self, router: RouterPlan, subscriber: SubscriberId, name: str, device: MacAddress, granted: Granted
    ) -> None:
        if self.quiet or (router.name, device) in self.online:
            return
        self.next_id[router.name] += 1
        limits, now = granted.limits, self.clock.now
        session = TrueSession(
            router, granted.nas, subscriber, name, device, f"{self.next_id[router.name]:08x}", limits, granted.degraded,
            began_at=now, bps_in=self.random.choice(SPEEDS), bps_out=self.random.choice(SPEEDS),
            cap_bytes=_cap(granted), must_end_at=now + limits.session_s,
        )  # fmt: skip
        self.sessions.append(session)
        self.online[router.name, device] = session
        self._say(session, Status.START)
        self.later(limits.interim_s * 0.9, limits.interim_s, lambda: self._interim(session))
        self.at(session.must_end_at, lambda: self._time_out(session))
        self._watch_cap(session)
        if self.chance(0.6):
            self.later(10, 5400, lambda: self._end(session, "User-Request"))

    def _watch_cap(self, session: TrueSession) -> None:
        full_at = session.full_at()
        if full_at is not None:
            self.at(full_at, lambda: self._cap_reached(session, full_at))

    def _cap_reached(self, session: TrueSession, full_at: int) -> None:
        if session.full_at() == full_at:
            self._end(session, "Session-Timeout")

    def _time_out(self, session: TrueSession) -> None:
        if self.clock.now >= session.must_end_at:
            self._end(session, "Session-Timeout")

    def _interim(self, session: TrueSession) -> None:
        if session.ended_at:
            return
        self._say(session, Status.INTERIM)
        self.at(self.clock.now + session.limits.interim_s, lambda: self._interim(session))

    def _end(self, session: TrueSession, cause: str) -> None:
        if session.ended_at:
            return
        self._gone(session, cause)
        if not self.chance(self.plan.badness.lost / 2):
            self._say(session, Status.STOP)

    def _gone(self, session: TrueSession, cause: str) -> None:
        session.ended_at, session.cause = self.clock.now, cause
        self.online.pop((session.router.name, session.device), None)

    # -- accounting packets ------------------------------------------------------------------------------------

    def _say(self, session: TrueSession, status: Status) -> None:
        self._send(session, session.say(status, self.clock.now), session.router)

    def _send(
        self, session: TrueSession | None, packet: AccountingRequest, router: RouterPlan, made_at: int = 0, tries: int = 1
    ) -> None:
        """One try. The router tries again until somebody answers or it gives up."""
        made_at = made_at or self.clock.now
        bad = self.plan.badness
        if self.chance(bad.late):
            self.later(1, 40, lambda: self._arrive(session, packet, made_at))
        elif self.chance(bad.lost) or not self._arrive(session, packet, made_at) or self.chance(bad.answer_lost):
            if tries < router.tries:
                self.later(1, 2 * TRY_AGAIN_S, lambda: self._send(session, packet, router, made_at, tries + 1))
        if self.chance(bad.twice):
            self.later(0, 150, lambda: self._arrive(session, packet, made_at))

    def _arrive(self, session: TrueSession | None, packet: AccountingRequest, made_at: int) -> bool:
        """A node takes the packet: counted, or in its spool. False: nobody answered."""
        node = self.random.choice(self.nodes)
        if self.clock.now < node.down_until:
            return False
        packet = _delayed(packet, self.clock.now - made_at)
        node.heard.add(packet.router)
        try:
            counted = node.process.accounting.account(packet, self.clock.now, node.process.deadline())
            outcome = counted.what
        except Unavailable:
            node.spool.append((packet, self.clock.now))
            outcome = "spooled"
        if session is not None:
            self.auditor.acknowledged(session, packet, made_at)
            if outcome != "spooled":
                session.counted_at.append(self.clock.now)
            self.note(session.subscriber, f"{node.name} {packet.status} {packet.router}/{packet.acct_session_id} made "
                      f"{made_at - T0} in {packet.in_bytes} out {packet.out_bytes} t {packet.time_s}: {outcome}")  # fmt: skip
        return True

    # -- what runs beside --------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        for process in (self.worker, *(node.process for node in self.nodes)):
            process.refresh()

    def _beat(self) -> None:
        for node in self.nodes:
            if self.clock.now >= node.down_until:
                node.beat()

    def _replay(self, *, whole: bool = False) -> None:
        for node in self.nodes:
            while node.spool:
                waiting = len(node.spool)
                node.replay(self.random, self.worker)
                if not whole or len(node.spool) == waiting:
                    break

    def _sweep(self) -> None:
        try:
            while self.worker.sweep.poll(self.clock.now).more:
                pass
            for nas in list(self.worker.directory.boots):
                while self.worker.sweep.boots(nas, self.clock.now):
                    pass
        except Unavailable:
            return

    def _send_coa(self) -> None:
        """A sender of intents as the next issue has it, in small: cut, or tell new limits."""
        if self.quiet:
            return
        for body in self.store.bodies():
            for intent in body.intents:
                for session in list(self.online.values()):
                    if session.subscriber == body.id and self._uid(session) == intent.session:
                        self._enforce(session, intent.reason, body)

    def _uid(self, session: TrueSession) -> str:
        return self.auditor.uid(session)

    def _enforce(self, session: TrueSession, reason: IntentReason, body: Subscriber) -> None:
        if session.nas.capabilities.coa is CoaScope.NONE or self.chance(0.3):
            return
        known = next((s for s in body.sessions if s.uid == self._uid(session)), None)
        if reason is not IntentReason.TERMS:
            self.note(session.subscriber, f"cut {session.acct_session_id}: {reason}")
            self._end(session, "Admin-Reset")
        elif known is not None and known.state is SessionState.OPEN:
            self.note(session.subscriber, f"terms of {session.acct_session_id}: {known.cap_bytes} B until {known.ends_at - T0}")
            session.must_end_at = known.ends_at
            self.at(max(known.ends_at, self.clock.now), lambda: self._time_out(session))
            if session.cap_bytes is not None and not (session.nas.capabilities.coa_byte_cap and known.cap_bytes):
                self._end(session, "Admin-Reset")  # the router cannot be told a new cap: in again with the next log-in
                return
            session.cap_bytes = known.cap_bytes or None if session.cap_bytes is not None else None
            self._watch_cap(session)
            self._forget(session.subscriber, self._uid(session))

    def _forget(self, subscriber: SubscriberId, uid: str) -> None:
        def decide(present: Subscriber) -> Decided[None]:
            present.intents = [i for i in present.intents if i.session != uid or i.reason is not IntentReason.TERMS]
            return Decided(None, changed=True)

        try:
            self.worker.desk.change(subscriber, decide, self.worker.deadline())
        except Unavailable:
            return


def _cap(granted: Granted) -> int | None:
    limits: Limits = granted.limits
    can = granted.nas.capabilities
    if not can.byte_cap or limits.total_bytes is None:
        return None
    return limits.total_bytes if can.byte_cap_gigawords else min(limits.total_bytes, (1 << 32) - 1)


def _delayed(packet: AccountingRequest, delay_s: int) -> AccountingRequest:
    import msgspec

    return msgspec.structs.replace(packet, delay_s=delay_s)


def _request(router: RouterPlan, name: str, device: MacAddress, token: str = "") -> AccessRequest:
    return AccessRequest(
        username=Username(name, NameKind.PHONE, "254" + name[1:]), mac=device, device=device, service=Service.HOTSPOT,
        method=Method.PAP, password="secret", chap=None, router=NasId(router.name), pair=None, source="10.0.0.1",
        nas_identifier="", nas_ip="", nas_port_id="", nas_port_type="", called_station="", ssid="", framed_ip="",
        acct_session_id="", message_authenticator=True, tunnel=Tunnel.NONE, token=token, escaped=False,
    )  # fmt: skip
