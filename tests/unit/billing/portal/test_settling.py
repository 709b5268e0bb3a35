"""Behind the answer: bounded, in threads that end, and whatever is left behind is in the store."""

import threading
import time

import pytest

from billing.portal.settling import THREADS, Settler
from radius.domain.errors import Corrupt, Unavailable
from tests.fakes.portal import Stand

WAIT_S = 20.0


class Slow:
    """Callbacks that take as long as the test wants."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.done: list[str] = []
        self.error: Exception | None = None

    def finish(self, body: str, now: int) -> None:
        assert self.go.wait(WAIT_S)
        if self.error:
            raise self.error
        self.done.append(body)


def settler(stand: Stand, slow: Slow, waiting_max: int = 10) -> Settler:
    clock = lambda: stand.now, lambda: stand.monotonic
    return Settler(slow, stand.metrics, stand.logger.logger, *clock, waiting_max)  # type: ignore[arg-type]


def test_a_full_queue_leaves_the_rest_to_the_worker_and_never_waits(stand: Stand) -> None:
    slow = Slow()
    made = settler(stand, slow, 10)
    for number in range(25):
        made.submit(f"body{number}")
    assert stand.metrics.total("CallbacksLeft") == 15
    made.start()
    slow.go.set()
    end = time.monotonic() + WAIT_S
    while len(slow.done) < 10 and time.monotonic() < end:
        time.sleep(0.01)
    made.close()
    assert sorted(slow.done) == sorted(f"body{number}" for number in range(10))
    assert stand.metrics.observations["PaymentSettle"] == [0.0] * 10


def test_no_thread_outlives_it(stand: Stand) -> None:
    before = set(threading.enumerate())
    slow = Slow()
    made = settler(stand, slow)
    slow.go.set()
    for _ in range(2):
        made.start()
        assert len(set(threading.enumerate()) - before) == THREADS
        made.close()
        assert not set(threading.enumerate()) - before


@pytest.mark.parametrize(("error", "level"), [(Unavailable("away"), "WARN"), (Corrupt("0712345678"), "ERROR")])
def test_a_fault_is_told_and_ends_no_thread(stand: Stand, error: Exception, level: str) -> None:
    slow = Slow()
    slow.go.set()
    slow.error = error
    made = settler(stand, slow)
    made.settle("body", 0.0)
    assert [line["level"] for line in stand.lines()] == [level]
    assert "0712345678" not in stand.log_path.read_text()
    slow.error = None
    made.settle("body", 0.0)
    assert slow.done == ["body"]
    assert stand.metrics.total("CallbacksLeft") == 1
