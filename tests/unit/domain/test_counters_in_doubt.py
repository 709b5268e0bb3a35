"""High-water marks where a report may be read in two ways: at the slacks, out of order, without time, after a turn.

Each row is a router's history as it was heard; what would be counted for the other reading is more than there was, or a
use that was proven and lost.
"""

from typing import NamedTuple

import pytest

from radius.domain import counters
from radius.domain.counters import Counters
from tests.unit.domain.builders import T0, live

WRAP = 1 << 32
QUARTER = 1 << 30


class Told(NamedTuple):
    """One report and the growth (bytes, seconds) that it must bring."""

    at_s: int
    in_bytes: int | None
    out_bytes: int | None
    time_s: int | None
    grown: tuple[int, int]
    stamped: bool = True


def no_counters(at_s: int, time_s: int | None, grown: tuple[int, int] = (0, 0)) -> Told:
    return Told(at_s, None, None, time_s, grown)


FIRST = Told(300, 10, 90, 300, (100, 300))
BEGAN_AGAIN = Told(660, 5, 45, 60, (50, 60))  # after FIRST: a count that began at 600
LOOSENED = Told(400, 12, 95, None, (7, 0))  # after FIRST: bytes of a later instant than the session time known

SLACKS = {
    # A first packet that was late: what a later one implies of the start is learnt beyond five seconds. Until the marks
    # are known to be of the count that began there, what falls is not added.
    "start 5 s earlier": (True, [FIRST, Told(395, 5, 45, 400, (50, 100))]),
    "start 6 s earlier": (True, [FIRST, Told(394, 5, 45, 400, (0, 100))]),
    # A start that moved later moves the instant at which the marks were reached (last heard well after that).
    "start 5 s later": (
        True,
        [Told(105, 10, 90, 100, (100, 100)), no_counters(120, None), Told(150, 5, 45, 53, (50, 53))],
    ),
    "start 6 s later": (
        True,
        [Told(106, 10, 90, 100, (100, 100)), no_counters(120, None), Told(150, 5, 45, 53, (0, 0))],
    ),
    "start 5 s earlier does not move": (
        True,
        [Told(295, 10, 90, 300, (100, 300)), no_counters(310, None), Told(350, 5, 45, 58, (0, 0))],
    ),
    "the same session time again does not move the start": (
        True,
        [Told(100, 10, 90, 100, (100, 100)), Told(108, 10, 90, 100, (0, 0)), Told(150, 5, 45, 50, (50, 50))],
    ),
    # A new count begins more than ten seconds after the old ...
    "a start 11 s later": (True, [Told(10, 10, 90, 10, (100, 10)), Told(21, 5, 45, 10, (50, 0))]),
    # ... and not before the old one's marks were reached, though it was heard of later still.
    "begun when the marks were reached": (True, [FIRST, no_counters(350, None), Told(400, 5, 45, 100, (50, 100))]),
    # Bytes of unknown age may be as young as the last packet: it must have begun surely after that.
    "begun 5 s after the last packet": (True, [FIRST, LOOSENED, Told(465, 5, 45, 60, (50, 60))]),
    "begun 4 s after the last packet": (True, [FIRST, LOOSENED, Told(464, 5, 45, 60, (0, 0))]),
    # A clock that was set back a little does not put a report out of order; by more it does.
    "5 s back": (True, [Told(300, 10, 90, 290, (100, 290)), Told(295, 5, 45, 291, (50, 1))]),
    "6 s back": (True, [Told(300, 10, 90, 290, (100, 290)), Told(294, 5, 45, 291, (0, 1))]),
    # Of the count that began last: five seconds of rounding.
    "5 s before the new count": (True, [FIRST, BEGAN_AGAIN, Told(700, 6, 50, 105, (6, 45))]),
    "6 s before the new count": (True, [FIRST, BEGAN_AGAIN, Told(700, 6, 50, 106, (0, 0))]),
}

BEGINNINGS = {
    "with as much time and the same bytes it is the old count": (
        True,
        [Told(60, 10, 90, 60, (100, 60)), Told(300, 10, 90, 60, (0, 0))],
    ),
    "with more time and fewer bytes": (True, [Told(100, 10, 90, 100, (100, 100)), Told(900, 5, 45, 200, (50, 100))]),
    # Without counters nobody knows which count the marks are of: what falls then is no wrap.
    "with more time and no counters, then fewer bytes": (
        False,
        [Told(100, 10, 90, 100, (100, 100)), no_counters(900, 200, (0, 100)), Told(1000, 5, 45, 300, (0, 100))],
    ),
    "and was reset after that": (True, [FIRST, BEGAN_AGAIN, Told(900, 3, 80, 300, (83, 240))]),
    "cannot be told before there was session time": (
        True,
        [Told(100, 10, 90, None, (100, 0)), Told(300, 5, 45, 100, (0, 100))],
    ),
    # A timer that paused before the first update: its late news is of the same count.
    "is not what a paused timer implies": (True, [Told(125, 20, 180, 25, (200, 25)), Told(120, 15, 150, 20, (0, 0))]),
    "is not what a clock set back implies": (
        True,
        [Told(125, 20, 180, 25, (200, 25)), Told(80, 30, 190, 40, (20, 15))],
    ),
    "nor with the same session time": (True, [Told(125, 20, 180, 25, (200, 25)), Told(80, 30, 190, 25, (20, 0))]),
}

