"""The clock guard: a table of what boxes do, and what may be believed at each moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.clock import (
    BOOT_S_MAX,
    RELEASE_AT,
    SETTLE_S,
    STEP_S_MAX,
    ClockGuard,
    Suspect,
    SuspectReason,
    Trusted,
)

KEPT = RELEASE_AT + 40 * 86_400  # what an earlier run kept
HOUR = 3600
OK = None
BELOW = SuspectReason.BELOW_FLOOR
UNCORRECTED = SuspectReason.UNCORRECTED
BACK = SuspectReason.WENT_BACK
AHEAD = SuspectReason.LEAPT_AHEAD

# name: (kept, [(wall, monotonic since boot, synchronised, verdict)])
CASES: dict[str, tuple[int, list[tuple[int, int, bool, SuspectReason | None]]]] = {
    "a healthy box, first start ever": (0, [(KEPT, 9000, False, OK), (KEPT + 60, 9060, False, OK)]),
    "no battery clock: 1970, then NTP": (
        KEPT,
        [
            (12, 12, False, BELOW),
            (40, 40, False, BELOW),
            (KEPT + HOUR, 45, False, OK),
            (KEPT + HOUR + 9, 54, False, OK),
        ],
    ),
    "1970 and never a network": (KEPT, [(12, 12, False, BELOW), (90_000, 90_000, False, BELOW)]),
    "1970 on the very first start: the release date is the floor": (0, [(12, 12, False, BELOW)]),
    "after 1970 the first synchronisation steps twice": (
        KEPT,
        [(12, 12, False, BELOW), (KEPT + HOUR, 45, False, OK), (KEPT + 2 * HOUR, 44 + SETTLE_S, False, OK)],
    ),
    "... but a leap long after is nobody's correction": (
        KEPT,
        [(12, 12, False, BELOW), (KEPT + HOUR, 45, False, OK), (KEPT + 3 * HOUR, 45 + SETTLE_S, False, AHEAD)],
    ),
    "an hourly saved clock, below what was kept, ticks past it uncorrected": (
        KEPT,
        [
            (KEPT - 600, 20, False, BELOW),
            (KEPT + 60, 680, False, UNCORRECTED),
            (KEPT + 5 * HOUR, 700, False, OK),
        ],
    ),
    "boots at the last shutdown, NTP corrects hours later": (
        KEPT,
        [(KEPT + 20, 30, False, OK), (KEPT + 20 + HOUR, 30 + HOUR, False, OK), (KEPT + 9 * HOUR, HOUR + 40, False, OK)],
    ),
    "... and only once": (
        KEPT,
        [
            (KEPT + 20, 30, False, OK),
            (KEPT + 9 * HOUR, 60, False, OK),
            (KEPT + 20 * HOUR, 70 + SETTLE_S, False, AHEAD),
        ],
    ),
    "a process restarted on a running machine has no saved clock": (
        KEPT,
        [(KEPT + 20, BOOT_S_MAX + 1, False, OK), (KEPT + 9 * HOUR, BOOT_S_MAX + 9, False, AHEAD)],
    ),
    "a saved clock that NTP confirmed is not to leap any more": (
        KEPT,
        [(KEPT + 20, 30, False, OK), (KEPT + 30, 40, True, OK), (KEPT + 9 * HOUR, 60, False, AHEAD)],
    ),
    "set back by hand, then returned": (
        0,
        [
            (KEPT, 9000, False, OK),
            (KEPT - 2 * HOUR, 9010, False, BACK),
            (KEPT - 2 * HOUR + 50, 9060, False, BACK),
            (KEPT + 70, 9070, False, OK),
        ],
    ),
    "set ahead by hand, stays wrong however long it runs, then returned": (
        0,
        [
            (KEPT, 9000, False, OK),
            (KEPT + 90 * 86_400, 9010, False, AHEAD),
            (KEPT + 95 * 86_400, 9010 + 5 * 86_400, False, AHEAD),
            (KEPT + 6 * 86_400, 9000 + 6 * 86_400, False, OK),
        ],
    ),
    "set ahead, and NTP vouches for it": (
        0,
        [
            (KEPT, 9000, False, OK),
            (KEPT + HOUR, 9010, False, AHEAD),
            (KEPT + HOUR, 9010, True, OK),
            (KEPT + HOUR + 9, 9019, False, OK),
        ],
    ),
    "battery clock on local time: three hours ahead until NTP": (
        KEPT + 3 * HOUR,
        [
            (KEPT + 3 * HOUR + 90, 30, False, OK),
            (KEPT + 95, 35, False, BELOW),
            (KEPT + 96, 36, True, OK),
            (KEPT + 97, 37, False, OK),
        ],
    ),
    "a vouched clock below the release date is a lie all the same": (0, [(RELEASE_AT - HOUR, 30, True, BELOW)]),
    "kept file far in the future: wrong until vouched for": (
        KEPT + 4000 * 86_400,
        [(KEPT, 30, False, BELOW), (KEPT + 5, 35, True, OK), (KEPT + 9, 39, False, OK)],
    ),
    "leap second repeated, and a reading of another thread a second old": (
        0,
        [(KEPT, 9000, False, OK), (KEPT, 9001, False, OK), (KEPT - 1, 8999, False, OK)],
    ),
    "the machine slept: both clocks went on": (
        0,
        [(KEPT, 9000, False, OK), (KEPT + 9 * HOUR, 9000 + 9 * HOUR, False, OK)],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_table(case: tuple[int, list[tuple[int, int, bool, SuspectReason | None]]]) -> None:
    kept, readings = case
    guard = ClockGuard(kept)
    for wall, monotonic, synchronised, reason in readings:
        expected = Trusted(wall) if reason is None else Suspect(reason)
        assert guard.judge(wall, monotonic, synchronised=synchronised) == expected, (wall - KEPT, monotonic)


def test_what_is_kept_for_the_next_start() -> None:
    guard = ClockGuard(KEPT)
    assert guard.last_good == KEPT
    guard.judge(5, 5)
    assert guard.last_good == KEPT, "a wrong reading is never kept"
    guard.judge(KEPT + 500, 10)
    assert guard.last_good == KEPT + 500
    guard.judge(KEPT + 900_000, 10 + 2 * SETTLE_S)
    assert guard.last_good == KEPT + 500, "nor one that leapt"


def test_an_older_reading_of_another_thread_does_not_move_what_is_kept() -> None:
    guard = ClockGuard()
    guard.judge(KEPT + 100, 1100)
    assert guard.judge(KEPT + 99, 1099) == Trusted(KEPT + 99)
    assert guard.last_good == KEPT + 100


@given(steps=st.lists(st.tuples(st.integers(0, 7200), st.integers(-1, 1)), max_size=60))
def test_a_slewed_or_smeared_clock_is_never_suspect(steps: list[tuple[int, int]]) -> None:
    guard = ClockGuard()
    wall, monotonic = KEPT, 5000
    guard.judge(wall, monotonic)
    for elapsed_s, drift_s in steps:
        monotonic += elapsed_s
        wall += max(0, elapsed_s + drift_s)
        assert guard.judge(wall, monotonic) == Trusted(wall)


@given(
    lead_s=st.integers(1000, 10**6),
    step_s=st.integers(-(10**7), 10**7).filter(lambda step_s: abs(step_s) > STEP_S_MAX),
    after_s=st.integers(0, 10**5),
)
def test_a_clock_that_was_set_unvouched_is_suspect_until_it_returns(lead_s: int, step_s: int, after_s: int) -> None:
    guard = ClockGuard(KEPT - 10_000)
    guard.judge(KEPT, lead_s)
    end = lead_s + after_s
    assert isinstance(guard.judge(KEPT + after_s + step_s, end), Suspect)
    assert guard.judge(KEPT + after_s, end) == Trusted(KEPT + after_s)
