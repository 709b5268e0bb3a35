"""Ends that no packet brings, and the intents that go with a session's life."""

import pytest

from radius.domain import lifecycle
from radius.domain.entitlement import Right
from radius.domain.identity import MacAddress, NasId
from radius.domain.intent import Intent, IntentReason, IntentState
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber, encode
from radius.domain.terms import PeriodUnit
from radius.domain.world import CLOSED_KEPT_MAX, LIVE_MAX, SESSIONS_MAX
from tests.unit.domain.builders import (
    DAY_S,
    LAPTOP,
    NAS,
    OTHER_NAS,
    PHONE,
    T0,
    Catalogue,
    day_terms,
    live,
    right,
    subscriber,
    world,
)

TERMS = Catalogue(day_terms())


def interims(at: int = T0, interim_s: int = 300, ends_at: int = T0 + DAY_S) -> Session:
    one = live(ends_at=ends_at)
    one.interim_seen, one.interim_s, one.last_at = True, interim_s, at
    return one


def closed(*, filed: bool, at: int = T0) -> Session:
    one = live(state=SessionState.CLOSED)
    one.filed, one.closed_at = filed, at
    return one


def settle(one: Session, now: int, **more: object) -> tuple[Subscriber, bool]:
    home = subscriber(right(), sessions=[one])
    return home, lifecycle.settle(home, world(now, TERMS, **more))  # type: ignore[arg-type]  # the builder's keywords


@pytest.mark.parametrize(
    ("one", "now", "more", "cause"),
    [
        # Silence: three missed interims and a minute, only after a first one.
        (interims(), T0 + 959, {}, None),
        (interims(), T0 + 960, {}, "silent"),
        (interims(interim_s=60), T0 + 240, {}, "silent"),
        (live(), T0 + 960, {}, None),
        # ... never because our own spool was not yet drained.
        (interims(), T0 + 5000, {"heard_until": T0 + 959}, None),
        (interims(), T0 + 5000, {"heard_until": T0 + 960}, "silent"),
        (interims(), T0 + 900, {"heard_until": T0 + 9000}, None),  # a heartbeat ahead of our clock proves nothing
        # Time that ran out, with five minutes for its Stop.
        (live(ends_at=T0 + 100), T0 + 399, {}, None),
        (live(ends_at=T0 + 100), T0 + 400, {}, "timeout"),
        (live(ends_at=T0 + 100), T0 + 400, {"heard_until": T0 + 399}, None),
        (interims(ends_at=T0 + 100), T0 + 960, {}, "silent"),
        # A reboot, unless there is later evidence.
        (live(), T0 + 1, {"boots": {NAS: T0 + 1}}, "nas-reboot"),
        (live(), T0 + 1, {"boots": {NAS: T0}}, None),
        (live(), T0 + 1, {"boots": {OTHER_NAS: T0 + 1}}, None),
    ],
)
def test_an_open_session(one: Session, now: int, more: dict[str, object], cause: str | None) -> None:
    home, changed = settle(one, now, **more)
    assert changed is (cause is not None)
    if cause is None:
        assert one.state is SessionState.OPEN
        return
    assert (one.state, one.cause, one.closed_at, one.revision) == (SessionState.CLOSED, cause, now, 1)
    assert (one.leases, one.filed) == ([], False)
    assert one.last_at == T0, "it ends at its last evidence"
    assert home.sessions == [one], "it stays until it is filed"


@pytest.mark.parametrize(
    ("one", "now", "boots", "stays"),
    [
        (live(state=SessionState.RESERVED), T0 + 119, {}, True),
        (live(state=SessionState.RESERVED), T0 + 120, {}, False),
        (live(state=SessionState.RESERVED), T0 + 5, {NAS: T0 + 1}, False),
        (closed(filed=True), T0 + 7199, {}, True),
        (closed(filed=True), T0 + 7200, {}, False),
        (closed(filed=False), T0 + 90 * DAY_S, {}, True),
    ],
)
def test_what_leaves_the_aggregate(one: Session, now: int, boots: dict[str, int], stays: bool) -> None:
    home, changed = settle(one, now, boots=boots)
    assert (one in home.sessions, changed) == (stays, not stays)


def test_silence_is_not_told_from_a_root_whose_marks_are_elsewhere() -> None:
    one = interims()
    home = subscriber(right(), sessions=[one])
    home.spilled = True
    assert not lifecycle.settle(home, world(T0 + 5000, TERMS))
    assert lifecycle.settle(home, world(T0 + 5000, TERMS), marks_whole=True)
    assert one.cause == "silent"


