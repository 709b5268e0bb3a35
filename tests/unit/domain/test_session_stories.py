"""What befalls sessions: late, lost, reborn and superseded ones, told packet by packet."""

import msgspec
import pytest

from radius.domain import entitlement, lifecycle, session
from radius.domain.intent import IntentReason
from radius.domain.session import Kind
from radius.domain.subscriber import Lease, SessionState
from radius.domain.terms import ExtraDevice, PeriodUnit
from tests.unit.domain.builders import (
    CAN,
    DAY_S,
    LAPTOP,
    MIB,
    NAS,
    OTHER_NAS,
    PHONE,
    T0,
    capabilities,
    day_terms,
    live,
    nas,
    packet,
    right,
    subscriber,
)
from tests.unit.domain.story import Evening, interim

OPEN, CLOSED, RESERVED = SessionState.OPEN, SessionState.CLOSED, SessionState.RESERVED

NO_CAP = msgspec.structs.replace(CAN, byte_cap=False, byte_cap_gigawords=False)


# -- after the Stop ----------------------------------------------------------------------------------------------


def stopped(at_s: int = 600, mib: int = 80, **more: object) -> Evening:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0))
    evening.hear(interim(at_s, mib)._replace(kind=Kind.STOP, cause="User-Request", **more))  # type: ignore[arg-type]
    return evening


def test_an_interim_that_the_stop_overtook_changes_nothing() -> None:
    evening = stopped()
    late = evening.hear(interim(300, 40), heard_at=T0 + 610)
    assert (late.changed, late.session.state, evening.charged) == (False, CLOSED, (80 * MIB, 600))


def test_an_interim_before_the_stop_that_proves_more_is_counted_and_opens_nothing() -> None:
    evening = stopped(in_bytes=None, out_bytes=None)  # a Stop without counters
    assert evening.charged == (0, 600)
    late = evening.hear(interim(300, 40), heard_at=T0 + 610)
    assert (late.changed, late.opened, late.delta_bytes, late.session.state) == (True, False, 40 * MIB, CLOSED)
    assert late.session.cause == "User-Request"
    assert evening.charged == (40 * MIB, 600)


def test_a_router_that_goes_on_counting_after_its_stop_has_the_session_open_again() -> None:
    evening = stopped()
    back = evening.hear(interim(900, 100))
    assert (back.opened, back.session.state, back.session.cause, back.session.closed_at) == (True, OPEN, "", 0)
    assert back.session.leases == [Lease("right001", 900 * MIB, -1)]
    assert evening.charged == (100 * MIB, 900)


def test_an_interim_after_the_stop_without_growth_opens_nothing() -> None:
    evening = stopped()
    same = evening.hear(interim(600, 80)._replace(at=T0 + 900))
    assert (same.opened, same.session.state, evening.charged) == (False, CLOSED, (80 * MIB, 600))


def test_news_from_the_very_instant_of_the_end_opens_nothing() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(interim(600, 80)._replace(kind=Kind.STOP), heard_at=T0 + 610)
    same = evening.hear(interim(610, 81))
    assert (same.changed, same.opened, same.session.state) == (True, False, CLOSED)
    later = evening.hear(interim(611, 82))
    assert (later.opened, later.session.state) == (True, OPEN)


@pytest.mark.parametrize(
    ("time_s", "mib", "opened"),
    [
        (None, 81, True),  # a router that gives no session time: its bytes must do
        (None, 80, False),
        (600, 81, False),  # what the Stop forgot to say
        (601, 80, True),
    ],
)
def test_what_proves_that_a_session_goes_on(time_s: int | None, mib: int, opened: bool) -> None:
    evening = stopped()
    back = evening.hear(interim(900, mib)._replace(time_s=time_s))
    assert (back.opened, back.session.state is OPEN) == (opened, opened)


