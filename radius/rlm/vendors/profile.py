"""The shape of a reply profile: which limit goes into which attribute, in which unit and width. Data, no behaviour."""

from enum import StrEnum

import msgspec

from radius.domain.nas import Capabilities, Family

UINT32_MAX = 0xFFFF_FFFF  # RFC 2865 §5: "integer" is 32 bit unsigned
UINT64_MAX = 0xFFFF_FFFF_FFFF_FFFF  # an octets attribute with its Gigawords partner


class Limit(StrEnum):
    """Limits that not every router can carry. Session-Timeout, Acct-Interim-Interval and Class always go out."""

    IDLE = "idle"
    BYTES = "bytes"
    BYTES_4GIB = "bytes_4gib"  # a byte cap above 4 GiB: carried as the largest cap the router knows
    RATE = "rate"
    BURST = "burst"
    DEVICES = "devices"
    FIXED_IP = "fixed_ip"
    POOL = "pool"


class ByteCap(msgspec.Struct, frozen=True):
    """Attribute for both directions together, low 32 bits; `gigawords` carries bits 32..63, "" if there is none."""

    attribute: str
    gigawords: str = ""


class Speed(msgspec.Struct, frozen=True):
    """Two integer attributes from the customer's side; `unit_bps` is what 1 means, `least` the least to be sent."""

    up: str
    down: str
    unit_bps: int = 1
    least: int = 1


class Profile(msgspec.Struct, frozen=True):
    """One router family.

    `capabilities` are the defaults, overridable per router. `speeds` all go out together; `rate_text` is a RouterOS
    rate string instead. Words for a limit may be there though the default capability is off: then reality differs by
    version and an operator may switch it on. `names` says how the router spells MAC and user name, `change` what the
    CoA sender must know, `proof` honestly what this was proven against.
    """

    family: Family
    capabilities: Capabilities
    proof: str
    names: str
    change: str
    byte_cap: ByteCap | None = None
    speeds: tuple[Speed, ...] = ()
    rate_text: str = ""
    port_limit: bool = False
    addresses: bool = False  # Framed-IP-Address and Framed-Pool of the reply are obeyed
    wall_clock_end: bool = False  # also send WISPr-Session-Terminate-Time
    answered: frozenset[str] = frozenset()  # attributes that an Accounting-Response moves; absent ones stay


# Widely understood, bit/s. Boxes shape in kbit/s and round (pfSense: round(bps/1000), and 0 means unlimited there),
# so less than 1 kbit/s is never sent.
WISPR_SPEED = Speed("WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", least=1000)
