"""The power is cut in the middle of an evening, the spool loses what the disk never got, the clock is wrong."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from radius.domain.subscriber import SessionState
from tests.fakes.nas import FakeRouter, NoAnswer
from tests.integration.box import DAY, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs
from tests.integration.load import Evening, evenings, running, served_since

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
CUTS = 3
CUSTOMERS = 8
DAYS = 86_400
LONG_AGO = -4_000 * DAYS  # a board without a battery clock; before any release of ours


def silent(router: FakeRouter, phone: str, mac: str) -> bool:
    try:
        router.login(phone, "karibu", mac)
    except NoAnswer:
        return True
    return False


def states(box: Box, phone: str) -> list[SessionState]:
    return [session.state for session in box.aggregate(phone).sessions]


# --- the power -------------------------------------------------------------------------------------------------------


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with Box(tmp_path / "box") as box:
        customers = evenings(box, CUSTOMERS, timeout_s=0.3)
        box.worker.start()
        for _ in range(CUTS):
            with running(customers):
                wait_until(partial(served_since, customers, time.monotonic()), "all are served")
                time.sleep(0.5)
                box.cut_power()
            box.start_engine()
            for one in customers:
                least, most = one.owed()
                assert least <= box.charged(one.phone) + may_wait(box, one), "acknowledged is durable"
                assert box.charged(one.phone) <= most, "never more than was said"
            box.lab.start()
            box.worker.start()
        for one in customers:
            one.finish(5.0)
        wait_until(lambda: not box.spooled(), "the worker plays the spool back")
        for one in customers:
            assert one.owed()[0] == one.owed()[1] == box.charged(one.phone)
            assert SessionState.OPEN not in states(box, one.phone)
        box.await_worker()


def may_wait(box: Box, one: Evening) -> int:
    """What of this customer's last session may wait in the spool: anything, where its name is there at all."""
    return one.owed()[1] if one.phone in box.lab.spooled() else 0


def test_what_the_disk_never_got_of_the_spool_is_healed(tmp_path: Path) -> None:
    """A kill leaves the page cache alone, a power cut does not, and FreeRADIUS does not fsync (DESIGN invariant 2)."""
    with Box(tmp_path / "box", proxied=True) as box:
        assert box.proxy is not None
        router = box.router()
        stays, leaves = ((box.customer(DAY), new_mac()) for _ in range(2))
        for phone, mac in (stays, leaves):
            assert router.login(phone, "karibu", mac)[0]
            router.start(mac)
            router.use(mac, 1_000, 2_000, 60)
            router.interim(mac)
        box.proxy.refuse()
        kept_bytes = 0
        for _ in range(3):  # acknowledged, and in the spool
            router.use(stays[1], 100, 200, 1)
            router.interim(stays[1])
            kept_bytes = kept_bytes or sum(path.stat().st_size for path in box.spooled())
        router.use(leaves[1], 100, 200, 1)
        router.stop(leaves[1])
        box.cut_power()
        truncate(box.spooled(), kept_bytes + 40)  # one record was written out, and the beginning of the next
        box.proxy.listen_again()
        box.start_engine()
        box.lab.start()
        wait_until(lambda: box.worker_once() == 0 and not box.spooled(), "the worker plays the spool back")
        assert box.parked(), "what is left of the torn record, for a person"
        assert box.charged(stays[0]) == 3_300
        assert box.charged(leaves[0]) == 3_000

        router.use(stays[1], 100, 200, 1)
        router.interim(stays[1])
        assert box.charged(stays[0]) == 4_200, "the next packet is cumulative"
        assert states(box, leaves[0]) == [SessionState.OPEN]
        box.age(leaves[0], 5_000)
        assert box.worker_once() == 0
        [session] = box.aggregate(leaves[0]).sessions
        assert (session.state, session.cause) == (SessionState.CLOSED, "silent"), "the sweep ends it"
        assert box.charged(leaves[0]) == 3_000, "billed to the last evidence that is left"


def truncate(files: list[Path], size_bytes: int) -> None:
    """Keep so much of what was written, oldest first."""
    for path in files:
        keep = min(size_bytes, path.stat().st_size)
        size_bytes -= keep
        with path.open("r+b") as file:
            file.truncate(keep)


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.fixture
def skewed(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "box", skewed=True) as box:
        box.terms("hour.1", quota_bytes=1 << 40)
        yield box


class Online:
    """A customer whose session has been silent for long: on a right clock it would be closed at once."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.phone, self.mac = box.customer(DAY), new_mac()
        self.router = box.router(timeout_s=1.0)
        assert self.router.login(self.phone, "karibu", self.mac)[0]
        self.router.start(self.mac)
        self.report()

    def report(self) -> None:
        self.router.use(self.mac, 1_000, 2_000, 60)
        self.router.interim(self.mac)


def nothing_moves(box: Box, one: Online, stranger: str) -> None:
    """While the clock is wrong: nobody is let in, nothing expires, what is acknowledged waits in the spool."""
    before = box.version(one.phone), box.charged(one.phone)
    wait_until(lambda: silent(one.router, stranger, new_mac()), "the router is left to its second server")
    one.report()
    waits_for_the_clock(box)
    assert (box.version(one.phone), box.charged(one.phone)) == before
    assert states(box, one.phone) == [SessionState.OPEN]
    assert [right.ends_at > time.time() for right in box.aggregate(one.phone).rights] == [True]
    assert box.spooled()
    assert states(box, stranger) == []


def waits_for_the_clock(box: Box) -> None:
    """Two more rounds of the worker: whatever the first had begun is done."""
    said = box.worker_log().count("Worker waits for the clock")
    wait_until(lambda: box.worker_log().count("Worker waits for the clock") >= said + 2, "the worker waits")


def all_is_well(box: Box, one: Online, stranger: str, charged: int) -> None:
    wait_until(lambda: not silent(one.router, stranger, new_mac()), "people are let in")
    wait_until(lambda: not box.spooled(), "the spool is played back")
    assert box.charged(one.phone) == charged
    assert not box.parked()


def test_on_a_clock_that_leaps_ahead_nothing_is_granted_or_expires(skewed: Box) -> None:
    box = skewed
    one, stranger = Online(box), box.customer(DAY)
    box.worker.start()
    box.await_worker()
    box.set_clock(400 * DAYS)
    nothing_moves(box, one, stranger)
    box.set_clock(0)
    all_is_well(box, one, stranger, 6_000)


def test_after_a_power_cut_the_clock_starts_long_ago_and_is_set_later(skewed: Box) -> None:
    box = skewed
    one, stranger = Online(box), box.customer(DAY)
    box.worker.start()
    box.await_worker()
    box.cut_power()
    box.set_clock(LONG_AGO)
    box.start_engine()
    box.lab.start()
    box.worker.start()
    nothing_moves(box, one, stranger)
    box.set_clock(0)  # the network is back, and with it the time; nothing is started anew
    all_is_well(box, one, stranger, 6_000)


def test_nothing_is_swept_on_a_wrong_clock(skewed: Box) -> None:
    box = skewed
    one = Online(box)
    box.age(one.phone, 5_000)
    box.set_clock(LONG_AGO)
    assert box.worker_once() == 0
    assert states(box, one.phone) == [SessionState.OPEN]
    box.set_clock(0)
    assert box.worker_once() == 0
    assert states(box, one.phone) == [SessionState.CLOSED]
