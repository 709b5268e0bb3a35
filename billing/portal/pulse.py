"""How M-Pesa does, by our own orders of the last minutes: a page says so before a customer waits in vain."""

from collections import deque
from collections.abc import Callable

WINDOW_S = 300.0
ORDERS_MAX = 20
ORDERS_MIN = 3  # fewer prove nothing


class Pulse:
    """Threads may share it. Of one process."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._orders: deque[tuple[float, bool]] = deque(maxlen=ORDERS_MAX)

    def note(self, *, taken: bool) -> None:
        """An order was taken, or it was not (or nobody knows)."""
        self._orders.append((self._monotonic(), taken))

    def weak(self) -> bool:
        """Whether most of the latest orders came to nothing. One that works soon proves the opposite."""
        since = self._monotonic() - WINDOW_S
        recent = [taken for at, taken in tuple(self._orders) if at >= since]
        return len(recent) >= ORDERS_MIN and not recent[-1] and sum(recent) * 2 < len(recent)
