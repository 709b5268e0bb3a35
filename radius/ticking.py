"""A thread that does a round every so many seconds, and a last one when it is closed."""

from collections.abc import Callable
from threading import Event, Thread

from radius.domain.errors import Malformed


class Ticking:
    """Started when it is made. `round_` raises nothing: nobody would hear it."""

    def __init__(self, name: str, round_: Callable[[], None], flush_s: float) -> None:
        """`name`: of the thread. Raises Malformed for no pause at all."""
        if flush_s <= 0:
            raise Malformed("flush_s", "must be more than 0 s")
        self._round, self._flush_s = round_, flush_s
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name)
        self._thread.start()

    def close(self) -> None:
        """A round more, and join the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._flush_s):
            self._round()
        self._round()
