"""Leases and charges: what one more session may be promised, and where use goes."""

import pytest

from radius.domain import charging
from radius.domain.charging import UNLIMITED
from radius.domain.subscriber import Lease, Session, SessionState
from radius.domain.terms import PeriodUnit, Rate
from tests.unit.domain.builders import (
    DAY_S,
    LAPTOP,
    MIB,
    PHONE,
    T0,
    TABLET,
    Catalogue,
    day_terms,
    live,
    right,
    subscriber,
    world,
)

MIDNIGHT = T0 + 5 * 3600


def holder(device: str, reservation: str, leases: list[Lease], *, at: int = T0, **more: object) -> Session:
    one = live(PHONE, reservation, at=at, leases=leases)
    one.device = device
    for name, value in more.items():
        setattr(one, name, value)
    return one


def test_what_is_promised_adds_up_over_live_sessions_only() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 5, 50)])
    other = holder(LAPTOP, "r2", [Lease("right001", 7, UNLIMITED), Lease("right002", 100, 100)])
    reserved = holder(TABLET, "r3", [Lease("right001", 11, 3), Lease("right003", 0, 0)], state=SessionState.RESERVED)
    closed = holder(TABLET, "r4", [Lease("right001", 1000, 1000)], state=SessionState.CLOSED)
    home = subscriber(sessions=[mine, other, reserved, closed])
    assert charging.open_leases(home, "right001", None) == (23, 53)
    assert charging.open_leases(home, "right001", mine) == (18, 3)
    assert charging.open_leases(home, "right002", None) == (100, 100)
    assert charging.open_leases(home, "right003", None) == (0, 0)


def test_a_slot_is_held_by_every_live_session_of_a_right_and_by_those_that_run_on_into_it() -> None:
    young = holder(PHONE, "r1", [Lease("right001", 5, 50)], at=T0 + 9)
    runs_on = holder(LAPTOP, "r2", [Lease("right002", 7, 7), Lease("right001", 1, 1)], at=T0, right="right002")
    slow = holder(TABLET, "r3", [], at=T0 + 5)
    over = holder(TABLET, "r4", [], state=SessionState.CLOSED)
    home = subscriber(sessions=[young, runs_on, slow, over])
    assert charging.devices_on(home, "right001", None) == [runs_on, slow, young]
    assert charging.devices_on(home, "right001", slow) == [runs_on, young]
    assert charging.devices_on(home, "right002", None) == [runs_on]


@pytest.mark.parametrize(
    ("devices", "quota", "used", "others", "lease"),
    [
        # One device leases all that remains.
        (1, 100 * MIB, 0, [], 100 * MIB),
        (1, 100 * MIB, 30 * MIB, [], 70 * MIB),
        (1, None, 0, [], UNLIMITED),
        # Shared: the remainder by free slots ...
        (4, 400 * MIB, 0, [], 100 * MIB),
        (4, 400 * MIB, 0, [100 * MIB], 100 * MIB),
        (2, 400 * MIB, 0, [150 * MIB], 250 * MIB),  # the last free slot takes the rest
        (2, 400 * MIB, 0, [100 * MIB, 100 * MIB], 200 * MIB),  # a device too many, as a late Start makes one
        # ... with a floor of 16 MiB, but never more than there is.
        (10, 100 * MIB, 0, [], 16 * MIB),
        (10, 20 * MIB, 0, [8 * MIB], 12 * MIB),
        # All promised, or all used: nothing.
        (4, 100 * MIB, 0, [100 * MIB], None),
        (1, 100 * MIB, 100 * MIB, [], None),
        (4, 100 * MIB, 90 * MIB, [30 * MIB], None),
    ],
)
def test_the_share_of_one_more_session(
    devices: int, quota: int | None, used: int, others: list[int], lease: int | None
) -> None:
    terms, bought = day_terms(devices=devices, quota_bytes=quota), right()
    bought.used_bytes = used
    holders = [holder(f"d{n}", f"r{n}", [Lease("right001", size, UNLIMITED)]) for n, size in enumerate(others)]
    found = charging.lease_of(subscriber(bought, sessions=holders), bought, terms, None)
    assert found == (None if lease is None else Lease("right001", lease, UNLIMITED))