def test_a_stop_without_counters_leaves_the_marks_and_moves_the_time() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(interim(300, 40))
    stop = evening.hear(packet(Kind.STOP, T0 + 400, None, None, 400, cause="Lost-Carrier"))
    assert (stop.closed, stop.delta_bytes, stop.delta_s) == (True, 0, 100)
    assert evening.charged == (40 * MIB, 400)


def test_a_session_that_comes_back_while_its_device_has_another_is_counted_and_cut() -> None:
    evening = stopped()
    uid = evening.home.sessions[0].uid
    evening.log_in("res0000002", T0 + 800)
    back = evening.hear(interim(900, 100))
    assert (back.opened, back.session.state, back.delta_bytes) == (False, CLOSED, 20 * MIB)
    assert evening.intents == [(uid, IntentReason.REPLACED)]


# -- silence -----------------------------------------------------------------------------------------------------


def silent() -> Evening:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(interim(300, 40))
    evening.settle(T0 + 300 + 960)
    assert [one.cause for one in evening.home.sessions] == ["silent"]
    return evening


def test_silence_bills_to_the_last_evidence_and_frees_the_slot() -> None:
    evening = silent()
    assert evening.charged == (40 * MIB, 300)
    newcomer = evening.log_in("res0000009", T0 + 1300, LAPTOP)
    assert newcomer.leases == [Lease("right001", 960 * MIB, -1)]


@pytest.mark.parametrize("filed", [False, True])
def test_a_later_packet_opens_it_again_without_billing_twice(filed: bool) -> None:
    evening = silent()
    revision = evening.home.sessions[0].revision
    if filed:
        evening.file_all()
        assert session.needs_record(evening.home, interim(1500, 100))
    back = evening.hear(interim(1500, 100))
    assert (back.opened, back.session.state, back.delta_bytes, back.delta_s) == (True, OPEN, 60 * MIB, 1200)
    assert back.session.revision == revision + 1, "its record outranks the one that closed it"
    assert (len(evening.home.sessions), evening.charged) == (1, (100 * MIB, 1500))
    stop = evening.hear(interim(1600, 110)._replace(kind=Kind.STOP))
    assert (stop.closed, evening.charged) == (True, (110 * MIB, 1600))


@pytest.mark.parametrize("filed", [False, True])
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("time_s", "stamped", "end_s"),
    [
        (600, False, 600),  # a repetition that came long after: its receipt says nothing of when it was made
        (700, False, 5000),  # it proves more use
        (600, True, 5000),  # the router's clock says that it still knew of the session then
    ],
)
def test_only_what_proves_later_life_moves_the_end_of_a_closed_session(
    kind: Kind, time_s: int, stamped: bool, end_s: int, filed: bool
) -> None:
    evening = Evening()
    evening.hear(packet(Kind.START, T0))
    evening.hear(packet(Kind.STOP, T0 + 600, 10, 90, 600, cause="User-Request"))
    if filed:
        evening.file_all()
    ended = evening.hear(packet(kind, T0 + 5000, 10, 90, time_s, stamped=stamped, cause="User-Request"))
    assert ended.changed is (end_s != 600)
    record = session.record_of(evening.home.id, ended.session, packet(kind, T0 + 5000), evening.nas, "20251124")
    assert record.last_at == T0 + end_s


def test_a_late_packet_of_a_filed_session_that_says_nothing_new_leaves_it_filed() -> None:
    evening = silent()
    evening.file_all()
    late = evening.hear(interim(200, 20), heard_at=T0 + 9000)
    assert (late.changed, late.session.state) == (False, CLOSED)
    assert evening.charged == (40 * MIB, 300)


def test_a_device_that_took_the_slot_meanwhile_keeps_it() -> None:
    evening = silent()
    uid = evening.home.sessions[0].uid
    evening.log_in("res0000009", T0 + 1400, LAPTOP)
    back = evening.hear(interim(1500, 100))
    assert (back.session.state, back.session.leases) == (OPEN, [])
    assert evening.intents == [(uid, IntentReason.REPLACED)], "there is no slot for it: it is to be cut"
    assert evening.charged == (100 * MIB, 1500), "what was used was used"


