"""A right's life: when it begins and ends, what remains of it, and to which period use is charged."""

import pytest

from radius.domain import entitlement
from radius.domain.entitlement import Right, RightState
from radius.domain.errors import Malformed
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from tests.unit.domain.builders import DAY_S, DAY_WINDOW, FIRST_LOGIN_DAY, MIB, T0, day_terms

MIDNIGHT = T0 + 5 * 3600  # T0 is 19:00 in Nairobi
MONTH = Window(WindowStart.PURCHASE, 1, PeriodUnit.MONTH)
DAILY = day_terms(window=MONTH, quota_bytes=50 * MIB, quota_s=3600, period=PeriodUnit.DAY)


def daily(used_bytes: int = 0, used_s: int = 0) -> Right:
    bought = entitlement.issue("right001", DAILY, T0)
    bought.used_bytes, bought.used_s = used_bytes, used_s
    return bought


def test_a_bought_right_runs_from_its_purchase() -> None:
    bought = entitlement.issue("right001", day_terms(), T0)
    assert (bought.starts_at, bought.ends_at, bought.granted_at) == (T0, T0 + DAY_S, T0)
    assert bought.period_ends_at == 0


def test_a_right_of_the_first_log_in_sleeps_until_it_is_started_and_starts_once() -> None:
    dormant = entitlement.issue("right001", day_terms(window=FIRST_LOGIN_DAY), T0)
    assert (dormant.starts_at, dormant.ends_at) == (0, 0)
    entitlement.start(dormant, day_terms(window=FIRST_LOGIN_DAY), T0 + 100)
    entitlement.start(dormant, day_terms(window=FIRST_LOGIN_DAY), T0 + 900)
    assert (dormant.starts_at, dormant.ends_at) == (T0 + 100, T0 + 100 + DAY_S)


@pytest.mark.parametrize(
    ("unit", "ends"),
    [
        (PeriodUnit.DAY, MIDNIGHT),
        (PeriodUnit.WEEK, MIDNIGHT + 6 * DAY_S),  # T0 is a Monday; weeks turn on Monday
        (PeriodUnit.MONTH, T0 + 30 * DAY_S),  # 24 November 19:00 -> 24 December 19:00
    ],
)
def test_a_period_turns_in_the_zone_frozen_in_the_right(unit: PeriodUnit, ends: int) -> None:
    assert entitlement.issue("r", day_terms(window=MONTH, period=unit), T0, "Africa/Nairobi").period_ends_at == ends


def test_another_zone_has_another_midnight_and_an_unknown_one_sells_nothing() -> None:
    terms = day_terms(window=MONTH, period=PeriodUnit.DAY)
    assert entitlement.issue("r", terms, T0, "UTC").period_ends_at == T0 + 8 * 3600
    with pytest.raises(Malformed):
        entitlement.issue("r", terms, T0, "Africa/Nowhere")


@pytest.mark.parametrize(
    ("right", "now", "state"),
    [
        (Right("r", "t", T0), T0, RightState.DORMANT),
        (Right("r", "t", T0, redeem_by=T0 + 10), T0 + 9, RightState.DORMANT),
        (Right("r", "t", T0, redeem_by=T0 + 10), T0 + 10, RightState.ENDED),
        (Right("r", "t", T0, starts_at=T0, ends_at=T0 + 10), T0 + 9, RightState.LIVE),
        (Right("r", "t", T0, starts_at=T0, ends_at=T0 + 10), T0 + 10, RightState.ENDED),
        # Started in time: the last day to redeem says nothing any more.
        (Right("r", "t", T0, starts_at=T0, ends_at=T0 + 90, redeem_by=T0 + 10), T0 + 50, RightState.LIVE),
        (Right("r", "t", T0, starts_at=T0, ends_at=T0 + 90, revoked_at=T0 + 1), T0 + 2, RightState.REVOKED),
        (Right("r", "t", T0, starts_at=T0, ends_at=T0 + 1, revoked_at=T0 + 5), T0 + 9, RightState.REVOKED),
    ],
)
def test_states(right: Right, now: int, state: RightState) -> None:
    assert entitlement.state(right, now) is state


