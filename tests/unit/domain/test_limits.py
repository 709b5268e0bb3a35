"""What an accept promises: the smallest of what remains, always finite, in terms that this router can keep."""

import msgspec
import pytest

from radius.domain import lifecycle, policy
from radius.domain.identity import SubscriberId, parse_class
from radius.domain.limits import Limits
from radius.domain.nas import Capabilities, CoaScope
from radius.domain.policy import Accept
from radius.domain.terms import ExtraDevice, Hours, PeriodUnit, Rate, Window, WindowStart
from tests.unit.domain.builders import (
    CAN,
    DAY_S,
    GIB,
    MIB,
    T0,
    Catalogue,
    ask,
    capabilities,
    day_terms,
    nas,
    right,
    subscriber,
    world,
)

MONTH = Window(WindowStart.PURCHASE, 1, PeriodUnit.MONTH)
UNREACHABLE = capabilities(coa=CoaScope.NONE)
CHANGES = capabilities(coa=CoaScope.CHANGE)
SLOW = Rate(64_000, 64_000)
FAST = Rate(2_000_000, 8_000_000)
EVENING = (Hours(127, 8 * 60, 22 * 60),)  # T0 is 19:00


def limits_of(
    terms: dict[str, object],
    *,
    used: tuple[int, int] = (0, 0),
    ends_at: int = T0 + DAY_S,
    can: Capabilities = CAN,
) -> Limits:
    bought = right(ends_at=ends_at)
    bought.used_bytes, bought.used_s = used
    answer = policy.reserve(subscriber(bought), ask(), nas(can=can), world(T0, Catalogue(day_terms(**terms))))  # type: ignore[arg-type]
    assert isinstance(answer, Accept)
    return answer.limits


@pytest.mark.parametrize(
    ("terms", "used", "ends_in_s", "can", "session_s", "total_bytes"),
    [
        # Nothing but a window: up to its end, or what enforcement can still take back.
        ({}, (0, 0), DAY_S, CAN, 86_400, None),
        ({}, (0, 0), 30 * DAY_S, CAN, 604_800, None),
        ({}, (0, 0), 30 * DAY_S, UNREACHABLE, 86_400, None),
        ({}, (0, 0), 1, CAN, 1, None),
        # Data.
        ({"quota_bytes": 100 * MIB}, (0, 0), DAY_S, CAN, 86_400, 100 * MIB),
        ({"quota_bytes": 100 * MIB}, (99 * MIB, 0), DAY_S, CAN, 86_400, MIB),
        ({"quota_bytes": 6 * GIB}, (0, 0), DAY_S, CAN, 86_400, 6_442_450_944),
        # Time of use.
        ({"quota_s": 3600}, (0, 0), DAY_S, CAN, 3600, None),
        ({"quota_s": 3600}, (0, 3599), DAY_S, CAN, 1, None),
        ({"quota_s": 3600}, (0, 0), 1800, CAN, 1800, None),
        # Opening hours: three hours to 22:00.
        ({"hours": EVENING}, (0, 0), DAY_S, CAN, 10_800, None),
        ({"hours": EVENING, "quota_s": 3600}, (0, 0), DAY_S, CAN, 3600, None),
        # All of them: each the smallest.
        ({"hours": EVENING, "quota_s": 7200, "quota_bytes": 9}, (4, 200), 9000, CAN, 7000, 5),
        # A shared right: its share.
        ({"quota_bytes": 400 * MIB, "devices": 4}, (0, 0), DAY_S, CAN, 86_400, 100 * MIB),
        ({"quota_s": 3600, "devices": 4}, (0, 0), DAY_S, CAN, 900, None),
        # Slows down at the quota: by CoA where the router can be told, else it must end there and log in again.
        ({"quota_bytes": 100, "slow_rate": SLOW}, (0, 0), DAY_S, CHANGES, 86_400, None),
        ({"quota_bytes": 100, "slow_rate": SLOW}, (0, 0), DAY_S, CAN, 86_400, 100),
        ({"quota_s": 100, "slow_rate": SLOW}, (0, 0), DAY_S, CHANGES, 86_400, None),
        ({"quota_s": 100, "slow_rate": SLOW}, (0, 0), DAY_S, UNREACHABLE, 100, None),
        # Slow already: no amounts, but the window's end and the hours hold.
        ({"quota_bytes": 100, "slow_rate": SLOW}, (100, 0), DAY_S, CAN, 86_400, None),
        ({"quota_bytes": 100, "slow_rate": SLOW, "hours": EVENING}, (170, 0), DAY_S, CAN, 10_800, None),
    ],
)
def test_the_smallest_of_what_remains(
    terms: dict[str, object],
    used: tuple[int, int],
    ends_in_s: int,
    can: Capabilities,
    session_s: int,
    total_bytes: int | None,
) -> None:
    found = limits_of(terms, used=used, ends_at=T0 + ends_in_s, can=can)
    assert (found.session_s, found.total_bytes) == (session_s, total_bytes)
    assert found.ends_at == T0 + session_s


