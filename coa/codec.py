"""Bytes of Disconnect- and CoA-Requests, and what a datagram that comes back is worth (RFC 5176 §2.3, §3). Pure.

A `Request` is a value: what is asked, in dictionary words. `encode` gives its attributes, once; `sign` puts identifier
and authenticators around them, for each time it is asked anew (a retransmission is the same bytes, never signed again).
`read` believes nothing: until the Response Authenticator is right, no attribute is looked at, and nothing that arrives
can raise. pyrad knows names, types and widths; authenticators are computed and compared here.
"""

import hashlib
import hmac
import io
from enum import IntEnum, StrEnum
from functools import cache
from importlib import resources
from struct import pack, unpack_from

import msgspec
from pyrad.dictionary import Dictionary
from pyrad.packet import CoAPacket

from radius.domain.errors import Malformed

PACKET_BYTES_MAX = 4096  # RFC 2865 §3
HEADER_BYTES = 20
AUTHENTICATOR = slice(4, 20)
REPLY_MESSAGE, STATE, VENDOR_SPECIFIC, PROXY_STATE = 18, 24, 26, 33
EVENT_TIMESTAMP, MESSAGE_AUTHENTICATOR, ERROR_CAUSE = 55, 80, 101
BODY_BYTES_MAX = PACKET_BYTES_MAX - HEADER_BYTES - 18 - 6  # room for Message-Authenticator and Event-Timestamp
ATTRIBUTES_MAX = 32  # three times what the fullest change of ours has
VALUE_BYTES_MAX, VENDOR_VALUE_BYTES_MAX = 253, 247  # RFC 2865 §5, §5.26
UINT32_MAX = 0xFFFF_FFFF
HINTS_MAX = 16  # attributes of a NAK that are shown to an operator

_NO_AUTHENTICATOR = bytes(16)
_MESSAGE_AUTHENTICATOR_HEAD = b"\x50\x12"


class Code(IntEnum):
    """Packet codes (RFC 5176 §2.3)."""

    DISCONNECT_REQUEST = 40
    DISCONNECT_ACK = 41
    DISCONNECT_NAK = 42
    COA_REQUEST = 43
    COA_ACK = 44
    COA_NAK = 45


class Request(msgspec.Struct, frozen=True):
    """What a router is asked: attributes as (name, value) in the order in which they go out.

    Values are text as everywhere in this project: decimal numbers, dotted addresses.
    """

    code: Code
    attributes: tuple[tuple[str, str], ...]


class Fault(StrEnum):
    """Why a datagram is no answer. All are ignored and counted (RFC 5176 §2.3: silently discarded)."""

    MALFORMED = "malformed"  # lengths that cannot be
    FOREIGN = "foreign"  # answers something else: identifier or code
    FORGED = "forged"  # the Response Authenticator or the Message-Authenticator is wrong: not by who knows the secret
    UNSIGNED = "unsigned"  # no Message-Authenticator although this router must send one


class Reply(msgspec.Struct, frozen=True):
    """An authentic answer. `attributes` are (type, value) as on the wire."""

    code: Code
    attributes: tuple[tuple[int, bytes], ...] = ()

    @property
    def acked(self) -> bool:
        """Whether the router says that it did it."""
        return self.code in (Code.DISCONNECT_ACK, Code.COA_ACK)

    @property
    def error_cause(self) -> int | None:
        """Error-Cause (RFC 5176 §3.5); None where the router gives none, as many do."""
        for kind, value in self.attributes:
            if kind == ERROR_CAUSE and len(value) == 4:
                return int.from_bytes(value, "big")
        return None

    @property
    def text(self) -> str:
        """Reply-Message, made printable; "" if there is none."""
        parts = [value.decode("utf-8", "replace") for kind, value in self.attributes if kind == REPLY_MESSAGE]
        return "".join(character if character.isprintable() else "?" for character in " ".join(parts))

    @property
    def hints(self) -> tuple[str, ...]:
        """Names of the other attributes: what a router found wrong, where it shows it."""
        silent = {ERROR_CAUSE, MESSAGE_AUTHENTICATOR, EVENT_TIMESTAMP, REPLY_MESSAGE, STATE, PROXY_STATE}
        return tuple(_name(kind, value) for kind, value in self.attributes if kind not in silent)[:HINTS_MAX]


@cache
def dictionary() -> Dictionary:
    """Our trimmed dictionary, read once."""
    return Dictionary(io.StringIO(resources.files("coa").joinpath("dictionary").read_text(encoding="ascii")))


def encode(request: Request) -> bytes:
    """The attributes on the wire. Raises Malformed naming the attribute that cannot be said, or that has no value."""
    if len(request.attributes) > ATTRIBUTES_MAX:
        raise Malformed(request.attributes[ATTRIBUTES_MAX][0], f"is one of more than {ATTRIBUTES_MAX} attributes")
    packet = CoAPacket(code=request.code, id=0, secret=b"", dict=dictionary())
    for name, value in request.attributes:
        try:
            packet.AddAttribute(name, _typed(name, value))
        except (KeyError, ValueError) as refused:
            raise Malformed(name, f"cannot be sent to a router: {refused}") from refused
    body = bytes(packet.RequestPacket()[HEADER_BYTES:])
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(request.attributes[-1][0], f"makes the packet longer than {PACKET_BYTES_MAX} bytes")
    return body


