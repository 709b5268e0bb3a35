"""When production may change."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.on_aws.window import ANNOUNCED_FOR, NAIROBI, holiday, next_window, objections, plan
from deploy.refusal import Refusal

TUESDAY = datetime(2026, 11, 24, 2, 30, tzinfo=NAIROBI)
GOOD: dict[str, Any] = {
    "commit": "a" * 40,
    "is_dirty": False,
    "on_staging": "a" * 40,
    "announced": [(TUESDAY - timedelta(hours=49), TUESDAY)],
}


def why(now: datetime = TUESDAY, **other: Any) -> str:
    return "; ".join(objections(now, **(GOOD | other)))


def test_a_quiet_night_that_was_announced() -> None:
    assert why() == ""


def test_the_clock_is_nairobis_whatever_the_machine_has() -> None:
    assert why(TUESDAY.astimezone(tz=None)) == ""


@pytest.mark.parametrize(("hour", "minute", "good"), [(1, 59, False), (2, 0, True), (3, 59, True), (4, 0, False)])
def test_the_hours(hour: int, minute: int, good: bool) -> None:
    assert (why(TUESDAY.replace(hour=hour, minute=minute)) == "") is good


@pytest.mark.parametrize(("day", "says"), [(27, ""), (28, "Saturday"), (29, "Sunday")])
def test_the_days(day: int, says: str) -> None:
    night = TUESDAY.replace(day=day)
    told = why(night, announced=[(night - timedelta(hours=49), night)])
    assert says in told if says else told == ""


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 12, 25), (2026, 10, 20), (2027, 12, 13), (2027, 3, 26), (2027, 6, 1)]
)
def test_holidays_move_and_are_made_up_for(year: int, month: int, day: int) -> None:
    night = datetime(year, month, day, 3, tzinfo=NAIROBI)
    assert night.weekday() < 5, "not kept by the weekend rule"
    assert f"{night:%Y-%m-%d} is " in why(night, announced=[(night - timedelta(hours=49), night)])


@pytest.mark.parametrize(
    ("made_before", "planned_after", "good"),
    [
        (timedelta(hours=48), timedelta(0), True),
        (timedelta(hours=47, minutes=59), timedelta(0), False),
        (timedelta(hours=60), timedelta(days=1), False),
        (ANNOUNCED_FOR + timedelta(minutes=1), timedelta(0), False),
    ],
)
def test_who_was_told_when_and_of_which_night(made_before: timedelta, planned_after: timedelta, good: bool) -> None:
    told = [(TUESDAY - made_before, TUESDAY + planned_after)]
    assert ("48 hours" not in why(announced=told)) is good


def test_only_what_staging_has_seen() -> None:
    assert "staging has nothing" in why(on_staging=None)
    assert "staging has bbbb" in why(on_staging="b" * 40)
    assert "differ from its commit" in why(is_dirty=True)


def test_every_reason_is_told_at_once() -> None:
    sunday = datetime(2026, 11, 29, 12, tzinfo=NAIROBI)
    assert len(objections(sunday, **(GOOD | {"on_staging": None, "is_dirty": True}))) == 5


def test_the_next_window_can_be_used() -> None:
    christmas = datetime(2026, 12, 24, 5, tzinfo=NAIROBI)
    opens = next_window(christmas)
    assert opens == datetime(2026, 12, 28, 2, tzinfo=NAIROBI), "after Friday's holiday, the Saturday and the Sunday"
    assert not holiday(opens.date())
    assert why(opens, announced=[(opens - timedelta(hours=50), opens)]) == ""


MONDAY = datetime(2026, 11, 16, 12, tzinfo=NAIROBI)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (datetime(2026, 11, 24, 2, 30), ""),  # noqa: DTZ001 - as it is typed
        (datetime(2026, 11, 24, 14), "14:00 in Nairobi"),  # noqa: DTZ001
        (datetime(2026, 11, 21, 2), "is a Saturday"),  # noqa: DTZ001
        (datetime(2026, 11, 17, 2), "less than 48 hours"),  # noqa: DTZ001
        (datetime(2026, 12, 25, 3), "Christmas.*14 days"),  # noqa: DTZ001
    ],
)
def test_works_are_announced_for_a_night_that_up_takes(at: datetime, says: str) -> None:
    if not says:
        planned = plan(at, MONDAY)
        assert objections(planned, **(GOOD | {"announced": [(MONDAY, planned)]})) == []
        return
    with pytest.raises(Refusal, match=says):
        plan(at, MONDAY)


def test_without_an_hour_it_is_the_first_window_after_the_notice() -> None:
    assert plan(None, MONDAY) == datetime(2026, 11, 19, 2, tzinfo=NAIROBI)
