"""Is the wall clock known to be wrong? A box without a battery clock wakes up in 1970, or at its last shutdown.

What this knows: a reading below an instant that has passed is wrong, and so is all that follows from it until somebody
sets the clock; a wall clock that moves otherwise than the clock that only counts has been set, by whom is unknown.
What it refuses to know: which of two plausible instants is right. Nothing may expire or be granted on a Suspect clock.

A clock is trusted again when it returns to the line it left, when a first reading that was wrong (or may have been a
saved one, see `SAVED_S_MAX`) is corrected forward, or when the caller vouches for it (`synchronised`: the kernel's NTP
state, or an outside witness such as the Date of a store's answer). Zones and daylight saving do not enter: all
readings are UTC. A leap second, smeared or stepped, stays below the tolerance.

The caller passes a monotonic clock that counts from boot and also while the machine sleeps (Linux CLOCK_BOOTTIME), and
keeps `ClockGuard.last_good` in a small file, about once a minute.
"""

from enum import StrEnum
from typing import NamedTuple

RELEASE_AT = 1_793_491_200  # 2026-11-01T00:00Z: this code did not exist before; move it with each release
STEP_S_MAX = 30  # what time daemons step and leap seconds add is below 2 s; money does not notice half a minute
SAVED_S_MAX = 180  # fake-hwclock and timesyncd restore the shutdown's instant: a first reading this close may be that
BOOT_S_MAX = 900  # ... on a machine that has just booted; one that has run for longer was restarted as a process only
SETTLE_S = 600  # a first synchronisation often steps twice: coarse, then fine
FOR_EVER = 1 << 62


class SuspectReason(StrEnum):
    """Why a reading is known to be wrong."""

    BELOW_FLOOR = "below_floor"
    UNCORRECTED = "uncorrected"  # began below the floor and only ticked past it: as wrong as it was
    WENT_BACK = "went_back"
    LEAPT_AHEAD = "leapt_ahead"


class Trusted(NamedTuple):
    """Nothing speaks against this instant (UTC seconds)."""

    now: int


class Suspect(NamedTuple):
    """The wall clock is wrong, because."""

    reason: SuspectReason


class _Line(NamedTuple):
    """A pair of readings from which the next ones must follow. Before `forward_until` a leap ahead is a correction."""

    wall: int
    monotonic: int
    forward_until: int

    def step_s(self, wall: int, monotonic: int) -> int:
        """How far the wall clock was set since, forward positive."""
        return (wall - self.wall) - (monotonic - self.monotonic)


class ClockGuard:
    """Judges the readings of one process. Threads may share it: its state is replaced whole, never edited.

    `last_good` is the instant kept by an earlier run, 0 without one; `release_at` the floor that even a synchronised
    clock may not be below.
    """

    def __init__(self, last_good: int = 0, release_at: int = RELEASE_AT) -> None:
        self._release_at = release_at
        self._saved = last_good
        self._floor = max(last_good, release_at)
        self._good: _Line | None = None
        self._wrong: _Line | None = None  # where a clock that started wrong was

    @property
    def last_good(self) -> int:
        """The instant trusted last, to be kept for the next start; before the first one what the last run kept."""
        return self._good.wall if self._good else self._saved

    def judge(self, now_wall: int, now_monotonic: int, *, synchronised: bool = False) -> Trusted | Suspect:
        """Judge one pair of readings, in seconds, taken at the same moment."""
        good = self._good
        if synchronised and now_wall >= self._release_at:
            return self._vouched(now_wall, now_monotonic)
        if now_wall < self._floor - STEP_S_MAX:
            if good is None and self._wrong is None:
                self._wrong = _Line(now_wall, now_monotonic, FOR_EVER)
            return Suspect(SuspectReason.BELOW_FLOOR)
        if good is None:
            return self._begin(now_wall, now_monotonic)
        step_s = good.step_s(now_wall, now_monotonic)
        if -STEP_S_MAX <= step_s <= STEP_S_MAX:
            return self._follow(good, now_wall, now_monotonic)
        if step_s > 0 and now_monotonic < good.forward_until:
            # Set now, as was hoped for: after the fine step that may follow, no further leap is expected.
            self._good = _Line(now_wall, now_monotonic, now_monotonic + SETTLE_S)
            return Trusted(now_wall)
        return Suspect(SuspectReason.LEAPT_AHEAD if step_s > 0 else SuspectReason.WENT_BACK)

    def _vouched(self, now_wall: int, now_monotonic: int) -> Trusted:
        # Also below the floor: the floor may have been kept by a clock that was ahead (a battery clock on local time).
        self._floor = min(self._floor, max(now_wall, self._release_at))
        self._good = _Line(now_wall, now_monotonic, now_monotonic)
        return Trusted(now_wall)

    def _begin(self, now_wall: int, now_monotonic: int) -> Trusted | Suspect:
        forward_until = now_monotonic
        if self._wrong is not None:
            if self._wrong.step_s(now_wall, now_monotonic) <= STEP_S_MAX:
                return Suspect(SuspectReason.UNCORRECTED)
            forward_until += SETTLE_S
        elif now_monotonic <= BOOT_S_MAX and self._saved and now_wall - self._saved <= SAVED_S_MAX:
            forward_until = FOR_EVER  # the network may come back hours after the power did
        self._good = _Line(now_wall, now_monotonic, forward_until)
        return Trusted(now_wall)

    def _follow(self, good: _Line, now_wall: int, now_monotonic: int) -> Trusted:
        # Moving along absorbs slewing (500 ppm is 1.8 s an hour). Another thread's readings may be a second older than
        # the line: they are good, but do not move it.
        if now_wall > good.wall and now_monotonic > good.monotonic:
            self._good = _Line(now_wall, now_monotonic, good.forward_until)
        return Trusted(now_wall)
