"""What the store work cost, as plain integers for the metrics port."""

from threading import Lock
from typing import Any

from radius.store import keys


class Capacity:
    """Counters since start. Read units are kept in halves (an eventually consistent read costs half a unit).

    Thread-safe. `read_half_units` and `write_units` are what the store said where it says it, else computed from the
    item sizes (`keys`); indexes are in it only where the store says it. `wait_us` is what all requests took.
    """

    FIELDS = (
        "read_half_units",
        "write_units",
        "reads",
        "writes",
        "requests",
        "wait_us",
        "conflicts",
        "throttled",
        "unanswered",
    )

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = dict.fromkeys(self.FIELDS, 0)

    def add(self, **counts: int) -> None:
        """Add to some counters by name."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] += count

    def add_reads(self, items: list[dict[str, Any]], keys_asked: int) -> None:
        """Count one strongly consistent batch of `keys_asked` keys that gave `items`."""
        found = sum(keys.read_half_units(keys.item_bytes(item), strong=True) for item in items)
        self.add(reads=keys_asked, requests=1, read_half_units=found + 2 * (keys_asked - len(items)))

    def snapshot(self) -> dict[str, int]:
        """All counters at this moment."""
        with self._lock:
            return dict(self._counts)