def _typed(name: str, value: str) -> str | int:
    if not value:
        raise ValueError("empty (RFC 2865 §5: zero length must not be sent)")
    attribute = dictionary().attributes[name]
    if attribute.type in ("integer", "date"):
        if not (value.isascii() and value.isdecimal()) or int(value) > UINT32_MAX:
            raise ValueError(f"a whole number from 0 to {UINT32_MAX} is wanted")
        return int(value)
    if attribute.type == "octets":
        raise ValueError("no request of ours carries octets")  # pyrad would guess what the text means
    if attribute.type == "string" and len(value.encode()) > (  # a lone surrogate is a ValueError too
        VENDOR_VALUE_BYTES_MAX if attribute.vendor else VALUE_BYTES_MAX
    ):
        raise ValueError("too long for one attribute")
    return value


def sign(
    code: Code,
    identifier: int,
    body: bytes,
    secret: bytes,
    *,
    message_authenticator: bool = False,
    event_timestamp: int | None = None,
) -> bytes:
    """The whole packet. Request Authenticator as for accounting (RFC 5176 §2.3, RFC 2866 §3).

    The Message-Authenticator is computed first, over zeros in both places (§3.4), and goes first.
    `event_timestamp`: seconds of the wall clock, of the first transmission.
    """
    if event_timestamp is not None:
        body += pack("!BBI", EVENT_TIMESTAMP, 6, event_timestamp & UINT32_MAX)
    room = HEADER_BYTES + len(body) + (18 if message_authenticator else 0)
    head = pack("!BBH", code, identifier, room)
    if message_authenticator:
        blank = head + _NO_AUTHENTICATOR + _MESSAGE_AUTHENTICATOR_HEAD + _NO_AUTHENTICATOR + body
        body = _MESSAGE_AUTHENTICATOR_HEAD + hmac.digest(secret, blank, "md5") + body
    return head + _md5(head + _NO_AUTHENTICATOR + body + secret) + body


def read(data: bytes, request: bytes, secret: bytes, *, message_authenticator_required: bool = False) -> Reply | Fault:
    """Judge a datagram as the answer to `request` (the packet as it was sent); never raises.

    Octets beyond the Length field are padding (RFC 2865 §3). Both authenticators are compared in constant time.
    """
    if len(data) < HEADER_BYTES:
        return Fault.MALFORMED
    code, identifier, length = unpack_from("!BBH", data)
    if not HEADER_BYTES <= length <= min(len(data), PACKET_BYTES_MAX):
        return Fault.MALFORMED
    if identifier != request[1] or code not in (request[0] + 1, request[0] + 2):
        return Fault.FOREIGN
    data = data[:length]
    asked = request[AUTHENTICATOR]
    if not hmac.compare_digest(_md5(data[:4] + asked + data[HEADER_BYTES:] + secret), data[AUTHENTICATOR]):
        return Fault.FORGED
    attributes = _split(data)
    if attributes is None:
        return Fault.MALFORMED
    fault = _message_authenticator_fault(data, attributes, asked, secret, required=message_authenticator_required)
    return fault or Reply(Code(code), tuple(attributes))


def _split(data: bytes) -> list[tuple[int, bytes]] | None:
    """Attributes as (type, value); None if their lengths do not add up."""
    attributes, at = [], HEADER_BYTES
    while at < len(data):
        if at + 2 > len(data):
            return None
        kind, length = data[at], data[at + 1]
        if length < 2 or at + length > len(data):
            return None
        attributes.append((kind, data[at + 2 : at + length]))
        at += length
    return attributes


def _message_authenticator_fault(
    data: bytes, attributes: list[tuple[int, bytes]], asked: bytes, secret: bytes, *, required: bool
) -> Fault | None:
    """RFC 5176 §3.4: in a reply it is computed with the authenticator of the request in the header."""
    at = HEADER_BYTES
    seen: list[int] = []
    for kind, value in attributes:
        if kind == MESSAGE_AUTHENTICATOR:
            if len(value) != 16:
                return Fault.MALFORMED
            seen.append(at + 2)
        at += 2 + len(value)
    if not seen:
        return Fault.UNSIGNED if required else None
    if len(seen) > 1:
        return Fault.MALFORMED
    start = seen[0]
    blank = data[:4] + asked + data[HEADER_BYTES:start] + _NO_AUTHENTICATOR + data[start + 16 :]
    right = hmac.compare_digest(hmac.digest(secret, blank, "md5"), data[start : start + 16])
    return None if right else Fault.FORGED


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _name(kind: int, value: bytes) -> str:
    if kind == VENDOR_SPECIFIC and len(value) >= 6:
        vendor, number = unpack_from("!IB", value)
        return str(dictionary().attrindex.backward.get((vendor, number)) or f"Attr-26.{vendor}.{number}")
    return str(dictionary().attrindex.backward.get(kind) or f"Attr-{kind}")
