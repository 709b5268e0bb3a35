"""Devices that wait behind a router for their payment, for a router that can only ask."""

from typing import ClassVar

import msgspec

from billing.domain.thing import Thing

WAITS_S = 900  # a prompt lives a minute, and a late success some more
MOST = 40  # of one router; with more the oldest log in by a page


class Waits(msgspec.Struct, frozen=True, array_like=True):
    """A device at its router: ``AA:BB:..`` and IPv4 address, what pays for it, since when (UTC seconds)."""

    mac: str
    ip: str
    payment: str
    at: int


class Waiters(Thing, frozen=True, omit_defaults=True):
    """All of one router, the oldest first."""

    KIND: ClassVar[str] = "WQ"

    router: str
    devices: tuple[Waits, ...] = ()

    @property
    def name(self) -> str:
        """The router."""
        return self.router

    def fresh(self, now: int) -> tuple[Waits, ...]:
        """Those who may still wait."""
        return tuple(each for each in self.devices if now < each.at + WAITS_S)

    def joined(self, device: Waits, now: int) -> "Waiters":
        """With one more, or with the same for another payment."""
        others = [each for each in self.fresh(now) if each.mac != device.mac]
        return msgspec.structs.replace(self, devices=(*others, device)[-MOST:])
