"""`SessionLambda`: the worker's sweeps and counts as a function. Handler: ``radius.lambda_function.handler``.

Schedule it at a rate of one minute with a time-out of a minute and the reserve: there is always one at work, and two
at once do each other no harm. It ends what routers do not end, and counts who is online. What a node has spooled is on
that node's disk: the worker beside FreeRADIUS plays it back. Settings come from the environment (`radius.settings`).
"""

from functools import cache
from typing import NamedTuple

from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.cloudwatch import Lines
from radius.outlets import lines_of
from radius.schedule import Context, begin, counted
from radius.wiring import build_core
from radius.worker import PAUSE_S, Worker, one_round

RESERVE_S = 20.0  # a round's last requests at their deadlines

COUNTED = {"reaped": "SessionsReaped", "corrupt": "CorruptRecords"}


class Wired(NamedTuple):
    """What a process keeps between its runs."""

    worker: Worker
    logger: logs.Log
    metrics: measures.InProcess
    lines: Lines


def handler(event: object, context: Context) -> dict[str, float]:
    """Do rounds until the time is up; what was done, as numbers. Raises Malformed for what is no schedule's event.

    Raises Malformed also for settings that cannot be used, and for a time-out that leaves no time to work.
    """
    stop = begin(event, context, RESERVE_S)
    wired = _wired()
    rounds = failed = 0

    def work() -> None:
        nonlocal rounds, failed
        while not stop.is_set():
            failed += one_round(wired.worker, wired.logger)
            rounds += 1
            stop.wait(PAUSE_S)

    done = counted(stop, work, lambda: _counts(wired.metrics), wired.lines.tell)
    return {**done, "rounds": rounds, "failed": failed}


@cache
def _wired() -> Wired:
    """Once a process: later runs find it warm."""
    settings = settings_module.load()
    metrics = measures.InProcess(settings.environment)
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    core = build_core(settings)
    return Wired(Worker(core, metrics, logger), logger, metrics, lines_of(metrics, "worker", core.store.tallies))


def _counts(metrics: measures.InProcess) -> dict[str, float]:
    return {key: metrics.value(name) for key, name in COUNTED.items()}
