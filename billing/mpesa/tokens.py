"""One access token for all threads: fetched by one while the others wait, renewed early, shared by way of a shelf.

Whether a new token ends the one before is not known: so there is one, and whoever finds it refused drops that one only,
and takes what another process has put there since before asking for its own.
"""

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol

from billing.mpesa.wire import Token
from billing.provider import Refused

EARLY_S = 60  # before its end: a request on its way must not outlive it
FAILED_S = 5  # after OAuth failed nobody tries for so long: waiting customers would queue behind the time-out

Fetch = Callable[[], Token | Refused]


class Shared(NamedTuple):
    """A token, and when (UTC seconds) to ask for another."""

    text: str
    renew_at: int

    def __repr__(self) -> str:
        return f"Shared(renew_at={self.renew_at})"


class Shelf(Protocol):
    """Where the processes of one shortcode find each other's token. Raises nothing: without it each has its own."""

    def kept(self) -> Shared | None:
        """What was put last, if it can be had."""

    def put(self, token: Shared) -> None:
        """Leave it for the others."""


class NoShelf:
    """Nobody to share with."""

    def kept(self) -> Shared | None:
        """Nothing."""

    def put(self, token: Shared) -> None:
        """Nowhere."""


class Tokens:
    """The token and its end. `now` is UTC seconds."""

    def __init__(self, fetch: Fetch) -> None:
        self.shelf: Shelf = NoShelf()
        self._fetch = fetch
        self._lock = Lock()
        self._token = Shared("", 0)
        self._refused = ""
        self._failed: tuple[int, Refused] | None = None

    def get(self, now: int) -> str | Refused:
        """A token that is good for a while, or why there is none."""
        with self._lock:
            if self._good(self._token, now):
                return self._token.text
            kept = self.shelf.kept()
            if kept is not None and self._good(kept, now):
                self._token = kept
                return kept.text
            if self._failed and 0 <= now - self._failed[0] < FAILED_S:
                return self._failed[1]
            found = self._fetch()
            if isinstance(found, Refused):
                self._failed = (now, found)
                return found
            self._failed = None
            self._token = Shared(found.text, now + max(found.lives_s - EARLY_S, 1))
            self.shelf.put(self._token)
            return self._token.text

    def _good(self, token: Shared, now: int) -> bool:
        return bool(token.text) and token.text != self._refused and now < token.renew_at

    def drop(self, token: str) -> None:
        """`token` was refused. Nothing happens if another thread has a new one already."""
        with self._lock:
            if self._token.text == token:
                self._refused = token
