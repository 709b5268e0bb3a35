"""High-water marks, one report at a time: what grew, wrapped, was lost, came late or was repeated."""

import pytest

from radius.domain import counters
from radius.domain.counters import Counters
from radius.domain.subscriber import Session
from tests.unit.domain.builders import T0, live

WRAP = 1 << 32


def report(
    at_s: int, in_bytes: int | None, out_bytes: int | None, time_s: int | None, *, stamped: bool = True
) -> Counters:
    return Counters(in_bytes, out_bytes, time_s, T0 + at_s, stamped)


def tell(session: Session, one: Counters, *, gigawords: bool = True) -> tuple[int, int]:
    """As accounting does: the marks, then the last evidence."""
    grown = counters.advance(session, one, gigawords=gigawords)
    session.last_at = max(session.last_at, one.at)
    return grown


@pytest.mark.parametrize(
    ("name", "gigawords", "reports", "growth", "totals"),
    [
        ("in order", True, [(300, 10, 90, 300), (600, 20, 180, 600)], [(100, 300), (100, 300)], (200, 600)),
        ("a repetition", True, [(300, 10, 90, 300), (300, 10, 90, 300)], [(100, 300), (0, 0)], (100, 300)),
        ("late news", True, [(600, 20, 180, 600), (300, 10, 90, 300)], [(200, 600), (0, 0)], (200, 600)),
        ("beyond 32 bits", True, [(300, WRAP, 2 * WRAP + 7, 300)], [(3 * WRAP + 7, 300)], (3 * WRAP + 7, 300)),
        ("no counters", True, [(300, 10, 90, 300), (400, None, None, 400)], [(100, 300), (0, 100)], (100, 400)),
        ("no session time", True, [(300, 10, 90, None), (600, 20, 180, None)], [(100, 0), (100, 0)], (200, 0)),
        ("two zeros after traffic", True, [(300, 10, 90, 300), (400, 0, 0, 400)], [(100, 300), (0, 100)], (100, 400)),
        # A 32-bit router: session time goes on from the same start, so a counter that fell has wrapped.
        (
            "one direction wrapped",
            False,
            [(300, 10, WRAP - 50, 300), (600, 20, 40, 600)],
            [(WRAP - 40, 300), (100, 300)],
            (WRAP + 60, 600),
        ),
        (
            "both wrapped",
            False,
            [(300, WRAP - 1, WRAP - 2, 300), (600, 4, 5, 600)],
            [(2 * WRAP - 3, 300), (12, 300)],
            (2 * WRAP + 9, 600),
        ),
        ("late on a 32-bit router", False, [(600, 20, 180, 600), (300, 10, 90, 300)], [(200, 600), (0, 0)], (200, 600)),
        # A 64-bit router cannot wrap: what fell was reset, and what it showed before is kept.
        (
            "reset while the time goes on",
            True,
            [(300, 10, 90, 300), (600, 5, 45, 600)],
            [(100, 300), (50, 300)],
            (150, 600),
        ),
        # The router lost the session's counters and its time: a new count, begun after the last evidence.
        (
            "began again",
            True,
            [(300, 10, 90, 300), (660, 5, 45, 60)],
            [(100, 300), (50, 60)],
            (150, 360),
        ),
        (
            "began again on a 32-bit router is no wrap",
            False,
            [(300, 10, 90, 300), (660, 5, 45, 60)],
            [(100, 300), (50, 60)],
            (150, 360),
        ),
        (
            "late news of the count before",
            True,
            [(300, 10, 90, 300), (660, 5, 45, 60), (200, 9, 80, 200)],
            [(100, 300), (50, 60), (0, 0)],
            (150, 360),
        ),
        # Judged by five seconds of timer rounding on either side.
        (
            "a start that moved by a timer's rounding",
            True,
            [(300, 10, 90, 300), (700, 20, 180, 690)],
            [(100, 300), (100, 390)],
            (200, 690),
        ),
        (
            "began again ten seconds and no more after the start",
            True,
            [(10, 10, 90, 10), (20, 5, 45, 10)],
            [(100, 10), (0, 0)],
            (100, 10),
        ),
        (
            "began again as soon as the marks were reached",
            True,
            [(300, 10, 90, 300), (350, 5, 45, 55)],
            [(100, 300), (50, 55)],
            (150, 355),
        ),
        (
            "implied to have begun before the marks were reached",
            True,
            [(300, 10, 90, 300), (350, 5, 45, 56)],
            [(100, 300), (0, 0)],
            (100, 300),
        ),
        # One direction alone may go back.
        (
            "only one direction went back",
            True,
            [(300, 10, 90, 300), (600, 5, 200, 600)],
            [(100, 300), (205, 300)],
            (305, 600),
        ),
        (
            "one direction is missing",
            True,
            [(300, 10, 90, 300), (600, 20, None, 600)],
            [(100, 300), (0, 300)],
            (100, 600),
        ),
        ("one direction is nought", True, [(300, 0, 90, 300), (600, 0, 95, 600)], [(90, 300), (5, 300)], (95, 600)),
        # A new count whose counters exceed the old ones, with more time: it may be a timer that paused.
        (
            "a longer count with more on it",
            True,
            [(100, 10, 90, 100), (900, 20, 180, 200)],
            [(100, 100), (100, 100)],
            (200, 200),
        ),
        # Counters that grew while session time went back, after the last evidence: a count of its own.
        (
            "a shorter count with more on it",
            True,
            [(300, 10, 90, 300), (660, 20, 180, 60)],
            [(100, 300), (200, 60)],
            (300, 360),
        ),
        (
            "a new count that says no counters",
            True,
            [(300, 10, 90, 300), (660, None, None, 60)],
            [(100, 300), (0, 60)],
            (100, 360),
        ),
        (
            "counters after a new count that said none",
            True,
            [(300, 10, 90, 300), (660, None, None, 60), (900, 5, 45, 300)],
            [(100, 300), (0, 60), (50, 240)],
            (150, 600),
        ),
        # Late, and one direction wrapped since: the other's old value is evidence, each for itself.
        (
            "late news from before a wrap that was not seen",
            False,
            [(600, 4, 180, 600), (300, 10, 90, 300)],
            [(184, 600), (6, 0)],
            (190, 600),
        ),
        (
            "goes on after it began again",
            True,
            [(300, 10, 90, 300), (660, 5, 45, 60), (900, 20, 80, 300)],
            [(100, 300), (50, 60), (50, 240)],
            (200, 600),
        ),
    ],
)
def test_marks(
    name: str,
    gigawords: bool,
    reports: list[tuple[int, int | None, int | None, int | None]],
    growth: list[tuple[int, int]],
    totals: tuple[int, int],
) -> None:
    session = live()
    assert [tell(session, report(*one), gigawords=gigawords) for one in reports] == growth, name
    assert (session.total_bytes, session.total_s) == totals, name


