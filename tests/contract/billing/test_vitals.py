"""How selling is, over memory and the engine: what waits, what has no end, how silent it is, what the books say."""

import json

import msgspec
import pytest

from billing.domain.day_end import DayEnds
from billing.domain.silence import Hours
from billing.ports import Body, BodyKind, Kept, Posting
from billing.services.day_ends import DayEndWatch
from billing.services.vitals import BACK_DAYS, OPEN_LONG_S, Pulse
from tests.contract.billing.test_day_ends import NOON
from tests.contract.billing.town import Town
from tests.unit.billing.values import DAY, T0

HOURS = Hours(0, 24)
DAY_S = 86_400


def keep(town: Town, at: int, kind: BodyKind = BodyKind.CALLBACK, name: str = "b") -> None:
    body = Body(f"{name}{at}", "p", at, json.dumps({}), due_at=at, expires_at=at + DAY_S, kind=kind)
    town.book.stores.bodies.keep(body, town.book.deadline())


def remember(town: Town, *gaps: int) -> None:
    town.book.post(Posting(town.book.new_id(), things=(Kept(DayEnds(DAY, gaps)),)))


def test_an_empty_shop_is_well(town: Town) -> None:
    found = Pulse(town.book, HOURS).take(T0)
    assert (found.uncredited_s, found.open_long, found.findings) == (0, 0, None)
    assert 3 <= found.silence <= BACK_DAYS, "nobody ever paid, and it is unknown since when that matters"
    assert Pulse(town.book, None).take(T0).silence == 0, "who sells vouchers alone waits for no payment"


def test_the_oldest_that_was_told_and_not_settled(town: Town) -> None:
    keep(town, T0, BodyKind.RESULT, "r")  # waits for the reply that names it
    keep(town, T0 + 60)
    keep(town, T0 + 90, BodyKind.NOTICE, "n")
    pulse = Pulse(town.book, HOURS)
    assert pulse.take(T0 + 400).uncredited_s == 340
    town.book.stores.bodies.looked_at(f"b{T0 + 60}", town.book.deadline())
    assert pulse.take(T0 + 400).uncredited_s == 310


def test_payments_without_an_end_count_after_ten_minutes(town: Town) -> None:
    town.buy()
    pulse = Pulse(town.book, HOURS)
    assert pulse.take(T0 + OPEN_LONG_S - 10).open_long == 0
    assert pulse.take(T0 + OPEN_LONG_S + 10).open_long == 1
    town.callback()
    assert pulse.take(T0 + OPEN_LONG_S + 10).open_long == 0


@pytest.mark.parametrize(("later_s", "times"), [(0, 0), (7_200, 2), (DAY_S, 24)])
def test_silence_is_measured_by_the_gaps_of_other_days(town: Town, later_s: int, times: float) -> None:
    remember(town, 3_000, 3_600, 50_000)
    town.buy()
    town.callback()
    assert Pulse(town.book, HOURS).take(T0 + later_s).silence == pytest.approx(times, abs=0.1)


def test_a_day_that_is_over_leaves_its_gap_and_a_week_is_remembered(town: Town) -> None:
    remember(town, *range(1_000, 8_000, 1_000))
    day_before = msgspec.structs.replace(DayEnds("2026-11-24"), gaps=tuple(range(1_000, 8_000, 1_000)))
    kept = town.book.stores.customers.thing(DayEnds, "days", town.book.deadline())
    assert kept is not None
    town.book.post(Posting(town.book.new_id(), things=(Kept(day_before, kept.version + 1),)))
    town.buy()
    town.callback()
    assert DayEndWatch(town.book, HOURS).round(NOON) is not None
    kept = town.book.stores.customers.thing(DayEnds, "days", town.book.deadline())
    assert kept is not None
    assert kept.thing.gaps[:-1] == tuple(range(2_000, 8_000, 1_000))
    assert 12 * 3_600 <= kept.thing.gaps[-1] < DAY_S


def test_what_the_books_said_last_is_kept_for_all(town: Town) -> None:
    pulse = Pulse(town.book, HOURS)
    pulse.checked(3, T0)
    assert Pulse(town.book, HOURS).take(T0).findings == 3
    pulse.checked(0, T0 + 60)
    assert Pulse(town.book, HOURS).take(T0).findings == 0
