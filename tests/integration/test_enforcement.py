"""From the packet that proves it to the router that obeys: real FreeRADIUS, engine, sender, and routers over UDP."""

import json
import os
import signal
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from coa import __main__ as command
from radius.bell import NAME
from radius.domain.attempt import Attempt
from radius.domain.nas import Family
from radius.domain.subscriber import Session, SessionState
from radius.domain.terms import Rate
from tests.fakes.nas import FakeRouter
from tests.fakes.ports import free_port
from tests.fakes.router_das import FakeDas, Linger, Manners, Mute, Refuse
from tests.integration.box import DEADLINE_S, SECRET, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
COOVA, MIKROTIK, DEAD = ("coova-1", "127.0.0.3"), ("mikrotik-1", "127.0.0.4"), ("dead-1", "127.0.0.5")
SMALL, SLOWING = "small.1", "slowing.1"
QUOTA = 1_000_000
FRAMED = "10.0.0.5"


class Site:
    """A box with its sender, and routers that obey."""

    def __init__(self, box: Box, coova: FakeDas, mikrotik: FakeDas) -> None:
        self.box, self.coova, self.mikrotik = box, coova, mikrotik

    def online(self, terms: str, where: tuple[str, str], das: FakeDas | None) -> tuple[str, str, FakeRouter]:
        """A customer's phone and device, online on a router; the router's own Stop follows a Disconnect at once."""
        phone, mac = self.box.customer(terms), new_mac()
        router = self.box.router(*where)
        assert router.login(phone, "karibu", mac, more={"Framed-IP-Address": FRAMED})[0]
        if das is not None:
            das.add(router.sessions[mac].session_id, phone, FRAMED)
        router.start(mac)
        return phone, mac, router

    def use_up(self, router: FakeRouter, mac: str, used: int = QUOTA) -> None:
        router.use(mac, 0, used, 60)
        router.interim(mac)

    def session(self, phone: str) -> Session:
        return self.box.aggregate(phone).sessions[-1]

    def audit(self, phone: str) -> list[Attempt]:
        return self.box.core.store.attempts.of_session(self.session(phone).uid, 0, time.monotonic() + DEADLINE_S)

    def outcomes(self, phone: str) -> list[str]:
        return [attempt.outcome for attempt in self.audit(phone)]


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, metrics_port: int) -> Iterator[Site]:
    with (
        FakeDas(SECRET.encode(), Manners.COOVA) as coova,
        FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip=MIKROTIK[1]) as mikrotik,
        Box(tmp_path_factory.mktemp("enforcement") / "box", overrides={"coa_metrics_port": metrics_port}) as box,
    ):
        fast, slow = Rate(2_000_000, 5_000_000), Rate(64_000, 128_000)
        box.terms(SMALL, quota_bytes=QUOTA)
        box.terms(SLOWING, quota_bytes=QUOTA, rate=fast, slow_rate=slow)
        box.add_router(*COOVA, family=Family.COOVA, coa_address="127.0.0.1", coa_port=coova.port)
        box.add_router(*MIKROTIK, coa_address="127.0.0.1", coa_port=mikrotik.port)
        box.add_router(*DEAD, coa_address="127.0.0.1", coa_port=free_port())
        box.await_router(*DEAD)
        box.coa.start()
        wait_until((box.state / NAME).exists, "the sender is up")
        yield Site(box, coova, mikrotik)


def test_the_quota_is_reached_the_router_is_told_and_the_stop_settles_it(site: Site) -> None:
    phone, mac, router = site.online(SMALL, MIKROTIK, site.mikrotik)
    session_id = router.sessions[mac].session_id
    site.use_up(router, mac)
    wait_until(lambda: session_id not in site.mikrotik.sessions, "the Disconnect")
    router.stop(mac, "Admin-Reset")
    wait_until(lambda: site.outcomes(phone) == ["acked", "confirmed"], "the end is seen")
    stored = site.box.aggregate(phone)
    assert (stored.sessions[0].state, stored.sessions[0].cause, stored.intents) == (
        SessionState.CLOSED,
        "Admin-Reset",
        [],
    )
    assert (site.audit(phone)[0].request, site.audit(phone)[0].target) == (
        "disconnect",
        f"127.0.0.1:{site.mikrotik.port}",
    )


def test_slowed_down_at_the_quota_and_restored_by_a_top_up(site: Site) -> None:
    phone, mac, router = site.online(SLOWING, COOVA, site.coova)
    session = site.coova.sessions[router.sessions[mac].session_id]
    site.use_up(router, mac)
    wait_until(lambda: session.limits.get("WISPr-Bandwidth-Max-Down") == 128_000, "the slow rate")
    assert {"Session-Timeout", "Acct-Interim-Interval"} <= session.limits.keys(), "replace-all: the full set"
    site.box.grant(site.box.find(phone), SLOWING)
    wait_until(lambda: session.limits.get("WISPr-Bandwidth-Max-Down") == 5_000_000, "the full rate")
    wait_until(lambda: not site.box.aggregate(phone).intents, "nothing is left to do")
    assert site.session(phone).state is SessionState.OPEN
    router.stop(mac)


