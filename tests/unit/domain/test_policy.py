"""The decision: which right, which slot, which reason. What an accept promises is in `test_limits`."""

import msgspec
import pytest

from radius.domain import policy, session, wanted
from radius.domain.entitlement import Right
from radius.domain.identity import MacAddress, NasId, ReservationId
from radius.domain.intent import Intent, IntentReason
from radius.domain.nas import CoaScope
from radius.domain.policy import Accept, Reason, Reject
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from radius.domain.terms import ExtraDevice, Hours, PeriodUnit, Rate, Service, Terms
from radius.domain.world import LIVE_MAX
from tests.unit.domain.builders import (
    DAY_S,
    FIRST_LOGIN_DAY,
    LAPTOP,
    MIB,
    NAS,
    OTHER_NAS,
    PHONE,
    T0,
    TABLET,
    Catalogue,
    ask,
    capabilities,
    day_terms,
    live,
    nas,
    packet,
    right,
    subscriber,
    world,
)

SLOW = Rate(64_000, 64_000)
FAST = Rate(2_000_000, 8_000_000)
MORNING = (Hours(127, 6 * 60, 12 * 60),)  # T0 is 19:00


def decide(
    home: Subscriber, *terms: Terms, device: MacAddress = PHONE, now: int = T0, service: Service = Service.HOTSPOT
) -> Accept | Reject:
    return policy.reserve(home, ask(device, service=service), nas(), world(now, Catalogue(*terms)))


def accepted(answer: Accept | Reject) -> Accept:
    assert isinstance(answer, Accept), answer
    return answer


def used(used_bytes: int = 0, used_s: int = 0, **more: int | str) -> Right:
    one = right(**more)  # type: ignore[arg-type]  # literal keywords of the builder
    one.used_bytes, one.used_s = used_bytes, used_s
    return one


def revoked() -> Right:
    one = right()
    one.revoked_at = T0 - 1
    return one


BYTES = day_terms(quota_bytes=100 * MIB)
SECONDS = day_terms(quota_s=3600)


@pytest.mark.parametrize(
    ("reason", "terms", "rights"),
    [
        (Reason.NO_PACKAGE, day_terms(), []),
        (Reason.NO_PACKAGE, day_terms(), [revoked()]),
        (Reason.EXPIRED, day_terms(), [right(ends_at=T0)]),
        (Reason.EXPIRED, day_terms(), [Right("r", "day.3", T0, redeem_by=T0)]),
        (Reason.QUOTA_USED, BYTES, [used(100 * MIB)]),
        (Reason.QUOTA_USED, day_terms(quota_bytes=1, quota_s=1), [used(1, 1)]),
        (Reason.TIME_USED, SECONDS, [used(0, 3600)]),
        (Reason.OUTSIDE_HOURS, day_terms(hours=MORNING), [right()]),
        (Reason.WRONG_SITE, day_terms(sites=("westlands",)), [right()]),
        (Reason.WRONG_SERVICE, day_terms(service=Service.PPPOE), [right()]),
    ],
)
def test_one_right_that_does_not_help(reason: Reason, terms: Terms, rights: list[Right]) -> None:
    assert decide(subscriber(*rights), terms) == Reject(reason)


def test_a_blocked_subscriber_is_told_so_before_anything_else() -> None:
    home = subscriber(right())
    home.blocked, home.caller = "chargeback", LAPTOP
    assert decide(home, day_terms()) == Reject(Reason.BLOCKED)


@pytest.mark.parametrize(
    ("device", "mac", "answer"),
    [(PHONE, PHONE, Accept), (LAPTOP, LAPTOP, Reject), ("x0123456789ab", None, Reject)],
)
def test_a_line_bound_to_its_caller(device: str, mac: MacAddress | None, answer: type) -> None:
    home = subscriber(right())
    home.caller = PHONE
    asked = ask(PHONE)._replace(device=device, mac=mac)
    found = policy.reserve(home, asked, nas(), world(T0, Catalogue(day_terms())))
    assert isinstance(found, answer)
    if isinstance(found, Reject):
        assert found.reason is Reason.CALLER_MISMATCH


