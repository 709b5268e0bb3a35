"""Playing the spool back: many at once, in file order to the outside, nothing twice and nothing left behind."""

from collections.abc import Callable, Iterator
from threading import Event, Lock

import pytest

from radius.domain.errors import Contended, Malformed, Unavailable
from radius.domain.request import AccountingRequest, Status
from radius.services.replay import AHEAD_MAX, IN_FLIGHT_MAX, Replayed, Waiting, replay
from tests.unit.domain.builders import T0
from tests.unit.services.wired import accounting_request


class Book:
    """Counts packets; `does` says what happens to each."""

    def __init__(self, does: dict[int, Callable[[], object]] | None = None) -> None:
        self.does = does or {}
        self.counted: list[tuple[int, int]] = []
        self.parked: list[tuple[bytes, str]] = []
        self._lock = Lock()

    def count(self, request: AccountingRequest, received_at: int) -> object:
        number = int(request.acct_session_id)
        self.does.get(number, lambda: None)()
        with self._lock:
            self.counted.append((number, received_at))
        return None

    def park(self, packet: Waiting, why: BaseException) -> None:
        self.parked.append((packet.raw, f"{type(why).__name__}: {why}"))


def packets(count: int, bad: tuple[int, ...] = (), after: int = 0) -> Iterator[Waiting]:
    """Packets of 100 bytes each, numbered from 1."""
    for number in range(1 + after, count + 1):
        request: AccountingRequest | Malformed = accounting_request(Status.START, T0, acct_session_id=str(number))
        if number in bad:
            request = Malformed("Acct-Session-Time", "must be a number")
        yield Waiting(request, T0 + number, 100 * number, f"raw{number}".encode())


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def test_every_packet_is_counted_once_at_its_receipt() -> None:
    book = Book()
    assert replay(packets(500), book.count, book.park, 0) == Replayed(50_000, 500, 0, stopped=False)
    assert sorted(book.counted) == [(number, T0 + number) for number in range(1, 501)]


def test_an_empty_file_is_done_where_it_was() -> None:
    assert replay(iter(()), Book().count, Book().park, 700) == Replayed(700, 0, 0, stopped=False)


def test_what_cannot_be_read_or_counted_is_parked_once_with_its_reason_and_holds_nobody_up() -> None:
    book = Book(
        {3: raising(Malformed("router", "gate-9 is not registered")), 5: raising(ZeroDivisionError("division"))}
    )
    assert replay(packets(6, bad=(2,)), book.count, book.park, 0) == Replayed(600, 3, 3, stopped=False)
    assert book.parked == [
        (b"raw2", "Malformed: Acct-Session-Time: must be a number"),
        (b"raw3", "Malformed: router: gate-9 is not registered"),
        (b"raw5", "ZeroDivisionError: division"),
    ]


def test_whatever_ends_a_count_it_is_not_taken_for_counted() -> None:
    book = Book({1: raising(SystemExit(3))})
    assert replay(packets(2), book.count, book.park, 0) == Replayed(200, 1, 1, stopped=False)
    assert book.parked == [(b"raw1", "SystemExit: 3")]


@pytest.mark.parametrize("error", [Unavailable("away"), Contended("overtaken")])
def test_a_store_that_goes_away_stops_it_before_the_packet_that_was_not_counted(error: Exception) -> None:
    book = Book({4: raising(error)})
    first = replay(packets(9), book.count, book.park, 0)
    assert (first.offset, first.stopped) == (300, True)
    book.does = {}
    second = replay(packets(9, after=3), book.count, book.park, first.offset)
    assert second == Replayed(900, 6, 0, stopped=False)
    assert {number for number, _ in book.counted} == set(range(1, 10)), "some twice, which comes to the same; none lost"


def test_a_bad_packet_behind_one_that_is_not_done_is_not_parked_twice() -> None:
    book = Book({1: raising(Unavailable("away"))})
    first = replay(packets(3, bad=(2,)), book.count, book.park, 0)
    assert (first.offset, book.parked) == (0, [])
    book.does = {}
    replay(packets(3, bad=(2,)), book.count, book.park, first.offset)
    assert [raw for raw, _ in book.parked] == [b"raw2"]


def test_it_does_not_run_away_from_a_packet_that_takes_long() -> None:
    begun: list[int] = []
    begun_meanwhile: list[int] = []
    book = Book()

    def hold() -> object:
        while len(book.counted) < AHEAD_MAX - 1:
            Event().wait(0.001)
        Event().wait(0.05)  # whoever runs ahead does so now
        begun_meanwhile.append(len(begun))
        return None

    def watched() -> Iterator[Waiting]:
        for packet in packets(AHEAD_MAX + 2 * IN_FLIGHT_MAX):
            begun.append(packet.end)
            yield packet

    book.does = {1: hold}
    done = replay(watched(), book.count, book.park, 0)
    assert begun_meanwhile == [AHEAD_MAX], "a stop now would count no more than this again"
    assert (done.stopped, done.counted) == (False, AHEAD_MAX + 2 * IN_FLIGHT_MAX)
