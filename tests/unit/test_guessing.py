"""Limits on guessing: what a guesser gets, and what nobody else loses."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radius.domain.errors import Malformed
from radius.domain.guessing import (
    ALLOWED,
    CODES_A_MINUTE,
    CODES_BURST,
    LIMITS,
    Guard,
    Limit,
    LimitName,
    Shape,
    Table,
    check_code_length,
    guess_odds,
    shape_of,
)
from radius.domain.identity import MacAddress, NasId, parse_username

NAS = NasId("kilifi-1")
CAFE = NasId("malindi-2")
ME = MacAddress("aabbccddeeff")


def guess(guard: Guard, now_ms: int, number: int, device: str = "", nas: NasId = NAS) -> bool:
    """One unknown code from a fresh MAC (or from `device`); True if it got as far as the store."""
    name, device = f"n:guess{number}", device or f"mac{number}"
    if not guard.check(now_ms, nas, name, device, shape=Shape.CODE, known_to_node=False, remembered=None).allowed:
        return False
    guard.failed(now_ms, nas, name, device, shape=Shape.CODE, unknown=True)
    return True


def wrong_secret(guard: Guard, now_ms: int, device: str, *, remembered: bool = False) -> bool:
    allowed = guard.check(
        now_ms, NAS, "p:254712345678", device, shape=Shape.PHONE, known_to_node=True, remembered=remembered
    ).allowed
    if allowed:
        guard.failed(now_ms, NAS, "p:254712345678", device, shape=Shape.PHONE, unknown=False, remembered=remembered)
    return allowed


def test_a_guesser_with_fresh_macs_gets_the_burst_and_then_ten_a_minute() -> None:
    guard = Guard()
    at_once = sum(guess(guard, 0, number) for number in range(1000))
    assert at_once == CODES_BURST
    hour = sum(guess(guard, second * 1000, 1000 + second) for second in range(1, 3601))
    assert hour == 60 * CODES_A_MINUTE


def test_one_device_is_slowed_long_before_its_router() -> None:
    guard = Guard()
    assert sum(guess(guard, 0, number, device=ME) for number in range(100)) == 10
    verdict = guard.check(0, NAS, "n:x", ME, shape=Shape.CODE, known_to_node=False, remembered=None)
    assert verdict == (False, 30, LimitName.DEVICE_UNKNOWN)
    assert guess(guard, 0, 200), "its neighbour is not"
    assert guess(guard, 30_000, 201, device=ME), "and wait_s is the truth"
    assert guess(guard, 0, 202, device=ME, nas=CAFE), "another router counts for itself"


def test_the_limit_of_a_router_never_refuses_a_known_name() -> None:
    guard = Guard()
    while guess(guard, 0, len(guard._device_unknown)):
        pass
    assert guard.check(0, NAS, "n:new", ME, shape=Shape.CODE, known_to_node=False, remembered=None).limit == (
        LimitName.NAS_CODES
    )
    assert guard.check(0, NAS, "n:mine", ME, shape=Shape.CODE, known_to_node=True, remembered=False) is ALLOWED
    assert guard.check(0, NAS, "m:" + ME, ME, shape=Shape.OWN_DEVICE, known_to_node=False, remembered=None) is ALLOWED
    assert guard.check(0, NAS, "p:2547", ME, shape=Shape.PHONE, known_to_node=False, remembered=None) is ALLOWED


def test_mac_authentication_of_unknown_devices_is_limited_per_router_only_and_high() -> None:
    guard = Guard()
    for _ in range(LIMITS[LimitName.NAS_OTHER].burst):
        assert guard.check(0, NAS, "m:" + ME, ME, shape=Shape.OWN_DEVICE, known_to_node=False, remembered=None).allowed
        guard.failed(0, NAS, "m:" + ME, ME, shape=Shape.OWN_DEVICE, unknown=True)
    flood = guard.check(0, NAS, "m:" + ME, ME, shape=Shape.OWN_DEVICE, known_to_node=False, remembered=None)
    assert flood == (False, 1, LimitName.NAS_OTHER)
    assert guess(guard, 0, 1), "codes have a limit of their own"


def test_a_locked_out_attacker_does_not_lock_out_the_remembered_device() -> None:
    guard = Guard()
    tried = sum(wrong_secret(guard, 0, f"stranger{number}") for number in range(1000))
    assert tried == LIMITS[LimitName.WRONG_NAME].burst
    phone = "p:254712345678"
    assert guard.check(0, NAS, phone, "new", shape=Shape.PHONE, known_to_node=True, remembered=False).limit == (
        LimitName.WRONG_NAME
    )
    assert guard.check(0, NAS, phone, ME, shape=Shape.PHONE, known_to_node=True, remembered=True) is ALLOWED
    undecided = guard.check(0, NAS, phone, ME, shape=Shape.PHONE, known_to_node=True, remembered=None)
    assert undecided is ALLOWED, "decided after the read"
    assert not guard.check_name(0, phone, remembered=False).allowed
    assert guard.check_name(0, phone, remembered=True) is ALLOWED


def test_a_remembered_device_has_its_own_limit_and_does_not_shut_out_the_family() -> None:
    guard = Guard()
    assert sum(wrong_secret(guard, 0, ME, remembered=True) for _ in range(50)) == 6
    for _ in range(50):
        guard.failed(0, NAS, "p:254712345678", ME, shape=Shape.PHONE, unknown=False, remembered=True)
    assert wrong_secret(guard, 0, "sister")


def test_a_device_that_got_it_wrong_too_often_tries_again_after_two_minutes() -> None:
    guard = Guard()
    while wrong_secret(guard, 0, ME, remembered=True):
        pass
    assert not wrong_secret(guard, 119_999, ME, remembered=True)
    assert wrong_secret(guard, 120_000, ME, remembered=True)


def test_success_clears_what_the_device_got_wrong() -> None:
    guard = Guard()
    for _ in range(5):
        wrong_secret(guard, 0, ME)
    guard.succeeded("p:254712345678", ME)
    assert sum(wrong_secret(guard, 0, ME) for _ in range(50)) == 6


def test_what_was_in_flight_is_owed() -> None:
    guard = Guard()
    for number in range(CODES_BURST + 40):  # all of them had passed the check before the first one failed
        guard.failed(0, NAS, f"n:{number}", f"mac{number}", shape=Shape.CODE, unknown=True)
    assert not guess(guard, 40 * 6_000, 1)
    assert guess(guard, 41 * 6_000, 2)


def test_a_spoofed_mac_with_many_in_flight_shuts_the_true_device_out_for_minutes_at_most() -> None:
    guard = Guard()
    for _ in range(10_000):
        guard.failed(0, NAS, "p:1", ME, shape=Shape.PHONE, unknown=False, remembered=True)
    verdict = guard.check(0, NAS, "p:1", ME, shape=Shape.PHONE, known_to_node=True, remembered=True)
    assert verdict.wait_s == 14 * 60


def test_filling_the_table_does_not_reset_a_hot_cell() -> None:
    guard = Guard(entries_max=100)
    while wrong_secret(guard, 0, ME):
        pass
    for number in range(5_000):
        guard.failed(0, NAS, f"p:{number}", f"mac{number}", shape=Shape.PHONE, unknown=False)
    assert not wrong_secret(guard, 0, ME)
    assert len(guard._wrong_device) == len(guard._wrong_name) == 100


def test_threads_share_a_guard() -> None:
    guard = Guard(entries_max=50)

    def work(thread: int) -> None:
        for number in range(500):
            guess(guard, number, number, device=f"mac{thread}-{number}")
            wrong_secret(guard, number, f"mac{thread}-{number % 7}")
            guard.succeeded("p:254712345678", f"mac{thread}-{number % 7}")

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in (guard._device_unknown, guard._wrong_device, guard._wrong_name, guard._nas_codes):
        assert len(table) <= 50
        assert set(table._cells.items()) <= {(key, full_at) for full_at, key in table._order}


def test_shapes() -> None:
    assert shape_of(parse_username("0712345678", ME), ME) is Shape.PHONE
    assert shape_of(parse_username("AA-BB-CC-DD-EE-FF", ME), ME) is Shape.OWN_DEVICE
    assert shape_of(parse_username("AA-BB-CC-DD-EE-00", ME), ME) is Shape.CODE, "another's device is a guess"
    assert shape_of(parse_username("AA-BB-CC-DD-EE-FF", None), None) is Shape.CODE
    assert shape_of(parse_username("k7m2-9xqp", ME), ME) is Shape.CODE


limits = st.builds(Limit, st.integers(1, 5_000), st.integers(1, 8), st.integers(0, 8))
tries = st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 12)), max_size=150)


@given(limit=limits, entries_max=st.integers(1, 6), tries=tries)
@settings(max_examples=200)
def test_a_table_keeps_its_bound_whatever_comes(limit: Limit, entries_max: int, tries: list[tuple[int, int]]) -> None:
    table, now_ms = Table(LimitName.NAS_CODES, limit, entries_max), 0
    for elapsed_ms, key in tries:
        now_ms += elapsed_ms
        table.spend(now_ms, (str(key),))
        assert len(table) <= entries_max
        assert len(table._order) <= 2 * entries_max
        assert set(table._cells) <= {key for _, key in table._order}, "every cell can be found to be dropped"


@given(limit=limits, tries=tries)
@settings(max_examples=200)
def test_the_sustained_rate_is_never_exceeded_in_any_window(limit: Limit, tries: list[tuple[int, int]]) -> None:
    table, now_ms = Table(LimitName.NAS_CODES, limit), 0
    allowed_at: list[int] = []
    for elapsed_ms, _ in tries:
        now_ms += elapsed_ms
        if table.check(now_ms, ("k",)).allowed:
            table.spend(now_ms, ("k",))
            allowed_at.append(now_ms)
    for first, start in enumerate(allowed_at):
        for last in range(first, len(allowed_at)):
            assert last - first + 1 <= limit.burst + (allowed_at[last] - start) // limit.interval_ms


@given(limit=limits, tries=tries)
def test_the_wait_that_is_told_is_enough_and_not_a_second_too_long(limit: Limit, tries: list[tuple[int, int]]) -> None:
    table, now_ms = Table(LimitName.NAS_CODES, limit), 0
    for elapsed_ms, _ in tries:
        now_ms += elapsed_ms
        table.spend(now_ms, ("k",))
        verdict = table.check(now_ms, ("k",))
        if not verdict.allowed:
            assert table.check(now_ms + verdict.wait_s * 1000, ("k",)).allowed
            assert not table.check(now_ms + verdict.wait_s * 1000 - 1000, ("k",)).allowed


@given(tries=tries, hot=st.integers(2, 8))
def test_only_hotter_cells_push_a_cell_out(tries: list[tuple[int, int]], hot: int) -> None:
    limit = Limit(1_000_000, burst=hot, owed_max=0)
    table = Table(LimitName.WRONG_NAME, limit, 4)
    for _ in range(hot):
        table.spend(0, ("victim",))
    spent = dict.fromkeys(range(13), 0)
    for _, key in tries:
        table.spend(0, (str(key),))
        spent[key] += 1
    if sum(count >= hot for count in spent.values()) < 4:
        assert not table.check(0, ("victim",)).allowed


def test_odds_count_every_router_and_node() -> None:
    odds = guess_odds(32, 8, live_codes=1_000, nas_count=1)
    assert odds.guesses_a_year == 10 * 525_600 + 60
    assert odds.hits_a_year == pytest.approx(5_256_060 * 1_000 / 32**8)
    assert odds.one_in == pytest.approx(1 / odds.hits_a_year)
    assert guess_odds(32, 8, 1_000, nas_count=5, node_count=2).guesses_a_year == 10 * odds.guesses_a_year
    assert guess_odds(32, 8, 0, nas_count=1).hits_a_year == 0


def test_a_guessable_length_is_refused_with_the_odds_in_words() -> None:
    with pytest.raises(Malformed) as refused:
        check_code_length(10, 8, live_codes=1_000, nas_count=1)
    assert str(refused.value) == (
        "code length: 8 characters out of 10 are too few: whoever keeps trying at 1 router (5,256,060 guesses a year) "
        "would hit one of 1,000 live codes about 53 times a year; use at least 11"
    )
    with pytest.raises(Malformed, match=r"within a year with a probability of up to 1 in 1\.9; use at least 11"):
        check_code_length(10, 10, live_codes=1_000, nas_count=1)
    assert check_code_length(10, 11, live_codes=1_000, nas_count=1).one_in == pytest.approx(19.03, abs=0.01)


@given(alphabet=st.integers(2, 36), length=st.integers(1, 12), live=st.integers(0, 10**6), routers=st.integers(1, 5000))
def test_the_length_that_is_advised_passes_and_one_less_does_not(
    alphabet: int, length: int, live: int, routers: int
) -> None:
    try:
        assert check_code_length(alphabet, length, live, routers).hits_a_year <= 0.1 + 1e-9
    except Malformed as refused:
        enough = int(refused.fix.rsplit(" ", 1)[1])
        assert enough > length
        assert check_code_length(alphabet, enough, live, routers)
        with pytest.raises(Malformed):
            check_code_length(alphabet, enough - 1, live, routers)


@pytest.mark.parametrize(("alphabet", "length"), [(1, 9), (32, 0), (32, 65)])
def test_nonsense_is_refused(alphabet: int, length: int) -> None:
    with pytest.raises(Malformed):
        check_code_length(alphabet, length, 1, 1)
