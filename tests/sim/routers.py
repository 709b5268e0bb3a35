"""Routers with true counters: what customers really used, and the packets that say so."""

from dataclasses import dataclass, field
from typing import NamedTuple

from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_class
from radius.domain.limits import Limits
from radius.domain.nas import Nas
from radius.domain.request import AccountingRequest, Status
from tests.sim.plan import RouterPlan

WRAP = 1 << 32


class Said(NamedTuple):
    """What a packet that was acknowledged said, unwrapped."""

    status: Status
    in_bytes: int
    out_bytes: int
    time_s: int


class Heard(NamedTuple):
    """A node took a packet of a session: when, of what instant, and by when every process knows of it."""

    at: int
    made_at: int
    known_at: int


@dataclass
class TrueSession:
    """A session as it really was. `mine` are the packets about it that the product acknowledged."""

    router: RouterPlan
    nas: Nas
    subscriber: SubscriberId
    user_name: str
    device: MacAddress
    acct_session_id: str
    limits: Limits
    degraded: bool
    began_at: int
    bps_in: int  # bytes a second
    bps_out: int
    cap_bytes: int | None
    must_end_at: int
    interims: list[int]  # the paces of reports that it was told, in order
    ended_at: int = 0
    cause: str = ""
    displaced: bool = False  # another Accept may have taken its lease
    unheeding: bool = False  # its router did not change its terms when it was told to
    heard: list[Heard] = field(default_factory=list)
    stopped: bool = False  # its Stop was counted
    mine: list[Said] = field(default_factory=list)
    counted_at: list[int] = field(default_factory=list)  # when a packet of it was counted
    reported_at: list[int] = field(default_factory=list)  # the same, of those that say what was used

    @property
    def reservation(self) -> str:
        """The reservation of the Class that the router echoes."""
        ours = parse_class(self.limits.class_text)
        return ours[1] if ours is not None and self.nas.capabilities.class_echo else ""

    @property
    def framed_ip(self) -> str:
        """The address that the router gave to the device."""
        return f"10.5.{int(self.device[-4:-2], 16)}.{int(self.device[-2:], 16) + 2}"

    @property
    def bps(self) -> int:
        """Bytes a second, both directions."""
        return self.bps_in + self.bps_out

    def lived(self, at: int) -> int:
        """Seconds of session time at an instant."""
        return max(0, min(at, self.ended_at or at) - self.began_at)

    def used(self, at: int) -> tuple[int, int]:
        """True bytes in and out at an instant. The router stops within the second in which its cap is reached."""
        lived = self.lived(at)
        full_at = self.full_at()
        if full_at is not None:
            lived = min(lived, full_at - self.began_at)
        return lived * self.bps_in, lived * self.bps_out

    def full_at(self) -> int | None:
        """When the cap is reached."""
        unlimited = self.cap_bytes is None or self.bps == 0
        return None if unlimited else self.began_at + -(-(self.cap_bytes or 0) // self.bps)

    def told_of(self, at: int) -> int:
        """Up to when its use had been counted at an instant."""
        counted = (heard.made_at for heard in self.heard if heard.at == heard.known_at < at)
        return max(counted, default=self.began_at)

    def say(self, status: Status, at: int) -> AccountingRequest:
        """The packet that the router makes at `at`."""
        total_in, total_out = self.used(at)
        wide = self.nas.capabilities.acct_gigawords
        counters = status is not Status.START
        ours = parse_class(self.limits.class_text)
        clock_s = self.router.clock_s
        return AccountingRequest(
            status=status,
            router=NasId(self.router.name),
            source="10.0.0.1",
            acct_session_id=self.acct_session_id,
            user_name=self.user_name,
            mac=self.device,
            device=self.device,
            class_of=ours if self.nas.capabilities.class_echo else None,
            in_bytes=(total_in if wide else total_in % WRAP) if counters else None,
            out_bytes=(total_out if wide else total_out % WRAP) if counters else None,
            gigawords=wide and counters,
            time_s=self.lived(at) if counters else None,
            delay_s=0,
            event_timestamp=None if clock_s is None else at + clock_s,
            original_at=None,
            cause=self.cause if status is Status.STOP else "",
            framed_ip=self.framed_ip,
            nas_ip="10.0.0.1",
            nas_identifier=self.router.name,
        )
