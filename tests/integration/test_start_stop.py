"""FreeRADIUS starts and stops while customers come and go."""

import time
from functools import partial
from pathlib import Path

import pytest

from tests.integration.box import Box, wait_until
from tests.integration.freeradius_lab import missing_programs
from tests.integration.load import evenings, running, served_since

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
ROUNDS = 6
CUSTOMERS = 8


def threads_of(box: Box) -> int:
    assert box.lab.process is not None
    return len(list(Path(f"/proc/{box.lab.process.pid}/task").iterdir()))


def test_it_starts_and_stops_under_load_without_a_crash_a_leak_or_a_loss(tmp_path: Path) -> None:
    with Box(tmp_path / "box") as box:
        customers = evenings(box, CUSTOMERS, timeout_s=0.3)
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
            one.finish(5.0)
        assert max(threads) - min(threads) <= 2, threads  # the clients' own pools may still be growing
        for trouble in ("CAUGHT SIGNAL", "did not stop cleanly", "Traceback", "Fatal Python error"):
            assert trouble not in box.lab.log()
        assert "Hook failed" not in box.log()
        wait_until(lambda: not box.spooled(), "the worker plays the spool back")
        for one in customers:
            assert box.charged(one.phone) == one.owed()[0]
