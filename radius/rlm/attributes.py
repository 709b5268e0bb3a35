"""From the pairs that rlm_python3 hands over to typed values; every bad value is Malformed and names its attribute.

What FreeRADIUS gives (measured on 3.2.7): a tuple of (name, value) text pairs in packet order, names repeated where
the attribute is; octets as ``0x`` and hex; enumerations by dictionary name; dates as text. Where an attribute is
repeated, the first one counts, as it does in FreeRADIUS's own modules: the name we look up is the name it checks.

What unlang must copy into the request, because rlm_python3 does not show it:

=========================  ==============================================================================
Packet-Src-IP-Address      ``"%{Packet-Src-IP-Address}"``, or Packet-Src-IPv6-Address
Tmp-String-0               name of the router (``%{client:shortname}``)
Tmp-String-1               token that authorize left for post_auth (`request` list of our own reply)
Tmp-String-2               port pair, ``A`` or ``B``
Tmp-String-3               ``inner`` or ``outer`` inside and around an EAP tunnel
Tmp-String-4               ``rejected`` when post_auth runs because the secret was wrong
Tmp-String-5               ``escaped`` when some text was not UTF-8 and had bytes replaced
Tmp-Octets-0               ``"%{Packet-Authentication-Vector}"``: the CHAP challenge of a request without CHAP-Challenge
                           (RFC 2865 §2.2); rlm_chap reads it from the packet itself and adds no attribute
=========================  ==============================================================================
"""

from collections.abc import Sequence

import msgspec

from radius.domain.errors import Malformed
from radius.domain.identity import (
    MacAddress,
    NasId,
    ReservationId,
    SubscriberId,
    Username,
    parse_class,
    parse_mac,
    parse_username,
)
from radius.domain.nas import OctetView, PortPair
from radius.domain.request import AccessRequest, AccountingRequest, Chap, Method, Status, Tunnel
from radius.domain.terms import Service
from radius.rlm import fields

Pairs = Sequence[tuple[str, str]]

CHAP_BYTES = 17  # RFC 2865 §5.3: identifier and MD5

_PPPOE_PORTS = frozenset({"PPPoA", "PPPoEoA", "PPPoEoE", "PPPoEoVLAN", "PPPoEoQinQ"})
_FRAMED_PORTS = frozenset({"Ethernet", "Virtual"})


_STATUS = {
    "Start": Status.START,
    "Interim-Update": Status.INTERIM,
    "Alive": Status.INTERIM,  # the older name of the same value in FreeRADIUS's dictionary
    "Stop": Status.STOP,
    "Accounting-On": Status.ON,
    "Accounting-Off": Status.OFF,
}
_OF_A_SESSION = frozenset({"Start", "Interim-Update", "Alive", "Stop"})


class Attributes(msgspec.Struct, frozen=True):
    """A packet's pairs, indexed once. `first` has the first value of each name; `pairs` keeps repeated ones."""

    first: dict[str, str]
    pairs: Pairs

    @property
    def router(self) -> NasId:
        """Name of the router in our records, "" when unlang did not say it."""
        return NasId(self.first.get("Tmp-String-0", ""))

    @property
    def token(self) -> str:
        """What authorize left for the later hooks, "" before it."""
        return self.first.get("Tmp-String-1", "")

    @property
    def subscriber(self) -> SubscriberId | None:
        """Whose session it is, if our Class says so."""
        ours = _class(self)
        return ours[0] if ours is not None else None

    @property
    def rejected(self) -> bool:
        """Post_auth runs because the secret was wrong."""
        return "Tmp-String-4" in self.first


def index(pairs: Pairs) -> Attributes:
    """Index a packet once. Raises Malformed for anything but pairs of text."""
    try:
        return Attributes(dict(reversed(pairs)), pairs)
    except (TypeError, ValueError) as shape:
        raise Malformed("request", "must be a sequence of (name, value) pairs") from shape


def parse_access(attributes: Attributes) -> AccessRequest:
    """Read an Access-Request; raises Malformed naming the first bad attribute."""
    first = attributes.first
    get = first.get
    calling = get("Calling-Station-Id", "")
    mac = parse_mac(calling) if calling else None
    called, ssid = fields.called_station(first)
    method = _method(first)
    return AccessRequest(
        username=_username(get("User-Name", ""), mac),
        mac=mac,
        device=mac or fields.device_key(first, calling),
        service=_service(first),
        method=method,
        password=get("User-Password", "") if method is Method.PAP else None,
        chap=_chap(first) if method is Method.CHAP else None,
        router=attributes.router,
        pair=_pair(get("Tmp-String-2")),
        source=fields.source(first),
        nas_identifier=get("NAS-Identifier", ""),
        nas_ip=fields.address(first, "NAS-IP-Address"),
        nas_port_id=get("NAS-Port-Id", ""),
        nas_port_type=get("NAS-Port-Type", ""),
        called_station=called,
        ssid=ssid,
        framed_ip=fields.address(first, "Framed-IP-Address"),
        acct_session_id=get("Acct-Session-Id", ""),
        message_authenticator="Message-Authenticator" in first,
        tunnel=_tunnel(get("Tmp-String-3", "")),
        token=attributes.token,
        escaped="Tmp-String-5" in first,
    )


