"""What processes measured, kept by the day: reports of last month need it, and metrics are gone by then.

A row is a process of a node and a business day (Nairobi); every five minutes what was counted since is added to it, so
that a process which begins anew goes on in the same row. At most that is lost when one is killed; a write whose answer
was lost is counted twice. What is kept is a closed list: some thirty counters, and histograms by their buckets.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf

from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import Unavailable
from radius.metrics import InProcess, Kind
from radius.ports import Tallies
from radius.ticking import Ticking

FLUSH_S = 300.0
DEADLINE_S = 5.0
DAYS_WAITING_MAX = 3  # of counts that the store did not take yet; older ones go

# name -> the dimension that is told apart, "" for the sum over all
TALLIED: Mapping[str, str] = {
    "AccessAccepts": "",
    "AccessRejects": "",
    "AccessSilent": "",
    "AccountingPackets": "",
    "AccountingUnanswered": "",
    "AuthLatency": "",
    "AccountingLatency": "",
    "HookErrors": "",
    "StoreRequests": "",
    "StoreThrottles": "",
    "StoreUnanswered": "",
    "EnforcementWire": "",
    "EnforcementEnd": "",
    "PaymentSubmit": "",
    "PaymentSettle": "",
    "PaymentOnline": "",
    "NewUsers": "",
    "PortalRequests": "Answer",
    "PortalLatency": "",
}


def series(name: str, bound: float | None = None, of: str = "") -> str:
    """Name of a counted series: `AccessAccepts`, `PortalRequests=failed`, `AuthLatency<=0.05`."""
    return f"{name}={of}" if of else name if bound is None else f"{name}<={bound:g}"


class Tallier:
    """Of one process. `round` brings what was counted since the last one; one thread calls it."""

    def __init__(
        self,
        metrics: InProcess,
        tallies: Tallies,
        process: str,
        clock: Callable[[], float],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`process`: its name and its node's. `clock`: UTC seconds."""
        self._metrics, self._tallies, self._process, self._clock = metrics, tallies, process, clock
        self._deadline_s = deadline_s
        self._told: Counter[str] = Counter()
        self._waiting: dict[str, Counter[str]] = {}

    def round(self) -> None:
        """Add it to the day's row. What the store does not take is brought again with the next."""
        now = int(self._clock())
        total = _counted(self._metrics)
        day = calendar.local(now, ZONE_DEFAULT).date().isoformat()
        self._waiting.setdefault(day, Counter()).update(total - self._told)
        self._told = total
        for early in sorted(self._waiting)[:-DAYS_WAITING_MAX]:
            del self._waiting[early]
        for each in sorted(self._waiting):
            if self._waiting[each]:
                try:
                    self._tallies.tally(
                        each, self._process, self._waiting[each], now, time.monotonic() + self._deadline_s
                    )
                except Unavailable:
                    return
            del self._waiting[each]


def _counted(metrics: InProcess) -> Counter[str]:
    total: Counter[str] = Counter()
    for metric, dims, now in metrics.read():
        if metric.name not in TALLIED:
            continue
        if isinstance(now, list):
            for bound, count in zip((*metric.buckets, inf), now, strict=True):
                total[series(metric.name, bound)] += count
        elif metric.kind is Kind.COUNTER:
            dimension = TALLIED[metric.name]
            total[series(metric.name, of=dims[dimension] if dimension else "")] += int(now)
    return total


class BetweenRuns:
    """For a function, which has no thread while it is frozen: called at the end of each run, brings it now and then.

    What an instance counted in the five minutes before its last run is lost.
    """

    def __init__(self, tallier: Tallier, monotonic: Callable[[], float], flush_s: float = FLUSH_S) -> None:
        self._tallier, self._monotonic, self._flush_s = tallier, monotonic, flush_s
        self._due_at = float("-inf")

    def __call__(self) -> None:
        """Bring it, if it is time; raises nothing."""
        at = self._monotonic()
        if at >= self._due_at:
            self._due_at = at + self._flush_s
            with suppress(Exception):  # as below
                self._tallier.round()


class Recorder:
    """A thread that calls `Tallier.round`. It is in nobody's way."""

    def __init__(self, tallier: Tallier, flush_s: float = FLUSH_S) -> None:
        self._tallier = tallier
        self._ticking = Ticking("tally", self._round, flush_s)

    def close(self) -> None:
        """Bring what there is, once, and join the thread."""
        self._ticking.close()

    def _round(self) -> None:
        with suppress(Exception):  # whatever it is: numbers are never worth more than the work
            self._tallier.round()
