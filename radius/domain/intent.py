"""An intent names a session and a reason, never a command (what to send is decided when it is sent; DESIGN §6)."""

from enum import StrEnum

import msgspec


class IntentReason(StrEnum):
    """Why a live session needs attention. The value is stored."""

    QUOTA = "quota"  # data or time used up: cut, or slow down where the terms say so
    ENDED = "ended"  # the right, the opening hours or the granted time came to their end
    REPLACED = "replaced"  # the slot went to another device, or the device is online elsewhere
    BLOCKED = "blocked"  # the operator, a refund or a revocation: may not be online
    TERMS = "terms"  # other limits than those it was accepted with (top-up, next right, longer lease, new period)
    REAUTHORIZE = "reauthorize"  # a payment arrived for a device that waits


class Intent(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "session": "s",
        "reason": "r",
        "version": "v",
        "created_at": "c",
        "due_at": "d",
        "lease_until": "l",
        "worker": "w",
        "attempts": "n",
    },
):
    """One pending intent about `session` (its uid; the device for REAUTHORIZE), from `version` of the aggregate on.

    `due_at` is when a worker should look next; `lease_until`/`worker` say who works on it now.
    """

    session: str
    reason: IntentReason
    version: int
    created_at: int
    due_at: int
    lease_until: int = 0
    worker: str = ""
    attempts: int = 0
