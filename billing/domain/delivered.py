"""What became of a text message after the gateway took it."""

from typing import ClassVar

from billing.domain.thing import Thing

KEPT_S = 14 * 86_400  # reports come within days


class Delivered(Thing, frozen=True, omit_defaults=True):
    """A message, under a keyed hash of the gateway's id for it and the phone. `state` is a `DeliveryState`'s value."""

    KIND: ClassVar[str] = "DR"

    of: str
    state: str
    at: int
    failure: str = ""

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of
