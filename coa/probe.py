"""Finds out whether a router can be told to end a session, and what it wants, without ending any.

It sends a Disconnect for a session that cannot exist. The right answer is a refusal: "no such session" proves that the
port is open, the secret is right and the router looked for it. What is tried: as plain as can be; then with both
Message-Authenticator and Event-Timestamp; then, if that helped, with one of them, to tell which.
"""

from collections.abc import Callable

import msgspec

from coa.codec import Code, Request
from coa.das import Das
from coa.families import Way
from coa.outcome import Acked, Answer, Nak, Refused, Silent, Verdict, explain, meaning
from coa.requests import Target, disconnect
from radius.rlm.vendors import CAPABILITIES, merge

Ask = Callable[[Das, Request], Answer]

NOBODY_MAC = "020000000000"  # locally administered: no device is sold with it
NOBODY_IP = "192.0.2.1"  # RFC 5737: never on a network

_OVERRIDES = {"coa_message_authenticator": "Message-Authenticator", "coa_event_timestamp": "Event-Timestamp"}

_NOTHING = (
    "No answer, whatever was tried. One of these:",
    "  - the router is off, or its address or port is another one;",
    "  - it does not listen for incoming RADIUS (CoA), or does not allow the address we send from;",
    "  - the secret differs: a router then says nothing;",
    "  - a firewall drops UDP in between, on the router itself too;",
    "  - it wants Event-Timestamp and its clock, or ours, is off by minutes.",
)


class Findings(msgspec.Struct, frozen=True):
    """`good`: sessions can be ended there. `answered`: it said something to us. `lines`: what to show.

    `wants`: the overrides without which it does not answer.
    """

    good: bool
    answered: bool
    lines: tuple[str, ...]
    wants: tuple[str, ...] = ()


def harmless(way: Way, token: str) -> Request:
    """A Disconnect in the words of this family for a session that cannot exist; `token` is random."""
    nobody = f"probe-{token}"
    target = Target(acct_session_id=nobody, user_name=nobody, device=NOBODY_MAC, framed_ip=NOBODY_IP)
    request = disconnect(target, way, merge(CAPABILITIES[way.family], {"coa": "disconnect"}))
    assert isinstance(request, Request)  # all that a family can need is there
    return request


def probe(ask: Ask, das: Das, way: Way, token: str) -> Findings:
    """Ask the router up to four times. `das` says what is configured now."""
    request = harmless(way, token)
    plain = ask(_with(das, signed=False, stamped=False), request)
    if isinstance(plain, Refused):
        return Findings(good=False, answered=False, lines=(_said(plain, way),))
    if isinstance(plain, Acked | Nak):
        return _judged(plain, way, signed=False, stamped=False)
    both = ask(_with(das, signed=True, stamped=True), request)
    if not isinstance(both, Acked | Nak):
        return _unheard(plain, both)
    signed = isinstance(ask(_with(das, signed=False, stamped=True), request), Silent)
    stamped = isinstance(ask(_with(das, signed=True, stamped=False), request), Silent)
    return _judged(both, way, signed=signed, stamped=stamped)


def probe_registered(ask: Ask, das: Das, way: Way, token: str) -> Findings:
    """The same, and `good` only if it works as the router is registered now: so the worker will ask."""
    found = probe(ask, das, way, token)
    if not found.good:
        return found
    lacks = [name for name in found.wants if not getattr(das, name.removeprefix("coa_"))]
    if lacks:
        line = f"As it is registered now it does not answer: {' and '.join(lacks)} must be set first."
    elif das.message_authenticator or das.event_timestamp:
        answer = ask(das, harmless(way, token))
        if isinstance(answer, Nak) and _judged(answer, way, signed=False, stamped=False).good:
            return found
        line = f"But not as it is registered now, with overrides that it does not take: {_said(answer, way)}"
    else:
        return found
    return msgspec.structs.replace(found, good=False, lines=(*found.lines, line))


def _said(answer: Answer, way: Way) -> str:
    return explain(Code.DISCONNECT_REQUEST, answer, way)


def _with(das: Das, *, signed: bool, stamped: bool) -> Das:
    return msgspec.structs.replace(das, message_authenticator=signed, event_timestamp=stamped)


def _judged(answer: Acked | Nak, way: Way, *, signed: bool, stamped: bool) -> Findings:
    lines = [f"The port is open and the secret is right: it answered within {answer.round_trip_s * 1000:.0f} ms."]
    wants = tuple(name for name, wanted in zip(_OVERRIDES, (signed, stamped), strict=True) if wanted)
    lines += _wishes(wants)
    if isinstance(answer, Acked):
        lines.append(
            "But it says that it ended a session that cannot exist: it does not look at Acct-Session-Id, or says yes "
            "to everything. Its word is worth nothing, and a Disconnect may hit somebody else."
        )
        return Findings(good=False, answered=True, lines=tuple(lines))
    row = meaning(Code.DISCONNECT_REQUEST, answer, way)
    lines.append(f"It answered {_said(answer, way)}")
    if row.verdict is Verdict.GONE:
        lines.append("That is the right answer to this question: sessions can be ended here.")
    elif row.verdict is Verdict.LATER and answer.error_cause is None:
        lines.append("For a session that cannot exist that is likely the right answer: sessions can be ended here.")
    else:
        lines.append("That is not the right answer to this question: sessions cannot be ended here as it is set now.")
        return Findings(good=False, answered=True, lines=tuple(lines))
    return Findings(good=True, answered=True, lines=tuple(lines), wants=wants)


def _wishes(wants: tuple[str, ...]) -> list[str]:
    lines = [f"It wants {_OVERRIDES[name]}: set the override {name}=true." for name in wants]
    return lines or ["It wants neither Message-Authenticator nor Event-Timestamp."]


def _unheard(*answers: Answer) -> Findings:
    silent = [answer for answer in answers if isinstance(answer, Silent)]
    if any(answer.closed for answer in silent):
        lines: tuple[str, ...] = (
            "The router is there, but nothing listens on that port: switch incoming RADIUS on, or use another port.",
        )
    elif ignored := sum(answer.ignored for answer in silent):
        lines = (
            f"Something answers ({ignored} datagrams), but not under this secret: it differs, or somebody forges.",
        )
    else:
        lines = _NOTHING
    return Findings(good=False, answered=False, lines=lines)
