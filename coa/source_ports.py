"""Source ports that a router has seen lately.

RFC 5176 §6.3: no identifier again on a port before the replay window (300 s) of its last use is over. A lane issues
each of its 256 identifiers once; then its port is barred until the window has passed. Pure: times are arguments.
"""

from collections import deque

WINDOW_S = 300.0  # RFC 5176 §6.3


class Ports:
    """The ports of one router. Times are of the monotonic clock."""

    __slots__ = ("_barred", "_open", "_order")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._barred: set[int] = set()
        self._order: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._open) + len(self._barred)

    def __contains__(self, port: int) -> bool:
        return port in self._open or port in self._barred

    def opened(self, port: int) -> None:
        """A lane uses it now."""
        self._open.add(port)

    def closed(self, port: int, now: float) -> None:
        """The lane is no more; its last request may have been sent just now."""
        self._open.discard(port)
        self._barred.add(port)
        self._order.append((now + WINDOW_S, port))

    def forget(self, now: float) -> None:
        """Free what the window has passed for."""
        while self._order and self._order[0][0] <= now:
            self._barred.discard(self._order.popleft()[1])
