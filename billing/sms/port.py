"""The port: one message goes out, or is refused, or nobody knows."""

from enum import StrEnum
from typing import Protocol

import msgspec

from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone

TEXT_CHARS_MAX = 918  # six parts: nobody reads more, and it is charged six times


class Message(msgspec.Struct, frozen=True):
    """A text for one phone, ``2547..`` (`parse_phone`). `critical`: somebody waits for it, as for a one-time code."""

    to: str
    text: str
    critical: bool = False

    def __post_init__(self) -> None:
        """Raise Malformed, without what was in it, so that no sender meets what it cannot encode."""
        if parse_phone(self.to) != self.to:
            raise Malformed("to", "must be 2547.. or 2541..")
        if not 1 <= len(self.text) <= TEXT_CHARS_MAX or any("\ud800" <= each <= "\udfff" for each in self.text):
            raise Malformed("text", f"must be 1 to {TEXT_CHARS_MAX} Unicode characters")

    def __repr__(self) -> str:
        return f"Message(critical={self.critical})"


class Reason(StrEnum):
    """Why it was not sent: a metric's dimension, so never a gateway's free text."""

    NUMBER = "number"  # no such phone, or none that can be reached from there
    ADDRESS = "address"  # no such mailbox, or none that takes this letter
    OPTED_OUT = "opted_out"
    ACCOUNT = "account"  # credit, key, sender name: ours to put right
    REJECTED = "rejected"
    BUSY = "busy"
    NETWORK = "network"  # nothing of it left this machine
    BUDGET = "budget"


class Sent(msgspec.Struct, frozen=True):
    """The gateway took it; delivery is another matter. `id` as it calls it, empty if it does not; gateways repeat ids.

    `cost_cents` of a shilling, rounded up; None where the gateway does not say.
    """

    id: str
    cost_cents: int | None = None


class Refused(msgspec.Struct, frozen=True):
    """It was not sent and will not be. `retryable`: a later try may do better."""

    reason: Reason
    retryable: bool = False


class Unknown(msgspec.Struct, frozen=True):
    """It may have been sent: the answer was lost, or says nothing. A machine never sends it again."""


Outcome = Sent | Refused | Unknown


class Sender(Protocol):
    """What sends."""

    def send(self, message: Message) -> Outcome:
        """Send once; raises nothing."""
        ...
