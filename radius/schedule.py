"""A worker as a function that a schedule starts: what may start it, and when it must end.

EventBridge starts it at a rate of a minute; a run works as the worker does until the time left to it is its reserve.
"""

import time
from collections.abc import Mapping
from typing import Protocol

from radius.domain.errors import Malformed

SOURCES = frozenset({"aws.events", "aws.scheduler"})  # a rule's schedule, and EventBridge Scheduler


class Context(Protocol):
    """What Lambda hands over."""

    def get_remaining_time_in_millis(self) -> int:
        """Until it ends this process."""


class Closing:
    """When to end (`coa.run.Stop`, `billing.run.Stop`): set when the time left is the reserve. Threads may share it."""

    def __init__(self, context: Context, reserve_s: float) -> None:
        self._context = context
        self._reserve_s = reserve_s

    def left_s(self) -> float:
        """Until then."""
        return self._context.get_remaining_time_in_millis() / 1000 - self._reserve_s

    def is_set(self) -> bool:
        """Now."""
        return self.left_s() <= 0

    def wait(self, timeout: float) -> bool:
        """Wait for it at most so many seconds."""
        time.sleep(max(0.0, min(timeout, self.left_s())))
        return self.is_set()


def begin(event: object, context: Context, reserve_s: float) -> Closing:
    """When the run that `event` starts must end.

    Raises Malformed for what is no schedule's event, and for a time-out that leaves no time to work.
    """
    told = event if isinstance(event, Mapping) else {}
    if told.get("detail-type") != "Scheduled Event" or told.get("source") not in SOURCES:
        raise Malformed("event", f"must be a Scheduled Event of {' or '.join(sorted(SOURCES))}, not {_shape(event)}")
    stop = Closing(context, reserve_s)
    if stop.is_set():
        wanted = f"must be more than the {reserve_s:g} s that are kept for the end, better {60 + reserve_s:g} s"
        raise Malformed("timeout", wanted)
    return stop


def _shape(event: object) -> str:
    """Names only: values may be a person's."""
    return f"keys {sorted(map(str, event))[:10]}" if isinstance(event, Mapping) else type(event).__name__
