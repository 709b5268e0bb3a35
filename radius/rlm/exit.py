r"""The one way out: a decision as exactly what the C code of rlm_python3 takes (mod_vptuple, 3.2.5-3.2.8).

It skips an int value, an unknown name or a bad operator and lets the user in without that limit; turns numbers that do
not parse or fit into 0; reads ``\`` as an escape; cuts at NUL; crashes on a negative return code. So whatever is not
certain to arrive raises `ContractBroken`, and the hook answers with a reject or a failure, never with less.
"""

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from radius.rlm.vendors import Pair

Reply = tuple[int, dict[str, tuple[Pair, ...]]]

VALUE_BYTES_MAX = 253  # RFC 2865 §5: one attribute
VSA_VALUE_BYTES_MAX = 247  # RFC 2865 §5.26: less vendor id, type and length
PACKET_BYTES_MAX = 4096  # RFC 2865 §3; what is beyond is lost without a word
# What FreeRADIUS adds itself: header 20, Message-Authenticator 18, EAP-Message 6, two MPPE keys 116, MS-CHAP2-Success
# 51, User-Name 255; the rest is for a proxy's Proxy-State.
PACKET_BYTES_KEPT = 600
PAIRS_SEEN_MAX = 4_096  # checked pairs of replies that are remembered, some 0.5 KB each
HEADER_BYTES_MAX = 8  # of one attribute: type and length, and a vendor's the same again with its id
INTEGER_BYTES = 4  # also of an address; "7" takes four bytes
UINT32_MAX = 0xFFFF_FFFF

_OPERATORS = frozenset({":=", "+="})
_NUMBER = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_OCTETS = re.compile(r"0x(?:[0-9a-f]{2})+", re.ASCII)


class ContractBroken(RuntimeError):
    """Our own code handed over what FreeRADIUS would not take: a bug, and no accept."""


class Rcode(IntEnum):
    """rlm_rcode_t (src/include/modules.h); Python cannot return any other."""

    REJECT = 0
    FAIL = 1
    OK = 2
    HANDLED = 3
    INVALID = 4
    USERLOCK = 5
    NOTFOUND = 6
    NOOP = 7
    UPDATED = 8


def _broken(name: str, why: str) -> ContractBroken:
    # The value may be a secret and stays out of the text.
    return ContractBroken(f"{name}: {why}")


def _number(name: str, value: str) -> str:
    if not _NUMBER.fullmatch(value) or int(value) > UINT32_MAX:
        raise _broken(name, f"must be 0..{UINT32_MAX} in decimal")
    return value


def _limit(name: str, value: str) -> str:
    if _number(name, value) == "0":
        raise _broken(name, "a limit of 0 means unlimited to some routers")
    return value


def _word(name: str, value: str) -> str:
    if not _WORD.fullmatch(value):
        raise _broken(name, "must be the name of a value")
    return value


def _octets(name: str, value: str) -> str:
    if not _OCTETS.fullmatch(value) or len(value) > 2 + 2 * VALUE_BYTES_MAX:
        raise _broken(name, f"must be 0x and 1..{VALUE_BYTES_MAX} bytes in lower-case hex")
    return value


def _text(name: str, value: str) -> str:
    size = _size(name, value)
    if not 0 < size <= VALUE_BYTES_MAX or (size > VSA_VALUE_BYTES_MAX and name.startswith(_VENDORS)):
        raise _broken(name, f"must be 1..{VALUE_BYTES_MAX} bytes, {VSA_VALUE_BYTES_MAX} in a vendor's attribute")
    return value.replace("\\", "\\\\") if "\\" in value else value


def _size(name: str, value: str) -> int:
    if "\0" in value:
        raise _broken(name, "NUL would cut it short")
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise _broken(name, "must be UTF-8") from None


def _parsed(kind: type[IPv4Address | IPv6Address | IPv4Network | IPv6Network]) -> Callable[[str, str], str]:
    def check(name: str, value: str) -> str:
        if "%" not in value:  # a zone index is a name of this machine's own
            try:
                return str(kind(value))
            except ValueError:
                pass
        raise _broken(name, f"must be an {kind.__name__}")

    return check


_VENDORS = ("Mikrotik-", "ChilliSpot-", "WISPr-", "pfSense-", "Cambium-", "Airespace-", "MS-")
_IPV4, _IPV6 = _parsed(IPv4Address), _parsed(IPv6Address)

