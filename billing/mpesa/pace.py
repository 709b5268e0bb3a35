"""How often Daraja may be asked: one rate for everything that one client sends, and silence after a 429."""

from threading import Lock

from billing.mpesa.wire import THROTTLED_S

REQUESTS_PER_MINUTE = 5  # observed in the sandbox, with a burst of one; production's is not published


class Pace:
    """Evenly spaced turns; what moves money does not wait for one, but counts. `now` in UTC seconds; for threads."""

    def __init__(self, per_minute: int = REQUESTS_PER_MINUTE) -> None:
        self._apart_s = 60 / per_minute
        self._free_at = 0.0
        self._lock = Lock()

    def take(self, now: float) -> float:
        """0 and the turn is taken; else the seconds until there may be one."""
        with self._lock:
            wait_s = self._free_at - now
            if 0 < wait_s <= max(self._apart_s, THROTTLED_S):  # more than that: the clock was set back
                return wait_s
            self._free_at = now + self._apart_s
            return 0

    def count(self, now: float) -> None:
        """Something was sent without asking for a turn: the next turn is later."""
        with self._lock:
            self._free_at = max(self._free_at, now + self._apart_s)

    def silence(self, now: float) -> None:
        """Daraja said that it is asked too often."""
        with self._lock:
            self._free_at = now + THROTTLED_S
