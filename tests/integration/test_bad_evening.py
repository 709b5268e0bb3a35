"""Bad evenings through real FreeRADIUS: the store goes away under load, the power is cut, the clock is wrong.

The tally is independent of the product: each thread keeps what its own fake router was acknowledged.
"""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from radius.domain.subscriber import SessionState
from tests.fakes.nas import FakeRouter, NoAnswer, total_limit
from tests.fakes.store_proxy import FaultKind
from tests.integration.box import DAY, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
CUSTOMERS = 12
MEGABYTE = 1_000_000
PATIENCE_S = 3.0  # what our router script sets
DEGRADED_S, DEGRADED_BYTES = 1_800, 50 * 1024**2  # the settings' defaults


class Customer:
    """One device online, reporting as fast as it is answered. `acknowledged` are the bytes of the last answer."""

    def __init__(self, box: Box) -> None:
        self.phone, self.mac = box.customer(DAY), new_mac()
        self.router: FakeRouter = box.router(timeout_s=PATIENCE_S)
        self.acknowledged = self.said = 0
        self.slowest_s = 0.0
        assert self.router.login(self.phone, "karibu", self.mac)[0]
        self.router.start(self.mac)

    def report(self) -> None:
        self.router.use(self.mac, MEGABYTE, 2 * MEGABYTE, 1)
        self.said += 3 * MEGABYTE
        asked = time.monotonic()
        self.router.interim(self.mac)
        self.slowest_s = max(self.slowest_s, time.monotonic() - asked)
        self.acknowledged = self.said

    def report_until(self, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            try:
                self.report()
            except NoAnswer:
                return


def charged(box: Box, customer: Customer) -> int:
    return sum(right.used_bytes + right.past_bytes for right in box.aggregate(customer.phone).rights)


def spooled(box: Box) -> list[Path]:
    return list(box.lab.layout.spool_dir.glob("acct-*"))


def parked(box: Box) -> bool:
    return (box.lab.layout.spool_dir / "parked.detail").exists()


def heeds_sigterm(box: Box) -> bool:
    """Whether the worker has come so far that it ends by itself when it is told to."""
    assert box.worker.child is not None
    status = Path(f"/proc/{box.worker.child.pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def start_load(customers: list[Customer]) -> tuple[threading.Event, list[threading.Thread]]:
    stop = threading.Event()
    threads = [threading.Thread(target=one.report_until, args=(stop,)) for one in customers]
    for thread in threads:
        thread.start()
    return stop, threads


def end_load(stop: threading.Event, threads: list[threading.Thread]) -> None:
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "box", proxied=True) as box:
        yield box


@pytest.mark.parametrize("how", ["black hole", "refused"])
def test_the_store_goes_away_under_load_and_comes_back(away: Box, how: str) -> None:
    box = away
    assert box.proxy is not None
    customers = [Customer(box) for _ in range(CUSTOMERS)]
    known, stranger = box.customer(DAY), box.customer(DAY)
    router, mac = box.router(timeout_s=1.5), new_mac()
    assert router.login(known, "karibu", mac)[0]
    stop, threads = start_load(customers)
    time.sleep(1)
    if how == "refused":
        box.proxy.refuse()
    else:
        box.proxy.inject(FaultKind.BLACK_HOLE)
    wait_until(lambda: spooled(box), "packets go to the spool")

    good, reply = router.login(known, "karibu", mac)
    assert good, "a customer whom this node knows gets one small lease"
    assert reply["Session-Timeout"] <= DEGRADED_S
    assert (total_limit(reply) or 0) <= DEGRADED_BYTES
    with pytest.raises(NoAnswer):
        router.login(known, "karibu", mac)
    wrong, _ = box.router(timeout_s=1.5).login(known, "not this", mac)
    assert not wrong, "the secret is checked all the same"
    with pytest.raises(NoAnswer):
        router.login(stranger, "karibu", new_mac())

    time.sleep(1)
    if how == "refused":
        box.proxy.listen_again()
    else:
        box.proxy.heal()
    time.sleep(2)
    end_load(stop, threads)
    assert all(one.acknowledged == one.said for one in customers), "every packet was acknowledged"
    assert max(one.slowest_s for one in customers) < PATIENCE_S
    box.worker.start()
    wait_until(lambda: not spooled(box), "the worker plays the spool back")
    assert not parked(box)
    wait_until(
        lambda: [charged(box, one) for one in customers] == [one.acknowledged for one in customers],
        "every acknowledged packet is counted exactly once",
        patience_s=20,
    )
    assert box.router(timeout_s=PATIENCE_S).login(stranger, "karibu", new_mac())[0]


def test_a_store_that_misbehaves_loses_and_doubles_nothing(away: Box) -> None:
    box = away
    assert box.proxy is not None
    customers = [Customer(box) for _ in range(CUSTOMERS)]
    for kind in (
        FaultKind.CONFLICT,
        FaultKind.THROTTLE,
        FaultKind.SERVER_ERROR,
        FaultKind.SWALLOW,
        FaultKind.CUT_AFTER,
    ):
        box.proxy.inject(kind, probability=0.05)
    stop, threads = start_load(customers)
    time.sleep(6)
    box.proxy.heal()
    time.sleep(1.5)
    end_load(stop, threads)
    box.worker.start()
    wait_until(lambda: not spooled(box), "the worker plays the spool back")
    assert not parked(box)
    for one in customers:
        one.report()  # whoever was not answered reports again, cumulatively
    assert [charged(box, one) for one in customers] == [one.acknowledged for one in customers]


def test_a_power_cut_in_the_middle_of_the_evening(tmp_path: Path) -> None:
    with Box(tmp_path / "box") as box:
        box.worker.start()
        customers = [Customer(box) for _ in range(CUSTOMERS)]
        stop, threads = start_load(customers)
        time.sleep(2)
        box.cut_power()
        end_load(stop, threads)
        acknowledged = [one.acknowledged for one in customers]
        assert min(acknowledged) > 0

        box.start_engine()
        counted = [charged(box, one) for one in customers]
        assert all(kept >= told for kept, told in zip(counted, acknowledged, strict=True)), "acknowledged is durable"
        assert all(kept <= one.said for kept, one in zip(counted, customers, strict=True)), "never more than was said"
        box.lab.start()
        box.worker.start()
        wait_until(lambda: heeds_sigterm(box), "the worker is up")
        for one in customers:
            one.report()  # cumulative: what the cut swallowed is in it
        assert [charged(box, one) for one in customers] == [one.said for one in customers]
        for one in customers:
            one.router.stop(one.mac)
            (session,) = box.aggregate(one.phone).sessions
            assert (session.state, session.total_bytes) == (SessionState.CLOSED, one.said)


def test_nothing_is_granted_or_expires_on_a_clock_that_is_known_to_be_wrong(tmp_path: Path) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with Box(tmp_path / "box") as box:
        one = Customer(box)
        one.report()
        assert box.lab.stop() == 0
        box.configure(clock_floor=ahead)  # to this node, now is long ago
        box.lab.start()
        assert spooled(box) == []
        with pytest.raises(NoAnswer):
            box.router(timeout_s=1.0).login(one.phone, "karibu", one.mac)
        one.report()
        assert spooled(box), "acknowledged, and kept for the time when the clock is right"
        assert charged(box, one) == one.acknowledged - 3 * MEGABYTE
        assert [right.ends_at > time.time() for right in box.aggregate(one.phone).rights] == [True]
        assert box.lab.stop() == 0
        box.configure(clock_floor="2026-01-01T00:00:00Z")
        box.lab.start()
        box.worker.start()
        wait_until(lambda: not spooled(box), "the worker plays the spool back")
        wait_until(lambda: charged(box, one) == one.acknowledged, "and counts it")
        assert box.router().login(one.phone, "karibu", one.mac)[0]