def test_a_session_whose_slot_was_taken_is_cut_for_that_alone_however_often_it_is_heard_of() -> None:
    evening = Evening(None, day_terms(quota_bytes=1000 * MIB, extra_device=ExtraDevice.REPLACE_OLDEST))
    old = evening.log_in("res0000001", T0)
    evening.hear(interim(300, 40))
    evening.log_in("res0000009", T0 + 400, LAPTOP)
    evening.hear(packet(Kind.START, T0 + 401, reservation="res0000009", device=LAPTOP))
    for at_s in (600, 900):
        evening.hear(interim(at_s, at_s // 10))
        assert (old.state, old.leases) == (OPEN, [])
        assert evening.intents == [(old.uid, IntentReason.REPLACED)]


# -- reboots -----------------------------------------------------------------------------------------------------


def test_a_reboot_ends_what_began_before_it_and_late_news_does_not_bring_it_back() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(interim(300, 40))
    evening.boots[NAS] = T0 + 1000
    evening.settle(T0 + 1001)
    late = evening.hear(interim(600, 80), heard_at=T0 + 1100)
    assert (late.session.state, late.session.cause, late.opened) == (CLOSED, "nas-reboot", False)
    assert evening.charged == (80 * MIB, 600), "its last evidence"


@pytest.mark.parametrize(("at_s", "goes_on"), [(999, False), (1000, True), (1200, True)])
def test_a_session_with_evidence_from_the_boot_on_goes_on(at_s: int, goes_on: bool) -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.hear(interim(300, 40))
    evening.boots[NAS] = T0 + 1000
    evening.settle(T0 + 1001)
    back = evening.hear(interim(at_s, 90))
    assert (back.opened, evening.charged) == (goes_on, (90 * MIB, at_s))
    evening.settle(T0 + 1201)
    assert back.session.state is (OPEN if goes_on else CLOSED)


@pytest.mark.parametrize(
    ("opened", "last", "kind", "at", "time_s", "same"),
    [
        # It overlaps what was heard of the session.
        (0, 600, Kind.INTERIM, 5000, 4401, True),
        (0, 600, Kind.INTERIM, 5000, 4400, False),  # began when the session was last heard: after it
        (0, 600, Kind.INTERIM, 0, 500, True),
        (0, 600, Kind.INTERIM, -400, 0, False),
        # Starts that agree, give or take five minutes and a hundredth of the session.
        (0, 0, Kind.INTERIM, 1007, 700, True),
        (0, 0, Kind.INTERIM, 1008, 700, False),
        (0, 0, Kind.START, -300, 0, True),
        (0, 0, Kind.START, -301, 0, False),
        # Without session time only a Start tells, by when it came.
        (0, 600, Kind.START, 900, None, True),
        (0, 600, Kind.START, 901, None, False),
        (0, 600, Kind.INTERIM, 90_000, None, True),
        (0, 600, Kind.STOP, 90_000, None, True),
    ],
)
def test_generations_of_one_session_id(
    opened: int, last: int, kind: Kind, at: int, time_s: int | None, same: bool
) -> None:
    one = live(reservation="", at=T0 + opened)
    one.last_at = T0 + last
    event = packet(kind, T0 + at, 1, 1, time_s, reservation="")
    assert (session.find(subscriber(sessions=[one]), event) is one) is same
    with_class = live(at=T0 + opened)
    told = packet(kind, T0 + at, 1, 1, time_s)
    assert session.find(subscriber(sessions=[with_class]), told) is with_class, "with our Class there is no doubt"


def test_a_filed_session_is_known_by_our_class_whatever_its_clocks_say() -> None:
    evening = stopped()
    evening.file_all()
    back = evening.hear(packet(Kind.INTERIM, T0 + 9000, 1, 1, 60))
    assert (len(evening.home.sessions), back.session.opened_at) == (1, T0)


def test_a_record_that_was_never_closed_ends_where_it_was_last_heard() -> None:
    """The aggregate was lost or restored from a copy; the record of its session's start is there."""
    evening = stopped(in_bytes=None, out_bytes=None)
    evening.file_all()
    evening.filed[0].closed_at, evening.filed[0].cause = 0, ""
    late = evening.hear(interim(600, 40), heard_at=T0 + 700)
    assert (late.opened, late.session.closed_at, late.delta_bytes) == (False, T0 + 600, 40 * MIB)


@pytest.mark.parametrize("filed", [False, True])
@pytest.mark.parametrize("kind", Kind)
def test_a_session_id_used_again_after_a_reboot_is_another_session(filed: bool, kind: Kind) -> None:
    """Without our Class only the start tells two generations of one Acct-Session-Id apart."""
    evening = Evening()
    evening.hear(packet(Kind.START, T0, None, None, 0, reservation=""))
    evening.hear(interim(3600, 400, reservation=""))
    evening.boots[NAS] = T0 + 4000
    evening.settle(T0 + 4000)
    if filed:
        evening.file_all()
    used = (None, None) if kind is Kind.START else (MIB, 2 * MIB)
    time_s = 0 if kind is Kind.START else 100
    again = evening.hear(packet(kind, T0 + 5000 + time_s, *used, time_s, reservation=""))
    assert (again.opened, again.session.opened_at) == (True, T0 + 5000)
    assert again.session.total_bytes == (0 if kind is Kind.START else 3 * MIB)
    assert evening.charged == (400 * MIB + again.session.total_bytes, 3600 + time_s)


def test_news_of_the_generation_before_goes_to_that_one() -> None:
    evening = Evening()
    evening.hear(interim(3600, 400, reservation=""))
    evening.boots[NAS] = T0 + 4000
    evening.settle(T0 + 4000)
    young = evening.hear(packet(Kind.START, T0 + 5000, None, None, 0, reservation="")).session
    late = evening.hear(packet(Kind.STOP, T0 + 3700, 110 * MIB, 300 * MIB, 3700, reservation=""), heard_at=T0 + 5010)
    assert late.session is not young
    assert (late.delta_bytes, late.session.state, young.total_bytes) == (10 * MIB, CLOSED, 0)


# -- a device and its sessions -----------------------------------------------------------------------------------


def test_news_of_a_session_that_the_device_has_left_takes_nothing_from_the_present_one() -> None:
    evening = Evening()
    present = evening.log_in("res0000002", T0 + 1000, acct_session_id="81c00002")
    evening.hear(packet(Kind.START, T0 + 1000, reservation="res0000002", acct_session_id="81c00002"))
    old = evening.hear(interim(600, 80), heard_at=T0 + 1100)
    assert (old.opened, old.closed, old.session.cause, old.session.right) == (True, True, "replaced", "right001")
    assert present.state is OPEN
    assert present.leases == [Lease("right001", 1000 * MIB, -1)]
    assert (evening.intents, evening.charged) == ([], (80 * MIB, 600))


@pytest.mark.parametrize(("at_s", "cut"), [(1000, False), (1001, True)])
def test_evidence_from_after_the_present_session_began_proves_that_both_are_served(at_s: int, cut: bool) -> None:
    evening = Evening()
    evening.log_in("res0000002", T0 + 1000, acct_session_id="81c00002")
    evening.hear(packet(Kind.START, T0 + 1000, reservation="res0000002", acct_session_id="81c00002"))
    old = evening.hear(interim(at_s, 80))
    assert (old.closed, evening.intents) == (True, [(old.session.uid, IntentReason.REPLACED)] if cut else [])


def test_of_two_sessions_that_began_at_one_instant_the_one_heard_of_last_has_the_slot() -> None:
    evening = Evening()
    first = evening.hear(packet(Kind.START, T0, reservation="", acct_session_id="81c00001")).session
    second = evening.hear(packet(Kind.START, T0, reservation="", acct_session_id="81c00002")).session
    assert (first.cause, second.state, second.leases[0].bytes) == ("replaced", OPEN, 1000 * MIB)


def test_a_granted_slot_is_not_taken_by_a_start_from_before_the_grant() -> None:
    evening = Evening()
    waiting = evening.log_in("res0000002", T0 + 1000, acct_session_id="81c00002")
    old = evening.hear(packet(Kind.START, T0 + 10, None, None, 0), heard_at=T0 + 1010)
    assert (old.session.cause, waiting.state, waiting.leases[0].bytes) == ("replaced", RESERVED, 1000 * MIB)


def test_a_session_that_no_log_in_announced_takes_over_the_slot_of_its_device() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0, acct_session_id="81c00001")
    first = evening.hear(packet(Kind.START, T0)).session
    moved = evening.hear(
        packet(Kind.START, T0 + 500, reservation="res0000002", acct_session_id="x9", on=OTHER_NAS), heard_at=T0 + 500
    )
    assert (first.state, first.cause) == (CLOSED, "replaced")
    assert moved.session.leases == [Lease("right001", 1000 * MIB, -1)]
    assert evening.intents == [(first.uid, IntentReason.REPLACED)]  # a Stop that was lost, or a copied MAC


def test_a_late_start_makes_a_lapsed_lease_again() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0)
    evening.settle(T0 + 120)
    assert evening.home.sessions == []
    late = evening.hear(packet(Kind.START, T0 + 1), heard_at=T0 + 130)
    assert (late.session.state, late.session.leases) == (OPEN, [Lease("right001", 1000 * MIB, -1)])


