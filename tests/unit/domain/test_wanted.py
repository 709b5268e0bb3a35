"""What a session should have now, whatever was decided when its intent was committed."""

import msgspec
import pytest

from radius.domain import enforcement, lifecycle, policy, session
from radius.domain.intent import IntentReason
from radius.domain.nas import Capabilities, CoaScope
from radius.domain.session import Kind
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber, Told, decode, encode
from radius.domain.terms import ExtraDevice, Hours, PeriodUnit, Rate, Terms
from radius.domain.wanted import Cut, Nothing, Owed, Wanted, above, owed, session_of, wanted
from radius.domain.world import SESSION_S_MAX_UNHEEDED
from tests.unit.domain.builders import (
    CAN,
    DAY_S,
    GIB,
    LAPTOP,
    MIB,
    NAS,
    OTHER_NAS,
    T0,
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
CHANGES = capabilities(coa=CoaScope.CHANGE)
NEITHER = capabilities(coa=CoaScope.NONE)
ANSWERED = msgspec.structs.replace(NEITHER, acct_update=True)
FAST, SLOW = Rate(2_000_000, 5_000_000), Rate(64_000, 128_000)
QUOTA = day_terms(quota_bytes=100 * MIB, rate=FAST)
SLOWING = day_terms(quota_bytes=100 * MIB, rate=FAST, slow_rate=SLOW)


def online(terms: Terms, can: Capabilities = CAN) -> tuple[Subscriber, Session]:
    """Logged in at T0 and started, as a router with these capabilities was told."""
    home = subscriber(right())
    assert isinstance(policy.reserve(home, ask(), nas(can=can), world(T0, Catalogue(terms))), policy.Accept)
    session.account(home, packet(Kind.START, T0), nas(can=can), world(T0, Catalogue(terms)))
    (one,) = home.sessions
    return home, one


def use(home: Subscriber, mib: int, *terms: Terms, at: int = T0 + 300, can: Capabilities = CAN) -> Session:
    event = packet(Kind.INTERIM, at, 0, mib * MIB, at - T0)
    return session.account(home, event, nas(can=can), world(at, Catalogue(*terms))).session


def report(home: Subscriber, mib: int, *terms: Terms, at: int) -> session.Accounted:
    event = packet(Kind.INTERIM, at, 0, mib * MIB, at - T0)
    return session.account(home, event, nas(can=ANSWERED), world(at, Catalogue(*terms)))


def want(home: Subscriber, one: Session, *terms: Terms, at: int = T0 + 301, can: Capabilities = CAN) -> Wanted:
    return wanted(home, one, nas(can=can), world(at, Catalogue(*terms)))


def promised(home: Subscriber, right_id: str) -> int:
    one = home.right(right_id)
    assert one is not None
    return one.used_bytes + sum(lease.bytes for s in home.sessions for lease in s.leases if lease.right == right_id)


def test_a_quota_that_is_used_up_is_a_cut() -> None:
    home, one = online(QUOTA)
    use(home, 100, QUOTA)
    assert want(home, one, QUOTA) == Cut(IntentReason.QUOTA)


def test_a_right_that_has_ended_is_a_cut() -> None:
    home, one = online(QUOTA)
    assert want(home, one, QUOTA, at=T0 + DAY_S) == Cut(IntentReason.ENDED)


def test_closing_time_is_a_cut_and_opening_time_is_none() -> None:
    terms = day_terms(hours=(Hours(0b1111111, 8 * 60, 20 * 60),))  # it is 19:00 at T0
    home, one = online(terms)
    assert want(home, one, terms, at=T0 + 3599) == Nothing("it has what it should have")
    assert want(home, one, terms, at=T0 + 3600) == Cut(IntentReason.ENDED)


def test_a_blocked_customer_is_cut_and_an_unblocked_one_is_not() -> None:
    home, one = online(QUOTA)
    home.blocked = "chargeback"
    assert want(home, one, QUOTA) == Cut(IntentReason.BLOCKED)
    home.blocked = ""
    assert want(home, one, QUOTA) == Nothing("it has what it should have")


def test_a_session_that_ended_here_is_cut_where_it_goes_on() -> None:
    home, one = online(QUOTA)
    one.state = SessionState.CLOSED
    assert want(home, one, QUOTA) == Cut(IntentReason.REPLACED)


def test_a_session_that_is_gone_or_not_begun_wants_nothing() -> None:
    home, one = online(QUOTA)
    assert wanted(home, None, nas(), world(T0, Catalogue(QUOTA))) == Nothing("no such session")
    one.state = SessionState.RESERVED
    assert want(home, one, QUOTA) == Nothing("no such session")


@pytest.mark.parametrize("can", [CAN, CHANGES, MOVES_CAPS])
def test_a_payment_overtakes_a_cut(can: Capabilities) -> None:
    home, one = online(QUOTA, can)
    use(home, 101, QUOTA, can=can)
    more = right("right002", "day.4", ends_at=T0 + 2 * DAY_S)
    home.rights.append(more)
    bigger = day_terms("day.4", quota_bytes=GIB, rate=FAST)
    owed = want(home, one, QUOTA, bigger, can=can)
    assert isinstance(owed, Owed)
    assert (owed.limits.total_bytes, owed.limits.rate, owed.moved) == (101 * MIB + GIB, FAST, {"total_bytes"})
    assert owed.limits.session_s == one.ends_at - T0, "counted from the session's start, as in a CoA"
    assert promised(home, "right002") == GIB, "granted: the caller commits it before it sends"
    assert want(home, one, QUOTA, bigger, can=can) == owed, "asked again after a crash, the same"


def test_a_slow_down_is_owed_and_stays_owed_until_it_was_told() -> None:
    home, one = online(SLOWING, CHANGES)
    use(home, 100, SLOWING, can=CHANGES)
    for _ in range(2):
        wish = want(home, one, SLOWING, can=CHANGES)
        assert isinstance(wish, Owed)
        assert (wish.limits.rate, wish.limits.total_bytes, wish.moved) == (SLOW, None, {"rate"})
        home = decode(encode(home))
        one = home.sessions[0]
    one.told = None
    assert want(home, one, SLOWING, can=CHANGES) == Nothing("it has what it should have")


def test_a_router_that_only_hears_answers_is_told_everything_with_each() -> None:
    home, one = online(QUOTA, ANSWERED)
    told = report(home, 10, QUOTA, at=T0 + 60)
    assert isinstance(told.wish, Owed)
    assert (told.wish.limits.total_bytes, told.wish.limits.session_s) == (100 * MIB, one.ends_at - one.opened_at)
    home.rights.append(right("right002"))
    lifecycle.add_intent(home, one.uid, IntentReason.TERMS, T0 + 61)
    for at in (T0 + 62, T0 + 120):  # the first answer may be lost
        told = report(home, 10, QUOTA, at=at)
        assert isinstance(told.wish, Owed)
        assert told.wish.limits.total_bytes == 200 * MIB, "what was bought meanwhile"
        assert (one.told, home.intents) == (None, [])
    assert promised(home, "right002") == 100 * MIB, "granted: the answer follows its commit"


def test_there_a_cut_is_told_with_each_answer_until_the_stop() -> None:
    home, one = online(QUOTA, ANSWERED)
    for at in (T0 + 60, T0 + 120):
        assert report(home, 100, QUOTA, at=at).wish == Cut(IntentReason.QUOTA)
        assert [intent.reason for intent in home.intents] == [IntentReason.QUOTA]
    stop = packet(Kind.STOP, T0 + 121, 0, 100 * MIB, 121)
    assert session.account(home, stop, nas(can=ANSWERED), world(T0 + 121, Catalogue(QUOTA))).wish is None
    assert (one.state, home.intents) == (SessionState.CLOSED, [])


def test_there_a_session_that_was_replaced_and_goes_on_is_told_so() -> None:
    home, one = online(QUOTA, ANSWERED)
    elsewhere = policy.reserve(home, ask(reservation="res0000002"), nas(OTHER_NAS), world(T0 + 30, Catalogue(QUOTA)))
    assert isinstance(elsewhere, policy.Accept)
    assert one.state is SessionState.CLOSED
    assert report(home, 10, QUOTA, at=T0 + 60).wish == Cut(IntentReason.REPLACED)


def test_a_router_that_hears_coa_or_takes_nothing_in_answers_is_answered_bare() -> None:
    for can in (CHANGES, msgspec.structs.replace(CHANGES, acct_update=True), NEITHER):
        home, _ = online(QUOTA, can)
        event = packet(Kind.INTERIM, T0 + 60, 0, 100 * MIB, 60)
        assert session.account(home, event, nas(can=can), world(T0 + 60, Catalogue(QUOTA))).wish is None


def test_silence_is_measured_by_the_slowest_pace_that_its_router_may_have_been_told() -> None:
    home, one = online(SLOWING, CHANGES)
    assert one.interim_s == 119, "100 MiB at 7 Mbit/s"
    use(home, 90, SLOWING, at=T0 + 119, can=CHANGES)
    owed(home, one, nas(can=CHANGES), world(T0 + 120, Catalogue(SLOWING)))
    assert one.interim_s == 119, "that it might be told 60 s proves nothing"
    use(home, 100, SLOWING, at=T0 + 238, can=CHANGES)
    slow = want(home, one, SLOWING, at=T0 + 239, can=CHANGES)
    assert isinstance(slow, Owed)
    assert (slow.limits.interim_s, one.interim_s) == (300, 300)


def test_a_session_that_is_held_is_slow_with_much_left_until_it_is_let_go() -> None:
    home, one = online(SLOWING, CHANGES)
    one.note_told()
    one.held = True
    slow = wanted(home, one, nas(can=CHANGES), world(T0 + 10, Catalogue(SLOWING)))
    assert isinstance(slow, Owed)
    assert (slow.limits.rate, slow.moved) == (SLOW, {"rate"})
    one.told = None  # its router was told
    use(home, 50, SLOWING, can=CHANGES)
    assert wanted(home, one, nas(can=CHANGES), world(T0 + 400, Catalogue(SLOWING))) == Nothing(
        "it has what it should have"
    )
    one = decode(encode(home)).sessions[0]
    assert (one.held, home.rights[0].used_bytes) == (True, 50 * MIB)
    one.note_told()
    one.held = False
    fast = wanted(home, one, nas(can=CHANGES), world(T0 + 500, Catalogue(SLOWING)))
    assert isinstance(fast, Owed)
    assert (fast.limits.rate, fast.moved) == (FAST, {"rate"})


def test_who_has_no_slow_rate_is_held_to_the_full_one() -> None:
    home, one = online(QUOTA, CHANGES)
    one.held = True
    assert owed(home, one, nas(can=CHANGES), world(T0 + 10, Catalogue(QUOTA))).limits.rate == FAST


def test_a_top_up_restores_a_slow_session() -> None:
    home, one = online(SLOWING, CHANGES)
    use(home, 100, SLOWING, can=CHANGES)
    want(home, one, SLOWING, can=CHANGES)
    one.told = None
    home.rights.append(right("right002", ends_at=T0 + 2 * DAY_S))
    owed = want(home, one, SLOWING, can=CHANGES)
    assert isinstance(owed, Owed)
    assert (owed.limits.rate, owed.moved, one.slowed, one.right) == (FAST, {"rate"}, False, "right002")


@pytest.mark.parametrize("terms", [QUOTA, SLOWING])
def test_a_right_that_sleeps_is_begun_by_a_new_log_in(terms: Terms) -> None:
    home, one = online(terms, CHANGES)
    use(home, 100, terms, can=CHANGES)
    home.rights.append(right("right002", starts_at=0, ends_at=0))
    assert want(home, one, terms, can=CHANGES) == Cut(IntentReason.TERMS)


def test_a_right_that_sleeps_ends_nothing_that_goes_on() -> None:
    home, one = online(QUOTA, CHANGES)
    home.rights.append(right("right002", starts_at=0, ends_at=0))
    assert want(home, one, QUOTA, can=CHANGES) == Nothing("it has what it should have")


def test_a_top_up_before_the_slow_down_was_told_leaves_nothing_moved() -> None:
    home, one = online(SLOWING, CHANGES)
    use(home, 100, SLOWING, can=CHANGES)
    want(home, one, SLOWING, can=CHANGES)
    home.rights.append(right("right002", ends_at=T0 + 2 * DAY_S))
    owed = want(home, one, SLOWING, can=CHANGES)
    assert isinstance(owed, Owed)
    assert (owed.limits.rate, owed.moved) == (FAST, set())


def test_a_new_period_gives_the_full_rate_back() -> None:
    daily = day_terms(quota_bytes=100 * MIB, rate=FAST, slow_rate=SLOW, period=PeriodUnit.DAY)
    home = subscriber(right(ends_at=T0 + 3 * DAY_S))
    home.rights[0].period_ends_at = T0 + 5 * 3600
    home.rights[0].used_bytes = 100 * MIB
    one = live(leases=[], ends_at=T0 + DAY_S)
    one.slowed = True
    home.sessions.append(one)
    assert want(home, one, daily, at=T0 + 1, can=CHANGES) == Nothing("it has what it should have")
    owed = want(home, one, daily, at=T0 + 5 * 3600, can=CHANGES)
    assert isinstance(owed, Owed)
    assert (owed.limits.rate, owed.moved) == (FAST, {"rate"})


def test_what_was_bought_meanwhile_moves_the_cap_where_the_router_can() -> None:
    home, one = online(QUOTA, MOVES_CAPS)
    use(home, 10, QUOTA, can=MOVES_CAPS)
    home.rights.append(right("right002", ends_at=T0 + 2 * DAY_S))
    owed = want(home, one, QUOTA, can=MOVES_CAPS)
    assert isinstance(owed, Owed)
    assert (owed.limits.total_bytes, owed.moved) == (200 * MIB, {"total_bytes"})
    assert [promised(home, name) for name in ("right001", "right002")] == [100 * MIB, 100 * MIB]


def test_a_cap_that_cannot_be_moved_is_left_to_end_the_session() -> None:
    home, one = online(QUOTA, CHANGES)
    home.rights.append(right("right002", ends_at=T0 + 2 * DAY_S))
    assert want(home, one, QUOTA, can=CHANGES) == Nothing("it has what it should have")
    assert one.leases == [Lease("right001", 100 * MIB, -1)]


def test_more_time_is_a_longer_session_and_nothing_else() -> None:
    terms = day_terms(rate=FAST)
    home, one = online(terms, CHANGES)
    home.rights.append(right("right002", ends_at=T0 + 2 * DAY_S))
    owed = want(home, one, terms, can=CHANGES)
    assert isinstance(owed, Owed)
    assert (owed.limits.session_s, owed.moved) == (2 * DAY_S, set())


def test_another_kind_of_right_waits_for_the_end_of_the_first() -> None:
    other = day_terms("day.9", rate=SLOW)
    home, one = online(day_terms(), CHANGES)
    home.rights.append(right("right002", "day.9", ends_at=T0 + 2 * DAY_S))
    assert want(home, one, day_terms(), other, can=CHANGES) == Nothing("it has what it should have")
    owed = want(home, one, day_terms(), other, at=T0 + DAY_S, can=CHANGES)
    assert isinstance(owed, Owed)
    assert owed.moved == {"rate"}


@pytest.mark.parametrize(("rate", "moved"), [(FAST, None), (SLOW, {"rate"})])
def test_use_that_reaches_into_the_next_right_tells_of_its_rate(rate: Rate, moved: set[str] | None) -> None:
    home, one = online(QUOTA, CHANGES)
    other = day_terms("day.9", quota_bytes=100 * MIB, rate=rate)
    home.rights.append(right("right002", "day.9", ends_at=T0 + 2 * DAY_S))
    use(home, 110, QUOTA, other, can=CHANGES)
    assert [intent.reason for intent in home.intents] == ([IntentReason.TERMS] if moved else [])
    owed = want(home, one, QUOTA, other, can=CHANGES)
    assert (owed.moved if isinstance(owed, Owed) else None) == moved


def test_a_slot_that_went_to_another_device_is_not_given_twice() -> None:
    terms = day_terms(quota_bytes=100 * MIB, slow_rate=SLOW, extra_device=ExtraDevice.REJECT)
    home = subscriber(right())
    home.rights[0].used_bytes = 100 * MIB
    one = live(leases=[])
    home.sessions = [live(LAPTOP, "res0000002", leases=[]), one]
    one.right = ""
    assert want(home, one, terms) == Cut(IntentReason.ENDED)


def test_a_right_that_is_forgotten_counts_as_all_moved() -> None:
    home, one = online(QUOTA)
    one.told = Told("long-ago", 0, slowed=False)
    owed = want(home, one, QUOTA)
    assert isinstance(owed, Owed)
    assert owed.moved == {"total_bytes", "rate", "idle_s", "devices"}


def test_a_renewed_lease_is_owed() -> None:
    terms = day_terms(quota_bytes=GIB, devices=2)
    home, one = online(terms, MOVES_CAPS)
    use(home, 450, terms, can=MOVES_CAPS)
    assert [intent.reason for intent in home.intents] == [IntentReason.TERMS]
    owed = want(home, one, terms, can=MOVES_CAPS)
    assert isinstance(owed, Owed)
    assert owed.moved == {"total_bytes"}


def test_of_two_generations_of_one_uid_the_latest_is_meant() -> None:
    first, second = live(reservation="", at=T0), live(reservation="", at=T0 + 500)
    home = subscriber(right(), sessions=[first, second])
    assert session_of(home, second.uid) is second
    assert session_of(home, "nobody") is None


def test_where_a_router_did_not_obey_the_next_sessions_are_short() -> None:
    for router, until, expected in (
        (NAS, T0 + 10, SESSION_S_MAX_UNHEEDED),
        (OTHER_NAS, T0 + 10, DAY_S),
        (NAS, T0, DAY_S),
    ):
        home = subscriber(right())
        home.unheeded_on, home.unheeded_until = router, until
        accept = policy.reserve(home, ask(), nas(), world(T0, Catalogue(QUOTA)))
        assert isinstance(accept, policy.Accept)
        assert accept.limits.session_s == expected


def test_usage_above_a_rate() -> None:
    rate = Rate(64_000, 128_000)  # 24,000 bytes a second
    assert not above(rate, 24_000 * 300, 300)
    assert not above(rate, 30_000 * 300 + MIB, 300)
    assert above(rate, 30_000 * 300 + MIB + 1, 300)


def test_what_an_ordinary_session_stores_has_not_grown() -> None:
    home, _ = online(QUOTA)
    assert b'"q"' not in encode(home)
    assert enforcement.due_at(home, 0) > T0
