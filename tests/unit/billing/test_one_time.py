import os

import pytest

from billing.domain.draw import NoChance
from billing.domain.one_time import (
    LIFE_S,
    QUIET_S,
    TABLE,
    TRIES_MAX,
    WAITS_S,
    Ask,
    OneTime,
    OneTimeEvent,
    OneTimeRefusal,
    OneTimeState,
    Pace,
    ask,
    attempt,
    issue,
    new_code,
)

KEY = b"k" * 32
PHONE, DEVICE = "254712345678", "aabbccddeeff"
NOW = 1_790_000_000
CODE = "012345"
KEPT = issue(KEY, PHONE, DEVICE, CODE, NOW)


def after(kept: OneTime | None, typed: str = CODE, now: int = NOW + 10) -> tuple[OneTimeRefusal | None, OneTime | None]:
    return attempt(kept, KEY, PHONE, DEVICE, typed, now)


def test_a_code_has_six_digits_all_alike() -> None:
    codes = [new_code(os.urandom) for _ in range(2_000)]
    assert {len(code) for code in codes} == {6}
    for place in range(6):
        assert {code[place] for code in codes} == set("0123456789")


def test_bytes_that_are_no_chance_are_refused() -> None:
    with pytest.raises(NoChance):
        new_code(lambda count: b"\xff" * count)


@pytest.mark.parametrize("typed", ["012345", "012 345", " 01-23-45 "])
def test_the_right_code_proves_the_phone_once(typed: str) -> None:
    refusal, kept = after(KEPT, typed)
    assert refusal is None
    assert kept is not None
    assert kept.state is OneTimeState.VERIFIED
    assert after(kept) == (OneTimeRefusal.VERIFIED, kept)


@pytest.mark.parametrize("typed", ["", "12345", "0123456", "01234a", "٠١٢٣٤٥", "012345\n", "012345\x00"])
def test_what_is_no_code_is_no_try(typed: str) -> None:
    assert after(KEPT, typed) == (OneTimeRefusal.SHAPE, KEPT)


def test_tries_are_counted_and_spent() -> None:
    kept: OneTime | None = KEPT
    for number in range(1, TRIES_MAX + 1):
        refusal, kept = after(kept, "999999")
        assert refusal is OneTimeRefusal.WRONG
        assert kept is not None
        assert kept.tries == number
    assert kept is not None
    assert kept.state is OneTimeState.SPENT
    assert after(kept) == (OneTimeRefusal.SPENT, kept)  # the right one comes too late


def test_the_last_try_may_be_the_right_one() -> None:
    kept: OneTime | None = KEPT
    for _ in range(TRIES_MAX - 1):
        _, kept = after(kept, "999999")
    assert after(kept)[0] is None


def test_it_ends_on_the_second() -> None:
    assert after(KEPT, now=NOW + LIFE_S - 1)[0] is None
    refusal, kept = after(KEPT, now=NOW + LIFE_S)
    assert refusal is OneTimeRefusal.EXPIRED
    assert kept is not None
    assert kept.state is OneTimeState.EXPIRED
    assert kept.tries == 0
    assert after(kept, now=NOW)[0] is OneTimeRefusal.EXPIRED  # though the clock was set back


@pytest.mark.parametrize(
    ("key", "phone", "device"),
    [(b"x" * 32, PHONE, DEVICE), (KEY, "254712345679", DEVICE), (KEY, PHONE, "aabbccddeef0")],
)
def test_it_proves_no_other_phone_on_no_other_device_under_no_other_key(key: bytes, phone: str, device: str) -> None:
    assert attempt(KEPT, key, phone, device, CODE, NOW)[0] is OneTimeRefusal.WRONG


def test_where_none_was_sent_none_is_right() -> None:
    assert after(None) == (OneTimeRefusal.NONE, None)


def test_nothing_of_the_code_is_kept_in_the_clear_and_the_same_code_twice_is_not_seen_to_be() -> None:
    assert CODE not in KEPT.digest
    assert PHONE not in KEPT.digest
    assert issue(KEY, PHONE, DEVICE, CODE, NOW + 1).digest != KEPT.digest


def test_every_cell_of_the_table() -> None:
    assert set(TABLE) == {(state, event) for state in OneTimeState for event in OneTimeEvent}
    for (state, _), result in TABLE.items():
        assert isinstance(result, OneTimeRefusal) == (state is not OneTimeState.OPEN)


def test_a_device_waits_longer_each_time_and_is_told_so() -> None:
    device, now = Pace(), NOW
    for step in (*WAITS_S, WAITS_S[-1]):
        asked = ask(Pace(), device, now)  # another phone each time: only the device is in the way
        assert (asked.ask, asked.wait_s) == (Ask.SEND, step)
        device = asked.device
        assert ask(Pace(), device, now + step - 1) == (Ask.WAIT, 1, Pace(), device)
        now += step


def test_a_phone_that_had_its_message_gets_none_and_another_device_cannot_tell() -> None:
    first = ask(Pace(), Pace(), NOW)
    second = ask(first.phone, Pace(), NOW + WAITS_S[0] - 1)
    third = ask(first.phone, Pace(), NOW + WAITS_S[0])
    assert [asked.ask for asked in (first, second, third)] == [Ask.SEND, Ask.SILENT, Ask.SEND]
    assert first.wait_s == second.wait_s == third.wait_s
    assert second.phone == first.phone
    assert second.device.count == 1


def test_a_quiet_day_is_forgiven_and_a_clock_set_back_locks_nobody_out() -> None:
    tired = Pace(50, NOW)
    assert ask(tired, tired, NOW + QUIET_S).phone == Pace(1, NOW + QUIET_S)
    assert ask(Pace(), Pace(1, NOW + 10**9), NOW).wait_s == WAITS_S[0]