def ended(number: int, device: MacAddress = PHONE) -> Session:
    one = live(device, f"res{number:07d}", state=SessionState.CLOSED)
    one.filed, one.closed_at = True, T0 + number
    return one


def test_a_device_that_comes_and_goes_leaves_no_more_than_what_a_late_packet_may_ask_for() -> None:
    gone = [ended(number) for number in range(CLOSED_KEPT_MAX + 3)]
    unfiled = closed(filed=False, at=T0 - 60)
    home = subscriber(right(), sessions=[*reversed(gone), unfiled])
    assert lifecycle.thin(home)
    assert sorted(home.sessions, key=lambda one: one.closed_at) == [unfiled, *gone[3:]]
    assert not lifecycle.thin(home)


def test_what_a_worker_still_has_to_do_keeps_its_session_and_what_was_given_up_goes_with_it() -> None:
    gone = [ended(number) for number in range(CLOSED_KEPT_MAX + 2)]
    given_up = Intent(gone[0].uid, IntentReason.REPLACED, 0, T0, T0, state=IntentState.ABANDONED)
    pending = Intent(gone[1].uid, IntentReason.REPLACED, 0, T0, T0)
    home = subscriber(right(), sessions=list(gone))
    home.intents = [given_up, pending]
    assert lifecycle.thin(home)
    assert (home.sessions, home.intents) == (gone[1:], [pending])


def test_the_last_session_of_a_device_that_is_online_stays_for_counters_that_carry_on() -> None:
    before, online = ended(0, LAPTOP), live(LAPTOP, "now0000001")
    gone = [before, *(ended(number) for number in range(1, CLOSED_KEPT_MAX + 2))]
    home = subscriber(right(), sessions=[*gone, online])
    assert lifecycle.thin(home)
    assert home.sessions == [before, *gone[2:], online]


def test_an_item_never_holds_more_sessions_than_fit() -> None:
    devices = [MacAddress(f"02{number:010x}") for number in range(SESSIONS_MAX - CLOSED_KEPT_MAX)]
    online = [live(device, f"now{number:07d}") for number, device in enumerate(devices)]
    before = [ended(number, device) for number, device in enumerate(devices[: CLOSED_KEPT_MAX + 9])]
    home = subscriber(right(), sessions=[*before, *online])
    assert lifecycle.thin(home)
    assert (len(home.sessions), home.sessions[:CLOSED_KEPT_MAX]) == (SESSIONS_MAX, before[9:])


def test_a_full_item_is_one_that_the_store_takes() -> None:
    """DynamoDB's items end at 409,600 bytes; names as long as routers and operators make them, counters of months."""
    home = subscriber(*(right(f"rabcdefgh{number:02d}") for number in range(20)))
    for number in range(SESSIONS_MAX):
        state = SessionState.OPEN if number < LIVE_MAX else SessionState.CLOSED
        leases = [Lease("rabcdefgh01", 10**10, -1)] if number < LIVE_MAX else []
        one = live(MacAddress(f"02{number:010x}"), f"res{number:07d}", state=state, leases=leases)
        one.nas, one.acct_session_id = NasId("kilimani-hotel-01"), f"8010{number:04x}-68c1f2aa"
        one.in_bytes, one.out_bytes, one.time_s = 123_456_789_012, 987_654_321_098, 2_592_000
        one.last_at, one.ends_at, one.revision, one.interim_seen = T0 + DAY_S, T0 + 7 * DAY_S, 8640, True
        one.cap_bytes, one.cause = 10**12, "" if leases else "Lost-Carrier"
        one.closed_at, one.filed = (0, False) if leases else (T0 + DAY_S, True)
        home.sessions.append(one)
    assert len(encode(home)) < 390_000


def test_with_a_filed_session_goes_what_was_given_up_about_it() -> None:
    one = closed(filed=True)
    home = subscriber(right(), sessions=[one])
    home.intents = [Intent(one.uid, IntentReason.REPLACED, 0, T0, T0 + 9 * DAY_S, state=IntentState.ABANDONED)]
    assert lifecycle.settle(home, world(T0 + 7200, TERMS))
    assert (home.sessions, home.intents) == ([], [])


