"""Months that clamp, days that are not 86,400 s, opening hours. All instants are literal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.calendar import add, closes_at, instant, local, period_bounds, zone
from radius.domain.errors import Malformed
from radius.domain.terms import DAYS_ALL, Hours, PeriodUnit

NAIROBI, LONDON, CAIRO = "Africa/Nairobi", "Europe/London", "Africa/Cairo"
MON, TUE, SAT, SUN = 1, 2, 32, 64


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def at(text: str, zone_name: str = NAIROBI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone(zone_name)).timestamp())


@pytest.mark.parametrize(
    ("anchor", "count", "end"),
    [
        ("2026-01-31T10:00", 1, "2026-02-28T10:00"),
        ("2026-01-31T10:00", 2, "2026-03-31T10:00"),
        ("2026-01-31T10:00", 3, "2026-04-30T10:00"),
        ("2028-01-31T10:00", 1, "2028-02-29T10:00"),
        ("2026-12-31T23:59", 2, "2027-02-28T23:59"),
        ("2026-05-15T00:00", 12, "2027-05-15T00:00"),
        ("2026-03-31T10:00", -1, "2026-02-28T10:00"),
    ],
)
def test_months_clamp_and_come_back(anchor: str, count: int, end: str) -> None:
    assert add(at(anchor), count, PeriodUnit.MONTH, NAIROBI) == at(end)


@pytest.mark.parametrize(
    ("unit", "count", "end"),
    [
        (PeriodUnit.SECOND, 3600, "2026-03-28T13:00"),
        (PeriodUnit.DAY, 1, "2026-03-29T12:00"),
        (PeriodUnit.DAY, 2, "2026-03-30T12:00"),
        (PeriodUnit.WEEK, 1, "2026-04-04T12:00"),
    ],
)
def test_days_keep_the_time_of_day_over_a_change_of_clocks(unit: PeriodUnit, count: int, end: str) -> None:
    assert add(at("2026-03-28T12:00", LONDON), count, unit, LONDON) == at(end, LONDON)


def test_a_day_in_spring_has_23_hours_and_one_in_autumn_25() -> None:
    spring = add(at("2026-03-28T12:00", LONDON), 1, PeriodUnit.DAY, LONDON) - at("2026-03-28T12:00", LONDON)
    autumn = add(at("2026-10-24T12:00", LONDON), 1, PeriodUnit.DAY, LONDON) - at("2026-10-24T12:00", LONDON)
    assert (spring, autumn) == (23 * 3600, 25 * 3600)


@pytest.mark.parametrize(
    ("wall", "zone_name", "expected"),
    [
        ("2026-03-29T01:00", LONDON, "2026-03-29T01:00"),  # the gap begins: the next valid instant
        ("2026-03-29T01:30", LONDON, "2026-03-29T01:00"),
        ("2026-03-29T01:59:59", LONDON, "2026-03-29T01:00"),
        ("2026-03-29T02:00", LONDON, "2026-03-29T01:00"),
        ("2026-03-29T00:59:59", LONDON, "2026-03-29T00:59:59"),
        ("2026-10-25T01:30", LONDON, "2026-10-25T00:30"),  # twice: the first
        ("2026-10-25T02:00", LONDON, "2026-10-25T02:00"),
        ("2026-04-24T00:00", CAIRO, "2026-04-23T22:00"),  # midnight does not exist
        ("2026-04-24T00:59", CAIRO, "2026-04-23T22:00"),
        ("2026-10-29T23:30", CAIRO, "2026-10-29T20:30"),  # twice: the first
    ],
)
def test_wall_times_that_do_not_exist_or_exist_twice(wall: str, zone_name: str, expected: str) -> None:
    assert instant(datetime.fromisoformat(wall), zone_name) == utc(expected)


@pytest.mark.parametrize(
    ("unit", "zone_name", "now", "start", "end"),
    [
        (PeriodUnit.DAY, NAIROBI, "2026-06-10T00:00", "2026-06-10T00:00", "2026-06-11T00:00"),
        (PeriodUnit.DAY, NAIROBI, "2026-06-10T23:59:59", "2026-06-10T00:00", "2026-06-11T00:00"),
        (PeriodUnit.WEEK, NAIROBI, "2026-06-10T12:00", "2026-06-08T00:00", "2026-06-15T00:00"),
        (PeriodUnit.WEEK, NAIROBI, "2026-06-08T00:00", "2026-06-08T00:00", "2026-06-15T00:00"),
        (PeriodUnit.WEEK, NAIROBI, "2026-06-14T23:59:59", "2026-06-08T00:00", "2026-06-15T00:00"),
        (PeriodUnit.MONTH, NAIROBI, "2026-01-31T10:00", "2026-01-31T10:00", "2026-02-28T10:00"),
        (PeriodUnit.MONTH, NAIROBI, "2026-02-28T09:59:59", "2026-01-31T10:00", "2026-02-28T10:00"),
        (PeriodUnit.MONTH, NAIROBI, "2026-02-28T10:00", "2026-02-28T10:00", "2026-03-31T10:00"),
        (PeriodUnit.MONTH, NAIROBI, "2026-03-30T12:00", "2026-02-28T10:00", "2026-03-31T10:00"),
        (PeriodUnit.MONTH, NAIROBI, "2027-03-31T10:00", "2027-03-31T10:00", "2027-04-30T10:00"),
        (PeriodUnit.DAY, CAIRO, "2026-04-24T01:00", "2026-04-24T01:00", "2026-04-25T00:00"),
        (PeriodUnit.DAY, LONDON, "2026-10-25T12:00", "2026-10-25T00:00", "2026-10-26T00:00"),
    ],
)
def test_quota_periods(unit: PeriodUnit, zone_name: str, now: str, start: str, end: str) -> None:
    anchor = at("2026-01-31T10:00", zone_name)
    assert period_bounds(anchor, unit, zone_name, at(now, zone_name)) == (at(start, zone_name), at(end, zone_name))


@given(
    st.integers(utc("2024-01-01"), utc("2030-01-01")),
    st.integers(0, 5 * 366 * 86_400),
    st.sampled_from([PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH]),
    st.sampled_from([NAIROBI, LONDON, CAIRO, "America/Santiago", "Pacific/Auckland", "Asia/Kathmandu"]),
)
def test_every_instant_lies_in_its_period_and_periods_adjoin(
    anchor: int, later_s: int, unit: PeriodUnit, zone_name: str
) -> None:
    start, end = period_bounds(anchor, unit, zone_name, anchor + later_s)
    assert start <= anchor + later_s < end
    assert period_bounds(anchor, unit, zone_name, end)[0] == end
    assert period_bounds(anchor, unit, zone_name, start - 1)[1] == start


NIGHT = Hours(DAYS_ALL, 22 * 60, 6 * 60)
OFFICE = Hours(DAYS_ALL & ~(SAT | SUN), 8 * 60, 17 * 60)
LUNCH = Hours(DAYS_ALL & ~(SAT | SUN), 17 * 60, 19 * 60)
ROUND_THE_CLOCK = Hours(DAYS_ALL, 0, 1440)


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        ((NIGHT,), "2026-06-10T21:59:59", None),
        ((NIGHT,), "2026-06-10T22:00", "2026-06-11T06:00"),
        ((NIGHT,), "2026-06-11T00:00", "2026-06-11T06:00"),
        ((NIGHT,), "2026-06-11T05:59:59", "2026-06-11T06:00"),
        ((NIGHT,), "2026-06-11T06:00", None),
        ((Hours(MON, 22 * 60, 6 * 60),), "2026-06-09T05:00", "2026-06-09T06:00"),  # Tuesday, from Monday's night
        ((Hours(MON, 22 * 60, 6 * 60),), "2026-06-08T05:00", None),  # Sunday's night is not open
        ((Hours(SUN, 22 * 60, 6 * 60),), "2026-06-08T05:00", "2026-06-08T06:00"),  # Monday, from Sunday's night
        ((OFFICE,), "2026-06-13T12:00", None),  # Saturday
        ((OFFICE,), "2026-06-12T16:59", "2026-06-12T17:00"),
        ((OFFICE, LUNCH), "2026-06-12T16:59", "2026-06-12T19:00"),  # adjoining
        ((OFFICE, Hours(DAYS_ALL, 16 * 60, 20 * 60)), "2026-06-12T09:00", "2026-06-12T20:00"),  # overlapping
        ((LUNCH, OFFICE), "2026-06-12T17:00", "2026-06-12T19:00"),
        (
            (Hours(MON, 0, 1440), Hours(TUE, 0, 60)),
            "2026-06-08T12:00",
            "2026-06-09T01:00",
        ),  # over midnight by adjoining
        ((Hours(MON, 480, 480),), "2026-06-09T07:59", "2026-06-09T08:00"),  # equal ends: a whole day
    ],
)
def test_opening_hours(hours: tuple[Hours, ...], now: str, end: str | None) -> None:
    expected = at(end) if end is not None else at(now)  # closed: `now` itself
    assert closes_at(hours, NAIROBI, at(now)) == expected


@pytest.mark.parametrize("hours", [(), (ROUND_THE_CLOCK,), (NIGHT, Hours(DAYS_ALL, 6 * 60, 22 * 60))])
def test_always_open(hours: tuple[Hours, ...]) -> None:
    assert closes_at(hours, NAIROBI, at("2026-06-10T12:00")) is None


def test_opening_hours_follow_the_clock_change() -> None:
    night = (Hours(DAYS_ALL, 22 * 60, 6 * 60),)
    assert closes_at(night, LONDON, at("2026-03-28T23:00", LONDON)) == utc("2026-03-29T05:00")
    assert closes_at(night, LONDON, at("2026-10-24T23:00", LONDON)) == utc("2026-10-25T06:00")


@given(
    st.lists(st.builds(Hours, st.integers(1, DAYS_ALL), st.integers(0, 1439), st.integers(1, 1440)), max_size=3),
    st.integers(0, 7 * 1440 - 1),
)
def test_closing_time_is_what_a_walk_by_minutes_finds(hours: list[Hours], minute: int) -> None:
    monday = datetime(2026, 6, 8, tzinfo=UTC)
    now = int((monday + timedelta(minutes=minute)).timestamp())

    def is_open(offset: int) -> bool:
        for slot in hours:
            length = (slot.end_minute - slot.start_minute) % 1440 or 1440
            for day in range(7):
                begins = day * 1440 + slot.start_minute
                if slot.days >> day & 1 and (offset - begins) % (7 * 1440) < length:
                    return True
        return False

    ahead = next((n for n in range(7 * 1440 + 1) if not is_open(minute + n)), None)
    expected = None if ahead is None or not hours else now + ahead * 60
    assert closes_at(tuple(hours), "UTC", now) == expected


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(Malformed, match="Africa/Nairoby"):
        zone("Africa/Nairoby")


def test_local_time() -> None:
    assert local(utc("2026-06-10T12:00"), NAIROBI).isoformat() == "2026-06-10T15:00:00+03:00"
