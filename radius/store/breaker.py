"""Circuit breaker: when the store is gone, say so at once instead of spending every request's deadline on it."""

import time
from collections.abc import Callable
from threading import Lock

from radius.domain.errors import Unavailable

FAILURES_MAX = 5  # consecutive; fewer would open on one lost connection of each of two batches in flight
PAUSE_S = 1.0  # short: a router repeats after 0.3-5 s, and one probe a second costs nothing


class Breaker:
    """Closed until `failures_max` calls in a row failed; then one call per `pause_s` is let through as a probe.

    Thread-safe. A probe whose outcome is never told is forgotten after the next pause. Any success closes it.
    """

    def __init__(
        self,
        failures_max: int = FAILURES_MAX,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._pause_s = pause_s
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._probe_at = 0.0
        self.is_open = False
        self._probing = False
        self.times_opened = 0

    def enter(self) -> None:
        """Return if the call may go; raise Unavailable while open."""
        if not self.is_open:
            return
        with self._lock:
            now = self._clock()
            if self.is_open and now < self._probe_at:
                raise Unavailable("the store does not answer (breaker open)")
            self._probe_at = now + self._pause_s
            self._probing = self.is_open

    def succeeded(self) -> None:
        """The store answered (also a refusal is an answer)."""
        if self._failures or self.is_open:
            with self._lock:
                self._failures = 0
                self.is_open = self._probing = False

    def failed(self) -> None:
        """The store did not answer, or with a fault of its own."""
        with self._lock:
            self._failures += 1
            if self.is_open:
                self._probe_at = self._clock() + self._pause_s
                self.times_opened += self._probing  # anew: the alarm lasts as long as the store is away
                self._probing = False
            elif self._failures >= self._failures_max:
                self.is_open = True
                self.times_opened += 1
                self._probe_at = self._clock() + self._pause_s
