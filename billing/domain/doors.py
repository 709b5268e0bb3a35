"""What is known of the addresses that the provider calls about money paid by hand."""

from enum import StrEnum
from typing import ClassVar

from billing.domain.thing import Thing


class DoorState(StrEnum):
    """Where its registration stands. The value is stored."""

    OURS = "ours"  # registered: notices come
    UNKNOWN = "unknown"  # it was sent, and nobody knows what came of it: ask again
    REFUSED = "refused"  # nothing was registered
    ELSEWHERE = (
        "elsewhere"  # others are registered, by somebody else or before; only the provider's portal deletes them
    )


class Registered(Thing, frozen=True, omit_defaults=True):
    """The registration of a shortcode. `base` may be shown; of the whole address, which is secret, a hash is kept."""

    KIND: ClassVar[str] = "D"

    shortcode: str
    state: DoorState
    base: str
    hashed: str
    at: int

    @property
    def name(self) -> str:
        """The shortcode."""
        return self.shortcode
