"""`CoA_Lambda`: the worker as a function, where a VPC reaches the routers. Handler: `coa.lambda_function.handler`.

EventBridge starts it on a schedule; a run polls as the worker does, until the time left to it is the reserve. With a
rate of one minute and a timeout of a minute and the reserve there is always one at work; two at once do each other no
harm, and what one that was killed had claimed is taken up by the next when its lease has lapsed. No bell rings here:
what is due is found by the poll. Settings come from the environment as for every process (`radius.settings`).
"""

from functools import cache
from typing import NamedTuple

from coa.run import Runner
from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.cloudwatch import Lines
from radius.domain.intent import IntentState
from radius.domain.nas import Family
from radius.outlets import lines_of
from radius.schedule import Context, begin, counted
from radius.wiring import Core, build_core

GRACE_S = 5.0  # for answers that are under way at the end; a router that is there needs less
RESERVE_S = 15.0  # the grace, and two store requests at their deadlines to write down what came


class Wired(NamedTuple):
    """What a process keeps between its runs."""

    core: Core
    metrics: measures.InProcess
    logger: logs.Log
    lines: Lines


def handler(event: object, context: Context) -> dict[str, float]:
    """Do what is due until the time is up; what was done, as numbers. Raises Malformed for what is no schedule's event.

    Raises Malformed also for settings that cannot be used, and for a timeout that leaves no time to work.
    """
    stop = begin(event, context, RESERVE_S)
    wired = _wired()

    def work() -> None:
        runner = Runner(wired.core, wired.metrics, wired.logger, hears=False)
        try:
            runner.run(stop)
        finally:
            runner.close(GRACE_S)

    return counted(stop, work, lambda: _counts(wired.metrics), wired.lines.tell)


@cache
def _wired() -> Wired:
    """Once a process: later runs find it warm."""
    settings = settings_module.load()
    metrics = measures.InProcess(settings.environment)
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    core = build_core(settings)
    return Wired(core, metrics, logger, lines_of(metrics, "coa", core.store.tallies))


def _counts(metrics: measures.InProcess) -> dict[str, float]:
    def of_all(name: str) -> float:
        return sum(metrics.value(name, Family=family.value) for family in Family)

    names = {"disconnects": "DisconnectsSent", "changes": "ChangesSent"}
    names |= {"acks": "RouterAcks", "naks": "RouterNaks", "silences": "RouterSilences"}
    return {key: of_all(name) for key, name in names.items()} | {
        "confirmed": metrics.value("EnforcementSteps", State=IntentState.CONFIRMED.value),
        "alarms": metrics.value("EnforcementAlarms"),
    }