@pytest.mark.parametrize(
    ("terms", "session_s", "total_bytes"),
    [
        # Metered: the first end bounds all, or what is left of the first right would be used up on the second.
        ({"quota_bytes": 100}, 3600, 200),
        ({"quota_s": 1000}, 2000, None),
        ({"quota_s": 9000}, 3600, None),
        # Unmetered: on to the end of the last.
        ({}, 7200, None),
    ],
)
def test_a_chain_of_two_rights(terms: dict[str, object], session_s: int, total_bytes: int | None) -> None:
    home = subscriber(right("r2", ends_at=T0 + 7200), right("r1", ends_at=T0 + 3600))
    answer = policy.reserve(home, ask(), nas(), world(T0, Catalogue(day_terms(**terms))))  # type: ignore[arg-type]
    assert isinstance(answer, Accept)
    assert (answer.limits.session_s, answer.limits.total_bytes) == (session_s, total_bytes)


def test_what_else_is_promised() -> None:
    home = subscriber(right())
    home.fixed_ip, home.pool = "10.9.8.7", "homes"
    terms = day_terms(rate=FAST, idle_s=600, interim_s=120, devices=3, quota_bytes=300 * MIB)
    answer = policy.reserve(home, ask(), nas(), world(T0, Catalogue(terms)))
    assert isinstance(answer, Accept)
    assert answer.limits == Limits(
        session_s=86_400,
        interim_s=120,
        ends_at=T0 + 86_400,
        zone="Africa/Nairobi",
        class_text="wb1.abcdefghijklmnop.res0000001",
        idle_s=600,
        total_bytes=100 * MIB,
        rate=FAST,
        devices=3,
        fixed_ip="10.9.8.7",
        pool="homes",
    )
    assert parse_class(answer.limits.class_text) == (SubscriberId("abcdefghijklmnop"), "res0000001")


def test_a_fixed_address_is_for_the_device_that_came_first() -> None:
    home = subscriber(right())
    home.fixed_ip = "10.9.8.7"
    known = world(T0, Catalogue(day_terms(devices=2)))

    def told(device: str) -> str:
        answer = policy.reserve(home, ask(device), nas(), known)
        assert isinstance(answer, Accept)
        return answer.limits.fixed_ip

    assert [told("aabbccddee01"), told("aabbccddee02"), told("aabbccddee02")] == ["10.9.8.7", "", ""]
    assert told("aabbccddee01") == "10.9.8.7"  # again: it does not lose it to the other
    lifecycle.close(home, home.sessions[-1], "stop", T0)
    assert told("aabbccddee02") == "10.9.8.7"


NO_CAP = msgspec.structs.replace(CAN, byte_cap=False, byte_cap_gigawords=False)
NO_SPEED = msgspec.structs.replace(NO_CAP, rate=False)


@pytest.mark.parametrize(
    ("terms", "can", "interim_s"),
    [
        # Nothing that could run out between two reports, or nobody who could act on one.
        ({}, NO_CAP, 300),
        ({"quota_s": 600}, NO_CAP, 300),
        ({"quota_bytes": 100 * MIB}, CAN, 300),
        ({"quota_bytes": 100 * MIB}, msgspec.structs.replace(NO_CAP, coa=CoaScope.NONE), 300),
        # 100 MiB at 10 Mbit/s, both directions together, is 83 s; where the router keeps no speed, 41 s at the line's.
        ({"quota_bytes": 100 * MIB, "rate": FAST}, NO_CAP, 83),
        ({"quota_bytes": 100 * MIB, "rate": FAST}, NO_SPEED, 60),
        ({"quota_bytes": 400 * MIB}, NO_CAP, 167),
        ({"quota_bytes": GIB}, NO_CAP, 300),
        ({"quota_bytes": 100 * MIB, "rate": FAST, "interim_s": 70}, NO_CAP, 70),
        ({"quota_bytes": MIB, "rate": FAST}, NO_CAP, 60),
        # Slowed down by CoA at the quota: the cap would cut, so there is none, and reports tell.
        ({"quota_bytes": 100 * MIB, "rate": FAST, "slow_rate": SLOW}, CHANGES, 83),
        ({"quota_bytes": 100 * MIB, "rate": FAST, "slow_rate": SLOW}, CAN, 300),
    ],
)
def test_how_often_the_router_reports(terms: dict[str, object], can: Capabilities, interim_s: int) -> None:
    assert limits_of(terms, can=can).interim_s == interim_s


@pytest.mark.parametrize(("used", "rate", "slowed"), [((99, 0), FAST, False), ((100, 0), SLOW, True)])
def test_the_rate_before_and_after_the_quota(used: tuple[int, int], rate: Rate, slowed: bool) -> None:
    found = limits_of({"quota_bytes": 100, "rate": FAST, "slow_rate": SLOW}, used=used)
    assert (found.rate, found.total_bytes is None) == (rate, slowed)


def test_the_daily_quota_is_whole_again_after_midnight() -> None:
    terms = Catalogue(day_terms(window=MONTH, quota_bytes=100, period=PeriodUnit.DAY))
    bought = right(ends_at=T0 + 30 * DAY_S)
    bought.used_bytes, bought.period_ends_at = 100, T0 + 5 * 3600
    home = subscriber(bought)
    before = policy.reserve(home, ask(), nas(), world(T0 + 5 * 3600 - 1, terms))
    after = policy.reserve(home, ask(), nas(), world(T0 + 5 * 3600, terms))
    assert not isinstance(before, Accept)
    assert isinstance(after, Accept)
    assert after.limits.total_bytes == 100


def test_a_router_that_replaces_the_oldest_is_given_one_slot_more() -> None:
    assert limits_of({"devices": 2, "extra_device": ExtraDevice.REPLACE_OLDEST}).devices == 3
    assert limits_of({"devices": 2}).devices == 2
