"""`CoA_Lambda` on a real engine and a router over UDP: runs that end in time, that are killed, that overlap."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from radius.domain.nas import Family
from tests.fakes.nas import FakeRouter
from tests.fakes.router_das import Delay, FakeDas, Manners, Mute
from tests.integration.box import REPO, SECRET, Box, clean_environment, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
QUOTA = 1_000_000
SMALL = "small.1"
ROUTER = ("coova-1", "127.0.0.3")


class Cloud:
    """A box without a sender, one router, and runs of the function."""

    def __init__(self, box: Box, das: FakeDas) -> None:
        self.box, self.das = box, das
        self.online: list[tuple[FakeRouter, str]] = []

    def start(self, *seconds: float) -> subprocess.Popen[bytes]:
        """One process that is given one event after the other, with so much time to work for each."""
        command = [sys.executable, "-m", "tests.integration.lambda_runtime", "coa", *map(str, seconds)]
        environment = {**clean_environment(), "WIFIBILLING_SETTINGS": str(self.box.coa_settings)}
        return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPO, env=environment)

    def used_up(self) -> str:
        """A customer whose quota is proven to be used; the name."""
        phone, mac = self.box.customer(SMALL), new_mac()
        router = self.box.router(*ROUTER)
        assert router.login(phone, "karibu", mac)[0]
        self.das.add(router.sessions[mac].session_id, phone)
        router.start(mac)
        router.use(mac, 0, QUOTA, 60)
        router.interim(mac)
        self.online.append((router, mac))
        return phone

    def end(self) -> None:
        """Everybody's Stop, so that the next test finds nothing due."""
        for router, mac in self.online:
            router.stop(mac)
        self.online.clear()
        self.das.heard.clear()

    def steps(self, phone: str) -> list[tuple[int, str]]:
        """Number of the request and where the intent then stood, in order."""
        session = self.box.aggregate(phone).sessions[-1]
        audit = self.box.core.store.attempts.of_session(session.uid, 0, time.monotonic() + 5)
        return [(attempt.number, attempt.outcome) for attempt in audit]

    def asked(self) -> int:
        """Requests that came, without their retransmissions."""
        return len({(heard.source, heard.data) for heard in self.das.heard})

    def due_now(self, phone: str) -> None:
        """What is waited for is over: a lease, or the pause before the next try."""

        def lapse(present: Any) -> None:
            for intent in present.intents:
                intent.lease_until = intent.due_at = int(time.time())

        self.box.edit(phone, lapse)


def told(run: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """What it wrote: results, and metrics for CloudWatch."""
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def results(run: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    return [line for line in told(run) if "_aws" not in line]


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("lambda") / "box"
    with FakeDas(SECRET.encode(), Manners.COOVA) as das, Box(folder, overrides={"log_level": "ERROR"}) as box:
        box.terms(SMALL, quota_bytes=QUOTA)
        box.add_router(*ROUTER, family=Family.COOVA, coa_address="127.0.0.1", coa_port=das.port)
        box.await_router(*ROUTER)
        yield Cloud(box, das)


@pytest.fixture
def cloud(region: Cloud) -> Iterator[Cloud]:
    yield region
    region.end()


def test_a_run_does_what_is_due_and_the_next_has_nothing_to_do(cloud: Cloud) -> None:
    phone = cloud.used_up()
    lines = told(cloud.start(2, 1))
    first, second = (line for line in lines if "_aws" not in line)
    assert (first["disconnects"], first["acks"], first["wired"]) == (1, 1, 1)
    assert (second["disconnects"], second["acks"], second["wired"]) == (0, 0, 1), "the same wiring, numbers of its own"
    assert first["ran_s"] >= 2
    assert cloud.das.sessions == {}
    assert cloud.steps(phone) == [(1, "acked")]
    assert [line["DisconnectsSent"] for line in lines if "DisconnectsSent" in line] == [1], "told once, as a metric"


def test_one_that_is_killed_in_the_middle_is_taken_up_when_its_lease_is_over(cloud: Cloud) -> None:
    phone = cloud.used_up()
    cloud.das.next(Mute())
    first = cloud.start(60)
    wait_until(lambda: cloud.das.heard, "claimed and sent")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    asked = cloud.asked()
    (during,) = results(cloud.start(1))
    assert (during["disconnects"], cloud.asked()) == (0, asked), "not twice while the first may be at work"
    cloud.due_now(phone)
    (after,) = results(cloud.start(2))
    assert (after["disconnects"], after["acks"]) == (1, 1)
    assert cloud.das.sessions == {}
    assert cloud.asked() == asked + 1
    assert cloud.steps(phone) == [(2, "acked")], "of the first nothing was written"


def test_an_answer_that_is_under_way_at_the_end_is_waited_for(cloud: Cloud) -> None:
    phone = cloud.used_up()
    cloud.das.next(Delay(2.5))
    first, second = results(cloud.start(1, 1))
    assert (first["disconnects"], first["acks"], first["silences"]) == (1, 1, 0)
    assert second["disconnects"] == 0
    assert cloud.asked() == 1
    assert cloud.steps(phone) == [(1, "acked")]


def test_silence_at_the_end_is_written_down_and_asked_anew(cloud: Cloud) -> None:
    phone = cloud.used_up()
    cloud.das.next(Mute())
    (first,) = results(cloud.start(1))
    assert (first["disconnects"], first["acks"], first["silences"]) == (1, 0, 1)
    assert cloud.steps(phone) == [(1, "pending")]
    cloud.due_now(phone)
    (second,) = results(cloud.start(2))
    assert (second["disconnects"], second["acks"]) == (1, 1)
    assert cloud.steps(phone) == [(1, "pending"), (2, "acked")]
    assert cloud.das.sessions == {}


def test_two_at_once_send_each_request_once(cloud: Cloud) -> None:
    phones = [cloud.used_up() for _ in range(8)]
    runs = [cloud.start(3), cloud.start(3)]
    done = [results(run)[0] for run in runs]
    assert sum(one["disconnects"] for one in done) == len(phones) == cloud.asked()
    assert cloud.das.sessions == {}
    assert [cloud.steps(phone) for phone in phones] == [[(1, "acked")]] * len(phones)
