"""What must change on live sessions after a fact, committed in the same write; and when someone must look again."""

from collections.abc import Callable

import pytest

from radius.domain import enforcement, entitlement, lifecycle, policy, session
from radius.domain.entitlement import Right
from radius.domain.intent import Intent, IntentReason
from radius.domain.nas import Capabilities, CoaScope
from radius.domain.session import Kind
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber, decode, encode
from radius.domain.terms import Hours, PeriodUnit, Rate, Service, Terms
from radius.domain.wanted import Nothing, wanted
from tests.unit.domain.builders import (
    CAN,
    DAY_S,
    FIRST_LOGIN_DAY,
    LAPTOP,
    MIB,
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

MOVES_CAPS = capabilities(coa=CoaScope.CHANGE, coa_byte_cap=True)
SLOW = Rate(64_000, 64_000)
QUOTA = day_terms(quota_bytes=100 * MIB)
MIDNIGHT = T0 + 5 * 3600


def home_with(*rights: Right, leases: list[Lease] | None = None, **marks: object) -> tuple[Subscriber, Session]:
    one = live(leases=leases)
    for name, value in marks.items():
        setattr(one, name, value)
    return subscriber(*rights, sessions=[one]), one


def use(
    home: Subscriber, mib: int, *terms: Terms, at: int = T0 + 300, can: Capabilities = CAN, time_s: int = 300
) -> Session:
    event = packet(Kind.INTERIM, at, 0, mib * MIB, time_s)
    return session.account(home, event, nas(can=can), world(at, Catalogue(*terms))).session


def reasons(home: Subscriber) -> list[IntentReason]:
    return [intent.reason for intent in home.intents]


# -- why: one way to each reason ---------------------------------------------------------------------------------


def quota() -> Subscriber:
    home, _ = home_with(right())
    use(home, 100, QUOTA)
    return home


def ended() -> Subscriber:
    home, _ = home_with(right(ends_at=T0 + 200))
    use(home, 1, QUOTA)
    return home


def replaced() -> Subscriber:
    home, _ = home_with(right())
    policy.reserve(home, ask(PHONE, "res0000002"), nas(OTHER_NAS), world(T0 + 300, Catalogue(QUOTA)))
    return home


def blocked() -> Subscriber:
    home, _ = home_with(right())
    home.blocked = "chargeback"
    use(home, 1, QUOTA)
    return home


def other_terms() -> Subscriber:
    home, _ = home_with(right(), right("r2", "fast.1"))
    use(home, 100, QUOTA, day_terms("fast.1", rate=Rate(1, 1)))
    return home


def reauthorize() -> Subscriber:
    """The seller commits it with the money; here it must be kept, and be due work."""
    home = subscriber(right())
    lifecycle.add_intent(home, PHONE, IntentReason.REAUTHORIZE, T0 + 300)
    lifecycle.settle(home, world(T0 + 900, Catalogue(QUOTA)))
    return home


WAYS: dict[IntentReason, Callable[[], Subscriber]] = {
    IntentReason.QUOTA: quota,
    IntentReason.ENDED: ended,
    IntentReason.REPLACED: replaced,
    IntentReason.BLOCKED: blocked,
    IntentReason.TERMS: other_terms,
    IntentReason.REAUTHORIZE: reauthorize,
}


@pytest.mark.parametrize("reason", IntentReason)
def test_every_reason_has_a_fact_that_commits_it(reason: IntentReason) -> None:
    home = decode(encode(WAYS[reason]()))
    about = PHONE if reason is IntentReason.REAUTHORIZE else live().uid
    assert home.intents == [Intent(about, reason, 0, T0 + 300, due_at=T0 + 300)]
    assert enforcement.due_at(home, 0) == T0 + 300


# -- after use ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mib", "expected"), [(99, []), (100, [IntentReason.QUOTA]), (140, [IntentReason.QUOTA])])
def test_nobody_is_cut_before_the_quota_is_used(mib: int, expected: list[IntentReason]) -> None:
    home, _ = home_with(right())
    use(home, mib, QUOTA)
    assert reasons(home) == expected


def test_a_quota_that_will_not_last_until_the_next_report_is_no_fact_yet() -> None:
    """The pace so far says that it is over before the next report; only a report that proves it cuts, in its write."""
    home, one = home_with(right())
    before = enforcement.due_at(home, 0)
    use(home, 99, QUOTA, at=T0 + 300)
    assert reasons(home) == []
    assert enforcement.due_at(home, before, looked_at=T0 + 301) > T0 + 600, "nor does a worker look for it"
    assert wanted(home, one, nas(), world(T0 + 599, Catalogue(QUOTA))) == Nothing("it has what it should have")
    use(home, 101, QUOTA, at=T0 + 330, time_s=330)
    assert home.intents == [Intent(one.uid, IntentReason.QUOTA, 0, T0 + 330, due_at=T0 + 330)]


def test_a_fact_that_lasts_is_one_intent() -> None:
    home, _ = home_with(right())
    for minute in (5, 10, 15):
        use(home, 100 + minute, QUOTA, at=T0 + minute * 60, time_s=minute * 60)
    assert home.intents == [Intent(live().uid, IntentReason.QUOTA, 0, T0 + 300, due_at=T0 + 300)]


@pytest.mark.parametrize(
    ("terms", "used_s", "expected"),
    [(day_terms(quota_s=300), 299, []), (day_terms(quota_s=300), 300, [IntentReason.QUOTA])],
)
def test_time_that_is_used_up(terms: Terms, used_s: int, expected: list[IntentReason]) -> None:
    home, _ = home_with(right(), leases=[Lease("right001", -1, 300)])
    use(home, 1, terms, at=T0 + used_s, time_s=used_s)
    assert reasons(home) == expected


@pytest.mark.parametrize(
    ("late_s", "hours", "expected"),
    [
        (29, True, []),
        (30, True, [IntentReason.ENDED]),  # the opening hours are over, and the right goes on
        (30, False, [IntentReason.TERMS]),  # a week of Session-Timeout is over, and the right goes on
    ],
)
def test_evidence_after_the_granted_end_proves_that_the_router_did_not_end_it(
    late_s: int, hours: bool, expected: list[IntentReason]
) -> None:
    until_1910 = (Hours(127, 0, 19 * 60 + 10),) if hours else ()
    home, _ = home_with(right(), ends_at=T0 + 600)
    use(home, 1, day_terms(quota_bytes=100 * MIB, hours=until_1910), at=T0 + 600 + late_s, time_s=600 + late_s)
    assert reasons(home) == expected


@pytest.mark.parametrize(
    ("second", "expected", "lease"),
    [
        ([], IntentReason.ENDED, []),
        ([right("r2")], IntentReason.TERMS, [Lease("r2", 100 * MIB, -1)]),
        ([Right("asleep", "printed.1", T0)], IntentReason.ENDED, []),  # started by a log-in, never by running on
        ([right("r2", ends_at=T0 + 250)], IntentReason.ENDED, []),
    ],
)
def test_when_a_right_ends_the_next_one_carries_the_session_on(
    second: list[Right], expected: IntentReason, lease: list[Lease]
) -> None:
    home, one = home_with(right(ends_at=T0 + 200), *second)
    use(home, 1, QUOTA, day_terms("printed.1", FIRST_LOGIN_DAY))
    assert (reasons(home), one.leases) == ([expected], lease)


def test_at_the_quota_the_next_right_is_leased_and_the_router_told() -> None:
    home, one = home_with(right(), right("r2", ends_at=T0 + 2 * DAY_S))
    use(home, 100, QUOTA)
    assert reasons(home) == [IntentReason.TERMS]
    assert (one.right, one.leases) == ("r2", [Lease("r2", 100 * MIB, -1)])
    assert (one.ends_at, one.cap_bytes) == (T0 + 2 * DAY_S, 200 * MIB), "what it used and may still use"


def test_slowing_down_at_the_quota_is_asked_for_once_and_undone_by_a_new_period() -> None:
    terms = day_terms(quota_bytes=100 * MIB, slow_rate=SLOW, period=PeriodUnit.DAY)
    daily = right(ends_at=T0 + 9 * DAY_S)
    daily.period_ends_at = MIDNIGHT
    home, one = home_with(daily)
    use(home, 100, terms)
    assert reasons(home) == [IntentReason.QUOTA]
    home.intents, one.slowed = [], True  # a worker made it so
    use(home, 101, terms, at=T0 + 600, time_s=600)
    assert reasons(home) == []
    # The delta across midnight is still the old period's; what it crosses gives the full rate back.
    use(home, 102, terms, at=MIDNIGHT + 10, time_s=5 * 3600 + 10)
    assert (reasons(home), one.slowed) == ([IntentReason.TERMS], False)
    assert one.leases == [Lease("right001", 100 * MIB, -1)]


def test_a_top_up_gives_a_slow_session_its_rate_back() -> None:
    terms = day_terms(quota_bytes=100 * MIB, slow_rate=SLOW)
    spent = right()
    spent.used_bytes = 100 * MIB
    home, one = home_with(spent, leases=[], slowed=True)
    use(home, 1, terms)
    assert reasons(home) == []
    home.rights.append(right("r2"))
    use(home, 2, terms, at=T0 + 600, time_s=600)
    assert (reasons(home), one.right, one.slowed) == ([IntentReason.TERMS], "r2", False)


# -- renewal of shared leases ------------------------------------------------------------------------------------

SHARED = day_terms(quota_bytes=400 * MIB, devices=4)


@pytest.mark.parametrize(
    ("mib", "can", "lease", "cap"),
    [
        (80, MOVES_CAPS, 20 * MIB, 100 * MIB),
        (81, MOVES_CAPS, 319 * MIB // 4, 81 * MIB + 319 * MIB // 4),
        (81, CAN, 19 * MIB, 100 * MIB),
        (81, capabilities(coa=CoaScope.CHANGE), 19 * MIB, 100 * MIB),
    ],
)
def test_a_lease_is_renewed_at_four_fifths_where_the_router_can_move_its_cap(
    mib: int, can: Capabilities, lease: int, cap: int
) -> None:
    home, one = home_with(right(), leases=[Lease("right001", 100 * MIB, -1)], cap_bytes=100 * MIB)
    use(home, mib, SHARED, can=can)
    assert (one.leases, one.cap_bytes) == ([Lease("right001", lease, -1)], cap)
    assert reasons(home) == ([IntentReason.TERMS] if cap != 100 * MIB else [])


def test_a_renewal_that_would_hardly_help_is_left_out() -> None:
    home, one = home_with(right(), leases=[Lease("right001", 100 * MIB, -1)], cap_bytes=100 * MIB)
    home.sessions.append(live(LAPTOP, "res0000002", leases=[Lease("right001", 285 * MIB, -1)]))
    use(home, 90, SHARED, can=MOVES_CAPS)  # 25 MiB are unleased, 10 are left: less than twice ...
    assert (one.leases[0].bytes, reasons(home)) == (10 * MIB, [])
    use(home, 92, SHARED, can=MOVES_CAPS, at=T0 + 600, time_s=600)  # ... and now twice: 16 of 23 for 8
    assert (one.leases[0].bytes, reasons(home)) == (16 * MIB, [IntentReason.TERMS])


# -- new leases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "others", "terms", "found"),
    [
        ([right()], [], QUOTA, "right001"),
        ([right(), right("r2", ends_at=T0 + 60)], [], QUOTA, "r2"),
        ([right()], [LAPTOP], QUOTA, None),
        ([right()], [LAPTOP], day_terms(quota_bytes=300 * MIB, devices=2), "right001"),
        ([right()], [LAPTOP, TABLET], day_terms(quota_bytes=300 * MIB, devices=2), None),
        ([right()], [], day_terms(sites=("westlands",)), None),
        ([Right("asleep", "day.3", T0)], [], QUOTA, None),
        ([], [], QUOTA, None),
    ],
)
def test_new_leases_for_an_open_session(
    rights: list[Right], others: list[str], terms: Terms, found: str | None
) -> None:
    home, one = home_with(*rights, leases=[], right="")
    for number, device in enumerate(others):
        other = live(LAPTOP, f"res000010{number}", leases=[Lease("right001", 50 * MIB, -1)])
        other.device = device
        home.sessions.append(other)
    assert enforcement.lease_again(home, one, nas(), world(T0, Catalogue(terms))) is (found is not None)
    assert [lease.right for lease in one.leases] == ([found] if found else [])


@pytest.mark.parametrize(("knows", "keeps"), [(0, 120), (600, 600)])
def test_the_pace_that_is_known_of_a_session_is_kept(knows: int, keeps: int) -> None:
    home, one = home_with(right(), interim_s=knows)
    assert enforcement.lease_again(home, one, nas(), world(T0, Catalogue(day_terms(interim_s=120))))
    assert one.interim_s == keeps


def test_a_used_up_right_that_only_slows_down_gives_no_lease() -> None:
    spent = right()
    spent.used_bytes = 100
    home, one = home_with(spent, leases=[])
    terms = Catalogue(day_terms(quota_bytes=100, slow_rate=SLOW))
    assert not enforcement.lease_again(home, one, nas(), world(T0, terms))


def test_a_session_keeps_to_the_service_it_was_let_in_for() -> None:
    home, one = home_with(right(ends_at=T0 - 1), right("r2", "home.1"), leases=[])
    terms = Catalogue(QUOTA, day_terms("home.1", service=Service.PPPOE))
    assert not enforcement.lease_again(home, one, nas(), world(T0, terms))
    terms["day.3"] = day_terms(service=Service.PPPOE)
    assert enforcement.lease_again(home, one, nas(), world(T0, terms))


@pytest.mark.parametrize(
    ("has", "other", "rights", "blamed"),
    [
        ("mine", "theirs", [right()], "mine"),
        ("", "theirs", [right()], "theirs"),
        ("", "", [right("first"), right("latest"), Right("asleep", "day.3", T0)], "latest"),
        ("", "", [], ""),
    ],
)
def test_on_whom_the_use_of_a_session_without_a_lease_is_blamed(
    has: str, other: str, rights: list[Right], blamed: str
) -> None:
    one, theirs = live(right_id=has), live(reservation="res0000002", right_id=other)
    home = subscriber(*rights, sessions=[one, theirs])
    enforcement.blame(home, one)
    assert one.right == blamed


# -- the due index -----------------------------------------------------------------------------------------------


def marked(**marks: object) -> Session:
    one = live()
    for name, value in marks.items():
        setattr(one, name, value)
    return one


@pytest.mark.parametrize(
    ("sessions", "intents", "due"),
    [
        ([], [], 0),
        ([marked(state=SessionState.RESERVED)], [], 0),  # a lapsed slot frees itself when it is read
        ([marked()], [], T0 + DAY_S + 300),
        ([marked(interim_seen=True)], [], T0 + 1800),  # half an hour, not each 16 minutes
        ([marked(interim_seen=True, interim_s=900)], [], T0 + 2760),
        ([marked(interim_seen=True, ends_at=T0 + 60)], [], T0 + 360),
        ([marked(state=SessionState.CLOSED, closed_at=T0)], [], T0 + 120),
        ([marked(state=SessionState.CLOSED, closed_at=T0, filed=True)], [], 0),
        ([marked()], [Intent("u", IntentReason.QUOTA, 0, T0, T0 + 7)], T0 + 7),
        ([], [Intent("u", IntentReason.QUOTA, 0, T0, T0 + 9), Intent("v", IntentReason.ENDED, 0, T0, T0 + 7)], T0 + 7),
    ],
)
def test_when_a_worker_must_look(sessions: list[Session], intents: list[Intent], due: int) -> None:
    home = subscriber(right(), sessions=sessions)
    home.intents = intents
    assert enforcement.due_at(home, 0) == due


@pytest.mark.parametrize(
    ("known", "looked_at", "due"),
    [
        (0, 0, T0 + 1800),
        (T0 + 900, 0, T0 + 900),  # stays: an ordinary interim update touches no index key
        (T0 + 9000, 0, T0 + 1800),
        (T0 + 900, T0 + 900, T0 + 1800),
        (T0 + 900, T0 + 1799, T0 + 1800),
        # Looked at and not ended: its router may have said more than was counted.
        (T0 + 900, T0 + 1800, T0 + 2100),
        (T0 + 900, T0 + 5000, T0 + 5300),
    ],
)
def test_the_index_moves_only_forward_in_time_or_when_it_was_visited(known: int, looked_at: int, due: int) -> None:
    home = subscriber(right(), sessions=[marked(interim_seen=True)])
    assert enforcement.due_at(home, known, looked_at=looked_at) == due


@pytest.mark.parametrize(("due_at", "due"), [(T0 + 900, T0 + 900), (T0 + 960, T0 + 500)], ids=["new", "put off"])
def test_a_new_intent_does_not_lie_hidden_behind_work_that_is_overdue(due_at: int, due: int) -> None:
    """A session that waits to be filed since T0 + 500: whoever cuts has looked there, and found nothing to do."""
    home = subscriber(right(), sessions=[marked(state=SessionState.CLOSED, closed_at=T0 + 380), marked()])
    home.intents = [Intent("u", IntentReason.BLOCKED, 0, T0 + 900, due_at)]
    assert enforcement.due_at(home, T0 + 500) == due


def test_what_is_done_leaves_the_index_only_when_visited() -> None:
    home = subscriber(right())
    assert enforcement.due_at(home, T0 + 900) == T0 + 900
    assert enforcement.due_at(home, T0 + 900, looked_at=T0 + 900) == 0


def test_an_evening_of_interim_updates_moves_no_index_key() -> None:
    home = subscriber(entitlement.issue("right001", QUOTA, T0))
    policy.reserve(home, ask(), nas(), world(T0, Catalogue(QUOTA)))
    known = enforcement.due_at(home, 0)
    moved = []
    for minute in range(5, 60, 5):
        use(home, minute, QUOTA, at=T0 + minute * 60, time_s=minute * 60)
        fresh = enforcement.due_at(home, known)
        moved += [minute] if fresh != known else []
        known = fresh
    assert (moved, known) == ([5], T0 + 300 + 1800), "once, with the first update; then it waits for its visit"
