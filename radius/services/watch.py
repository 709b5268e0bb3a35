"""What this node hears: which routers, on which pair of ports, and whom it does not know. Bounded."""

from collections.abc import Callable
from threading import Lock

from radius.domain.identity import NasId
from radius.domain.nas import PortPair

SOURCES_MAX = 1_000  # strangers remembered between two flushes: a scan must not fill the memory or the list


class Watch:
    """Collects between two flushes. `clock` gives UTC seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pairs: dict[NasId, PortPair | None] = {}
        self._unheard: dict[tuple[str, str], tuple[int, int]] = {}
        self._lock = Lock()

    def heard(self, router: NasId, pair: PortPair | None) -> None:
        """A router spoke (on this pair of ports, where that is known)."""
        if pair is not None or router not in self._pairs:
            self._pairs[router] = pair or self._pairs.get(router)

    def unheard(self, source: str, why: str) -> None:
        """A packet was left unanswered: a stranger's address, or a router's name and what is wrong there."""
        with self._lock:
            known = self._unheard.get((source, why))
            if known is not None or len(self._unheard) < SOURCES_MAX:
                self._unheard[source, why] = ((known[0] if known else 0) + 1, int(self._clock()))

    def routers(self) -> dict[NasId, PortPair | None]:
        """All routers heard since the start, with the pair of ports they used last."""
        return dict(self._pairs)

    def take_unheard(self) -> list[tuple[str, int, int, str]]:
        """Hand over (source, packets, last instant, why) and begin anew."""
        with self._lock:
            taken, self._unheard = self._unheard, {}
        return [(source, count, at, why) for (source, why), (count, at) in taken.items()]
