"""An intent names a session and a reason, never a command (what to send is decided when it is sent; DESIGN §6).

`TABLE` is its life. What is not in it cannot happen::

    pending ── claim ──> leased ── send ──> sent ── ack ──> acked ── stop, or it holds ──> confirmed
       ^                   │  │              │               └─ it stays ──> refuted ┐
       │<── lapse, hold back  └─ overtake ─> superseded      nak ──> refused         ├── retry, escalate, give up
       │                                     │               silence ──> silent      ┘
       └── retry ── escalated (a change becomes a Disconnect)         abandoned <── give up

Stored are pending, leased, acked and abandoned, and confirmed until a worker has told of it (the one that sent may have
died); those that end leave the aggregate, and the audit keeps every step.
A worker that dies leaves a lease that lapses: what it may have sent is sent again, which does no harm.
"""

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


class IntentState(StrEnum):
    """Where an intent stands. The value is stored, and is the outcome in the audit."""

    PENDING = "pending"
    LEASED = "leased"  # a worker has it until `lease_until`
    SENT = "sent"
    ACKED = "acked"  # the router says so; the effect is awaited
    SUPERSEDED = "superseded"  # nothing is to be done any more
    CONFIRMED = "confirmed"  # the effect was seen
    REFUTED = "refuted"  # acknowledged, and not so
    REFUSED = "refused"
    SILENT = "silent"
    ESCALATED = "escalated"
    ABANDONED = "abandoned"  # given up: an alarm; the Session-Timeout ends it


class Step(StrEnum):
    """What happens to an intent."""

    CLAIM = "claim"
    LAPSE = "lapse"  # its worker is gone
    OVERTAKE = "overtake"  # a payment, a new log-in, an end: the domain wants nothing now
    SEND = "send"
    HOLD_BACK = "hold back"  # not sent just now: the router is down, or too much waits
    ACK = "ack"
    NAK = "nak"
    SILENCE = "silence"
    GONE = "gone"  # the router has no such session
    STOP = "stop"  # the session's end was counted
    HOLD = "hold"  # changed terms are kept
    STAY = "stay"  # acknowledged, but the session goes on as before
    RETRY = "retry"
    ESCALATE = "escalate"
    GIVE_UP = "give up"
    ARRIVE = "arrive"  # the device that waited is online


_S, _E = IntentState, Step
ENDS = frozenset({_S.SUPERSEDED, _S.CONFIRMED})
_FAILED = (_S.REFUTED, _S.REFUSED, _S.SILENT)

TABLE: dict[tuple[IntentState, Step], IntentState] = {
    (_S.PENDING, _E.CLAIM): _S.LEASED,
    (_S.PENDING, _E.STOP): _S.SUPERSEDED,
    (_S.LEASED, _E.LAPSE): _S.PENDING,
    (_S.LEASED, _E.OVERTAKE): _S.SUPERSEDED,
    (_S.LEASED, _E.STOP): _S.SUPERSEDED,
    (_S.LEASED, _E.HOLD_BACK): _S.PENDING,
    (_S.LEASED, _E.ESCALATE): _S.ESCALATED,
    (_S.LEASED, _E.GIVE_UP): _S.ABANDONED,
    (_S.LEASED, _E.SEND): _S.SENT,
    (_S.SENT, _E.LAPSE): _S.PENDING,
    (_S.SENT, _E.ACK): _S.ACKED,
    (_S.SENT, _E.NAK): _S.REFUSED,
    (_S.SENT, _E.SILENCE): _S.SILENT,
    (_S.SENT, _E.GONE): _S.CONFIRMED,
    (_S.SENT, _E.STOP): _S.CONFIRMED,
    (_S.ACKED, _E.STOP): _S.CONFIRMED,
    (_S.ACKED, _E.HOLD): _S.CONFIRMED,
    (_S.ACKED, _E.STAY): _S.REFUTED,
    **{(state, _E.RETRY): _S.PENDING for state in (*_FAILED, _S.ESCALATED)},
    **{(state, _E.ESCALATE): _S.ESCALATED for state in _FAILED},
    **{(state, _E.GIVE_UP): _S.ABANDONED for state in _FAILED},
    **{(state, _E.STOP): _S.CONFIRMED for state in (*_FAILED, _S.ESCALATED, _S.ABANDONED)},
    (_S.ABANDONED, _E.CLAIM): _S.LEASED,  # once in a long while
    **{(state, _E.ARRIVE): _S.CONFIRMED for state in (_S.PENDING, _S.ACKED)},  # REAUTHORIZE only, as the next
    (_S.PENDING, _E.GIVE_UP): _S.ABANDONED,
}


def step(state: IntentState, *steps: Step) -> IntentState:
    """Where an intent stands after these steps; KeyError for one that cannot happen there."""
    for one in steps:
        state = TABLE[state, one]
    return state


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """A device that waits behind a portal, as its router knows it: what the portal's redirect said, else ""."""

    nas: str
    acct_session_id: str = ""
    user_name: str = ""
    framed_ip: str = ""


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
        "state": "x",
        "cut": "k",
        "mark_at": "a",
        "mark_bytes": "b",
        "waits": "h",
    },
):
    """One pending intent about `session` (its uid; the device for REAUTHORIZE), from `version` of the aggregate on.

    `due_at` is when a worker should look next; `lease_until`/`worker` say who works on it now. `cut`: a change did not
    work, so it is a Disconnect from now on. `mark_*`: how far the session was when changed terms were acknowledged, and
    when the device of a REAUTHORIZE came in.
    `waits`: where the device of a REAUTHORIZE waits; None: nobody knows, its next log-in ends it.
    """

    session: str
    reason: IntentReason
    version: int
    created_at: int
    due_at: int
    lease_until: int = 0
    worker: str = ""
    attempts: int = 0
    state: IntentState = IntentState.PENDING
    cut: bool = False
    mark_at: int = 0
    mark_bytes: int = -1
    waits: Waiting | None = None
