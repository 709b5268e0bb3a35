"""Who may ask the provider, and when: one rate for a shortcode, whichever process asks. GCRA with a burst of 1."""

from typing import ClassVar

import msgspec

from billing.domain.thing import Thing

SLOWED_S = 300.0  # at half the rate, after the provider said that it was too much
AHEAD_S_MAX = 3_600.0  # more than any refusal says: whoever wrote it had a wrong clock


class Turn(Thing, frozen=True, omit_defaults=True):
    """The rate of one shortcode. Instants are UTC seconds."""

    KIND: ClassVar[str] = "U"

    shortcode: str
    next_at: float = 0.0
    slow_until: float = 0.0

    @property
    def name(self) -> str:
        """The shortcode."""
        return self.shortcode

    def wait_s(self, at: float) -> float:
        """Seconds until somebody may ask; 0: now."""
        left = self.next_at - at
        return left if 0 < left <= AHEAD_S_MAX else 0.0

    def taken(self, at: float, pause_s: float) -> "Turn":
        """Somebody asks now; the next may `pause_s` later, twice that for a while after a refusal."""
        slow = at < self.slow_until <= at + AHEAD_S_MAX
        return msgspec.structs.replace(self, next_at=at + pause_s * (2 if slow else 1))

    def refused(self, at: float, wait_s: float, pause_s: float) -> "Turn":
        """The provider said: too many; not before `wait_s`."""
        return msgspec.structs.replace(self, next_at=at + max(wait_s, 2 * pause_s), slow_until=at + SLOWED_S)