def test_a_session_without_any_right_is_open_uncharged_and_to_be_cut() -> None:
    evening = Evening(subscriber())
    found = evening.hear(packet(Kind.START, T0))
    assert (found.session.state, found.session.right, found.session.leases) == (OPEN, "", [])
    assert evening.intents == [(found.session.uid, IntentReason.ENDED)]


@pytest.mark.parametrize(
    ("reservation", "found"),
    [("res0000001", "begun"), ("res0000002", "waiting"), ("", "begun"), ("res0000003", None)],
)
def test_whose_packet_it_is(reservation: str, found: str | None) -> None:
    """By our Class; without it by router, id and device, and what has begun goes before what waits."""
    begun = live(PHONE, "res0000001", at=T0)
    waiting = live(PHONE, "res0000002", state=RESERVED, at=T0 + 50)
    home = subscriber(sessions=[begun, waiting])
    event = packet(Kind.INTERIM, T0 + 300, 1, 1, 300, reservation=reservation)
    assert session.find(home, event) is {"begun": begun, "waiting": waiting, None: None}[found]
    assert session.needs_record(home, event) is (found is None)


@pytest.mark.parametrize(
    ("device", "on", "at", "time_s", "waits"),
    [
        (PHONE, NAS, T0 + 5, 0, True),
        (PHONE, NAS, T0 - 900, 0, True),  # the router's clock may be behind
        (PHONE, NAS, T0 - 901, 0, False),
        (PHONE, NAS, T0 + 300, 1201, False),  # began long before the log-in: another session
        (LAPTOP, NAS, T0 + 5, 0, False),
        (PHONE, OTHER_NAS, T0 + 5, 0, False),
    ],
)
def test_a_packet_without_our_class_that_a_reserved_slot_waits_for(
    device: object, on: object, at: int, time_s: int, waits: bool
) -> None:
    one = live(PHONE, "res0000001", state=RESERVED, at=T0, acct_session_id="")
    home = subscriber(sessions=[one])
    event = packet(Kind.START, at, None, None, time_s, reservation="", device=device, on=on)  # type: ignore[arg-type]
    assert (session.find(home, event) is one) is waits


