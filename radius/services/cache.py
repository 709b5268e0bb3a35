"""A bounded map that forgets the longest unwritten entry. Safe to use from many threads under one GIL-atomic step."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedMap(Generic[K, V]):
    """At most `entries_max` entries; a put moves its key to the young end, the oldest goes first."""

    def __init__(self, entries_max: int) -> None:
        self._entries: dict[K, V] = {}
        self._entries_max = entries_max
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """The value, or None."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember `value`, forgetting the oldest entry if there are too many."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value
            if len(self._entries) > self._entries_max:
                del self._entries[next(iter(self._entries))]

    def pop(self, key: K) -> V | None:
        """Take a value out; None if it is not there (any more)."""
        with self._lock:
            return self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