@pytest.mark.parametrize(
    ("granted", "asked", "fits"),
    [
        (Service.HOTSPOT, Service.HOTSPOT, True),
        (Service.PPPOE, Service.PPPOE, True),
        (Service.HOTSPOT, Service.PPPOE, False),
        (Service.ANY, Service.HOTSPOT, True),
        (Service.ANY, Service.PPPOE, True),
        (Service.HOTSPOT, Service.ANY, True),  # asked for a live session whose service nobody knows any more
    ],
)
def test_services(granted: Service, asked: Service, fits: bool) -> None:
    answer = decide(subscriber(right()), day_terms(service=granted), service=asked)
    assert answer == Reject(Reason.WRONG_SERVICE) if not fits else isinstance(answer, Accept)


def test_sites_and_hours_that_fit() -> None:
    terms = day_terms(sites=("westlands", "kilimani"), hours=(Hours(1, 18 * 60, 20 * 60),))  # Mondays, 18 to 20
    assert isinstance(decide(subscriber(right()), terms), Accept)
    assert decide(subscriber(right(ends_at=T0 + 3 * DAY_S)), terms, now=T0 + DAY_S) == Reject(Reason.OUTSIDE_HOURS)


def test_opening_hours_are_those_of_the_routers_zone() -> None:
    terms = Catalogue(day_terms(hours=(Hours(127, 16 * 60, 17 * 60),)))  # T0 is 16:00 in London
    in_london = policy.reserve(subscriber(right()), ask(), nas(zone="Europe/London"), world(T0, terms))
    in_nairobi = policy.reserve(subscriber(right()), ask(), nas(), world(T0, terms))
    assert isinstance(in_london, Accept)
    assert in_nairobi == Reject(Reason.OUTSIDE_HOURS)


def test_of_several_reasons_the_most_useful_is_told() -> None:
    expired, spent, elsewhere = right("r1", "a", ends_at=T0 - 1), used(9, name="r2", terms="b"), right("r3", "c")
    catalogue = (day_terms("a"), day_terms("b", quota_bytes=9), day_terms("c", sites=("westlands",)))
    assert decide(subscriber(expired), *catalogue) == Reject(Reason.EXPIRED)
    assert decide(subscriber(expired, elsewhere), *catalogue) == Reject(Reason.WRONG_SITE)
    assert decide(subscriber(expired, elsewhere, spent), *catalogue) == Reject(Reason.QUOTA_USED)


# -- which right is used -----------------------------------------------------------------------------------------


def test_the_right_that_ends_soonest_is_used_first() -> None:
    home = subscriber(right("late", ends_at=T0 + 3 * DAY_S), right("soon", ends_at=T0 + 60), right("mid"))
    answer = accepted(decide(home, day_terms(quota_bytes=5, rate=FAST)))
    assert answer.session.right == "soon"
    assert [lease.right for lease in answer.session.leases] == ["soon", "mid", "late"]


def test_a_dormant_right_wastes_nothing_by_waiting() -> None:
    home = subscriber(Right("asleep", "printed.1", T0 - 5), right("runs", ends_at=T0 + 30 * DAY_S))
    answer = accepted(decide(home, day_terms(), day_terms("printed.1", FIRST_LOGIN_DAY)))
    assert answer.session.right == "runs"
    assert home.rights[0].starts_at == 0


def test_the_first_log_in_starts_a_dormant_right() -> None:
    home = subscriber(Right("asleep", "printed.1", T0 - 5))
    answer = accepted(decide(home, day_terms("printed.1", FIRST_LOGIN_DAY), now=T0 + 90))
    assert answer.session.right == "asleep"
    assert (home.rights[0].starts_at, home.rights[0].ends_at) == (T0 + 90, T0 + 90 + DAY_S)


def test_what_is_used_up_and_only_slow_comes_last() -> None:
    slow = day_terms("slow.1", quota_bytes=100, slow_rate=SLOW)
    home = subscriber(used(100, name="slow", terms="slow.1", ends_at=T0 + 60), right("full", ends_at=T0 + 9 * DAY_S))
    assert accepted(decide(home, slow, day_terms())).session.right == "full"
    home.rights.pop()
    answer = accepted(decide(home, slow, day_terms()))
    assert (answer.session.right, answer.session.slowed, answer.session.leases) == ("slow", True, [])
    assert answer.limits.rate == SLOW


