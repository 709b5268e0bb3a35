"""The unused share of a right, and the reversal's table."""

import pytest

from billing.domain.refund import by_mpesa_cents, unused_cents
from billing.domain.reversal import ReversalEvent, ReversalState, reversal
from radius.domain.entitlement import Right
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart

T0 = 1_795_600_800
DAY_S = 86_400
GIB = 1024**3
DAY = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)


def terms(quota_bytes: int | None = None, quota_s: int | None = None, period: PeriodUnit | None = None) -> Terms:
    return Terms("day.1", DAY, quota_bytes=quota_bytes, quota_s=quota_s, period=period)


def right(used_bytes: int = 0, used_s: int = 0, *, revoked_at: int = 0) -> Right:
    return Right("r1", "day.1", T0, T0, T0 + DAY_S, used_bytes=used_bytes, used_s=used_s, revoked_at=revoked_at)


@pytest.mark.parametrize(
    ("one", "of", "after_s", "cents"),
    [
        (right(), terms(), 0, 5_000),
        (right(), terms(), DAY_S // 4, 3_750),
        (right(), terms(), DAY_S // 3, 3_333),
        (right(), terms(), DAY_S - 1, 0),
        (right(), terms(), DAY_S, 0),
        (right(), terms(), 2 * DAY_S, 0),
        (right(GIB // 2), terms(GIB), 0, 2_500),
        (right(GIB // 2), terms(GIB), DAY_S * 3 // 4, 1_250),
        (right(GIB), terms(GIB), 60, 0),
        (right(2 * GIB), terms(GIB), 60, 0),
        (right(GIB // 4, 2_700), terms(GIB, 3_600), 0, 1_250),
        (right(GIB), terms(GIB, period=PeriodUnit.DAY), DAY_S // 2, 2_500),
        (right(revoked_at=T0 + 1), terms(), 60, 0),
        (Right("r1", "day.1", T0), terms(GIB), 900 * DAY_S, 5_000),
        (Right("r1", "day.1", T0, redeem_by=T0 + 1), terms(GIB), 1, 0),
    ],
)
def test_the_least_of_what_is_left_is_given_back(one: Right, of: Terms, after_s: int, cents: int) -> None:
    assert unused_cents(one, of, 5_000, 0, T0 + after_s) == cents


def test_what_was_given_back_is_not_given_back_again() -> None:
    assert unused_cents(right(), terms(), 5_000, 1_000, T0 + DAY_S // 2) == 1_500
    assert unused_cents(right(), terms(), 5_000, 2_501, T0 + DAY_S // 2) == 0


def test_a_clock_behind_the_sale_gives_back_no_more_than_was_paid() -> None:
    assert unused_cents(right(), terms(), 5_000, 0, T0 - 3_600) == 5_000


def test_mpesa_gives_back_whole_shillings() -> None:
    assert [by_mpesa_cents(cents) for cents in (0, 99, 100, 3_333, 5_000)] == [0, 0, 100, 3_300, 5_000]


# A dash: as before. A plus: book it. "alarm": it cannot be.
GRID = """
                     asked     approved  sent      unknown   done   failed   dropped
approve              approved  -         -         -         -      -        alarm
refuse               dropped   dropped   alarm     alarm     alarm  alarm    -
accepted             alarm     sent      -         sent      -      -        alarm
refused              alarm     failed    alarm     alarm     alarm  -        alarm
lost                 alarm     unknown   -         -         -      -        alarm
result_done          alarm     done+     done+     done+     -      done+    alarm
result_failed        alarm     alarm     failed    failed    alarm  -        alarm
queue_timeout        alarm     alarm     unknown   -         -      -        alarm
status_reversed      alarm     done+     done+     done+     -      done+    alarm
status_not_reversed  alarm     -         -         failed    alarm  -        alarm
"""


def test_every_cell_of_a_reversal() -> None:
    head, *rows = [line.split() for line in GRID.strip().splitlines()]
    seen = set()
    for event, *row in rows:
        for name, cell in zip(head, row, strict=True):
            state = ReversalState(name)
            to = state if cell in {"-", "alarm"} else ReversalState(cell.rstrip("+"))
            wanted = (to, cell.endswith("+"), cell == "alarm")
            assert reversal(state, ReversalEvent(event)) == wanted, (name, event)
            seen.add((state, ReversalEvent(event)))
    assert seen == {(state, event) for state in ReversalState for event in ReversalEvent}
