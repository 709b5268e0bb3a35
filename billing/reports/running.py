"""How the service itself ran, from what its processes measured and kept by the day (`radius.tally`). Pure.

These are measurements, not books: what a process counted in the last five minutes before it was killed is not in them,
and where nothing was kept a figure is None, never 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from radius.ports import Tally
from radius.tally import series

_BOUND = "<="

CLOCKS = {  # histogram -> what it is from and to
    "AuthLatency": "log-in request to answer (AAA)",
    "AccountingLatency": "accounting report to answer (AAA)",
    "PortalLatency": "page or callback to answer (API)",
    "PaymentSubmit": "M-Pesa: prompt sent to its reply",
    "PaymentSettle": "M-Pesa: callback to credited",
    "PaymentOnline": "M-Pesa: credited to online",
    "EnforcementWire": "enforcement: proof to request sent",
    "EnforcementEnd": "enforcement: proof to session ended",
}
_LOG_INS = ("AccessAccepts", "AccessRejects", "AccessSilent")
_PAGES = tuple(series("PortalRequests", of=answer) for answer in ("done", "refused", "limited", "failed"))
RATES = {  # what -> the counters of it, and of the whole
    "log-ins refused": (("AccessRejects",), _LOG_INS),
    "log-ins left unanswered": (("AccessSilent",), _LOG_INS),
    "hooks failed (AAA errors)": (("HookErrors",), (*_LOG_INS, "AccountingPackets")),
    "accounting reports not taken": (("AccountingUnanswered",), ("AccountingPackets", "AccountingUnanswered")),
    "pages and callbacks failed (API errors)": ((_PAGES[3],), _PAGES),
    "pages slowed down (API throttled)": ((_PAGES[2],), _PAGES),
    "store throttled": (("StoreThrottles",), ("StoreRequests", "StoreThrottles", "StoreUnanswered")),
    "store unanswered": (("StoreUnanswered",), ("StoreRequests", "StoreThrottles", "StoreUnanswered")),
}


class Clock(NamedTuple):
    """`measured` so often; so many of a hundred took at most so many seconds (the bound of a bucket).

    None: nothing was recorded, or (where it was `measured`) longer than the longest bound.
    """

    name: str
    measured: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


class Rate(NamedTuple):
    """`part` of `whole`; `millionths` None: nothing was recorded."""

    name: str
    part: int
    whole: int
    millionths: int | None


class Running(NamedTuple):
    """`recorded_days` of `days` have records of any process. `registered_by_day`: customers who registered."""

    days: int
    recorded_days: int
    clocks: tuple[Clock, ...]
    rates: tuple[Rate, ...]
    registered_by_day: Mapping[str, int]  # of the days that were recorded


def running(days: Iterable[str], tallies: Iterable[Tally]) -> Running:
    """Of some days, from their rows."""
    rows = list(tallies)
    total: Counter[str] = Counter()
    registered: Counter[str] = Counter({row.day: 0 for row in rows})
    for row in rows:
        total.update(row.counts)
        registered[row.day] += row.counts.get("NewUsers", 0)
    return Running(
        len(list(days)),
        len(registered),
        tuple(_clock(name, total) for name in CLOCKS),
        tuple(_rate(name, total) for name in RATES),
        dict(sorted(registered.items())),
    )


def _clock(name: str, total: Mapping[str, int]) -> Clock:
    own = [(float(key.partition(_BOUND)[2]), count) for key, count in total.items() if key.startswith(name + _BOUND)]
    count = sum(each for _, each in own)
    return Clock(name, count, *(_within(sorted(own), count, percent) for percent in (50, 95, 99)))


def _within(buckets: list[tuple[float, int]], count: int, percent: int) -> float | None:
    seen = 0
    for bound, each in buckets:
        seen += each
        if seen * 100 >= percent * count:
            return bound if bound != float("inf") else None
    return None


def _rate(name: str, total: Mapping[str, int]) -> Rate:
    part, whole = (sum(total[key] for key in keys) for keys in RATES[name])
    return Rate(name, part, whole, part * 1_000_000 // whole if whole else None)
