"""A worker as a function that a schedule starts: what may start it, and when it must end.

EventBridge starts it at a rate of a minute; a run works as the worker does until the time left to it is its reserve.
"""

import time
from collections.abc import Callable, Mapping
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
        self._began = time.monotonic()

    def ran_s(self) -> float:
        """Since the run began, wiring included."""
        return round(time.monotonic() - self._began, 1)

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


def counted(
    stop: Closing, work: Callable[[], object], counts: Callable[[], Mapping[str, float]], tell: Callable[[], None]
) -> dict[str, float]:
    """Do a run's work: what it added to `counts`, and `ran_s`. `tell` comes last, also after what failed."""
    before = counts()
    try:
        work()
    finally:
        tell()
    return {**{name: count - before[name] for name, count in counts().items()}, "ran_s": stop.ran_s()}


def _shape(event: object) -> str:
    """Names only: values may be a person's."""
    return f"keys {sorted(map(str, event))[:10]}" if isinstance(event, Mapping) else type(event).__name__
