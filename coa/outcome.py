"""What became of a request, and what it means. Pure.

An `Answer` is a fact of the wire (or that it never came to it); `meaning` is the table that says what to do about it
and how to say so to an operator. Sources: RFC 5176 §3.5 and §3.6; what routers do in practice is in `coa.families`.
"""

from enum import StrEnum

import msgspec

from coa.codec import Code
from coa.families import Way


class Acked(msgspec.Struct, frozen=True):
    """The router says that it did it. Whether the session is gone, its Stop says."""

    tries: int
    round_trip_s: float  # since the last transmission
    error_cause: int | None = None  # 201: it was gone but for a rest


class Nak(msgspec.Struct, frozen=True):
    """The router refuses. `hints` are the attributes it names, `text` its Reply-Message."""

    tries: int
    round_trip_s: float
    error_cause: int | None = None
    hints: tuple[str, ...] = ()
    text: str = ""


class Silent(msgspec.Struct, frozen=True):
    """No authentic answer to any try: whether the router did it is unknown.

    `closed`: it sent ICMP "port unreachable"; nobody listens there. `ignored`: datagrams that were no answer.
    """

    tries: int
    waited_s: float
    closed: bool = False
    ignored: int = 0


class Reason(StrEnum):
    """Why a request was not sent at all. The value is stored."""

    NO_COA = "no_coa"  # this router cannot be told anything
    NO_CHANGE = "no_change"  # this router only disconnects
    IDENTITY = "identity"  # what the router needs to find the session is not known
    MALFORMED = "malformed"  # a value that no attribute can carry
    ADDRESS = "address"  # no address that a packet can be sent to
    NO_ROUTE = "no_route"  # this machine cannot send there just now: a tunnel or an interface is down
    DOWN = "down"  # the router has not answered for a while; the next trial is not due yet
    BUSY = "busy"  # too much waits already, here or for this router
    CANCELLED = "cancelled"  # overtaken while it waited, or the sender is closing


class Refused(msgspec.Struct, frozen=True):
    """Not sent. `field` is the attribute at fault; `retry_after_s` when it may be tried again (0: any time)."""

    reason: Reason
    field: str = ""
    detail: str = ""
    retry_after_s: float = 0.0


Answer = Acked | Nak | Silent | Refused


class Verdict(StrEnum):
    """What to do next. The value is stored."""

    DONE = "done"  # a Disconnect is confirmed by the Stop, a change by the ACK
    GONE = "gone"  # no such session on the router: it ended already
    CONFIGURATION = "configuration"  # will fail again until a person changes something: never retried, shown
    ESCALATE = "escalate"  # this way will not work: from a change to a Disconnect, from that to an alarm
    LATER = "later"  # nothing wrong with the request: again after a back-off, bounded
    UNKNOWN = "unknown"  # it may have been done: again, and the Stop counts
    DROPPED = "dropped"  # on purpose; whoever dropped it knows why


class Meaning(msgspec.Struct, frozen=True):
    """`name` as in RFC 5176 §3.5; `words` in plain English for an operator."""

    verdict: Verdict
    name: str
    words: str


_DONE = Meaning(Verdict.DONE, "ACK", "The router says it is done.")
_RESIDUAL = Meaning(Verdict.DONE, "Residual-Context-Removed", "It was gone; the router cleaned up what was left.")
_BARE_NAK = Meaning(Verdict.LATER, "NAK", "The router refuses and does not say why.")
_ODD_NAK = Meaning(Verdict.LATER, "NAK", "The router refuses for a reason that is not in the standard.")
_SILENT = Meaning(
    Verdict.UNKNOWN,
    "silence",
    "The router did not answer. It may be off or unreachable, its secret may differ, our address may not be allowed "
    "there, or a firewall is in between.",
)
_CLOSED = Meaning(
    Verdict.UNKNOWN,
    "port closed",
    "The router is there, but nothing listens on that port: switch incoming RADIUS on, or correct the port.",
)

