"""Where a process tells what it counted: Prometheus text at a port, CloudWatch each minute, or nowhere."""

import time
from contextlib import ExitStack

from radius import cloudwatch
from radius import metrics as measures
from radius.settings import Settings


def open_outlets(metrics: measures.InProcess, settings: Settings, port: int) -> ExitStack:
    """Open what the settings ask for; `close` ends it. `port`: this process's, 0 for none. Raises Malformed."""
    with ExitStack() as opened:
        if port:
            opened.callback(measures.serve(metrics, settings.metrics_bind, port).close)
        if settings.cloudwatch:
            client = cloudwatch.new_client(settings.region)
            opened.callback(cloudwatch.Publisher(metrics, client, time.time).close)
        return opened.pop_all()
