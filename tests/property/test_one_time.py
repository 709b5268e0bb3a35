from hypothesis import given
from hypothesis import strategies as some

from billing.domain.one_time import (
    LIFE_S,
    QUIET_S,
    TRIES_MAX,
    Ask,
    OneTime,
    OneTimeRefusal,
    OneTimeState,
    Pace,
    ask,
    attempt,
    issue,
)

KEY, PHONE, DEVICE, NOW = b"k" * 32, "254712345678", "aabbccddeeff", 1_790_000_000
CODES = some.integers(0, 19).map(lambda number: f"{number:06}")  # few, so that right ones are hit
GUESSES_A_DAY_MAX = 60  # in a million
PACES = some.builds(Pace, some.integers(0, 99), some.integers(0, NOW))


@given(CODES, some.lists(some.tuples(CODES, some.integers(-60, LIFE_S))))
def test_a_code_is_right_once_at_most_within_its_tries_and_its_time(right: str, typed: list[tuple[str, int]]) -> None:
    kept: OneTime | None = issue(KEY, PHONE, DEVICE, right, NOW)
    now, wrong, proven = NOW, 0, 0
    for code, later in typed:
        now = max(now + later, NOW)
        refusal, kept = attempt(kept, KEY, PHONE, DEVICE, code, now)
        if refusal is None:
            assert code == right
            assert now < NOW + LIFE_S
            assert wrong < TRIES_MAX
        proven += refusal is None
        wrong += refusal is OneTimeRefusal.WRONG
    assert proven <= 1
    assert wrong <= TRIES_MAX
    assert kept is not None
    assert (kept.state is OneTimeState.VERIFIED) == (proven == 1)


@given(some.lists(some.tuples(some.integers(0, 5), some.integers(0, 4_000)), max_size=200))
def test_however_many_devices_ask_a_phone_gets_few_messages_a_day(asking: list[tuple[int, int]]) -> None:
    phone, now = Pace(), NOW
    devices: dict[int, Pace] = {}
    sent: list[int] = []
    for device, later in asking:
        now += later
        asked = ask(phone, devices.get(device, Pace()), now)
        phone, devices[device] = asked.phone, asked.device
        assert asked.wait_s > 0
        if asked.ask is Ask.SEND:
            sent.append(now)
    for start in sent:
        guesses = TRIES_MAX * sum(start <= at < start + QUIET_S for at in sent)
        assert guesses <= GUESSES_A_DAY_MAX


def test_the_most_persistent_get_a_dozen_messages_out_in_a_day() -> None:
    phone, sent = Pace(), 0
    for now in range(NOW, NOW + QUIET_S, 10):
        asked = ask(phone, Pace(), now)  # never the same device
        phone, sent = asked.phone, sent + (asked.ask is Ask.SEND)
    assert sent * TRIES_MAX == GUESSES_A_DAY_MAX


@given(some.lists(some.integers(0, 20_000), max_size=60))
def test_who_is_alone_with_a_phone_is_told_the_truth(pauses: list[int]) -> None:
    phone, device, now = Pace(), Pace(), NOW
    for pause in pauses:
        now += pause
        asked = ask(phone, device, now)
        phone, device = asked.phone, asked.device
        assert asked.ask is not Ask.SILENT


@given(PACES, PACES)
def test_what_a_device_is_told_does_not_depend_on_the_phone(one: Pace, other: Pace) -> None:
    for device in (Pace(), Pace(3, NOW - 40), Pace(3, NOW - 400)):
        first, second = ask(one, device, NOW), ask(other, device, NOW)
        assert (first.ask is Ask.WAIT, first.wait_s) == (second.ask is Ask.WAIT, second.wait_s)
        assert first.device == second.device
