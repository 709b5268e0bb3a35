"""Counting what waited in the spool: the service for live packets, many at once, with receipt times as `now`."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from radius.domain.errors import Malformed, Unavailable
from radius.domain.request import AccountingRequest

IN_FLIGHT_MAX = 64  # enough for full group commits; live packets share the store with us


class Waiting(NamedTuple):
    """One packet: what it says (or why it cannot be read), when it was received, where it ends in its file."""

    request: AccountingRequest | Malformed
    received_at: int
    end: int
    raw: bytes


class Replayed(NamedTuple):
    """How far a file was counted. `stopped`: the store went away; go on from `offset` later."""

    offset: int
    counted: int
    parked: int
    stopped: bool


def replay(
    packets: Iterable[Waiting],
    count: Callable[[AccountingRequest, int], object],
    park: Callable[[bytes, str], None],
    offset: int,
) -> Replayed:
    """Count packets in parallel; the offset returned is the end of the last packet before which all are done."""
    counted = parked = 0
    ends: dict[Future[object], Waiting] = {}
    done_ends: set[int] = set()
    order: list[int] = []
    stopped = False
    with ThreadPoolExecutor(IN_FLIGHT_MAX, thread_name_prefix="replay") as pool:
        for packet in packets:
            order.append(packet.end)
            if isinstance(packet.request, Malformed):
                park(packet.raw, str(packet.request))
                parked += 1
                done_ends.add(packet.end)
                continue
            ends[pool.submit(count, packet.request, packet.received_at)] = packet
            if len(ends) >= IN_FLIGHT_MAX:
                good, bad, stopped = _collect(ends, done_ends, park, everything=False)
                counted, parked = counted + good, parked + bad
                if stopped:
                    break
        good, bad, late_stop = _collect(ends, done_ends, park, everything=True)
    for end in order:
        if end not in done_ends:
            break
        offset = end
    return Replayed(offset, counted + good, parked + bad, stopped or late_stop)


def _collect(
    ends: dict[Future[object], Waiting], done_ends: set[int], park: Callable[[bytes, str], None], *, everything: bool
) -> tuple[int, int, bool]:
    counted = parked = 0
    stopped = False
    while ends:
        for future in wait(ends, return_when=FIRST_COMPLETED).done:
            packet = ends.pop(future)
            error = future.exception()
            if isinstance(error, Unavailable):
                stopped = True
                continue
            if error is not None:
                # What cannot be counted now and never will must not hold up the rest; a person finds it in the park.
                park(packet.raw, f"{type(error).__name__}: {error}")
                parked += 1
            else:
                counted += 1
            done_ends.add(packet.end)
        if not everything:
            break
    return counted, parked, stopped
