"""What store, caches and limits count for themselves, brought to the metrics once a round: no packet pays for it."""

from collections.abc import Callable, Mapping

from radius.domain.guessing import Guard
from radius.domain.subscriber import Subscriber
from radius.metrics import Metrics
from radius.services.desk import Desk
from radius.services.names import NameBook

# number of `Store.numbers` -> counter, its dimensions, how much one of it is
TOTALS: Mapping[str, tuple[str, Mapping[str, str], float]] = {
    "requests": ("StoreRequests", {}, 1),
    "wait_us": ("StoreWait", {}, 1e-6),
    "reads": ("StoreReads", {}, 1),
    "writes": ("StoreWrites", {}, 1),
    "read_half_units": ("StoreReadUnits", {}, 0.5),
    "write_units": ("StoreWriteUnits", {}, 1),
    "throttled": ("StoreThrottles", {}, 1),
    "conflicts": ("StoreTransactionConflicts", {}, 1),
    "unanswered": ("StoreUnanswered", {}, 1),
    "breaker_opened": ("BreakerOpenings", {}, 1),
    "read_groups": ("StoreGroups", {"Call": "read"}, 1),
    "write_groups": ("StoreGroups", {"Call": "write"}, 1),
    "read_requests": ("StoreGrouped", {"Call": "read"}, 1),
    "write_requests": ("StoreGrouped", {"Call": "write"}, 1),
}


class Meter:
    """Of one process; `round` is called by one thread. `guard` None: this process lets nobody in."""

    def __init__(
        self,
        metrics: Metrics,
        numbers: Callable[[], Mapping[str, int]],
        desk: Desk[Subscriber],
        names: NameBook,
        guard: Guard | None = None,
    ) -> None:
        self._metrics = metrics
        self._numbers = numbers
        self._desk = desk
        self._names = names
        self._guard = guard
        self._told: dict[tuple[str, ...], float] = {}

    def round(self) -> None:
        """Bring what was counted since the last round."""
        numbers = self._numbers()
        for number, (name, dims, unit) in TOTALS.items():
            self._count(name, numbers[number] * unit, **dims)
        self._metrics.gauge("BreakerOpen", numbers["breaker_open"])
        for call in ("read", "write"):
            self._metrics.gauge("StoreSlots", numbers[f"{call}_slots"], Call=call)
        self._count("StaleDecisions", self._desk.stale_count)
        for cache, counted in (("subscriber", self._desk), ("names", self._names)):
            self._count("CacheHits", counted.hits, Cache=cache)
            self._count("CacheMisses", counted.misses, Cache=cache)
        for table in self._guard.tables() if self._guard is not None else ():
            self._count("GuessesRefused", table.refused, Limit=table.name.value)
            self._metrics.gauge("GuessCells", len(table), Limit=table.name.value)

    def _count(self, name: str, total: float, **dims: str) -> None:
        key = (name, *dims.values())
        self._metrics.count(name, total - self._told.get(key, 0), **dims)
        self._told[key] = total