def test_the_directions_are_kept_apart_over_a_wrap() -> None:
    session = live()
    tell(session, report(300, 10, WRAP - 50, 300), gigawords=False)
    tell(session, report(600, 20, 40, 600), gigawords=False)
    assert (session.base_in + session.in_bytes, session.base_out + session.out_bytes) == (20, WRAP + 40)


def test_a_receipt_without_a_believable_stamp_is_no_proof_that_a_count_began_again() -> None:
    session = live()
    tell(session, report(300, 10, 90, 300))
    # Sixty seconds of session time at the receipt of a packet that waited anywhere: late news, until proven.
    assert tell(session, report(900, 5, 45, 60, stamped=False)) == (0, 0)
    assert (session.total_bytes, session.total_s) == (100, 300)


def test_a_start_that_came_late_is_corrected_by_what_a_report_implies() -> None:
    session = live(at=T0 + 200)  # its Start was received 200 s late
    assert tell(session, report(300, 10, 90, 300)) == (100, 300)
    assert session.epoch_at == T0


def test_no_growth_is_ever_negative() -> None:
    session = live()
    for one in [(600, 20, 180, 600), (601, 0, 0, 0), (602, 1, 0, 1), (300, 0, 1, 2), (700, 19, 500, 90)]:
        for stamped in (True, False):
            for gigawords in (True, False):
                before = (session.total_bytes, session.total_s)
                grown = tell(session, report(*one, stamped=stamped), gigawords=gigawords)
                assert min(grown) >= 0
                assert (session.total_bytes, session.total_s) == (before[0] + grown[0], before[1] + grown[1])
