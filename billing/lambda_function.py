"""`PaymentLambda`: checkout, callbacks and the worker of selling. Handler: ``billing.lambda_function.handler``.

What API Gateway sends is answered by the portal (`billing.portal.lambda_function`); a schedule's event does the
worker's rounds. Schedule it at a rate of one minute with a time-out of a minute and the reserve: there is always one
at work, and two at once do each other no harm. A run does what the worker does until the time left to it is the
reserve. What one that was ended by force had begun, the next does when it is due again; a push or a reversal is never
sent twice. Settings come from the environment as for every process (`radius.settings`, `billing.settings`,
`billing.mpesa.settings`).
"""

from functools import cache
from typing import Any, NamedTuple

from billing.metrics import LOOPS
from billing.portal import lambda_function as portal
from billing.process import Process, open_process
from billing.run import Runner, runner_of
from radius.cloudwatch import Lines
from radius.metrics import InProcess
from radius.outlets import lines_of
from radius.schedule import Context, begin, counted

RESERVE_S = 40.0  # a question that M-Pesa answers after 30 s, and two store requests to write down what it said


class Wired(NamedTuple):
    """What a process keeps between its runs."""

    process: Process
    runner: Runner
    lines: Lines


def handler(event: object, context: Context) -> dict[str, Any]:
    """Answer a request of API Gateway (payload format 2.0), or work when a schedule says so."""
    if isinstance(event, dict) and "requestContext" in event:
        return portal.handler(event, context)
    return work(event, context)


def work(event: object, context: Context) -> dict[str, float]:
    """Do what is due until the time is up; what was done, as numbers. Raises Malformed for what is no schedule's event.

    Raises Malformed also for settings that cannot be used and for a time-out that leaves no time to work, and
    Unavailable for a store that does not answer at the first run of a process.
    """
    stop = begin(event, context, RESERVE_S)
    wired = _wired()
    return counted(stop, lambda: wired.runner.run(stop), lambda: _counts(wired.process.metrics), wired.lines.tell)


@cache
def _wired() -> Wired:
    """Once a process: later runs find it warm."""
    process = open_process(None)
    return Wired(process, runner_of(process), lines_of(process.metrics, "selling", process.core.store.tallies))


def _counts(metrics: InProcess) -> dict[str, float]:
    names = {"queries": "QueriesSent", "credited": "PaymentSuccess", "let_in": "PaidLetInAgain"}
    names |= {"alarms": "PaymentAlarms"}
    return {key: metrics.value(name) for key, name in names.items()} | {
        "rounds": sum(metrics.value("BillingRounds", Loop=loop) for loop in LOOPS),
        "failed": sum(metrics.value("BillingRoundsFailed", Loop=loop) for loop in LOOPS),
    }
