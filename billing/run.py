"""The worker of selling: finds what nobody was told of, and does what is due. Callbacks themselves go to the portal.

    python -m billing run --settings FILE

Any number may run. Each loop has a thread of its own, so that a question that M-Pesa is slow to answer keeps no other
work waiting. A store that is away is waited for; nothing else stops a loop.
"""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from structlog.typing import FilteringBoundLogger

from billing.chores import Chores
from billing.metrics import RELAYED
from billing.process import Process, open_process
from billing.relay import road
from billing.relay.fetch import Relay, open_relay
from billing.store.tables import TABLES as SELLING
from radius import metrics as measures
from radius.domain.clock import Suspect
from radius.domain.errors import Unavailable
from radius.outlets import open_outlets
from radius.rlm.clocks import Clocks
from radius.store.desk import Desk
from radius.store.expiry import Expiry
from radius.store.tables import TABLES as CORE
from radius.wiring import Core, build_meter

CALLBACKS_S = 5.0  # what is settled by nobody for half a minute
PAYMENTS_S = 2.0  # a turn to ask is taken so soon after it comes; a round without any costs 8 small queries
STRAYS_S = 30.0
SHOWN_S = 10.0  # whoever shows a code waits
PULLS_S = 10.0  # a page of an hour
VOUCHERS_S = 15.0  # batches are due once an hour
REFUNDS_S = 10.0
RENEWALS_S = 60.0  # each customer is due once a day
DAYS_S = 600.0
VITALS_S = 30.0  # a figure a minute, also of a function that works for one
INCIDENTS_S = 10.0  # the senior is called at once
RELAYED_S = 1.0  # between two questions to a relay, each of which waits some seconds for an answer
EXPIRED_S = 2.0  # a page at a time, and hours of rest after the last
MEASURE_S = 10.0
ROUNDS_MAX = 50  # one after the other while there is more, before the clock is asked again

Work = Callable[[int], bool]  # one bounded share at an instant; True: there is more


class Loop(NamedTuple):
    """A kind of work: how often, in seconds, and what."""

    name: str
    every_s: float
    work: Work


class Stop(Protocol):
    """When to end; `threading.Event` is one. Threads share it."""

    def is_set(self) -> bool:
        """Now."""

    def wait(self, timeout: float) -> bool:
        """Wait for it at most so many seconds; the same answer."""


def loops_of(chores: Chores) -> tuple[Loop, ...]:
    """What a worker does; the names are those of the metrics."""
    return (
        Loop("callbacks", CALLBACKS_S, chores.callbacks),
        Loop("payments", PAYMENTS_S, chores.payments),
        Loop("strays", STRAYS_S, chores.strays),
        Loop("shown", SHOWN_S, chores.shown),
        Loop("pulls", PULLS_S, chores.pulls),
        Loop("vouchers", VOUCHERS_S, chores.vouchers),
        Loop("refunds", REFUNDS_S, chores.refunds),
        Loop("renewals", RENEWALS_S, chores.renewals),
        Loop("days", DAYS_S, chores.days),
        Loop("expired", EXPIRED_S, chores.expired),
        Loop("vitals", VITALS_S, chores.vitals),
        Loop("incidents", INCIDENTS_S, chores.incidents),
    )


class Runner:
    """Turns loops. Starts nothing before `run`."""

    def __init__(
        self,
        loops: tuple[Loop, ...],
        clocks: Clocks,
        metrics: measures.Metrics,
        log: FilteringBoundLogger,
        measure: Callable[[], None],
    ) -> None:
        self._loops = loops
        self._clocks = clocks
        self._metrics = metrics
        self._log = log
        self._measure = measure

    def run(self, stop: Stop) -> None:
        """Until `stop` is set; a round that has begun is finished."""
        threads = [threading.Thread(target=self._turn, args=(loop, stop), name=loop.name) for loop in self._loops]
        for thread in threads:
            thread.start()
        while not stop.wait(MEASURE_S):
            self._clocks.vouch()
            self._measure()
        for thread in threads:
            thread.join()

    def _turn(self, loop: Loop, stop: Stop) -> None:
        while not stop.is_set():
            for _ in range(ROUNDS_MAX):
                if not self._round(loop) or stop.is_set():
                    break
            stop.wait(loop.every_s)

    def _round(self, loop: Loop) -> bool:
        """One share at the present; on a clock that is known to be wrong nothing is done."""
        judged = self._clocks.judge()
        if isinstance(judged, Suspect):
            self._metrics.count("ClockSuspect", Reason=judged.reason.value)
            return False
        try:
            more = loop.work(judged.now)
        except Unavailable as away:
            self._log.warning("Billing waits for the store", operation=loop.name, error=type(away).__name__)
        except Exception as error:  # noqa: BLE001 - thread boundary: told with its trace, and tried again
            for each in error.exceptions if isinstance(error, ExceptionGroup) else (error,):
                self._log.error("Billing round failed", operation=loop.name, exc_info=each)
        else:
            self._metrics.count("BillingRounds", Loop=loop.name)
            return more
        self._metrics.count("BillingRoundsFailed", Loop=loop.name)
        return False


def runner_of(process: Process, relay: Relay | None = None) -> Runner:
    """The runner of an open process."""
    metrics, logger = process.metrics, process.log
    loops = loops_of(Chores(process.billing, metrics, logger.logger, expire=_expiry(process.core), calls=process.calls))
    loops += (Loop(RELAYED, RELAYED_S, relay.work),) if relay else ()
    return Runner(loops, process.clocks, metrics, logger.logger, build_meter(process.core, metrics).round)


def _expiry(core: Core) -> Expiry | None:
    """What deletes by age where the engine does not."""
    embedded = core.settings.store_kind == "embedded"
    engine = core.store.engine
    return Expiry(engine, (*CORE, *SELLING)) if embedded and isinstance(engine, Desk) else None


def run(settings_path: Path | None) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop. Raises as `open_process`."""
    told = road.load(settings_path)
    process = open_process(settings_path)
    settings, stop = process.core.settings, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    outlets = open_outlets(
        process.metrics, settings, settings.billing_metrics_port, "selling", process.core.store.tallies
    )
    relay = open_relay(told, settings, process.log.logger.warning)
    try:
        runner_of(process, relay).run(stop)
    finally:
        outlets.close()
        if relay:
            relay.close()
        process.close()
    return 0