@pytest.mark.parametrize(
    ("right", "now", "stays"),
    [
        (right(ends_at=T0), T0 + 8 * DAY_S - 1, True),
        (right(ends_at=T0), T0 + 8 * DAY_S, False),
        (Right("r", "day.3", T0, redeem_by=T0), T0 + 8 * DAY_S, False),
        (Right("r", "day.3", T0), T0 + 900 * DAY_S, True),  # dormant without a last day: for ever
        (Right("r", "day.3", T0, T0, T0 + 90 * DAY_S, revoked_at=T0), T0 + 8 * DAY_S, False),
    ],
)
def test_ended_rights_stay_for_a_weeks_questions(right: Right, now: int, stays: bool) -> None:
    home = subscriber(right)
    assert lifecycle.settle(home, world(now, TERMS)) is not stays
    assert (home.rights == [right]) is stays


def test_who_buys_by_the_hour_all_month_is_not_written_ten_times_as_large_for_it() -> None:
    """Three hours a day: what an interim update writes is one or two units more than the first day, not ten."""
    home = subscriber(sessions=[live(at=T0 + 35 * DAY_S)])
    hour = Catalogue(day_terms("hour.1", quota_bytes=1 << 30))
    for number in range(3 * 35):
        sold_at = T0 + number * DAY_S // 3
        one = Right(f"p1a2b3c4d5e6{number:04}", "hour.1", sold_at, sold_at, sold_at + 3600, used_bytes=512_345_678)
        home.rights.append(one)
        lifecycle.settle(home, world(sold_at, hour))
    assert [one.id[-4:] for one in home.rights] == [f"{number:04}" for number in range(80, 105)]
    assert len(encode(home)) < 3 * 1024


def test_a_right_that_a_session_was_charged_to_stays_with_it() -> None:
    home = subscriber(right(ends_at=T0), sessions=[closed(filed=False)])
    lifecycle.settle(home, world(T0 + 90 * DAY_S, TERMS))
    assert [one.id for one in home.rights] == ["right001"]


def test_settling_turns_periods() -> None:
    daily = right(ends_at=T0 + 9 * DAY_S)
    daily.period_ends_at, daily.used_bytes = T0 + 5 * 3600, 7
    home = subscriber(daily)
    assert lifecycle.settle(home, world(T0 + 5 * 3600, Catalogue(day_terms(period=PeriodUnit.DAY))))
    assert (daily.used_bytes, daily.past_bytes) == (0, 7)


def test_closing_gives_leases_back_and_forgets_what_was_to_be_done() -> None:
    mine, other = live(), live(LAPTOP, "res0000009")
    home = subscriber(right(), sessions=[mine, other])
    for one in (mine, other):
        lifecycle.add_intent(home, one.uid, IntentReason.QUOTA, T0)
    lifecycle.close(home, mine, "User-Request", T0 + 9)
    assert (mine.leases, mine.closed_at, mine.revision) == ([], T0 + 9, 1)
    assert [intent.session for intent in home.intents] == [other.uid]
    assert other.leases == [Lease("right001", 100 << 20, -1)]


def test_one_intent_a_session_and_reason() -> None:
    home = subscriber()
    assert lifecycle.add_intent(home, "uid", IntentReason.QUOTA, T0, version=4)
    assert not lifecycle.add_intent(home, "uid", IntentReason.QUOTA, T0 + 60, version=9)
    assert lifecycle.add_intent(home, "uid", IntentReason.BLOCKED, T0 + 60)
    assert home.intents == [
        Intent("uid", IntentReason.QUOTA, 4, T0, due_at=T0),
        Intent("uid", IntentReason.BLOCKED, 0, T0 + 60, due_at=T0 + 60),
    ]


def test_lapse_drops_only_what_waits_too_long() -> None:
    waits, lapsed = live(PHONE, "r1", state=SessionState.RESERVED), live(LAPTOP, "r2", state=SessionState.RESERVED)
    lapsed.opened_at = T0 - 120
    home = subscriber(sessions=[waits, lapsed, interims(at=T0 - 9000)])
    lifecycle.lapse(home, world(T0, TERMS))
    assert [one.state for one in home.sessions] == [SessionState.RESERVED, SessionState.OPEN]


def test_a_device_knows_its_other_live_sessions() -> None:
    mine, reserved, over = live(), live(state=SessionState.RESERVED), live(state=SessionState.CLOSED)
    home = subscriber(sessions=[mine, reserved, over, live(LAPTOP)])
    assert lifecycle.others_of_device(home, mine) == [reserved]


@pytest.mark.parametrize(
    ("right_id", "now", "over"),
    [("right001", T0, False), ("right001", T0 + DAY_S, True), ("gone", T0, True), ("asleep", T0, True)],
)
def test_a_right_that_carries_a_session(right_id: str, now: int, over: bool) -> None:
    home = subscriber(right(), Right("asleep", "day.3", T0))
    assert lifecycle.ended(home, right_id, now) is over
