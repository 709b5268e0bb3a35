"""One access token for all threads: fetched by one while the others wait, renewed early.

Whether a new token ends the one before is not known: so there is one, and whoever finds it refused drops that one only.
"""

from collections.abc import Callable
from threading import Lock

from billing.mpesa.wire import Token
from billing.provider import Refused

EARLY_S = 60  # before its end: a request on its way must not outlive it
FAILED_S = 5  # after OAuth failed nobody tries for so long: waiting customers would queue behind the time-out

Fetch = Callable[[], Token | Refused]


class Tokens:
    """The token and its end. `now` is UTC seconds."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._lock = Lock()
        self._token = ""
        self._renew_at = 0
        self._failed: tuple[int, Refused] | None = None

    def get(self, now: int) -> str | Refused:
        """A token that is good for a while, or why there is none."""
        with self._lock:
            if self._token and now < self._renew_at:
                return self._token
            if self._failed and 0 <= now - self._failed[0] < FAILED_S:
                return self._failed[1]
            found = self._fetch()
            if isinstance(found, Refused):
                self._failed = (now, found)
                return found
            self._failed = None
            self._token, self._renew_at = found.text, now + max(found.lives_s - EARLY_S, 1)
            return self._token

    def drop(self, token: str) -> None:
        """`token` was refused. Nothing happens if another thread has a new one already."""
        with self._lock:
            if self._token == token:
                self._token = ""
