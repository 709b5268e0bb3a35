"""What the RADIUS edge hands to the services: one parsed packet as one value."""

from enum import StrEnum

import msgspec

from radius.domain.identity import MacAddress, NasId, ReservationId, SubscriberId, Username, parse_username
from radius.domain.moment import Moment, event_instant
from radius.domain.nas import PortPair
from radius.domain.terms import Service


class Method(StrEnum):
    """How the secret comes. NONE: no secret at all (some MAC log-ins)."""

    PAP = "pap"
    CHAP = "chap"
    MSCHAP = "mschap"
    EAP = "eap"
    NONE = "none"


class Tunnel(StrEnum):
    """Where in an EAP conversation a request stands."""

    NONE = ""
    INNER = "inner"
    OUTER = "outer"


class Status(StrEnum):
    """Acct-Status-Type (RFC 2866 §5.1); what else exists there (tunnels, Failed) is IGNORED: answered, not counted."""

    START = "start"
    INTERIM = "interim"
    STOP = "stop"
    ON = "on"
    OFF = "off"
    IGNORED = "ignored"


class Chap(msgspec.Struct, frozen=True):
    """CHAP (RFC 2865 §2.2): `response` must be MD5(identifier + secret + challenge).

    `challenge` None: the request has no CHAP-Challenge and unlang did not copy the authenticator; only rlm_chap can
    check it then.
    """

    identifier: int
    response: bytes
    challenge: bytes | None


class AccessRequest(msgspec.Struct, frozen=True):
    """An Access-Request. `device` names the caller's device: its MAC, else something stable for one that shows none."""

    username: Username
    mac: MacAddress | None
    device: str
    service: Service
    method: Method
    password: str | None
    chap: Chap | None
    router: NasId
    pair: PortPair | None
    source: str
    nas_identifier: str
    nas_ip: str
    nas_port_id: str
    nas_port_type: str
    called_station: str
    ssid: str
    framed_ip: str
    acct_session_id: str
    message_authenticator: bool
    tunnel: Tunnel
    token: str
    escaped: bool


class AccountingRequest(msgspec.Struct, frozen=True):
    """An Accounting-Request. Bytes are 64 bit and in RFC 2866 view (`in_bytes`: the NAS received, the upload).

    Counters are None where the packet has none. `user_name` is as on the wire. `class_of` is our own Class, if any.
    `gigawords` is evidence that this router's counters do not wrap at 2**32, whatever its profile assumes.
    `original_at` is when a packet that was spooled was first received.
    """

    status: Status
    router: NasId
    source: str
    acct_session_id: str
    user_name: str
    mac: MacAddress | None
    device: str
    class_of: tuple[SubscriberId, ReservationId] | None
    in_bytes: int | None
    out_bytes: int | None
    gigawords: bool
    time_s: int | None
    delay_s: int | None
    event_timestamp: int | None
    original_at: int | None
    cause: str
    framed_ip: str
    nas_ip: str
    nas_identifier: str

    def username(self) -> Username | None:
        """The parsed User-Name: needed only where our Class is missing. Raises Malformed for an impossible one."""
        return parse_username(self.user_name, self.mac) if self.user_name else None

    def happened(self, received_at: int) -> Moment:
        """When the event happened, for a packet received now; a spooled one was received when it says."""
        if self.original_at is not None:
            received_at = min(self.original_at, received_at)
        return event_instant(self.event_timestamp, self.delay_s, received_at)