# Every attribute that we ever set, and how its value is checked; a test compares names and types with the dictionaries.
CHECKS: dict[str, Callable[[str, str], str]] = {
    "Session-Timeout": _limit,
    "Idle-Timeout": _limit,
    "Acct-Interim-Interval": _limit,
    "Port-Limit": _limit,
    "Framed-IP-Address": _IPV4,
    "Framed-Pool": _text,
    "Class": _octets,
    "Reply-Message": _text,
    "User-Name": _text,
    "EAP-Message": _octets,
    "Message-Authenticator": _octets,
    "Mikrotik-Rate-Limit": _text,
    "Mikrotik-Total-Limit": _limit,
    "Mikrotik-Total-Limit-Gigawords": _limit,
    "ChilliSpot-Max-Total-Octets": _limit,
    "ChilliSpot-Max-Total-Gigawords": _limit,
    "WISPr-Bandwidth-Max-Up": _limit,
    "WISPr-Bandwidth-Max-Down": _limit,
    "WISPr-Session-Terminate-Time": _text,
    "pfSense-Max-Total-Octets": _limit,
    "pfSense-Bandwidth-Max-Up": _limit,
    "pfSense-Bandwidth-Max-Down": _limit,
    "Cambium-Traffic-Quota-Limit-Total": _limit,
    "Cambium-Traffic-Quota-Limit-Total-Gigwords": _limit,
    "Airespace-Data-Bandwidth-Average-Contract": _limit,
    "Airespace-Data-Bandwidth-Average-Contract-Upstream": _limit,
    "Airespace-Real-Time-Bandwidth-Average-Contract": _limit,
    "Airespace-Real-Time-Bandwidth-Average-Contract-Upstream": _limit,
    "Auth-Type": _word,
    "Response-Packet-Type": _word,
    "Cleartext-Password": _text,
    "NT-Password": _octets,
    "FreeRADIUS-Client-IP-Address": _IPV4,
    "FreeRADIUS-Client-IPv6-Address": _IPV6,
    "FreeRADIUS-Client-IP-Prefix": _parsed(IPv4Network),
    "FreeRADIUS-Client-IPv6-Prefix": _parsed(IPv6Network),
    "FreeRADIUS-Client-Require-MA": _word,
    "FreeRADIUS-Client-Secret": _text,
    "FreeRADIUS-Client-Shortname": _text,
    "FreeRADIUS-Client-NAS-Type": _text,
    "FreeRADIUS-Client-Virtual-Server": _text,
    **{f"Tmp-String-{digit}": _text for digit in range(10)},
}
# What of these FreeRADIUS's own dictionaries do not have: our site dictionary does.
SITE_ATTRIBUTES = frozenset({"ChilliSpot-Max-Total-Gigawords"})


def leave(
    rcode: Rcode,
    reply: Iterable[Pair] = (),
    config: Iterable[Pair] = (),
    request: Iterable[Pair] = (),
) -> Reply:
    """Return value of a hook: code and the attributes to set, by list (`config` is what unlang calls control).

    A Reply-Message too long for one attribute is split at UTF-8 boundaries. Raises ContractBroken for anything that
    would not arrive as it is meant.
    """
    if type(rcode) is not Rcode:
        raise _broken("rcode", "must be an Rcode")
    lists: dict[str, tuple[Pair, ...]] = {}
    if said := [checked for pair in reply for checked in _seen(*_texts(pair))]:
        lists["reply"] = tuple(said)
        if packet_bytes(said) > PACKET_BYTES_MAX:
            raise _broken("reply", f"does not fit into {PACKET_BYTES_MAX} bytes")
    for name, pairs in (("config", config), ("request", request)):
        if checked_pairs := [checked for pair in pairs for checked in _check(*_texts(pair))]:
            lists[name] = tuple(checked_pairs)
    return int(rcode), lists


def _texts(pair: Pair) -> Pair:
    if type(pair) is not tuple or len(pair) != 3:
        raise _broken("pair", "must be a tuple of name, operator, value")
    name, operator, value = pair
    if not (type(name) is type(operator) is type(value) is str):
        raise _broken("pair", "must be of three texts")
    return pair


def _check(name: str, operator: str, value: str) -> tuple[Pair, ...]:
    check = CHECKS.get(name)
    if check is None:
        raise _broken(name, "is no attribute that we know")
    if operator not in _OPERATORS:
        raise _broken(name, "operator must be := or +=")
    if name == "Reply-Message" and _size(name, value) > VALUE_BYTES_MAX:
        return tuple((name, operator if first else "+=", check(name, piece)) for first, piece in _pieces(value))
    return ((name, operator, check(name, value)),)


# Most of what replies say they have said before. Secrets are in no reply, and so in no cache.
_seen = lru_cache(PAIRS_SEEN_MAX)(_check)


def _pieces(value: str) -> Iterable[tuple[bool, str]]:
    raw, start = value.encode(), 0
    while start < len(raw):
        end = min(start + VALUE_BYTES_MAX, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # never inside a character (RFC 3629 §3)
            end -= 1
        yield start == 0, raw[start:end].decode()
        start = end


def packet_bytes(reply: Iterable[Pair]) -> int:
    """Upper bound of the reply's length on the wire, with what FreeRADIUS adds itself."""
    total = PACKET_BYTES_KEPT
    for name, _, value in reply:
        total += HEADER_BYTES_MAX
        total += len(value) // 2 if CHECKS[name] is _octets else len(value.encode()) + INTEGER_BYTES
    return total