def test_of_two_that_end_together_the_one_granted_first_is_used_first() -> None:
    older, newer = right("b"), right("a")
    older.granted_at, newer.granted_at = T0 - 60, T0 - 30
    assert accepted(decide(subscriber(newer, older), day_terms(quota_bytes=5))).session.right == "b"


@pytest.mark.parametrize(
    ("second", "runs_on"),
    [
        ({}, True),
        ({"quota_bytes": 999}, True),
        ({"window": FIRST_LOGIN_DAY}, True),  # it was started by a log-in already
        ({"extra_device": ExtraDevice.REPLACE_OLDEST}, True),
        ({"rate": FAST}, False),
        ({"slow_rate": SLOW}, False),
        ({"hours": (Hours(127, 0, 1440),)}, False),
        ({"sites": ("kilimani",)}, False),
        ({"service": Service.ANY}, False),
        ({"idle_s": 600}, False),
        ({"interim_s": 600}, False),
        ({"devices": 2}, False),
        ({"quota_bytes": None}, False),
        ({"quota_s": 3600}, False),
    ],
)
def test_a_session_runs_on_only_where_the_router_would_see_no_difference(
    second: dict[str, object], runs_on: bool
) -> None:
    home = subscriber(right("r1", "a.1"), right("r2", "b.1", ends_at=T0 + 2 * DAY_S))
    terms = (day_terms("a.1", quota_bytes=100), day_terms("b.1", **{"quota_bytes": 50, **second}))
    answer = accepted(decide(home, *terms))
    assert [lease.right for lease in answer.session.leases] == (["r1", "r2"] if runs_on else ["r1"])


def test_a_session_never_runs_on_into_a_dormant_right_nor_into_one_that_another_device_uses() -> None:
    terms = (day_terms(quota_bytes=100), day_terms("printed.1", FIRST_LOGIN_DAY, quota_bytes=100))
    home = subscriber(right("r1"), Right("asleep", "printed.1", T0))
    assert len(accepted(decide(home, *terms)).session.leases) == 1
    taken = live(LAPTOP, "res0000009", right_id="r2", leases=[Lease("r2", 100, -1)])
    home = subscriber(right("r1"), right("r2"), sessions=[taken])
    assert [lease.right for lease in accepted(decide(home, *terms)).session.leases] == ["r1"]


def test_a_shared_right_is_leased_in_parts_and_not_run_on_from() -> None:
    home = subscriber(right("r1"), right("r2"))
    answer = accepted(decide(home, day_terms(quota_bytes=400 * MIB, devices=4)))
    assert answer.session.leases == [Lease("r1", 100 * MIB, -1)]


# -- slots -------------------------------------------------------------------------------------------------------


def test_one_device_more_than_the_right_allows() -> None:
    home = subscriber(right(), sessions=[live(LAPTOP, "res0000009")])
    assert decide(home, day_terms()) == Reject(Reason.DEVICE_LIMIT)


def test_a_second_right_helps_where_the_first_is_full() -> None:
    home = subscriber(right("r1"), right("r2"), sessions=[live(LAPTOP, "res0000009", right_id="r1")])
    assert accepted(decide(home, day_terms())).session.right == "r2"


def test_an_account_whose_item_is_full_takes_no_further_device_but_one_that_takes_a_place() -> None:
    others = [live(MacAddress(f"02{number:010x}"), f"res{number:07d}", right_id="r1") for number in range(LIVE_MAX)]
    free = day_terms("free.1", devices=1000)
    home = subscriber(right("r1", "many.1"), right("r2", "free.1"), sessions=list(others))
    many = day_terms("many.1", devices=LIVE_MAX)
    assert decide(home, many, free) == Reject(Reason.DEVICE_LIMIT)
    accepted(decide(home, many, free, device=MacAddress("020000000000")))
    home = subscriber(right("r1", "many.1"), sessions=list(others))
    replacing = day_terms("many.1", devices=LIVE_MAX, extra_device=ExtraDevice.REPLACE_OLDEST)
    accepted(decide(home, replacing))
    assert sum(one.state is not SessionState.CLOSED for one in home.sessions) == LIVE_MAX