def test_a_session_whose_start_lacked_the_class_is_found_by_the_packets_that_have_it() -> None:
    evening = Evening()
    evening.log_in("res0000001", T0, acct_session_id="")
    evening.hear(packet(Kind.START, T0, None, None, 0, reservation=""))
    found = evening.hear(interim(300, 40))
    assert (len(evening.home.sessions), found.session.total_bytes, evening.charged) == (1, 40 * MIB, (40 * MIB, 300))


# -- counters that went back -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "said", "total"),
    [
        (False, False, (1 << 32) + 200),  # a 32-bit router: wrapped
        (True, False, (1 << 32) - 100 + 200),  # cannot wrap: reset, and what it showed is kept
        (False, True, (1 << 32) - 100 + 200),  # the packet itself proves that it cannot
    ],
)
def test_a_counter_that_went_back_is_judged_by_what_the_router_can(profile: bool, said: bool, total: int) -> None:
    router = nas(can=capabilities(acct_gigawords=profile))
    evening = Evening(subscriber(right()), day_terms(), router=router)
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.INTERIM, T0 + 300, 0, (1 << 32) - 100, 300, gigawords=said))
    evening.hear(packet(Kind.INTERIM, T0 + 600, 0, 200, 600, gigawords=said))
    assert evening.charged == (total, 600)


