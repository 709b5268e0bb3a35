"""From a session and what it should have now to the request for its router. Pure.

How limits are said is `radius.rlm.vendors`' business; here is decided which of those words this router's CoA carries.
"""

import msgspec

from coa.codec import Code, Request
from coa.families import Entry, Identity, Spelling, Way
from coa.outcome import Reason, Refused
from radius.domain.identity import parse_mac
from radius.domain.limits import Limits
from radius.domain.nas import Capabilities, CoaScope
from radius.rlm.vendors import PROFILES, Limit, not_carried, render


class Target(msgspec.Struct, frozen=True):
    """A live session as its router knows it. "" is what was never seen.

    `user_name` is exactly as authenticated (RFC 5176 §3), `device` the normal form of the MAC; `nas_ip` and `nas_name`
    are what the router itself sends as NAS-IP-Address and NAS-Identifier, never its address as seen from here.
    """

    acct_session_id: str
    user_name: str = ""
    device: str = ""
    framed_ip: str = ""
    nas_ip: str = ""
    nas_name: str = ""


class Change(msgspec.Struct, frozen=True):
    """A CoA-Request, and the limits of the wish that it leaves as they were.

    Where one of `unsaid` differs from what the session was given, only a Disconnect and a new log-in say it. A limit
    that the wish does not have is in `unsaid` too, on routers that keep what is not named: it cannot be lifted.
    """

    request: Request
    unsaid: frozenset[Limit]


def disconnect(target: Target, way: Way, capabilities: Capabilities) -> Request | Refused:
    """A Disconnect-Request: nothing in it but identification (RFC 5176 §3, else NAK 401)."""
    if capabilities.coa is CoaScope.NONE:
        return Refused(Reason.NO_COA)
    named = _identification(target, way)
    return named if isinstance(named, Refused) else Request(Code.DISCONNECT_REQUEST, named)


def change(target: Target, limits: Limits, way: Way, capabilities: Capabilities) -> Change | Refused:
    """A CoA-Request that gives a session `limits`, which count from its start as they do in an Accept."""
    if capabilities.coa is not CoaScope.CHANGE:
        return Refused(Reason.NO_COA if capabilities.coa is CoaScope.NONE else Reason.NO_CHANGE)
    named = _identification(target, way)
    if isinstance(named, Refused):
        return named
    if not way.changes:
        return Refused(Reason.NO_CHANGE)
    words = tuple((name, value) for name, _, value in render(limits, way.family, capabilities) if name in way.changes)
    return Change(Request(Code.COA_REQUEST, named + words), _unsaid(words, way, capabilities))


def admit(target: Target, limits: Limits, way: Way, capabilities: Capabilities) -> Request | Refused:
    """A CoA-Request that lets a device in which waits without a session; Refused where only its own log-in does."""
    if capabilities.coa is CoaScope.NONE:
        return Refused(Reason.NO_COA)
    named = _identification(target, way)
    match way.entry:
        case _ if isinstance(named, Refused):
            return named
        case Entry.STATE:
            words = tuple((name, value) for name, _, value in render(limits, way.family, capabilities))
            told = tuple(pair for pair in words if pair[0] in way.changes)
            return Request(Code.COA_REQUEST, (*named, ("ChilliSpot-Session-State", "1"), *told))
        case Entry.REAUTHENTICATE:
            return Request(Code.COA_REQUEST, (*named, ("Cisco-AVPair", "subscriber:command=reauthenticate")))
    return Refused(Reason.NO_CHANGE)


def nameable(target: Target, way: Way) -> bool:
    """Whether all is known that this family needs to find it."""
    return not isinstance(_identification(target, way), Refused)


def _identification(target: Target, way: Way) -> tuple[tuple[str, str], ...] | Refused:
    known = {
        Identity.SESSION: target.acct_session_id,
        Identity.USER: target.user_name,
        Identity.ADDRESS: target.framed_ip,
        Identity.STATION: _station(target.device, way.spelling),
        Identity.NAS_ADDRESS: target.nas_ip,
        Identity.NAS_NAME: target.nas_name,
    }
    for identity in way.needed:
        if not known[identity]:
            return Refused(Reason.IDENTITY, field=identity.value)
    return tuple((identity.value, known[identity]) for identity in (*way.needed, *way.helpful) if known[identity])


def _station(device: str, spelling: Spelling) -> str:
    """The MAC as this family writes it; "" for a device that showed none."""
    mac = parse_mac(device)
    if mac is None or spelling is Spelling.BARE:
        return mac or ""
    return "-".join(mac[at : at + 2] for at in range(0, 12, 2)).upper()


def _unsaid(words: tuple[tuple[str, str], ...], way: Way, capabilities: Capabilities) -> frozenset[Limit]:
    if way.replaces:
        return frozenset()
    profile = PROFILES[way.family]
    attributes = {Limit.IDLE: "Idle-Timeout", Limit.DEVICES: "Port-Limit"}
    if profile.byte_cap is not None:
        attributes[Limit.BYTES] = profile.byte_cap.attribute
    attributes[Limit.RATE] = profile.rate_text or next((speed.up for speed in profile.speeds), "")
    said = {name for name, _ in words}
    told = set(attributes) - not_carried(way.family, capabilities)
    return frozenset(limit for limit in told if attributes[limit] not in said)
