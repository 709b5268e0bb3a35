"""The clocks of a process, and the kernel's word on them (adjtimex(2))."""

import ctypes

import pytest

from radius.domain.clock import ClockGuard, Suspect, SuspectReason, Trusted
from radius.rlm.clocks import (
    STA_UNSYNC,
    TIMEX_STATUS_OFFSET,
    Adjtimex,
    Clocks,
    boottime,
    kernel_synchronised,
    system_clocks,
)

FLOOR = 1_800_000_000
TIME_OK, TIME_INS, TIME_WAIT, TIME_ERROR = 0, 1, 4, 5
STA_PLL, STA_NANO = 0x0001, 0x2000


def kernel(state: int, status: int) -> Adjtimex:
    """An adjtimex that says so; its struct is the caller's."""

    def answer(timex: ctypes.Array[ctypes.c_char]) -> int:
        assert ctypes.c_int.from_buffer(timex, 0).value == 0, "modes 0: nothing may be set"
        ctypes.c_int.from_buffer(timex, TIMEX_STATUS_OFFSET).value = status
        return state

    return answer


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [
        (TIME_OK, STA_PLL, True),
        (TIME_OK, STA_PLL | STA_NANO, True),
        (TIME_INS, STA_PLL, True),  # a leap second is announced
        (TIME_WAIT, STA_PLL, True),
        (TIME_OK, STA_UNSYNC, False),  # set by hand, or hours without the daemon
        (TIME_OK, STA_PLL | STA_UNSYNC, False),
        (TIME_ERROR, STA_PLL, False),
        (-1, STA_PLL, False),  # refused (a container)
    ],
)
def test_the_kernels_word(state: int, status: int, synchronised: bool) -> None:
    assert kernel_synchronised(kernel(state, status)) is synchronised


def test_this_kernel_answers_one_way_or_the_other() -> None:
    assert kernel_synchronised() in (True, False)


class Machine:
    """A machine whose clocks a test sets; it notes how often the kernel was asked."""

    def __init__(self, wall: float = FLOOR + 100.9, last_good: int = 0) -> None:
        self.wall, self.counted, self.word, self.asked = wall, 5000.9, False, 0
        self.clocks = Clocks(
            lambda: self.wall, lambda: 0.0, lambda: self.counted, ClockGuard(last_good, FLOOR), self._ask
        )

    def _ask(self) -> bool:
        self.asked += 1
        return self.word

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.counted += seconds


def test_a_good_clock_is_read_in_whole_seconds_without_asking_the_kernel() -> None:
    machine = Machine()
    assert machine.clocks.judge() == Trusted(FLOOR + 100)
    machine.pass_time(60)
    assert machine.clocks.judge() == Trusted(FLOOR + 160)
    assert machine.asked == 0


@pytest.mark.parametrize(
    ("word", "judged"), [(False, Suspect(SuspectReason.LEAPT_AHEAD)), (True, Trusted(FLOOR + 9100))]
)
def test_on_suspicion_the_kernel_has_the_last_word(word: bool, judged: Trusted | Suspect) -> None:
    machine = Machine()
    machine.clocks.judge()
    machine.word, machine.wall = word, FLOOR + 9100.5
    assert machine.clocks.judge() == judged
    assert machine.asked == 1


def test_a_clock_below_the_floor_is_wrong_whatever_the_kernel_says() -> None:
    machine = Machine(wall=1.0)
    machine.word = True
    assert machine.clocks.judge() == Suspect(SuspectReason.BELOW_FLOOR)


def test_vouching_asks_in_any_case_and_ends_the_waiting_for_a_correction() -> None:
    """What the kernel confirms is not expected to leap: a battery clock that was right needs no grace."""
    machine = Machine(wall=FLOOR + 110.0, last_good=FLOOR + 50)
    machine.counted = 20.0  # just booted, at an instant close to the one kept: it may be a saved one
    machine.word = True
    assert machine.clocks.vouch() == Trusted(FLOOR + 110)
    assert machine.asked == 1
    machine.word = False
    machine.wall += 4000
    assert machine.clocks.judge() == Suspect(SuspectReason.LEAPT_AHEAD)


def test_unvouched_the_same_clock_may_still_be_corrected() -> None:
    machine = Machine(wall=FLOOR + 110.0, last_good=FLOOR + 50)
    machine.counted = 20.0
    assert machine.clocks.vouch() == Trusted(FLOOR + 110)
    machine.wall += 4000
    assert machine.clocks.judge() == Trusted(FLOOR + 4110)


def test_the_clocks_of_this_machine_move_together() -> None:
    clocks = system_clocks(0, 0)
    first = clocks.judge()
    assert isinstance(first, Trusted)
    assert abs(first.now - clocks.wall()) <= 2
    before = boottime()
    assert clocks.boottime() >= before > 0
    assert isinstance(clocks.judge(), Trusted)
