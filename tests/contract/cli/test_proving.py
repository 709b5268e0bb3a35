"""`routers test` with a device in hand: the router and the phone act while the command waits."""

from collections.abc import Iterator

import msgspec
import pytest

from billing.cli import proving
from billing.cli.exits import Exit
from radius.domain.identity import MacAddress
from radius.domain.request import Status
from radius.hub.files import REPORT, write
from radius.hub.peers import Heard, Report
from radius.wiring import build_accounting
from tests.contract.cli.isp import GATE, PHONE, SECRET, Ran, World
from tests.contract.values import soon
from tests.fakes.router_das import FakeDas, Manners, Refuse
from tests.unit.services.wired import accounting_request

MAC = "AA:BB:CC:DD:EE:01"
SESSION = "81c00009"


class Evening:
    """What happens beyond the command: at each of its pauses the next thing, then nothing any more."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, das: FakeDas) -> None:
        self.world = world
        self.das = das
        self.address = "10.5.0.7"  # as the router reports it
        self.acts = [self.start, self.interim, self.stop]
        monkeypatch.setattr(proving, "pause", self.pause)
        for name in ("INTERIM_WAIT_S", "STOP_WAIT_S"):
            monkeypatch.setattr(proving, name, 0.2)

    def pause(self, _seconds: float) -> None:
        if self.acts:
            self.acts.pop(0)()

    def account(self, status: Status, used: tuple[int, int], seconds: int) -> None:
        now = self.world.clock.now
        request = accounting_request(
            status, now + seconds, used, seconds, router=GATE, acct_session_id=SESSION, user_name=MAC,
            mac=PHONE, device=PHONE,
        )  # fmt: skip
        build_accounting(self.world.core).account(request, now + seconds, soon())

    def start(self) -> None:
        self.das.add(SESSION, MAC, self.address, MAC)
        self.account(Status.START, (0, 0), 0)

    def interim(self) -> None:
        self.account(Status.INTERIM, (1_000, 2_000), 60)

    def stop(self) -> None:
        self.account(Status.STOP, (1_500, 2_500), 70)

    def run(self, *more: str) -> Ran:
        words = ["--device", MAC, "--wait", "0.3", "--patience", "0.5", "--json", *more]
        return self.world("routers", "test", GATE, *words, yes=True)


@pytest.fixture
def evening(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Evening]:
    with FakeDas(SECRET.encode(), Manners.RFC) as das:
        router = next(each for each in world.core.store.routers.routers(soon()) if each.id == GATE)
        here = msgspec.structs.replace(router, coa_address="127.0.0.1", coa_port=das.port, version=router.version + 1)
        world.core.store.routers.put_router(here, soon())
        yield Evening(world, monkeypatch, das)


def steps(ran: Ran) -> list[tuple[str, bool]]:
    return [(step["name"], step["good"]) for step in ran.json()["steps"]]


def test_log_in_interim_and_disconnect_go_round(evening: Evening) -> None:
    ran = evening.run()
    assert steps(ran) == [("probe", True), ("log-in", True), ("interim", True), ("disconnect", True)]
    assert ran.code == Exit.DONE
    assert evening.das.sessions == {}
    assert evening.world.deeds() == [("mary", "routers test", GATE, "done")]


def test_a_device_that_never_comes_is_said(evening: Evening) -> None:
    evening.acts = []
    ran = evening.run("--patience", "0.1")
    assert (ran.code, steps(ran)[-1]) == (Exit.NOT, ("log-in", False))


def test_a_router_that_reports_nothing_is_said_and_nobody_is_cut(evening: Evening) -> None:
    evening.acts = [evening.start]
    ran = evening.run()
    assert (ran.code, steps(ran)[-1]) == (Exit.NOT, ("interim", False))
    assert "radius-interim-update must be `received`" in ran.json()["text"]
    assert list(evening.das.sessions) == [SESSION]


def test_a_router_that_says_yes_and_reports_no_end_is_said(evening: Evening) -> None:
    evening.acts = evening.acts[:2]
    ran = evening.run()
    assert (ran.code, steps(ran)[-1]) == (Exit.NOT, ("disconnect", False))
    assert "no Stop came" in ran.json()["text"]


def test_a_router_that_does_not_know_what_it_reports_is_said(evening: Evening) -> None:
    evening.address = "10.5.0.99"
    ran = evening.run()
    assert (ran.code, steps(ran)[-1]) == (Exit.NOT, ("disconnect", False))
    assert "it had just reported that session" in ran.json()["text"]


def test_a_router_that_refuses_the_probe_is_not_asked_for_a_round(evening: Evening) -> None:
    evening.das.next(Refuse(501), Refuse(501))
    ran = evening.run()
    assert steps(ran) == [("probe", False)]
    assert ran.code == Exit.NOT


def test_a_customers_own_device_is_taken_and_stays_the_customers(evening: Evening) -> None:
    owner = evening.world.customer("0712345678")
    evening.world.core.provision.name(owner, MAC)
    assert evening.run().code == Exit.DONE
    assert evening.world.core.names.resolve(f"m:{MacAddress(PHONE)}", soon()) in {owner, None}


def test_a_tunnel_that_is_silent_is_said_first(evening: Evening) -> None:
    world = evening.world
    router = next(each for each in world.core.store.routers.routers(soon()) if each.id == GATE)
    world.core.store.routers.put_router(
        msgspec.structs.replace(router, tunnel=True, version=router.version + 1), soon()
    )
    for age_s, good in ((30, True), (400, False)):
        heard = Heard("10.99.0.2", world.clock.now - age_s, "203.0.113.9")
        write(world.folder / REPORT, msgspec.json.encode(Report(world.clock.now, {GATE: heard})), 0o644)
        ran = world("routers", "test", GATE, "--wait", "0.3", "--json")
        assert steps(ran) == [("tunnel", good), ("probe", True)]
        assert ran.code == (Exit.DONE if good else Exit.NOT)


def test_what_is_no_device_is_refused(world: World) -> None:
    assert world("routers", "test", GATE, "--device", "my phone").code == Exit.USAGE


def test_nobody_is_cut_without_a_yes(evening: Evening) -> None:
    ran = evening.world("routers", "test", GATE, "--device", MAC, "--wait", "0.3")
    assert ran.code == Exit.DECLINED
    assert evening.world.deeds() == []
