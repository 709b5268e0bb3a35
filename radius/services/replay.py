"""Counting what waited in the spool: the service for live packets, many at once, with receipt times as `now`."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from radius.domain.errors import Malformed, Unavailable
from radius.domain.request import AccountingRequest

IN_FLIGHT_MAX = 64  # enough for full group commits; live packets share the store with us
AHEAD_MAX = 4 * IN_FLIGHT_MAX  # packets done behind one that is not: what a stop in the middle would count again


class Waiting(NamedTuple):
    """One packet: what it says (or why it cannot be read), when it was received, where it ends in its file.

    `raw` and `pairs`: as it stood there, whole and taken apart.
    """

    request: AccountingRequest | Malformed
    received_at: int
    end: int
    raw: bytes
    pairs: Sequence[tuple[str, str]] = ()


class Replayed(NamedTuple):
    """How far a file was counted. `stopped`: the store went away; go on from `offset` later."""

    offset: int
    counted: int
    parked: int
    stopped: bool


Count = Callable[[AccountingRequest, int], object]
Park = Callable[[Waiting, BaseException], None]


def replay(packets: Iterable[Waiting], count: Count, park: Park, offset: int) -> Replayed:
    """Count packets in parallel; the offset returned is the end of the last packet before which all are done.

    A packet that can never be counted is parked, once: when everything before it is done.
    """
    run = _Run(park, offset)
    with ThreadPoolExecutor(IN_FLIGHT_MAX, thread_name_prefix="replay") as pool:
        for packet in packets:
            run.add(packet, pool, count)
            while run.full and not run.stopped:
                run.collect()
            if run.stopped:
                break
        while run.flying:
            run.collect()
    return Replayed(run.offset, run.counted, run.parked, run.stopped)


class _Run:
    """Packets in file order from the first that is not done, and those of them that are in flight."""

    def __init__(self, park: Park, offset: int) -> None:
        self.offset = offset
        self.counted = self.parked = 0
        self.stopped = False
        self.flying: dict[Future[object], Waiting] = {}
        self._park = park
        self._order: deque[Waiting] = deque()
        self._done: dict[int, BaseException | None] = {}  # end of a packet -> None, or why it cannot be counted

    @property
    def full(self) -> bool:
        """No more packets may be begun."""
        return len(self.flying) >= IN_FLIGHT_MAX or (bool(self.flying) and len(self._order) >= AHEAD_MAX)

    def add(self, packet: Waiting, pool: ThreadPoolExecutor, count: Count) -> None:
        """Begin to count one packet."""
        self._order.append(packet)
        if isinstance(packet.request, Malformed):
            self._done[packet.end] = packet.request
            self._pass()
        else:
            self.flying[pool.submit(count, packet.request, packet.received_at)] = packet

    def collect(self) -> None:
        """Wait for at least one packet in flight."""
        for future in wait(self.flying, return_when=FIRST_COMPLETED).done:
            packet, error = self.flying.pop(future), future.exception()
            if isinstance(error, Unavailable):
                self.stopped = True
                continue
            # What cannot be counted now and never will must not hold up the rest; a person finds it in the park.
            self._done[packet.end] = error
            self.counted += error is None
        self._pass()

    def _pass(self) -> None:
        while self._order and self._order[0].end in self._done:
            packet = self._order.popleft()
            why = self._done.pop(packet.end)
            if why is not None:
                self._park(packet, why)
                self.parked += 1
            self.offset = packet.end