@pytest.mark.parametrize(
    ("quota_s", "devices", "taken", "seconds"),
    [(3600, 1, 0, 3600), (3600, 4, 0, 900), (3600, 20, 0, 300), (3600, 4, 3400, 200), (3600, 4, 3600, None)],
)
def test_seconds_are_shared_like_bytes_with_a_floor_of_five_minutes(
    quota_s: int, devices: int, taken: int, seconds: int | None
) -> None:
    bought = right()
    others = [holder(LAPTOP, "r1", [Lease("right001", UNLIMITED, taken)])] if taken else []
    found = charging.lease_of(
        subscriber(bought, sessions=others), bought, day_terms(quota_s=quota_s, devices=devices), None
    )
    assert found == (None if seconds is None else Lease("right001", UNLIMITED, seconds))


def test_a_renewed_session_does_not_compete_with_its_own_lease() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 90 * MIB, UNLIMITED)])
    bought = right()
    home = subscriber(bought, sessions=[mine])
    assert charging.lease_of(home, bought, day_terms(quota_bytes=100 * MIB), mine) == Lease(
        "right001", 100 * MIB, UNLIMITED
    )


def test_use_comes_off_the_lease_and_onto_the_right() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, 60)])
    home = subscriber(right(), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, quota_s=60))
    assert charging.charge(home, mine, 30, 20, T0, T0 + 20, world(T0 + 20, terms)) == 0
    assert mine.leases == [Lease("right001", 70, 40)]
    assert (home.rights[0].used_bytes, home.rights[0].used_s) == (30, 20)


def test_unlimited_leases_stay_so() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", UNLIMITED, UNLIMITED)])
    home = subscriber(right(), sessions=[mine])
    assert charging.charge(home, mine, 10**15, 20, T0, T0 + 20, world(T0 + 20, Catalogue(day_terms()))) == 0
    assert mine.leases == [Lease("right001", UNLIMITED, UNLIMITED)]
    assert home.rights[0].used_bytes == 10**15


@pytest.mark.parametrize(
    ("slow", "over"),
    [(None, 20), (Rate(64_000, 64_000), 0)],  # what is used at the slow rate is no overspend
)
def test_what_goes_beyond_the_quota_is_charged_and_recorded(slow: Rate | None, over: int) -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, UNLIMITED)])
    home = subscriber(right(), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, slow_rate=slow))
    assert charging.charge(home, mine, 120, 0, T0, T0 + 20, world(T0 + 20, terms)) == over
    assert (home.rights[0].used_bytes, mine.leases) == (120, [Lease("right001", 0, UNLIMITED)])
    assert charging.charge(home, mine, 5, 0, T0 + 20, T0 + 40, world(T0 + 40, terms)) == (5 if over else 0)


def test_beyond_a_lease_but_within_the_quota_is_no_overspend() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 10, UNLIMITED)])
    home = subscriber(right(), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, devices=4))
    assert charging.charge(home, mine, 95, 0, T0, T0 + 20, world(T0 + 20, terms)) == 0
    assert charging.charge(home, mine, 7, 0, T0 + 20, T0 + 40, world(T0 + 40, terms)) == 2


def test_a_session_runs_from_one_right_into_the_next_and_splits_its_use() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, UNLIMITED), Lease("right002", 1000, UNLIMITED)])
    home = subscriber(right(), right("right002"), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100))
    assert charging.charge(home, mine, 130, 0, T0, T0 + 20, world(T0 + 20, terms)) == 0
    assert [one.used_bytes for one in home.rights] == [100, 30]
    assert (mine.right, mine.leases) == ("right002", [Lease("right002", 970, UNLIMITED)])


def test_while_something_is_left_of_the_first_right_the_next_one_waits() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, 60), Lease("right002", 1000, 600)])
    home = subscriber(right(), right("right002"), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, quota_s=60))
    assert charging.charge(home, mine, 99, 59, T0, T0 + 59, world(T0 + 59, terms)) == 0
    assert (mine.right, mine.leases) == ("right001", [Lease("right001", 1, 1), Lease("right002", 1000, 600)])


def test_an_unlimited_lease_takes_all_before_the_next_right() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", UNLIMITED, UNLIMITED), Lease("right002", 10, 10)])
    home = subscriber(right(), right("right002"), sessions=[mine])
    charging.charge(home, mine, 30, 20, T0, T0 + 20, world(T0 + 20, Catalogue(day_terms())))
    assert [(one.used_bytes, one.used_s) for one in home.rights] == [(30, 20), (0, 0)]


def test_what_goes_beyond_every_lease_is_the_last_rights() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, 60), Lease("right002", 50, 30)])
    home = subscriber(right(), right("right002"), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, quota_s=60))
    assert charging.charge(home, mine, 230, 140, T0, T0 + 140, world(T0 + 140, terms)) == 30
    assert [(one.used_bytes, one.used_s) for one in home.rights] == [(100, 60), (130, 80)]