AFTER_A_TURN = {
    "late news without session time is of the count before": (
        True,
        [FIRST, BEGAN_AGAIN, Told(650, 9, 80, None, (0, 0))],
    ),
    "of the same second too": (True, [FIRST, BEGAN_AGAIN, Told(660, 9, 80, None, (0, 0))]),
    "what is stamped later goes on": (True, [FIRST, BEGAN_AGAIN, Told(661, 6, 50, None, (6, 0))]),
    "a receipt proves nothing": (True, [FIRST, BEGAN_AGAIN, Told(700, 9, 80, None, (0, 0), stamped=False)]),
    "nor with session time": (True, [FIRST, BEGAN_AGAIN, Told(900, 9, 80, 200, (0, 0), stamped=False)]),
    "time grows in a report that came out of order, bytes do not": (
        True,
        [FIRST, BEGAN_AGAIN, no_counters(720, None), Told(700, 6, 50, 100, (0, 40))],
    ),
    "of session time alone": (
        True,
        [no_counters(300, 300, (0, 300)), BEGAN_AGAIN, Told(650, 9, 80, None, (0, 0))],
    ),
    "of one direction in": (
        True,
        [Told(300, 10, 0, 300, (10, 300)), Told(600, 5, 0, 600, (5, 300)), Told(450, 7, 1, 450, (0, 0))],
    ),
    "of one direction out": (
        True,
        [Told(300, 0, 10, 300, (10, 300)), Told(600, 0, 5, 600, (5, 300)), Told(450, 1, 7, 450, (0, 0))],
    ),
    # A receipt implies a start too late by its delay: taken for the start, it would shut out all that follows.
    "a receipt does not move the start": (
        True,
        [
            FIRST,
            Told(600, 5, 45, 600, (50, 300)),
            Told(1100, 6, 50, 900, (6, 300), stamped=False),
            Told(1200, 7, 55, 1200, (6, 300)),
        ],
    ),
    "late news from before a wrap": (
        False,
        [
            Told(300, 10, WRAP - 50, 300, (WRAP - 40, 300)),
            Told(600, 20, 40, 600, (100, 300)),
            Told(200, 5, WRAP - 90, 200, (0, 0)),
        ],
    ),
}

FALLS = {
    "two zeros are no reset": (True, [FIRST, Told(400, 0, 0, 400, (0, 100)), Told(500, 15, 95, 500, (10, 100))]),
    "nor after traffic one way": (
        True,
        [Told(300, 10, 0, 300, (10, 300)), Told(400, 0, 0, 400, (0, 100)), Told(500, 12, 3, 500, (5, 100))],
    ),
    "nor the other way": (
        True,
        [Told(300, 0, 10, 300, (10, 300)), Told(400, 0, 0, 400, (0, 100)), Told(500, 3, 12, 500, (5, 100))],
    ),
    "one zero is a counter": (True, [Told(300, 10, 0, 300, (10, 300)), Told(400, 15, 0, 400, (5, 100))]),
    "as much in as out": (True, [Told(300, 50, 50, 300, (100, 300)), Told(400, 60, 60, 400, (20, 100))]),
    "a byte each way after a reset": (True, [FIRST, Told(400, 1, 1, 400, (2, 100))]),
    "without session time, later: may be either, adds nothing": (True, [FIRST, Told(400, 5, 45, None, (0, 0))]),
    "nor on a 32-bit router": (False, [FIRST, Told(400, 5, 100, None, (0, 0))]),
    # On a router that cannot wrap, late bytes would be kept again by a reset that was not seen.
    "late on a 64-bit router": (
        True,
        [Told(600, 4, 180, 600, (184, 600)), Told(300, 10, 90, 300, (0, 0)), Told(900, 8, 200, 900, (24, 300))],
    ),
    "late on a 32-bit router, out": (False, [Told(600, 180, 4, 600, (184, 600)), Told(300, 90, 10, 300, (6, 0))]),
    "nearly a whole turn": (
        False,
        [Told(300, 10, QUARTER, 300, (QUARTER + 10, 300)), Told(600, 10, 40, 600, (WRAP - QUARTER + 40, 300))],
    ),
    # Ten seconds from the start a wrap and a new beginning look alike: counted for what was shown, in that direction.
    "out in doubt, in grew": (False, [Told(10, 10, 90, 10, (100, 10)), Told(25, 20, 45, 15, (55, 5))]),
    "out in doubt, in stood": (False, [Told(10, 10, 90, 10, (100, 10)), Told(25, 10, 45, 15, (45, 5))]),
    "in in doubt, out grew": (False, [Told(10, 90, 10, 10, (100, 10)), Told(25, 45, 20, 15, (55, 5))]),
    "out fell below what it was, not below in": (
        False,
        [Told(10, 100, 50, 10, (150, 10)), Told(25, 120, 45, 15, (65, 5))],
    ),
    "in fell below what it was, not below out": (
        False,
        [Told(10, 50, 100, 10, (150, 10)), Told(25, 45, 120, 15, (65, 5))],
    ),
    "in in doubt, out stood": (False, [Told(10, 90, 10, 10, (100, 10)), Told(25, 45, 10, 15, (45, 5))]),
}

