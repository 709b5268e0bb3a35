"""How long nobody has bought: within the hours of selling, against the longest gap of ordinary days."""

import random
from datetime import UTC, datetime

import pytest

from billing.domain.silence import GAP_S_MIN, Hours, expected_gap_s, longest_gap_s, open_s

HOURS = Hours(7, 22)
DAY = "2026-11-25"


def at(hour: float, day: int = 25) -> int:
    """An instant by the clock of Nairobi, three hours ahead of UTC."""
    return int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) + round((hour - 3) * 3_600)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (at(10), at(12), 2),
        (at(6), at(8), 1),
        (at(21), at(23.5), 1),
        (at(23), at(5, 26), 0),
        (at(21), at(8, 26), 2),
        (at(12), at(12, 28), 45),
    ],
)
def test_only_hours_of_selling_count(since: int, until: int, hours: float) -> None:
    assert open_s(HOURS, until) - open_s(HOURS, since) == hours * 3_600


@pytest.mark.parametrize(
    ("sales", "hours"),
    [
        ([], 15),
        ([at(7), at(21.999)], 14.999),
        ([at(12)], 10),
        ([at(8), at(11), at(14), at(20)], 6),
        ([at(3), at(23.9)], 15),  # at night: neither begins nor ends a gap of the day
        ([at(12, 24), at(14.5, 26)], 15),  # other days' sales are not this day's
    ],
)
def test_the_longest_gap_of_a_day(sales: list[int], hours: float) -> None:
    assert longest_gap_s(HOURS, DAY, sales) == pytest.approx(hours * 3_600, abs=5)


def test_one_day_of_outage_does_not_make_the_next_one_look_ordinary() -> None:
    assert expected_gap_s(HOURS, (3_600, 3_600, 40_000, 3_500, 3_700)) == 3_600
    assert expected_gap_s(HOURS, (30, 40)) == GAP_S_MIN
    assert expected_gap_s(HOURS, ()) == HOURS.day_s, "a site without a past may be silent for a day"


@pytest.mark.parametrize("sales_a_day", [30, 120, 600])
def test_chance_alone_rarely_looks_like_an_outage(sales_a_day: int) -> None:
    """A year of days whose mornings are five times quieter than their evenings, at the alarm's threshold of 3."""
    rolls = random.Random(sales_a_day)
    gaps: list[int] = []
    loud = 0
    for _ in range(365):
        sales = sorted(
            at(rolls.uniform(7, 14)) if rolls.random() < 0.15 else at(rolls.uniform(14, 22))
            for _ in range(rolls.randint(sales_a_day * 8 // 10, sales_a_day * 12 // 10))
        )
        longest = longest_gap_s(HOURS, DAY, sales)
        loud += longest > 3 * expected_gap_s(HOURS, tuple(gaps[-7:]))
        gaps.append(longest)
    assert loud <= 4