# -- periods, rights, pace and clocks ----------------------------------------------------------------------------


def test_a_session_across_midnight_is_split_at_its_interim_updates() -> None:
    midnight_s = 5 * 3600
    daily = right(ends_at=T0 + 9 * DAY_S)
    daily.period_ends_at = T0 + midnight_s
    evening = Evening(subscriber(daily), day_terms(quota_bytes=100 * MIB, period=PeriodUnit.DAY))
    evening.log_in("res0000001", T0)
    evening.hear(interim(midnight_s - 100, 60))
    evening.hear(interim(midnight_s + 200, 80))
    assert (daily.past_bytes, daily.used_bytes) == (80 * MIB, 0)
    evening.hear(interim(midnight_s + 500, 90))
    assert (daily.past_bytes, daily.used_bytes) == (80 * MIB, 10 * MIB)
    assert daily.past_s + daily.used_s == midnight_s + 500


def test_a_session_runs_into_the_next_right_without_a_word_to_the_router() -> None:
    evening = Evening(subscriber(right("r1"), right("r2")), day_terms(quota_bytes=100 * MIB))
    evening.log_in("res0000001", T0)
    evening.hear(interim(300, 90))
    over = evening.hear(interim(600, 130))
    assert [one.used_bytes for one in evening.home.rights] == [100 * MIB, 30 * MIB]
    assert (over.session.right, over.over_bytes, evening.intents) == ("r2", 0, [])


def test_the_pace_a_router_reports_at_is_learned_and_silence_measured_by_it() -> None:
    evening = Evening()
    one = evening.log_in("res0000001", T0)
    evening.hear(interim(300, 1))
    assert one.interim_s == 300, "without a Start the first gap is nobody's pace"
    evening.hear(interim(900, 2))
    assert one.interim_s == 600
    evening.hear(interim(1000, 3))
    assert one.interim_s == 600, "an update in between is no faster pace"
    evening.hear(interim(4601, 4))
    assert one.interim_s == 600, "one that reports less often than hourly is not waited for"
    evening.hear(interim(8201, 5))
    assert one.interim_s == 3600
    evening.settle(T0 + 8201 + 3 * 3600 + 59)
    assert one.state is OPEN
    evening.settle(T0 + 8201 + 3 * 3600 + 60)
    assert one.cause == "silent"


def test_a_router_that_is_slower_than_told_is_known_by_its_first_gap() -> None:
    evening = Evening(subscriber(right()), day_terms(quota_bytes=10 * MIB), router=nas(can=NO_CAP))
    one = evening.log_in("res0000001", T0)
    assert one.interim_s == 60
    evening.hear(packet(Kind.START, T0))
    evening.hear(interim(300, 1))
    evening.settle(T0 + 300 + 4 * 60)
    assert (one.state, one.interim_s) == (OPEN, 300)