LOOSE = {
    "what falls after bytes of unknown age adds nothing": (True, [FIRST, LOOSENED, Told(500, 5, 96, 500, (0, 200))]),
    "the same bytes again loosen nothing": (
        True,
        [FIRST, Told(400, 10, 90, None, (0, 0)), Told(600, 5, 95, 600, (100, 300))],
    ),
    "until a report with more time has them": (
        True,
        [FIRST, LOOSENED, Told(500, 12, 95, 500, (0, 200)), Told(600, 5, 100, 600, (105, 100))],
    ),
    "or one with the same time": (
        True,
        [FIRST, Told(310, 12, 95, None, (7, 0)), Told(311, 12, 95, 300, (0, 0)), Told(600, 5, 100, 600, (105, 300))],
    ),
    "late news does not stand for bytes of unknown age": (
        False,
        [
            Told(600, 20, 180, None, (200, 0)),
            Told(300, WRAP - 50, 90, 300, (0, 300)),
            Told(900, 30, 190, 900, (20, 600)),
        ],
    ),
}

HISTORIES = {"slack": SLACKS, "a new count": BEGINNINGS, "after a turn": AFTER_A_TURN, "a fall": FALLS, "loose": LOOSE}


@pytest.mark.parametrize(
    ("gigawords", "reports"),
    [
        pytest.param(gigawords, reports, id=f"{group}: {name}")
        for group, rows in HISTORIES.items()
        for name, (gigawords, reports) in rows.items()
    ],
)
def test_what_each_report_brings(gigawords: bool, reports: list[Told]) -> None:
    assert grown(0, reports, gigawords=gigawords) == [one.grown for one in reports]


def grown(opened_s: int, reports: list[Told], *, gigawords: bool) -> list[tuple[int, int]]:
    """As accounting does: the marks, then the last evidence."""
    session, growth = live(at=T0 + opened_s), []
    for one in reports:
        report = Counters(one.in_bytes, one.out_bytes, one.time_s, T0 + one.at_s, one.stamped)
        growth.append(counters.advance(session, report, gigawords=gigawords))
        session.last_at = max(session.last_at, report.at)
    return growth


@pytest.mark.parametrize(
    "reports",
    [
        # A receipt implies a start earlier than the first packet's, by as much as that one was delayed more.
        [Told(300, 10, 90, 100, (100, 100)), Told(320, 5, 45, 130, (50, 30), stamped=False)],
        # Without session time an early instant is no start: the marks were reached when they were.
        [
            Told(300, 10, 90, 100, (100, 100)),
            no_counters(100, None),
            Told(300, 10, 90, 100, (0, 0)),
            Told(290, 5, 45, 40, (0, 0)),
        ],
    ],
)
def test_only_a_stamp_with_session_time_teaches_an_earlier_start(reports: list[Told]) -> None:
    assert grown(200, reports, gigawords=True) == [one.grown for one in reports]


def test_late_news_of_an_earlier_count_makes_no_wrap_of_the_later_one() -> None:
    """The session is known from its second count only; then its first is heard, with less time and more bytes."""
    reports = [
        Told(2300, 10, 90, 1300, (100, 1300)),
        Told(500, 20, 180, 200, (100, 0)),
        Told(2600, 12, 100, 1600, (0, 300)),
    ]
    assert grown(1000, reports, gigawords=False) == [one.grown for one in reports]


def test_a_router_that_says_gigawords_only_now_and_then_has_turned_as_often_as_it_takes() -> None:
    session = live()
    first = Counters(WRAP + 5, 2 * WRAP + 5, 300, T0 + 300, stamped=True)
    assert counters.advance(session, first, gigawords=True) == (3 * WRAP + 10, 300)
    session.last_at = T0 + 300
    second = Counters(2, 10, 600, T0 + 600, stamped=True)
    assert counters.advance(session, second, gigawords=False) == (WRAP + 2, 300)
    assert (session.base_in + session.in_bytes, session.base_out + session.out_bytes) == (2 * WRAP + 2, 2 * WRAP + 10)