CAUSES: dict[int, Meaning] = {
    401: Meaning(
        Verdict.CONFIGURATION,
        "Unsupported-Attribute",
        "The router does not know one of the attributes we sent: its family or its overrides are set wrongly.",
    ),
    402: Meaning(
        Verdict.CONFIGURATION,
        "Missing-Attribute",
        "The router wants an attribute that we did not send: its family or its overrides are set wrongly.",
    ),
    403: Meaning(
        Verdict.CONFIGURATION,
        "NAS-Identification-Mismatch",
        "The router says it is not the one we named: its NAS-IP-Address or NAS-Identifier has changed.",
    ),
    404: Meaning(
        Verdict.CONFIGURATION,
        "Invalid-Request",
        "The router finds the request wrong as a whole: its family or its overrides are set wrongly.",
    ),
    405: Meaning(
        Verdict.CONFIGURATION, "Unsupported-Service", "The router does not do this kind of request for this service."
    ),
    406: Meaning(
        Verdict.CONFIGURATION,
        "Unsupported-Extension",
        "The router does not do this kind of request.",
    ),
    407: Meaning(
        Verdict.CONFIGURATION,
        "Invalid-Attribute-Value",
        "The router does not accept a value that we sent: its family or its overrides are set wrongly.",
    ),
    501: Meaning(
        Verdict.CONFIGURATION,
        "Administratively-Prohibited",
        "The router is configured to refuse this: allow this server and this kind of request there.",
    ),
    502: Meaning(
        Verdict.CONFIGURATION, "Request-Not-Routable", "A proxy in between does not know the way to the router."
    ),
    503: Meaning(Verdict.GONE, "Session-Context-Not-Found", "The router has no such session: it ended already."),
    504: Meaning(
        Verdict.LATER, "Session-Context-Not-Removable", "The router found the session but could not end it just now."
    ),
    505: Meaning(Verdict.LATER, "Other-Proxy-Processing-Error", "A proxy in between could not pass the request on."),
    506: Meaning(Verdict.LATER, "Resources-Unavailable", "The router is too busy just now."),
    507: Meaning(
        Verdict.UNKNOWN,
        "Request-Initiated",
        "Instead of doing as told, the router will ask what the session may do.",
    ),
    508: Meaning(
        Verdict.CONFIGURATION,
        "Multiple-Session-Selection-Unsupported",
        "What we sent fits several sessions and the router takes one only: it does not go by Acct-Session-Id.",
    ),
}

_MAYBE_CUT = {405, 406, 501}  # what may not be changed may perhaps be ended

REFUSALS: dict[Reason, Meaning] = {
    Reason.NO_COA: Meaning(
        Verdict.CONFIGURATION, "not sent", "This router cannot be told anything while a session lasts: it ends "
        "by its Session-Timeout."
    ),
    Reason.NO_CHANGE: Meaning(Verdict.ESCALATE, "not sent", "This router can end a session but not change it."),
    Reason.IDENTITY: Meaning(
        Verdict.CONFIGURATION, "not sent", "What this router needs to find the session was never seen."
    ),
    Reason.MALFORMED: Meaning(Verdict.CONFIGURATION, "not sent", "A value that no packet can carry."),
    Reason.ADDRESS: Meaning(
        Verdict.CONFIGURATION, "not sent", "The router's address is none that a packet can be sent to."
    ),
    Reason.NO_ROUTE: Meaning(
        Verdict.LATER, "not sent", "This machine has no way to the router just now: its tunnel or network is down."
    ),
    Reason.DOWN: Meaning(Verdict.LATER, "not sent", "The router has not answered lately; it is tried again by itself."),
    Reason.BUSY: Meaning(Verdict.LATER, "not sent", "Too many requests wait already; it is tried again by itself."),
    Reason.CANCELLED: Meaning(Verdict.DROPPED, "not sent", "It was overtaken before it was sent."),
}  # fmt: skip


def meaning(code: Code, answer: Answer, way: Way) -> Meaning:
    """The row of the table for an answer to a Disconnect- or CoA-Request to a router of that family."""
    match answer:
        case Acked(error_cause=201):
            return _RESIDUAL
        case Acked():
            return _DONE
        case Silent(closed=closed):
            return _CLOSED if closed else _SILENT
        case Refused(reason=reason):
            return REFUSALS[reason]
        case Nak(error_cause=cause):
            return _refusal(code, cause, way)


def explain(code: Code, answer: Answer, way: Way) -> str:
    """One line for an operator: the standard's name, what it means, and what the router itself said."""
    row = meaning(code, answer, way)
    match answer:
        case Nak(error_cause=cause, hints=hints, text=text):
            named = f" It names {', '.join(hints)}." if hints else ""
            said = f' It says: "{text}"' if text else ""
            number = f"{cause} " if cause is not None else ""
            return f"{number}{row.name}: {row.words}{named}{said}"
        case Refused(field=field, detail=detail) if field or detail:
            return f"{row.name}: {row.words} ({': '.join(part for part in (field, detail) if part)})"
        case Silent(ignored=ignored) if ignored:
            return f"{row.name}: {row.words} {ignored} datagrams came that were not its answer."
    return f"{row.name}: {row.words}"


def _refusal(code: Code, cause: int | None, way: Way) -> Meaning:
    if cause is None:
        return CAUSES[way.bare_nak] if way.bare_nak else _BARE_NAK
    found = CAUSES.get(cause, _ODD_NAK)
    if cause in _MAYBE_CUT and code is Code.COA_REQUEST:
        return msgspec.structs.replace(found, verdict=Verdict.ESCALATE)
    return found
