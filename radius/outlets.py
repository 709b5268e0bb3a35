"""Where a process tells what it counted: Prometheus at a port, CloudWatch each minute, and the store by the day.

A function has no port and no thread: it tells at the end of its runs.
"""

import time
from contextlib import ExitStack

from radius import cloudwatch
from radius import metrics as measures
from radius.ports import Tallies
from radius.settings import Settings
from radius.tally import BetweenRuns, Recorder, Tallier

FUNCTION_TALLY_S = 1.0  # somebody may wait for the run's answer


def open_outlets(
    metrics: measures.InProcess, settings: Settings, port: int, process: str, tallies: Tallies
) -> ExitStack:
    """Open what the settings ask for; `close` ends it. `port`: this process's, 0 for none. Raises Malformed.

    What reports need later is kept in `tallies` under the name of the process.
    """
    with ExitStack() as opened:
        tallier = Tallier(metrics, tallies, f"{process}@{settings.node_id}", time.time)
        opened.callback(Recorder(tallier).close)
        if port:
            opened.callback(measures.serve(metrics, settings.metrics_bind, port).close)
        if settings.cloudwatch:
            client = cloudwatch.new_client(settings.region)
            opened.callback(cloudwatch.Publisher(metrics, client, time.time).close)
        return opened.pop_all()


def lines_of(metrics: measures.InProcess, process: str, tallies: Tallies) -> cloudwatch.Lines:
    """Those of a function; all its instances share a row of `tallies`."""
    tallier = Tallier(metrics, tallies, f"{process}@lambda", time.time, FUNCTION_TALLY_S)
    return cloudwatch.Lines(metrics, time.time, BetweenRuns(tallier, time.monotonic))
