"""Names as they come from people and routers, parsed once into one normal form.

Sources: RFC 2865 §5.1 (User-Name), §5.31 (Calling-Station-Id), RFC 3580 §3.21 (MAC spelling); numbering plan of
the Communications Authority of Kenya (07 and 01 ranges). Knows nothing of the store.
"""

import re
from enum import StrEnum
from hashlib import blake2b
from typing import NewType

import msgspec

from radius.domain.errors import Malformed

MacAddress = NewType("MacAddress", str)  # "aabbccddeeff": twelve lower-case hex digits
NasId = NewType("NasId", str)  # the router's name in our records, never its address
SubscriberId = NewType("SubscriberId", str)  # opaque, 16 characters
ReservationId = NewType("ReservationId", str)  # opaque, 10 characters; travels in Class
SessionUid = NewType("SessionUid", str)  # 20 hex digits, computable from any packet of the session

NAME_CHARS_MAX = 253  # one RADIUS attribute (RFC 2865 §5)
CLASS_PREFIX = "wb1."

_MAC = re.compile(
    r"[0-9a-f]{2}([:\- ])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}([.\-:])[0-9a-f]{4}\2[0-9a-f]{4}"
    r"|[0-9a-f]{6}[:\-][0-9a-f]{6}|[0-9a-f]{12}"
)
_MAC_LEADING = re.compile(r"([0-9a-f]{2}([:\-])(?:[0-9a-f]{2}\2){4}[0-9a-f]{2})(?![0-9a-f])")
# 00 is how + is dialled; "tel:" is what a tapped link or a QR code leaves in front (RFC 3966).
_PHONE = re.compile(r"(?:tel:)?(?:(?:\+|00)?254|0)([17][0-9]{8})", re.IGNORECASE)
_MAC_UNMISTAKABLE = re.compile(r"..([:\-])..\1.*|.*[.:].*")  # six groups, dots or colons: nobody types a code so
_SEPARATORS = str.maketrans("", "", ":-. ")
_TYPED_NOISE = str.maketrans("", "", " -")


class NameKind(StrEnum):
    """What sort of name a User-Name is. The letter is the alias namespace in the store."""

    PHONE = "p"
    MAC = "m"
    NAME = "n"  # a voucher code or an account name; the subscriber's credential says which


class Username(msgspec.Struct, frozen=True):
    """A User-Name. `raw` is exactly what was on the wire (MS-CHAPv2 hashes it), `normal` is what we look up."""

    raw: str
    kind: NameKind
    normal: str

    @property
    def alias(self) -> str:
        """The alias it is found under, before any keyed hash, e.g. ``p:254712345678``."""
        return f"{self.kind.value}:{self.normal}"


def parse_mac(text: str) -> MacAddress | None:
    """Read a MAC address in any usual spelling; None if it is none.

    An SSID after the address (``AA-BB-CC-DD-EE-FF:guest``, RFC 3580 §3.20) is cut off.
    """
    lowered = text.strip().lower()
    if _MAC.fullmatch(lowered):
        return MacAddress(lowered.translate(_SEPARATORS))
    leading = _MAC_LEADING.match(lowered)
    return MacAddress(leading.group(1).translate(_SEPARATORS)) if leading else None


def parse_phone(text: str) -> str | None:
    """Read a Kenyan mobile number as ``2547..`` or ``2541..``; None if it is none.

    Spellings: 07.., 01.., 254.., +254.., 00254.., any of them behind ``tel:``, with spaces and dashes.
    """
    found = _PHONE.fullmatch(text.translate(_TYPED_NOISE))
    return f"254{found.group(1)}" if found else None


def parse_username(raw: str, calling: MacAddress | None) -> Username:
    """Decide what a User-Name is.

    Twelve hex digits, bare or in groups with dashes or spaces, could be a MAC, a phone (254712345678) or a voucher
    code: they are the MAC when the device itself has it; then a phone; else a code. Where the router names no device
    they are no MAC: nobody can log in by one that is not the caller's.
    Raises Malformed for an empty or over-long name, or one that is no Unicode text.
    """
    text = raw.strip()
    if not text:
        raise Malformed("User-Name", "is empty")
    if len(raw.encode(errors="surrogatepass")) > NAME_CHARS_MAX:
        raise Malformed("User-Name", f"is longer than {NAME_CHARS_MAX} bytes")
    if any("\ud800" <= character <= "\udfff" for character in raw):
        raise Malformed("User-Name", "is no Unicode text")
    mac = parse_mac(text) if len(text) <= len("aa:bb:cc:dd:ee:ff") else None
    phone = parse_phone(text)
    unmistakable = _MAC_UNMISTAKABLE.fullmatch(text) is not None
    if mac is not None and (mac == calling or unmistakable):
        return Username(raw, NameKind.MAC, mac)
    if phone is not None:
        return Username(raw, NameKind.PHONE, phone)
    normal = normal_name(text)
    if not normal:
        raise Malformed("User-Name", "has no letter or digit")
    return Username(raw, NameKind.NAME, normal)


def parse_code(code: str) -> Username:
    """A voucher code as a User-Name, whatever device will type it: twelve digits are a code here and no MAC.

    Raises Malformed for one that a device could not log in with: it would be read as a phone or as a MAC address.
    """
    text = code.strip()
    if parse_phone(text) is not None:
        raise Malformed("code", "would be read as a phone number; use another length")
    if _MAC_UNMISTAKABLE.fullmatch(text) is not None and parse_mac(text) is not None:
        raise Malformed("code", "would be read as a MAC address; write it with dashes or without")
    normal = normal_name(text)
    if not normal or len(normal) > NAME_CHARS_MAX:
        raise Malformed("code", f"must have 1 to {NAME_CHARS_MAX} letters and digits")
    return Username(code, NameKind.NAME, normal)


def parse_written(name: str) -> Username:
    """A name as an operator writes it, of whatever kind: twelve hex digits are a phone if they can be, else a MAC.

    A code or an account of twelve digits is `parse_code`'s and `parse_username`'s. Raises Malformed.
    """
    return parse_username(name, None if parse_phone(name) else parse_mac(name))


def normal_name(text: str) -> str:
    """Normal form of a code or an account name: case, spaces and dashes do not count."""
    return text.translate(_TYPED_NOISE).casefold()


def session_uid(nas: NasId, acct_session_id: str, device: str, reservation: str) -> SessionUid:
    """Name a session so that every packet of it gives the same name without a look-up.

    A router that reuses an Acct-Session-Id after a reboot gives the same uid; records tell those apart by their
    start instant.
    """
    text = f"{nas}\0{acct_session_id}\0{device}\0{reservation}"
    return SessionUid(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest())


def class_value(subscriber: SubscriberId, reservation: ReservationId) -> str:
    """Text of the Class attribute (RFC 2865 §5.25): ASCII, does not begin with ``0x``, well under 253 bytes."""
    return f"{CLASS_PREFIX}{subscriber}.{reservation}"


def parse_class(text: str) -> tuple[SubscriberId, ReservationId] | None:
    """Read our own Class back, as text or as the ``0x..`` hex that rlm_python3 hands over; None if it is not ours."""
    if text.startswith("0x"):
        try:
            text = bytes.fromhex(text[2:]).decode("ascii")
        except ValueError:
            return None
    if not text.startswith(CLASS_PREFIX):
        return None
    subscriber, dot, reservation = text[len(CLASS_PREFIX) :].partition(".")
    if not dot or not subscriber.isalnum() or not reservation.isalnum():
        return None
    return SubscriberId(subscriber), ReservationId(reservation)