def test_all_that_remains_is_promised_to_others() -> None:
    terms = day_terms(quota_bytes=10 * MIB, devices=2)
    home = subscriber(right())
    first = accepted(decide(home, terms, device=LAPTOP))
    assert first.session.leases == [Lease("right001", 10 * MIB, -1)]
    assert decide(home, terms) == Reject(Reason.QUOTA_LEASED)


@pytest.mark.parametrize(("devices", "leaves"), [(1, ["res0000008", "res0000009"]), (2, ["res0000008"]), (3, [])])
def test_replacing_the_oldest(devices: int, leaves: list[str]) -> None:
    old, young = live(LAPTOP, "res0000008", at=T0 - 90), live(TABLET, "res0000009", at=T0 - 30)
    terms = day_terms(devices=devices, extra_device=ExtraDevice.REPLACE_OLDEST)
    home = subscriber(right(), sessions=[young, old])
    answer = accepted(decide(home, terms))
    closed = [one for one in (old, young) if one.state is SessionState.CLOSED]
    assert [one.reservation for one in closed] == leaves
    assert {one.cause for one in closed} <= {"replaced"}
    assert home.intents == [Intent(one.uid, IntentReason.REPLACED, 0, T0, T0) for one in closed]
    assert answer.limits.devices == devices + 1  # the router must let the newcomer in before the oldest is cut


def test_nobody_is_replaced_on_a_right_that_has_nothing_left_for_the_newcomer() -> None:
    spent, rich = (live(device, name, at=T0 - age, leases=[Lease("r1", size, -1)]) for device, name, age, size in _PAIR)
    spent.right = rich.right = "r1"
    terms = (
        day_terms("shared.1", quota_bytes=100 * MIB, devices=2, extra_device=ExtraDevice.REPLACE_OLDEST),
        day_terms("spare.1", quota_bytes=100 * MIB),
    )
    home = subscriber(right("r1", "shared.1"), right("r2", "spare.1", ends_at=T0 + 2 * DAY_S), sessions=[spent, rich])
    assert accepted(decide(home, *terms)).session.right == "r2"
    assert (spent.state, rich.state, home.intents) == (SessionState.OPEN, SessionState.OPEN, [])
    home.rights.pop()
    home.sessions.pop()
    assert decide(home, *terms) == Reject(Reason.QUOTA_LEASED)
    assert (spent.state, home.intents) == (SessionState.OPEN, [])


_PAIR = ((LAPTOP, "res0000008", 90, 0), (TABLET, "res0000009", 30, 100 * MIB))


def test_at_the_slow_rate_there_is_room_for_who_replaces_the_oldest() -> None:
    old = live(LAPTOP, "res0000008", at=T0 - 90, leases=[])
    terms = day_terms(quota_bytes=100, slow_rate=SLOW, extra_device=ExtraDevice.REPLACE_OLDEST)
    home = subscriber(used(100), sessions=[old])
    assert accepted(decide(home, terms)).session.slowed
    assert old.cause == "replaced"


@pytest.mark.parametrize("state", [SessionState.RESERVED, SessionState.OPEN])
@pytest.mark.parametrize("on", [NAS, OTHER_NAS])
def test_a_device_takes_over_its_own_slot_on_any_router(state: SessionState, on: NasId) -> None:
    mine = live(PHONE, "res0000009", state=state, at=T0 - 10, on=on)
    uid = mine.uid
    home = subscriber(right(), sessions=[mine])
    answer = accepted(decide(home, day_terms(quota_bytes=100 * MIB)))
    assert answer.limits.total_bytes == 100 * MIB  # the old lease went back
    assert home.sessions[-1] is answer.session
    assert (mine in home.sessions) is (state is SessionState.OPEN)
    # On another router it may still be online: it is to be cut there.
    wanted = [uid] if state is SessionState.OPEN and on == OTHER_NAS else []
    assert [(one.session, one.reason) for one in home.intents] == [(uid, IntentReason.REPLACED) for uid in wanted]


