"""How long to keep asking a store that answers "not now"."""

import random
from collections.abc import Callable

from radius.store.capacity import Capacity

CONFLICT_TRIES_MAX = 4  # a transaction holds an item for some milliseconds
CONFLICT_PAUSE_S = 0.01  # upper bound of the first pause; doubles, with full jitter


class Patience:
    """Waits a little after a TransactionConflict, at most `CONFLICT_TRIES_MAX` - 1 times, not beyond the deadline."""

    def __init__(self, capacity: Capacity, clock: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._capacity = capacity
        self._clock = clock
        self._pause = pause

    def again(self, conflicts: int, deadline: float) -> bool:
        """Pause and say True, or False when it has been tried often enough."""
        self._capacity.add(conflicts=1)
        pause_s = CONFLICT_PAUSE_S * 2 ** (conflicts - 1) * random.random()  # noqa: S311 - jitter, no secret
        if conflicts >= CONFLICT_TRIES_MAX or self._clock() + pause_s >= deadline:
            return False
        self._pause(pause_s)
        return True