def test_a_start_alone_never_counts_as_an_interim_update() -> None:
    evening = Evening()
    one = evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0))
    evening.settle(T0 + 20_000)
    assert (one.state, one.interim_seen) == (OPEN, False)
    evening.settle(T0 + DAY_S + 300)
    assert one.cause == "timeout"


def test_last_evidence_never_goes_back() -> None:
    evening = Evening()
    one = evening.log_in("res0000001", T0)
    evening.hear(interim(600, 80))
    evening.hear(interim(300, 40), heard_at=T0 + 700)
    assert one.last_at == T0 + 600


def test_a_stop_tells_how_a_session_that_we_reaped_really_ended() -> None:
    evening = silent()
    uid = evening.home.sessions[0].uid
    lifecycle.add_intent(evening.home, uid, IntentReason.REPLACED, T0 + 1300)
    stop = evening.hear(packet(Kind.STOP, T0 + 400, 12 * MIB, 30 * MIB, 400), heard_at=T0 + 2000)
    assert (stop.session.cause, stop.closed, stop.changed) == ("stop", False, True)
    assert evening.intents == [], "nothing is to be cut any more"


def test_a_second_stop_without_a_cause_leaves_the_first_ones() -> None:
    evening = stopped()
    again = evening.hear(interim(620, 82)._replace(kind=Kind.STOP))
    assert (again.session.cause, again.delta_bytes) == ("User-Request", 2 * MIB)


def test_overspend_is_recorded_on_the_session() -> None:
    evening = Evening(subscriber(right()), day_terms(quota_bytes=100 * MIB))
    evening.log_in("res0000001", T0)
    first = evening.hear(interim(300, 120))
    second = evening.hear(interim(600, 125))
    assert (first.over_bytes, second.over_bytes, second.session.over_bytes) == (20 * MIB, 5 * MIB, 25 * MIB)
    assert evening.intents == [(first.session.uid, IntentReason.QUOTA)], "once"


# -- a top-up during the session ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used_mib", "first", "second", "over_mib"), [(90, 90, 0, 0), (150, 100, 50, 0), (260, 100, 160, 60)]
)
def test_use_beyond_the_first_right_goes_to_the_one_bought_meanwhile(
    used_mib: int, first: int, second: int, over_mib: int
) -> None:
    small = day_terms("small.1", quota_bytes=100 * MIB)
    evening = Evening(subscriber(entitlement.issue("first", small, T0)), small)
    evening.log_in("r1", T0)
    evening.hear(packet(Kind.START, T0 + 1, reservation="r1"))
    evening.home.rights.append(entitlement.issue("second", small, T0 + 60))
    accounted = evening.hear(
        packet(Kind.INTERIM, T0 + 300, reservation="r1", in_bytes=0, out_bytes=used_mib * MIB, time_s=299)
    )
    assert [one.used_bytes // MIB for one in evening.home.rights] == [first, second]
    assert accounted.over_bytes == over_mib * MIB
    assert accounted.session.right == ("first" if used_mib < 100 else "second")


@pytest.mark.parametrize("last", [Kind.INTERIM, Kind.STOP])
def test_what_a_session_used_after_it_was_taken_for_over_goes_to_all_that_its_log_in_could_have_had(last: Kind) -> None:
    home = subscriber(right(), right("right002"))
    evening = Evening(home)
    evening.log_in("res0000001", T0)
    evening.hear(packet(Kind.START, T0))
    evening.boots[nas().id] = T0 + 60
    evening.settle(T0 + 61)
    heard = evening.hear(interim(600, 1300)._replace(kind=last, cause="User-Request" if last is Kind.STOP else ""))
    assert [one.used_bytes // MIB for one in home.rights] == [1000, 300]
    assert (heard.session.over_bytes, [lease.bytes // MIB for lease in heard.session.leases]) == (
        0, [] if last is Kind.STOP else [700]
    )  # fmt: skip
