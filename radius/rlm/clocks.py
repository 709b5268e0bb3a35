"""The clocks of this process, and whether the kernel says that its wall clock is kept right.

The kernel's NTP state (adjtimex(2), Linux) is the one witness that needs no network: a time daemon that disciplines the
clock (chrony, ntpd, systemd-timesyncd) clears STA_UNSYNC; a clock set by hand, a restart, or some hours without the
daemon set it again. Where it cannot be read, the answer is no.
"""

import ctypes
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from radius.domain.clock import ClockGuard, Suspect, Trusted

STA_UNSYNC = 0x0040  # linux/timex.h
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_STATUS_OFFSET = 5 * ctypes.sizeof(ctypes.c_long)  # after modes (padded), offset, freq, maxerror, esterror
TIMEX_BYTES = 256  # struct timex takes 208 on 64-bit Linux

Adjtimex = Callable[[ctypes.Array[ctypes.c_char]], int]


def _adjtimex() -> Adjtimex | None:
    if os.uname().sysname != "Linux":
        return None
    try:
        found: Adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return found


def kernel_synchronised(adjtimex: Adjtimex | None = None) -> bool:
    """True if the kernel says that the wall clock is kept right; False when it does not or cannot say."""
    ask = adjtimex or _adjtimex()
    if ask is None:
        return False
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: only read
    state = ask(timex)
    status = ctypes.c_int.from_buffer(timex, TIMEX_STATUS_OFFSET).value
    return 0 <= state < TIME_ERROR and not status & STA_UNSYNC


def boottime() -> float:
    """Seconds since boot, asleep or not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clocks(NamedTuple):
    """The wall clock (UTC seconds), a monotonic one (seconds), one that counts from boot, and who judges them."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    boottime: Callable[[], float]
    guard: ClockGuard
    synchronised: Callable[[], bool] = kernel_synchronised

    def judge(self) -> Trusted | Suspect:
        """The wall clock in whole seconds, or why it is known to be wrong. The kernel is asked only on suspicion."""
        wall, counted = int(self.wall()), int(self.boottime())
        judged = self.guard.judge(wall, counted)
        if isinstance(judged, Suspect) and self.synchronised():
            judged = self.guard.judge(wall, counted, synchronised=True)
        return judged

    def vouch(self) -> Trusted | Suspect:
        """The same, with the kernel asked in any case: what it confirms is not expected to leap any more."""
        return self.guard.judge(int(self.wall()), int(self.boottime()), synchronised=self.synchronised())


def system_clocks(last_good: int, release_at: int) -> Clocks:
    """The clocks of this machine. `last_good`: the instant that an earlier run kept."""
    return Clocks(time.time, time.monotonic, boottime, ClockGuard(last_good, release_at))