def test_a_router_that_is_down_delays_no_other(site: Site) -> None:
    down = [site.online(SMALL, DEAD, None) for _ in range(3)]
    for _, mac, router in down:
        site.use_up(router, mac)
    _, mac, router = site.online(SMALL, COOVA, site.coova)
    session_id = router.sessions[mac].session_id
    site.use_up(router, mac)
    wait_until(lambda: session_id not in site.coova.sessions, "the living router is told")
    assert all(site.outcomes(phone) == [] for phone, _, _ in down), "the dead one is still being asked"
    for _, mac, router in down:
        router.stop(mac)


def test_a_session_that_the_router_has_not_is_closed_here(site: Site) -> None:
    phone, mac, router = site.online(SMALL, MIKROTIK, None)
    site.use_up(router, mac)
    wait_until(lambda: site.session(phone).cause == "gone", "closed as gone")
    assert (site.outcomes(phone), site.audit(phone)[0].error_cause) == (["confirmed"], 503)


def test_a_router_set_up_wrongly_is_an_alarm(site: Site) -> None:
    phone, mac, router = site.online(SMALL, MIKROTIK, site.mikrotik)
    site.mikrotik.next(Refuse(403))
    site.use_up(router, mac)
    wait_until(lambda: site.outcomes(phone) == ["abandoned"], "given up")
    lines = [json.loads(line) for line in (site.box.root / "coa.log").read_text().splitlines()]
    mine = [line for line in lines if line["details"].get("session") == site.session(phone).uid]
    (alarm,) = [line for line in mine if line["level"] == "ERROR"]
    assert (alarm["details"]["nas"], alarm["details"]["outcome"]) == (MIKROTIK[0], "abandoned")
    assert "NAS-IP-Address" in alarm["details"]["cause"]
    assert phone not in json.dumps(lines)
    router.stop(mac)


def test_a_router_that_says_yes_and_does_nothing_is_told_again(site: Site) -> None:
    phone, mac, router = site.online(SMALL, MIKROTIK, site.mikrotik)
    session_id = router.sessions[mac].session_id
    site.mikrotik.next(Linger())
    site.use_up(router, mac)
    wait_until(lambda: session_id not in site.mikrotik.sessions, "told again", patience_s=60)
    assert site.outcomes(phone)[:2] == ["acked", "refuted"]
    router.stop(mac)


def test_a_sender_that_is_killed_loses_nothing(site: Site) -> None:
    phone, mac, router = site.online(SMALL, MIKROTIK, site.mikrotik)
    session_id = router.sessions[mac].session_id
    site.mikrotik.next(Mute())
    before = len(site.mikrotik.heard)
    site.use_up(router, mac)
    wait_until(lambda: len(site.mikrotik.heard) > before, "claimed and sent")
    child = site.box.coa.child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    site.box.coa.child = None

    def lapse(present: Any) -> None:
        for intent in present.intents:
            intent.lease_until = intent.due_at = int(time.time())

    site.box.edit(phone, lapse)  # a minute's wait is not what is tested
    site.box.coa.start()
    wait_until(lambda: session_id not in site.mikrotik.sessions, "another worker sends")
    router.stop(mac)


def test_what_is_measured(site: Site, metrics_port: int) -> None:
    def count(name: str) -> float:
        connection = HTTPConnection("127.0.0.1", metrics_port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"wifibilling_{name}"))

    names = [f'{name}_total{{environment="production",family="coova"}}' for name in ("disconnects_sent", "router_acks")]
    names += ["enforcement_wire_seconds_count"]
    names += ['enforcement_end_seconds_count{environment="production",family="coova"}']
    before = [count(name) for name in names]
    _, mac, router = site.online(SMALL, COOVA, site.coova)
    session_id = router.sessions[mac].session_id
    site.use_up(router, mac)
    wait_until(lambda: session_id not in site.coova.sessions, "the Disconnect")
    router.stop(mac)
    wait_until(lambda: count(names[-1]) > before[-1], "the end was seen")
    assert all(count(name) >= known + 1 for name, known in zip(names, before, strict=True))


def test_by_hand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--settings", str(site.box.coa_settings)]
    phone, mac, router = site.online(SMALL, MIKROTIK, site.mikrotik)
    session_id, uid = router.sessions[mac].session_id, site.session(phone).uid
    assert command.main(["probe", MIKROTIK[0], *settings]) == 0
    assert command.main(["change", MIKROTIK[0], uid, *settings]) == 0
    assert command.main(["disconnect", MIKROTIK[0], "--user", phone, *settings]) == 0
    assert session_id not in site.mikrotik.sessions
    assert command.main(["disconnect", MIKROTIK[0], uid, *settings]) == 0
    assert command.main(["disconnect", MIKROTIK[0], "--user", phone, *settings]) == 2
    assert command.main(["disconnect", "nowhere", uid, *settings]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("Its sessions are cut and changed at once, by packets to 127.0.0.1, port")
    assert "sessions can be ended here" in told.out
    assert "ACK: The router says it is done." in told.out
    assert "503 Session-Context-Not-Found" in told.out
    assert "has no open session on mikrotik-1" in told.err
    assert site.session(phone).cause == "gone"
    assert [attempt.worker for attempt in site.audit(phone)] == ["by hand"] * 3
    assert [attempt.request for attempt in site.audit(phone)] == ["change", "disconnect", "disconnect"]
