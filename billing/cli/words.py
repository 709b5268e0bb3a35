"""Our own words in those of operators: why something is owed, where it stands, what ended a session."""

from collections.abc import Sequence

from radius.domain.intent import IntentReason, IntentState

REASONS: dict[IntentReason, str] = {
    IntentReason.QUOTA: "its data or time is used up",
    IntentReason.ENDED: "its package, hours or granted time are over",
    IntentReason.REPLACED: "its place went to another device",
    IntentReason.BLOCKED: "the customer is blocked, or the package was taken back",
    IntentReason.TERMS: "it has other limits than its router knows",
    IntentReason.REAUTHORIZE: "a device waits to be let in",
}
STATES: dict[IntentState, str] = {
    IntentState.PENDING: "to be sent",
    IntentState.LEASED: "being sent",
    IntentState.SENT: "sent",
    IntentState.ACKED: "the router says done; waiting to see it",
    IntentState.SUPERSEDED: "overtaken: nothing is to be done",
    IntentState.CONFIRMED: "done",
    IntentState.REFUTED: "the router said done, and it was not so",
    IntentState.REFUSED: "the router refused",
    IntentState.SILENT: "the router did not answer",
    IntentState.ESCALATED: "becomes a disconnect",
    IntentState.ABANDONED: "given up for now: tried once an hour",
}
ENDINGS: dict[str, str] = {
    "nas-reboot": "its router restarted",
    "silent": "its router said nothing more",
    "timeout": "its time was over",
    "replaced": "its place went to another device",
    "gone": "its router had it no more",
    "lapsed": "it never began",
}


def owed(reasons: Sequence[str]) -> str:
    """What routers are still to be told, `-` for nothing."""
    said = {reason.value: text for reason, text in REASONS.items()}
    return "; ".join(said.get(each, each) for each in reasons) or "-"


def ending(cause: str) -> str:
    """Why a session ended; what a router said itself is shown as it is."""
    return ENDINGS.get(cause, cause) or "-"
