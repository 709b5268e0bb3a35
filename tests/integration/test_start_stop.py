"""FreeRADIUS starts and stops under load, the power goes while everything is at work, the clock is wrong."""

import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from radius.domain.subscriber import SessionState
from tests.integration.box import DAY, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs
from tests.integration.load import Evening, charged, charged_is, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
ROUNDS = 10
CUTS = 3
CUSTOMERS = 8


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "box") as one:
        one.terms("wide.1", quota_bytes=1 << 40)
        yield one


def evenings(box: Box) -> list[Evening]:
    return [Evening(box, "wide.1", box.router(timeout_s=0.3), seed) for seed in range(CUSTOMERS)]


def served_since(customers: list[Evening], instant: float) -> bool:
    return all(one.waits and one.waits[-1][0] > instant for one in customers)


def threads_of(box: Box) -> int:
    assert box.lab.process is not None
    return len(list(Path(f"/proc/{box.lab.process.pid}/task").iterdir()))


def heeds_sigterm(box: Box) -> bool:
    """Whether the worker has come so far that it ends by itself when it is told to."""
    assert box.worker.child is not None
    caught = re.search(
        r"^SigCgt:\s+([0-9a-f]+)$", Path(f"/proc/{box.worker.child.pid}/status").read_text(), re.MULTILINE
    )
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def drained(box: Box) -> bool:
    return not list(box.lab.layout.spool_dir.glob("acct-*"))


def test_freeradius_starts_and_stops_under_load_without_a_crash_a_leak_or_a_loss(box: Box) -> None:
    customers = evenings(box)
    threads = []
    box.worker.start()
    with running(customers):
        for _ in range(ROUNDS):
            wait_until(partial(served_since, customers, time.monotonic()), "all are served")
            threads.append(threads_of(box))
            assert box.lab.stop() == 0
            box.lab.start()
        wait_until(partial(served_since, customers, time.monotonic()), "all are served")
    for one in customers:
        one.finish()
    assert max(threads) - min(threads) <= 2, threads  # the clients' own pools may still be growing
    for trouble in ("CAUGHT SIGNAL", "did not stop cleanly", "Traceback", "Fatal Python error"):
        assert trouble not in box.lab.log()
    assert "Hook failed" not in box.log()
    wait_until(lambda: drained(box), "the worker plays the spool back")
    for one in customers:
        assert charged(box, one.phone) == one.owed()[0]


def test_power_cuts_in_the_middle_of_the_evening_lose_nothing_that_was_acknowledged(box: Box) -> None:
    customers = evenings(box)
    box.worker.start()
    for _ in range(CUTS):
        with running(customers):
            wait_until(partial(served_since, customers, time.monotonic()), "all are served")
            time.sleep(0.5)
            box.cut_power()
        box.start_engine()
        for one in customers:
            least, most = one.owed()
            assert least <= charged(box, one.phone) + spooled_bytes(box, one), one.phone
            assert charged(box, one.phone) <= most, one.phone
        box.lab.start()
        box.worker.start()
    for one in customers:
        one.router.timeout_s = 5.0
        one.finish()
    wait_until(lambda: drained(box), "the worker plays the spool back")
    for one in customers:
        assert one.owed()[0] == one.owed()[1] == charged(box, one.phone)
        assert {session.state for session in box.aggregate(one.phone).sessions} <= {
            SessionState.CLOSED,
            SessionState.RESERVED,
        }
    wait_until(lambda: heeds_sigterm(box), "the worker is up")


def spooled_bytes(box: Box, one: Evening) -> int:
    """What of this customer's last session may wait in the spool: anything, where its name is there at all."""
    return one.owed()[1] if one.phone in box.lab.spooled() else 0


def test_on_a_wrong_clock_nothing_is_granted_swept_or_played_back(box: Box) -> None:
    router, phone, mac = box.router(), box.customer(DAY), new_mac()
    ahead = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert router.login(phone, "karibu", mac)[0]
    router.start(mac)
    router.use(mac, 1_000, 2_000, 60)
    router.interim(mac)
    box.edit(phone, lambda present: setattr(present.sessions[0], "last_at", present.sessions[0].last_at - 5_000))
    assert box.lab.stop() == 0
    box.configure(clock_floor=ahead)  # what this box takes for now is long past
    box.lab.start()
    router = box.router(sessions=router.sessions, timeout_s=1.0)
    router.use(mac, 10_000, 20_000, 60)
    router.interim(mac)
    before = box.version(phone)
    time.sleep(2.5)  # the worker leaves a fresh file alone
    box.worker_once()
    assert "Worker waits for the clock" in (box.root / "worker.log").read_text()
    assert (box.version(phone), charged(box, phone)) == (before, 3_000)
    assert [session.state for session in box.aggregate(phone).sessions] == [SessionState.OPEN]
    assert not drained(box)

    assert box.lab.stop() == 0
    box.configure(clock_floor="2026-11-01T00:00:00Z")
    box.lab.start()
    assert box.worker_once() == 0
    assert drained(box)
    wait_until(partial(charged_is, box, phone, 33_000), "the spool is counted")
