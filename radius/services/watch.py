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
        self._routers: set[NasId] = set()
        self._pairs: dict[NasId, PortPair] = {}
        self._unheard: dict[tuple[str, str], tuple[int, int]] = {}
        self._lock = Lock()

    def heard(self, router: NasId, pair: PortPair | None) -> None:
        """A router spoke; `pair` where the packet proves that it knows the secret of that pair of ports."""
        if router in self._routers and (pair is None or self._pairs.get(router) is pair):
            return
        with self._lock:
            self._routers.add(router)
            if pair is not None:
                self._pairs[router] = pair

    def unheard(self, source: str, why: str) -> None:
        """A packet was left unanswered: a stranger's address, or a router's name and what is wrong there."""
        with self._lock:
            self._note((source, why), 1, int(self._clock()))

    def _note(self, what: tuple[str, str], count: int, at: int) -> None:
        known = self._unheard.get(what)
        if known is not None:
            self._unheard[what] = (known[0] + count, max(known[1], at))
        elif len(self._unheard) < SOURCES_MAX:
            self._unheard[what] = (count, at)

    def routers(self) -> set[NasId]:
        """All routers heard since the start."""
        with self._lock:
            return set(self._routers)

    def take_pairs(self) -> dict[NasId, PortPair]:
        """Hand over the pair of ports that each router used last, and begin anew: an old sighting proves nothing."""
        with self._lock:
            taken, self._pairs = self._pairs, {}
        return taken

    def take_unheard(self) -> list[tuple[str, int, int, str]]:
        """Hand over (source, packets, last instant, why) and begin anew."""
        with self._lock:
            taken, self._unheard = self._unheard, {}
        return [(source, count, at, why) for (source, why), (count, at) in taken.items()]

    def put_back(self, taken: list[tuple[str, int, int, str]]) -> None:
        """What could not be handed on is first in the next flush: counted twice, if it had arrived, but not lost."""
        with self._lock:
            newer, self._unheard = self._unheard, {}
            for source, count, at, why in taken:
                self._note((source, why), count, at)
            for what, (count, at) in newer.items():
                self._note(what, count, at)