def test_a_right_without_a_quota_has_no_overspend() -> None:
    mine = holder(PHONE, "r1", [], right="right001")
    home = subscriber(right(), sessions=[mine])
    assert charging.charge(home, mine, 30, 9, T0, T0 + 9, world(T0 + 9, Catalogue(day_terms()))) == 0


def test_a_right_that_ended_steps_aside_with_what_was_left_of_it() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, UNLIMITED), Lease("right002", 1000, UNLIMITED)])
    home = subscriber(right(ends_at=T0 + 60), right("right002"), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100))
    # Split at the interim points: the delta that crosses the end goes to the older right.
    charging.charge(home, mine, 10, 0, T0 + 50, T0 + 70, world(T0 + 70, terms))
    assert ([one.used_bytes for one in home.rights], mine.right) == ([10, 0], "right002")
    charging.charge(home, mine, 10, 0, T0 + 70, T0 + 90, world(T0 + 90, terms))
    assert [one.used_bytes for one in home.rights] == [10, 10]


def test_seconds_run_on_like_bytes() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", UNLIMITED, 60), Lease("right002", UNLIMITED, 600)])
    home = subscriber(right(), right("right002"), sessions=[mine])
    charging.charge(home, mine, 0, 100, T0, T0 + 100, world(T0 + 100, Catalogue(day_terms(quota_s=60))))
    assert [one.used_s for one in home.rights] == [60, 40]
    assert mine.leases == [Lease("right002", UNLIMITED, 560)]


def test_a_delta_across_a_period_boundary_is_of_the_older_period() -> None:
    mine = holder(PHONE, "r1", [Lease("right001", 100, UNLIMITED)])
    bought = right(ends_at=T0 + 30 * DAY_S)
    bought.period_ends_at = MIDNIGHT
    home = subscriber(bought, sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, period=PeriodUnit.DAY))
    charging.charge(home, mine, 40, 40, MIDNIGHT - 200, MIDNIGHT + 100, world(MIDNIGHT + 100, terms))
    assert (bought.used_bytes, bought.past_bytes, bought.past_s) == (0, 40, 40)
    assert bought.period_ends_at == MIDNIGHT + DAY_S
    charging.charge(home, mine, 10, 10, MIDNIGHT + 100, MIDNIGHT + 400, world(MIDNIGHT + 400, terms))
    assert (bought.used_bytes, bought.past_bytes, bought.past_s) == (10, 40, 40)


def test_use_without_a_lease_goes_to_the_right_it_is_blamed_on() -> None:
    mine = holder(PHONE, "r1", [], right="right001")
    home = subscriber(right(), sessions=[mine])
    assert charging.charge(home, mine, 30, 9, T0, T0 + 9, world(T0 + 9, Catalogue(day_terms(quota_bytes=20)))) == 10
    assert (home.rights[0].used_bytes, home.rights[0].used_s) == (30, 9)


def test_use_whose_right_is_gone_is_charged_to_nobody_and_does_not_fail() -> None:
    mine = holder(PHONE, "r1", [], right="gone")
    home = subscriber(right(), sessions=[mine])
    assert charging.charge(home, mine, 30, 9, T0, T0 + 9, world(T0 + 9, Catalogue(day_terms()))) == 0
    assert home.rights[0].used_bytes == 0


def test_a_lease_of_a_right_that_is_gone_is_stepped_over() -> None:
    mine = holder(PHONE, "r1", [Lease("gone", 100, 100), Lease("right001", 100, 100)])
    home = subscriber(right(), sessions=[mine])
    terms = Catalogue(day_terms(quota_bytes=100, quota_s=100))
    assert charging.charge(home, mine, 30, 9, T0, T0 + 9, world(T0 + 9, terms)) == 0
    assert (home.rights[0].used_bytes, home.rights[0].used_s) == (30, 9)
    assert (mine.right, mine.leases) == ("right001", [Lease("right001", 70, 91)])


@pytest.mark.parametrize(
    ("leases", "spent"),
    [
        ([], True),
        ([Lease("a", 0, 5)], True),
        ([Lease("a", 5, 0)], True),
        ([Lease("a", UNLIMITED, UNLIMITED)], False),
        ([Lease("a", 0, 0), Lease("b", 1, UNLIMITED)], False),
    ],
)
def test_spent(leases: list[Lease], spent: bool) -> None:
    assert charging.spent(holder(PHONE, "r1", leases)) is spent
