"""Where callbacks are settled: in threads behind the answer. What is lost here is in the store: the worker finds it.

A body is stored before it is answered, so the queue may be full, or the process may end: nothing is lost but seconds.
"""

import threading
from collections.abc import Callable
from queue import Empty, Full, Queue

from structlog.typing import FilteringBoundLogger

from billing.news import Alarms
from billing.services.callbacks import Callbacks
from radius.domain.errors import Unavailable
from radius.metrics import Metrics

WAITING_MAX = 1_000  # some ten seconds of work for all threads
THREADS = 4  # each waits for the store
Work = tuple[str, float]  # a body's id and when it came (monotonic)
IDLE_S = 0.2  # how soon `close` is noticed


class Settler:
    """Starts nothing before `start`."""

    def __init__(
        self,
        callbacks: Callbacks,
        metrics: Metrics,
        log: FilteringBoundLogger,
        now: Callable[[], int],
        monotonic: Callable[[], float],
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._callbacks = callbacks
        self._metrics = metrics
        self._log = log
        self._alarms = Alarms(metrics, log)
        self._now = now
        self._monotonic = monotonic
        self._queue: Queue[Work] = Queue(waiting_max)
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def start(self) -> None:
        """Start settling."""
        self._stop.clear()
        self._threads = [threading.Thread(target=self._work, name=f"settle-{number}") for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is under way and join; what waits is left to the worker."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def submit(self, body: str) -> None:
        """Settle soon. Never waits."""
        try:
            self._queue.put_nowait((body, self._monotonic()))
        except Full:
            self._metrics.count("CallbacksLeft")

    def settle(self, body: str, came_at: float) -> None:
        """Settle now. Raises nothing: what did not work out is left to the worker."""
        try:
            self._alarms.tell(self._callbacks.finish(body, self._now()))
            self._metrics.observe("PaymentSettle", max(0.0, self._monotonic() - came_at))
        except Unavailable as away:
            self._metrics.count("CallbacksLeft")
            self._log.warning("Callback left to the worker", error=type(away).__name__)
        except Exception as error:  # noqa: BLE001 - boundary: told with its trace, and the worker tries again
            self._metrics.count("CallbacksLeft")
            self._log.error("Callback could not be settled", exc_info=error)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                body, came_at = self._queue.get(timeout=IDLE_S)
            except Empty:
                continue
            self.settle(body, came_at)
