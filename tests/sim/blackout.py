"""A blackout: all routers lose power at one instant, and come back at another with everybody who was online.

Old sessions never hear a Stop; devices log in again while their routers' Accounting-On is on its way; nodes drop what
is too much for a second; some customers pay or are blocked meanwhile. The auditor is that of the evenings, and
everybody who may be online must be, and nothing of before may be open, within stated bounds. Seconds are virtual: they
follow from what nodes take in a second and from what each request to the store takes a worker.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import NamedTuple

from coa.run import POLL_S, THREADS
from radius.domain.identity import MacAddress, NasId
from radius.domain.subscriber import SessionState
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.worker import BOOT_WATCH_S, PAUSE_S, ROUNDS_MAX
from tests.sim.auditor import Auditor
from tests.sim.customers import Customers
from tests.sim.evening import Evening
from tests.sim.network import Network
from tests.sim.plan import HOUR, MIB, T0, Badness, Plan, draw_router
from tests.sim.routers import TrueSession
from tests.sim.senders import SENDERS
from tests.sim.stage import Customer, Stage

AT_EACH = 11  # customers at a router: ten are online when power goes
LIT_S = 900  # everybody is online by then
DARK_S = 600
RETURN_S = 20  # the last router is up so long after the first
ON_S = 30  # a router that tells of its start does so by then
DEVICES_S = (5, 30)  # a device asks so long after its router is up
BACK_S_MAX = 300  # by then everybody who may is online again
RIGHT_S_MAX = 2700  # by then nothing of before is open: the silence of who did not come back needs half an hour
NIGHT_S = 6 * HOUR  # longer than any package lives
STORE_S = 0.005  # what a request to the store takes a worker
BESIDE = THREADS // 2  # of a sender's threads; the others take the answers
LOOK_S = 5  # how exactly this file tells when
PAID, BLOCKED = 0.05, 0.05  # of the customers, meanwhile

TERMS = (
    Terms("day.1", Window(WindowStart.PURCHASE, 4 * HOUR, PeriodUnit.SECOND), quota_bytes=3000 * MIB, interim_s=600),
    Terms("free.1", Window(WindowStart.FIRST_LOGIN, 2 * HOUR, PeriodUnit.SECOND), interim_s=600, devices=2),
    Terms("hour.1", Window(WindowStart.PURCHASE, 4 * HOUR, PeriodUnit.SECOND), quota_s=HOUR, interim_s=600),
)


class Report(NamedTuple):
    """What came of it. Seconds, and requests to the store, since power came back."""

    sessions: int  # online when power went
    back_s: int  # until everybody who may be online is
    back_requests: int
    right_s: int  # until of what was before nothing is open or unfiled
    right_requests: int
    to_routers: int  # requests for the whole of it


class Residents(Customers):
    """Each stays at one router. While that is dark they wait, and all come back with it."""

    bought_before = (1, 2)
    leave = 0.0

    def __init__(self, stage: Stage, network: Network, auditor: Auditor) -> None:
        super().__init__(stage, network, auditor)
        self._tries: dict[MacAddress, int] = defaultdict(int)

    def _log_in(self, customer: Customer, device: MacAddress) -> None:
        stage = self._stage
        if stage.quiet:
            return
        router = stage.plan.routers[int(customer.name[-6:]) // AT_EACH]

        def again() -> None:
            self._log_in(customer, device)

        if stage.dark(router.name):
            up_at = stage.dark_until[router.name]
            stage.at(up_at + stage.random.randint(*DEVICES_S), again)
        elif (router.name, device) in stage.online:
            self._tries[device] = 0
            stage.later(60, 240, again)
        else:
            self._tries[device] += 1
            stage.later(5, 30 * self._tries[device], again)
            self._come_in(router, customer, device)


class Paced:
    """A process: each of its requests to the store takes it `request_s`, and it rests between its rounds."""

    def __init__(
        self, stage: Stage, rounds: Callable[[], Iterator[None]], request_s: float, rest_s: float, until: int
    ) -> None:
        self._stage, self._request_s, self._rest_s, self._until = stage, request_s, rest_s, until
        self._rounds = rounds
        self._round = rounds()
        self._free_at = float(stage.clock.now)

    def go(self) -> None:
        """One piece of work, and then the next."""
        stage, before = self._stage, self._stage.store_calls
        if stage.clock.now > self._until:
            return
        rest_s = 0.0
        try:
            next(self._round)
        except StopIteration:
            self._round, rest_s = self._rounds(), self._rest_s
        took_s = (stage.store_calls - before) * self._request_s
        self._free_at = max(self._free_at, float(stage.clock.now)) + took_s + rest_s
        stage.at(self._free_at, self.go)


class Blackout:
    """One of `routers` with `AT_EACH` customers each. `run` raises AssertionError with a story, as an evening's."""

    def __init__(self, routers: int, seed: int = 0) -> None:
        random = Random(seed)
        plan = Plan(
            routers=tuple(draw_router(random, number) for number in range(routers)),
            terms=TERMS,
            customers=routers * AT_EACH,
            devices_each=1,
            badness=Badness(0.02, 0.02, 0.05, 0.05, 0, 0, interleaved=0.1),
            atomic=True,
            rudeness=0.3,
            deaths=0.0001,
            worst_instants=0.0,
        )
        self._evening = Evening(seed, plan, Residents)
        self.stage, self._auditor = self._evening.stage, self._evening.auditor
        self._auditor.after_boot_s = RIGHT_S_MAX
        self._power_at = T0 + LIT_S + DARK_S
        self._boots_done: dict[NasId, int] = {}
        self._before: list[TrueSession] = []
        self._sessions = 0

    def run(self) -> Report:
        """Light, dark, and light again until the world is right; then everybody goes home."""
        stage = self.stage
        self._evening.set_up()
        stage.quiet = False
        self._evening.customers.arrive(LIT_S // 3)
        self._work(until=self._power_at + RIGHT_S_MAX + HOUR)
        stage.play(T0 + LIT_S)
        self._lights_out()
        stage.play(self._power_at)
        back, right = self._until_right()
        stage.play(self._power_at + RIGHT_S_MAX)
        self._evening.night(NIGHT_S)
        return Report(self._sessions, *back, *right, self._evening.senders.wire.requests)

    def _until_right(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Seconds and requests to the store until all are back, and until nothing of before is open."""
        stage = self.stage
        requests_before, absent = stage.store_calls, self._absent(stage.customers)
        back = right = None
        while back is None or right is None:
            stage.play(stage.clock.now + LOOK_S)
            seen = since_s, _ = stage.clock.now - self._power_at, stage.store_calls - requests_before
            absent, self._before = self._absent(absent), [one for one in self._before if self._haunts(one)]
            if absent and since_s > BACK_S_MAX:
                self._auditor.fail(absent[0].id, f"{len(absent)} who may be online are not")
            if self._before and since_s > RIGHT_S_MAX:
                self._auditor.fail(self._before[0].subscriber, f"{len(self._before)} of before are not over")
            back = back or (None if absent else seen)
            right = right or (None if self._before else seen)
        return back, right

    def _lights_out(self) -> None:
        stage, customers = self.stage, self._evening.customers
        self._before = list(stage.online.values())
        self._sessions = len(self._before)
        for router in stage.plan.routers:
            up_at = self._power_at + stage.random.randint(0, RETURN_S)
            stage.dark_until[router.name] = up_at
            customers.lights_out(router)
            stage.at(up_at, partial(customers.lights_on, router, within_s=ON_S))
        for customer in stage.customers:
            if stage.chance(PAID):
                stage.later(0, 2 * DARK_S, partial(customers.buy, customer))
            if stage.chance(BLOCKED):
                stage.later(0, 2 * DARK_S, partial(customers.block, customer, "staff"))

    # -- what is asked of it -------------------------------------------------------------------------------------

    def _absent(self, customers: list[Customer]) -> list[Customer]:
        """Of these, who may be online and are not yet."""
        online = {session.subscriber for session in self.stage.online.values()}
        return [one for one in customers if one.id not in online and self._auditor.may_come(one.id)]

    def _haunts(self, session: TrueSession) -> bool:
        """A session of before that the product has not done with."""
        body = self.stage.store.body(session.subscriber)
        names = (session.router.name, session.acct_session_id)
        same = [one for one in body.sessions if (one.nas, one.acct_session_id) == names]
        mine = [one for one in same if one.opened_at <= session.ended_at]
        if any(one.state is SessionState.OPEN or not one.filed for one in mine):
            return True
        # A router that counts its names anew may serve another session by the same one.
        uids = {one.uid for one in mine} - {one.uid for one in same if one.opened_at > session.ended_at}
        return any(intent.session in uids for intent in body.intents)

    # -- the processes -------------------------------------------------------------------------------------------

    def _work(self, until: int) -> None:
        stage, upkeep = self.stage, self._evening.upkeep
        stage.every(60, upkeep.refresh, until)
        stage.every(15, upkeep.beat, until)
        stage.every(20, upkeep.replay, until)
        Paced(stage, self._sweeps, STORE_S, PAUSE_S, until).go()
        for number in range(SENDERS):
            Paced(stage, partial(self._sends, number), STORE_S / BESIDE, POLL_S, until).go()

    def _sweeps(self) -> Iterator[None]:
        """A round of `radius.worker`."""
        worker, now = self.stage.worker, self.stage.clock.now
        for _ in range(ROUNDS_MAX):
            more = worker.sweep.poll(now).more
            yield
            if not more:
                break
        for nas, at in list(worker.directory.boots.items()):
            if self._boots_done.get(nas) == at:
                continue
            for _ in range(ROUNDS_MAX):
                looked = worker.sweep.boots(nas, now)
                yield
                if not looked:
                    if now > at + BOOT_WATCH_S:
                        self._boots_done[nas] = at
                    break

    def _sends(self, number: int) -> Iterator[None]:
        """A poll of `coa.run`."""
        more = True
        while more:
            worker = self._evening.senders.workers[number]
            more = bool(worker.guarded(worker.page))
            yield
