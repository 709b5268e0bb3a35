"""A code that a device shows on which nobody types."""

from typing import ClassVar

from billing.domain.thing import Thing
from radius.domain.identity import MacAddress


class Screen(Thing, frozen=True, omit_defaults=True):
    """A code that a screen shows, under a keyed hash."""

    KIND: ClassVar[str] = "SC"

    of: str
    mac: MacAddress
    until: int

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of