@pytest.mark.parametrize(("age_s", "answer"), [(119, Reject), (120, Accept)])
def test_an_accept_that_no_start_followed_does_not_lock_a_payer_out(age_s: int, answer: type) -> None:
    waiting = live(LAPTOP, "res0000009", state=SessionState.RESERVED, at=T0 - age_s)
    assert isinstance(decide(subscriber(right(), sessions=[waiting]), day_terms()), answer)


def test_the_slot_that_an_accept_reserves() -> None:
    home = subscriber(right())
    answer = accepted(decide(home, day_terms(quota_bytes=100 * MIB, interim_s=120)))
    assert answer.session == Session(
        reservation=ReservationId("res0000001"),
        nas=NAS,
        device=PHONE,
        state=SessionState.RESERVED,
        opened_at=T0,
        last_at=T0,
        ends_at=T0 + DAY_S,
        right="right001",
        acct_session_id="81c00001",
        cap_bytes=100 * MIB,
        leases=[Lease("right001", 100 * MIB, -1)],
        interim_s=120,
    )
    assert home.sessions == [answer.session]
    assert home.devices == [PHONE]


def test_a_device_that_proved_the_secret_is_remembered_once_and_eight_of_them() -> None:
    home = subscriber(right(ends_at=T0 + 9 * DAY_S))
    macs = [MacAddress(f"02000000000{n}") for n in range(9)]
    for mac in [*macs, macs[-1]]:
        accepted(decide(home, day_terms(devices=99), device=mac))
    assert home.devices == macs[1:]


# -- a slow rate where no router can be told ---------------------------------------------------------------------


NO_RATE = msgspec.structs.replace(capabilities(), rate=False, byte_cap=False)
SLOWS = day_terms(quota_bytes=100 * MIB, slow_rate=SLOW)


def test_where_the_router_knows_no_speed_the_quota_cuts() -> None:
    home = subscriber(used(100 * MIB))
    known = policy.reserve(home, ask(), nas(can=NO_RATE), world(T0, Catalogue(SLOWS)))
    assert known == Reject(Reason.QUOTA_USED)
    assert accepted(policy.reserve(home, ask(), nas(), world(T0, Catalogue(SLOWS)))).limits.rate == SLOW


def test_there_use_beyond_the_quota_is_too_much_and_is_cut() -> None:
    home = subscriber(right())
    router, there = nas(can=NO_RATE), world(T0, Catalogue(SLOWS))
    accepted(policy.reserve(home, ask(reservation="r1"), router, there))
    session.account(home, packet(session.Kind.START, T0, reservation="r1"), router, there)
    report = packet(session.Kind.INTERIM, T0 + 300, 0, 130 * MIB, 300, reservation="r1")
    counted = session.account(home, report, router, world(T0 + 300, Catalogue(SLOWS)))
    assert counted.over_bytes == 30 * MIB
    assert [one.reason for one in home.intents] == [IntentReason.QUOTA]
    owed = wanted.wanted(home, counted.session, router, world(T0 + 301, Catalogue(SLOWS)))
    assert owed == wanted.Cut(IntentReason.QUOTA)


@pytest.mark.parametrize(("coa", "session_s"), [(CoaScope.NONE, 5 * 3600), (CoaScope.CHANGE, 7 * DAY_S)])
def test_a_slow_session_ends_where_the_full_speed_is_back_unless_the_router_can_be_told(
    coa: CoaScope, session_s: int
) -> None:
    daily = day_terms(quota_bytes=100 * MIB, slow_rate=SLOW, period=PeriodUnit.DAY)
    full = used(100 * MIB, ends_at=T0 + 30 * DAY_S)
    full.period_ends_at = T0 + 5 * 3600
    home = subscriber(full)
    answer = policy.reserve(home, ask(), nas(can=capabilities(coa=coa)), world(T0, Catalogue(daily)))
    assert accepted(answer).limits.session_s == session_s