def test_the_end_that_a_dormant_right_would_have() -> None:
    terms = day_terms(window=FIRST_LOGIN_DAY)
    assert entitlement.prospective_end(Right("r", "t", T0), terms, T0 + 7) == T0 + 7 + DAY_S
    assert entitlement.prospective_end(Right("r", "t", T0, starts_at=T0, ends_at=T0 + 9), terms, T0 + 7) == T0 + 9


@pytest.mark.parametrize(
    ("terms", "used", "remaining", "exhausted"),
    [
        (day_terms(), (5 * MIB, 500), (None, None), False),
        (day_terms(quota_bytes=100), (99, 0), (1, None), False),
        (day_terms(quota_bytes=100), (100, 0), (0, None), True),
        (day_terms(quota_bytes=100), (140, 0), (0, None), True),  # overspent: nothing, never less than nothing
        (day_terms(quota_s=60), (0, 59), (None, 1), False),
        (day_terms(quota_s=60), (0, 61), (None, 0), True),
        (day_terms(quota_bytes=100, quota_s=60), (10, 60), (90, 0), True),
    ],
)
def test_what_remains(
    terms: Terms, used: tuple[int, int], remaining: tuple[int | None, int | None], exhausted: bool
) -> None:
    bought = Right("r", terms.id, T0, T0, T0 + DAY_S, used_bytes=used[0], used_s=used[1])
    assert (entitlement.remaining_bytes(bought, terms), entitlement.remaining_s(bought, terms)) == remaining
    assert entitlement.exhausted(bought, terms) is exhausted


def test_a_new_period_begins_at_its_instant_and_keeps_what_was_charged() -> None:
    bought = daily(used_bytes=40 * MIB, used_s=600)
    assert not entitlement.roll_period(bought, DAILY, MIDNIGHT - 1)
    assert entitlement.remaining_bytes(bought, DAILY) == 10 * MIB
    assert entitlement.roll_period(bought, DAILY, MIDNIGHT)
    assert (bought.used_bytes, bought.used_s) == (0, 0)
    assert (bought.past_bytes, bought.past_s) == (40 * MIB, 600)
    assert bought.period_ends_at == MIDNIGHT + DAY_S
    assert entitlement.remaining_bytes(bought, DAILY) == 50 * MIB
    assert not entitlement.roll_period(bought, DAILY, MIDNIGHT)


def test_periods_in_which_nobody_was_online_are_stepped_over() -> None:
    bought = daily(used_bytes=1)
    assert entitlement.roll_period(bought, DAILY, MIDNIGHT + 3 * DAY_S + 5)
    assert bought.period_ends_at == MIDNIGHT + 4 * DAY_S
    assert bought.past_bytes == 1


def test_a_right_without_a_period_or_not_yet_started_has_none_to_turn() -> None:
    plain = entitlement.issue("r", day_terms(quota_bytes=9), T0)
    dormant = Right("r", DAILY.id, T0)
    assert not entitlement.roll_period(plain, day_terms(quota_bytes=9), T0 + 90 * DAY_S)
    assert not entitlement.roll_period(dormant, DAILY, T0 + 90 * DAY_S)


@pytest.mark.parametrize(
    ("since", "now_charged", "past_charged"),
    [
        (MIDNIGHT, 7, 0),
        (MIDNIGHT + 300, 7, 0),
        (MIDNIGHT - 1, 0, 7),  # across the boundary: to the older period
        (T0, 0, 7),
        (T0 - DAY_S, 0, 7),  # before the right: as if at its start
    ],
)
def test_use_belongs_to_the_period_in_which_it_began(since: int, now_charged: int, past_charged: int) -> None:
    bought = daily()
    entitlement.roll_period(bought, DAILY, MIDNIGHT + 60)
    entitlement.use(bought, DAILY, since, 7, 7)
    assert (bought.used_bytes, bought.past_bytes) == (now_charged, past_charged)
    assert (bought.used_s, bought.past_s) == (now_charged, past_charged)


def test_without_a_period_all_use_is_of_the_whole_life() -> None:
    bought = entitlement.issue("r", day_terms(window=DAY_WINDOW), T0)
    entitlement.use(bought, day_terms(), T0 - 5, 3, 4)
    assert (bought.used_bytes, bought.used_s, bought.past_bytes) == (3, 4, 0)
