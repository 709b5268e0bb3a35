"""Single attributes of an indexed packet (name -> first value): each reader gives a value or raises Malformed."""

from hashlib import blake2b
from socket import AF_INET, inet_pton

from radius.domain.errors import Malformed
from radius.domain.identity import parse_mac
from radius.domain.nas import OctetView
from radius.rlm.timestamps import parse_date

UINT32_MAX = 0xFFFF_FFFF
UINT32_DIGITS_MAX = 10
OCTETS_BYTES_MAX = 253  # one attribute

_VIEW_POINTS = ("ChilliSpot-Acct-View-Point", "CoovaChilli-Acct-View-Point", "Attr-26.14559.10")
_SSID_NAMES = ("Aruba-Essid-Name", "Ruckus-SSID")


def number(first: dict[str, str], name: str) -> int | None:
    """Read an integer attribute; None if the packet has none."""
    text = first.get(name)
    if text is None:
        return None
    if text.isdigit() and text.isascii() and len(text) <= UINT32_DIGITS_MAX:
        number = int(text)
        if number <= UINT32_MAX:
            return number
    raise Malformed(name, f"must be a whole number from 0 to {UINT32_MAX}")


def octets64(first: dict[str, str], low_name: str, high_name: str) -> int | None:
    """Join a 32-bit counter and its wraps (RFC 2869 §5.1); None if the packet has neither."""
    low = number(first, low_name)
    high = number(first, high_name)
    if high:
        return high << 32 | (low or 0)
    return low


def date(first: dict[str, str], name: str) -> int | None:
    """Read a date attribute as seconds; None if the packet has none."""
    text = first.get(name)
    return None if text is None else parse_date(name, text)


def address(first: dict[str, str], name: str) -> str:
    """Read an IPv4 address; "" if there is none, or none yet."""
    text = first.get(name)
    if not text or text == "0.0.0.0":  # noqa: S104 - "none yet" on the wire, nothing is bound to it
        return ""
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):
        raise Malformed(name, "must be an IPv4 address") from None
    return text


def source(first: dict[str, str]) -> str:
    """Where the packet came from, as unlang copied it."""
    return first.get("Packet-Src-IP-Address") or first.get("Packet-Src-IPv6-Address", "")


def octet_view(first: dict[str, str], configured: OctetView) -> OctetView:
    """CoovaChilli's VSA 10 (1 NAS view, 2 client view) outweighs what is configured: a build option changes it."""
    for name in _VIEW_POINTS:
        text = first.get(name)
        if text is not None:
            said = text.lower()
            if said in ("1", "0x00000001") or "nas" in said:
                return OctetView.NAS
            if said in ("2", "0x00000002") or "client" in said:
                return OctetView.CLIENT
    return configured


def device_key(first: dict[str, str], calling: str) -> str:
    """What stands for a device that shows no MAC: its line, else its port; never NAS-Port, which counts up per login.

    13 characters beginning with x, so that it can never be taken for a MAC. Routers that show nothing at all give
    every such caller of a subscriber the same key: they then share one slot.
    """
    text = calling.strip().lower() or first.get("NAS-Port-Id", "")
    return f"x{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"


def octets_of(name: str, text: str) -> bytes:
    """Bytes of an octets attribute."""
    try:
        if text.startswith("0x") and len(text) <= 2 + 2 * OCTETS_BYTES_MAX:
            return bytes.fromhex(text[2:])
    except ValueError:
        pass
    raise Malformed(name, "must be octets: 0x and hex digits")


def called_station(first: dict[str, str]) -> tuple[str, str]:
    """Called-Station-Id and the SSID in it (RFC 3580 §3.20: ``AA-BB-CC-DD-EE-FF:ssid``; UniFi: bare digits)."""
    text = first.get("Called-Station-Id", "")
    for length in (17, 12):
        if len(text) > length and text[length] == ":" and parse_mac(text[:length]):
            return text[:length], text[length + 1 :]
    return text, next((first[name] for name in _SSID_NAMES if name in first), "")
