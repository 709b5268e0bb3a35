"""What can be sold: every bad field is named, every limit is tried on both sides."""

import pytest

from radius.domain.errors import Malformed
from radius.domain.terms import Hours, PeriodUnit, Rate, Terms, Window, WindowStart, check_terms
from tests.unit.domain.builders import day_terms


def window(count: int, unit: PeriodUnit) -> Window:
    return Window(WindowStart.PURCHASE, count, unit)


@pytest.mark.parametrize(
    "terms",
    [
        day_terms(quota_bytes=1, quota_s=1, idle_s=1, interim_s=60, devices=1),
        day_terms(window=window(1, PeriodUnit.SECOND)),
        day_terms(window=window(3660, PeriodUnit.DAY)),
        day_terms(window=window(120, PeriodUnit.MONTH), period=PeriodUnit.MONTH),
        day_terms(rate=Rate(1, 1), slow_rate=Rate(1, 1)),
        day_terms(hours=(Hours(1, 0, 1440), Hours(127, 1439, 1))),
    ],
)
def test_the_smallest_and_the_largest_that_can_be_sold(terms: Terms) -> None:
    assert check_terms(terms) is terms


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("window.count", day_terms(window=window(0, PeriodUnit.DAY))),
        ("window.count", day_terms(window=window(3661, PeriodUnit.DAY))),
        ("window.count", day_terms(window=window(531, PeriodUnit.WEEK))),
        ("window.count", day_terms(window=window(121, PeriodUnit.MONTH))),
        ("window.count", day_terms(window=window(316_224_001, PeriodUnit.SECOND))),
        ("quota_bytes", day_terms(quota_bytes=0)),
        ("quota_s", day_terms(quota_s=0)),
        ("devices", day_terms(devices=0)),
        ("idle_s", day_terms(idle_s=0)),
        ("interim_s", day_terms(interim_s=59)),
        ("interim_s", day_terms(interim_s=3601)),
        ("idle_s", day_terms(idle_s=7 * 86_400 + 1)),
        ("devices", day_terms(devices=10_001)),
        ("quota_bytes", day_terms(quota_bytes=(1 << 60) + 1)),
        ("rate", day_terms(rate=Rate(1, 100_000_000_001))),
        ("rate", day_terms(rate=Rate(1, 1, burst_up_bps=-1))),
        ("rate.burst_s", day_terms(rate=Rate(1, 1, burst_s=-5))),
        ("id", day_terms(name="day")),
        ("id", day_terms(name="a b\n.1")),
        ("period", day_terms(period=PeriodUnit.SECOND)),
        ("id", day_terms(name="")),
        ("id", day_terms(name="day#3")),
        ("rate", day_terms(rate=Rate(0, 1))),
        ("rate", day_terms(rate=Rate(1, 0))),
        ("rate", day_terms(slow_rate=Rate(0, 64_000))),
        ("hours.days", day_terms(hours=(Hours(0, 0, 60),))),
        ("hours.days", day_terms(hours=(Hours(128, 0, 60),))),
        ("hours", day_terms(hours=(Hours(127, 1440, 60),))),
        ("hours", day_terms(hours=(Hours(127, -1, 60),))),
        ("hours", day_terms(hours=(Hours(127, 0, 0),))),
        ("hours", day_terms(hours=(Hours(127, 0, 1441),))),
    ],
)
def test_what_cannot_be_sold_names_its_field(field: str, terms: Terms) -> None:
    with pytest.raises(Malformed) as bad:
        check_terms(terms)
    assert bad.value.field == field
