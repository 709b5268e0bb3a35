"""The worker that makes limits true on live sessions: woken by the bell, sure by the poll of due work.

    python -m coa run --settings FILE

Any number may run, on any machine that reaches the routers. One thread polls, one hears the bell, some do the work
(they wait for the store), one sends. A store that is away is waited for; nothing else stops it.
"""

import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from coa.dispatch import Sent
from coa.news import News
from coa.outcome import Answer
from coa.sender import Sender
from coa.wiring import build_dispatcher
from radius import log as logs
from radius import metrics as measures
from radius.bell import Ear
from radius.domain.clock import Suspect
from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId
from radius.keeper import KeeperFiles
from radius.outlets import open_outlets
from radius.rlm.clocks import Clocks, system_clocks
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_meter

POLL_S = 1.0  # what the bell did not tell of waits this long, and one of the index's own delays
IDLE_S = 0.25  # how soon a Stop is looked for, and an end of this process noticed
THREADS = 32  # each waits for a handful of store requests a session: 60 sessions a second with a store 80 ms away
WAITING_MAX = 200  # jobs that wait for a thread, half a second's; with more the poll pauses: rings wait behind them
BUSY_S = 0.02  # while there are jobs: a loop that never sleeps would take the interpreter from those who do them
MEASURE_S = 10.0

Job = Callable[[int], object]


class Stop(Protocol):
    """When to end; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Now."""

    def wait(self, timeout: float) -> bool:
        """Wait for it at most so many seconds; the same answer."""


class Runner:
    """Starts nothing but the sender before `run`. `hears`: the bell is listened to."""

    def __init__(
        self,
        core: Core,
        metrics: measures.InProcess,
        logger: logs.Log,
        clocks: Clocks | None = None,
        *,
        hears: bool = True,
    ) -> None:
        settings = core.settings
        self._core = core
        self._metrics = metrics
        self._log = logger.logger
        self._clocks = clocks or system_clocks(KeeperFiles(settings.state_dir).last_good(), settings.clock_floor_at)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._queued: set[SubscriberId] = set()  # a visit found by the poll waits for a thread
        self._stop = threading.Event()
        self._sender = Sender()
        news = News(metrics, logger.logger, logs.Pseudonyms(core.keys.subkey("pseudonym")))
        self.dispatcher = build_dispatcher(core, self._sender, self._hand_back, news)
        self._ear = self._listen() if hears else None
        self._refreshed_at = self._measured_at = float("-inf")
        self._measure = build_meter(core, metrics).round
        self._threads = [threading.Thread(target=self._work, name=f"coa-{number}") for number in range(THREADS)]
        if self._ear is not None:
            self._threads.append(threading.Thread(target=self._hear, args=(self._ear,), name="coa-ear"))

    def _listen(self) -> Ear | None:
        try:
            return Ear(self._core.settings.state_dir)
        except OSError as refused:
            self._log.warning("No bell: intents are found by polling", error=type(refused).__name__)
            return None

    def run(self, stop: Stop) -> None:
        """Until `stop` is set. Nothing is done before the routers are known."""
        while not self._guarded(self._refresh):
            if stop.wait(POLL_S):
                return
        for thread in self._threads:
            thread.start()
        poll_at = 0.0
        while not stop.is_set():
            if time.monotonic() >= poll_at and self._jobs.qsize() < WAITING_MAX:
                more = self._guarded(self._poll)
                poll_at = time.monotonic() + (0.0 if more else POLL_S)
            self._guarded(self.dispatcher.check)
            rest_s = BUSY_S if self._jobs.qsize() else min(IDLE_S, self.dispatcher.next_check_s())
            stop.wait(rest_s)
            self._housekeep()

    def close(self, grace_s: float = 0.0) -> None:
        """Stop and join everything. No more visits; what is under way is answered and written down first.

        The routers have `grace_s` for their answers; then those that are missing count as silence.
        """
        self._stop.set()
        self._sender.close(grace_s)
        for _ in range(THREADS):
            self._jobs.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        if self._ear is not None:
            self._ear.close()

    def _refresh(self, now: int) -> bool:
        self._core.directory.refresh(now, time.monotonic() + BACKGROUND_DEADLINE_S)
        self._refreshed_at = time.monotonic()
        return True

    def _poll(self, now: int) -> bool:
        if time.monotonic() - self._refreshed_at >= self._core.settings.routers_refresh_s:
            self._refresh(now)
        return self.dispatcher.poll(now, self._found)

    def _found(self, subscriber: SubscriberId, overdue: bool) -> None:
        if subscriber not in self._queued:  # else that visit, which reads afresh, does this too
            self._queued.add(subscriber)
            self._queue_visit(subscriber, overdue=overdue)

    def _queue_visit(self, subscriber: SubscriberId, *, overdue: bool = False, proved_at: float = 0.0) -> None:
        def visit(now: int) -> int:
            self._queued.discard(subscriber)
            return 0 if self._stop.is_set() else self.dispatcher.visit(subscriber, now, proved_at, overdue=overdue)

        self._jobs.put(visit)

    def _hand_back(self, sent: Sent, answer: Answer) -> None:
        self._jobs.put(lambda now: self.dispatcher.answered(sent, answer, now))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._guarded(job)

    def _hear(self, ear: Ear) -> None:
        while not self._stop.is_set():
            rung = ear.hear(IDLE_S)
            if rung is not None:
                self._queue_visit(rung.subscriber, proved_at=rung.at)

    def _guarded(self, job: Job) -> bool:
        """Do one job at the present; on a wrong clock nothing is done: the leases lapse and the poll comes again."""
        judged = self._clocks.judge()
        if isinstance(judged, Suspect):
            self._metrics.count("ClockSuspect", Reason=judged.reason.value)
            self._queued.clear()  # this job may be one of these visits: the poll finds it anew
            return False
        try:
            return bool(job(judged.now))
        except Unavailable as away:
            self._log.warning("Enforcement waits for the store", error=type(away).__name__)
        except Exception as error:  # noqa: BLE001 - thread boundary: told with its trace, and due again
            self._log.error("Enforcement job failed", exc_info=error)
        return False

    def _housekeep(self) -> None:
        if time.monotonic() - self._measured_at >= MEASURE_S:
            self._measured_at = time.monotonic()
            self._clocks.vouch()
            self._measure()


def run(core: Core) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop."""
    settings = core.settings
    metrics = measures.InProcess(settings.environment)
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    runner = Runner(core, metrics, logger)
    outlets = open_outlets(metrics, settings, settings.coa_metrics_port, "coa", core.store.tallies)
    try:
        runner.run(stop)
    finally:
        runner.close()
        outlets.close()
        core.close()
        logger.sink.close()
    return 0