def parse_accounting(attributes: Attributes, octet_view: OctetView) -> AccountingRequest:
    """Read an Accounting-Request of a router whose octets take `octet_view` unless the packet says otherwise.

    Raises Malformed naming the first bad attribute. Accounting-On/Off need neither a name nor a session.
    """
    first = attributes.first
    get = first.get
    status = _status(first)
    calling = get("Calling-Station-Id", "")
    mac = parse_mac(calling) if calling else None
    in_bytes = fields.octets64(first, "Acct-Input-Octets", "Acct-Input-Gigawords")
    out_bytes = fields.octets64(first, "Acct-Output-Octets", "Acct-Output-Gigawords")
    if fields.octet_view(first, octet_view) is OctetView.CLIENT:
        in_bytes, out_bytes = out_bytes, in_bytes
    return AccountingRequest(
        status=status,
        router=attributes.router,
        source=fields.source(first),
        acct_session_id=get("Acct-Session-Id", ""),
        user_name=get("User-Name", ""),
        mac=mac,
        device=mac or fields.device_key(first, calling),
        class_of=_class(attributes),
        in_bytes=in_bytes,
        out_bytes=out_bytes,
        gigawords="Acct-Input-Gigawords" in first or "Acct-Output-Gigawords" in first,
        time_s=fields.number(first, "Acct-Session-Time"),
        delay_s=fields.number(first, "Acct-Delay-Time"),
        event_timestamp=fields.date(first, "Event-Timestamp"),
        original_at=fields.date(first, "Packet-Original-Timestamp"),
        cause=get("Acct-Terminate-Cause", ""),
        framed_ip=fields.address(first, "Framed-IP-Address"),
        nas_ip=fields.address(first, "NAS-IP-Address"),
        nas_identifier=get("NAS-Identifier", ""),
    )


def _username(raw: str, mac: MacAddress | None) -> Username:
    try:
        return parse_username(raw, mac)
    except UnicodeEncodeError:  # lone surrogates: only a spool file can hold them
        raise Malformed("User-Name", "must be UTF-8") from None


def _status(first: dict[str, str]) -> Status:
    text = first.get("Acct-Status-Type")
    if text is None:
        raise Malformed("Acct-Status-Type", "is missing")
    if text in _OF_A_SESSION and not first.get("Acct-Session-Id"):
        raise Malformed("Acct-Session-Id", f"is missing in a {text}")
    return _STATUS.get(text, Status.IGNORED)


def _class(attributes: Attributes) -> tuple[SubscriberId, ReservationId] | None:
    """Our own Class; a proxy or the router may add others (RFC 2865 §5.25 allows several)."""
    text = attributes.first.get("Class")
    if text is None:
        return None
    ours = parse_class(text)
    if ours is None and len(attributes.pairs) != len(attributes.first):
        for name, value in attributes.pairs:
            if name == "Class":
                ours = parse_class(value)
                if ours is not None:
                    break
    return ours


def _service(first: dict[str, str]) -> Service:
    """PPPoE or hotspot.

    MikroTik (and any PPP server) sends Framed-Protocol PPP for PPPoE and never for its hotspot; Cisco and others name
    the port PPPoEo*. A server that leaves Framed-Protocol out is recognised by Framed-User on an Ethernet or virtual
    port without EAP: with EAP that is a wired 802.1X port. CoovaChilli, UniFi, pfSense and OPNsense say Login-User or
    a protocol that is not PPP; access points with 802.1X say Framed-User on Wireless-802.11: hotspot, all of them.
    """
    protocol = first.get("Framed-Protocol")
    if protocol == "PPP" or first.get("NAS-Port-Type") in _PPPOE_PORTS:
        return Service.PPPOE
    if (
        protocol is None
        and first.get("Service-Type") == "Framed-User"
        and first.get("NAS-Port-Type") in _FRAMED_PORTS
        and "EAP-Message" not in first
    ):
        return Service.PPPOE
    return Service.HOTSPOT


def _method(first: dict[str, str]) -> Method:
    """EAP outweighs all (RFC 3579 §3.1: no other secret may ride with it)."""
    if "EAP-Message" in first:
        return Method.EAP
    if "MS-CHAP2-Response" in first or "MS-CHAP-Response" in first:
        return Method.MSCHAP
    if "CHAP-Password" in first:
        return Method.CHAP
    return Method.PAP if "User-Password" in first else Method.NONE


def _chap(first: dict[str, str]) -> Chap:
    password = fields.octets_of("CHAP-Password", first["CHAP-Password"])
    if len(password) != CHAP_BYTES:
        raise Malformed("CHAP-Password", f"must be {CHAP_BYTES} bytes")
    for name in ("CHAP-Challenge", "Tmp-Octets-0"):
        if name in first:
            return Chap(password[0], password[1:], fields.octets_of(name, first[name]) or None)
    return Chap(password[0], password[1:], None)


def _pair(text: str | None) -> PortPair | None:
    if text is None:
        return None
    try:
        return PortPair(text)
    except ValueError:
        raise Malformed("Tmp-String-2", "must be A or B") from None


def _tunnel(text: str) -> Tunnel:
    try:
        return Tunnel(text)
    except ValueError:
        raise Malformed("Tmp-String-3", "must be inner or outer") from None
