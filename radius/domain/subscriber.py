"""The aggregate: everything that must agree about one subscriber, in one item (DESIGN §4).

A decision decodes a fresh copy, changes it in place and hands it to the store whole. The short names are the stored
ones: two rights and two sessions stay under one write unit (1,024 bytes).
"""

from enum import StrEnum

import msgspec

from radius.domain.entitlement import Right
from radius.domain.errors import Corrupt
from radius.domain.identity import MacAddress, NasId, ReservationId, SessionUid, SubscriberId, session_uid
from radius.domain.intent import Intent
from radius.domain.shapes import decoder

SCHEMA = 1
REMEMBERED_DEVICES_MAX = 8  # devices exempt from the wrong-secret limit of the name


class SecretKind(StrEnum):
    """How a credential is kept, and so which methods it can serve."""

    SEALED = "sealed"  # clear secret under AES-GCM: PAP, CHAP, MS-CHAP, EAP
    HASH = "hash"  # password hash (scrypt): PAP and TTLS/PAP only
    CODE = "code"  # the name is the secret (voucher): empty or equal password; PAP, CHAP; equal for MS-CHAP
    DEVICE = "device"  # the caller's MAC is the name: empty, equal or the site's MAC password


class Credential(msgspec.Struct, omit_defaults=True, rename={"kind": "k", "value": "v", "epoch": "e"}):
    """`value`: base64 of nonce+sealed text, or the hash text; empty for CODE and DEVICE. `epoch` is in the seal."""

    kind: SecretKind
    value: str = ""
    epoch: int = 0


class SessionState(StrEnum):
    """States of a session inside the aggregate; a filed session lives in its own record only."""

    RESERVED = "r"
    OPEN = "o"
    CLOSED = "c"


class Lease(msgspec.Struct, array_like=True):
    """What a session may still use of one right: the open part of a promise. -1 means the right has no such limit."""

    right: str
    bytes: int
    seconds: int


class Told(msgspec.Struct, array_like=True):
    """What a router knows of a session's limits while it should have others."""

    right: str
    cap_bytes: int
    slowed: bool
    held: bool = False


class Session(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "reservation": "r",
        "nas": "n",
        "acct_session_id": "s",
        "device": "m",
        "state": "x",
        "opened_at": "a",
        "last_at": "l",
        "in_bytes": "i",
        "out_bytes": "o",
        "time_s": "t",
        "base_in": "I",
        "base_out": "O",
        "base_s": "T",
        "epoch_at": "E",
        "loose": "L",
        "interim_seen": "k",
        "cap_bytes": "C",
        "slowed": "w",
        "over_bytes": "W",
        "leases": "b",
        "right": "g",
        "ends_at": "e",
        "interim_s": "p",
        "revision": "v",
        "cause": "c",
        "closed_at": "d",
        "filed": "f",
        "told": "q",
        "addressed": "A",
        "held": "h",
    },
):
    """A live, reserved or just closed session with its high-water marks.

    `in_bytes`/`out_bytes`/`time_s` are the marks of the router's present counters (RFC 2866: in = from the customer),
    `base_*` what earlier counters of the same session had reached before they were reset or wrapped. `epoch_at` is when
    the present counters began (0: at `opened_at`), `loose` that the byte marks may be of a later instant than `time_s`.
    `ends_at` is the instant at which the router must have ended it by itself, `cap_bytes` the byte cap it was given
    (0: none), `slowed` that it has the slow rate, `held` that somebody holds it to that rate whatever is left,
    `addressed` that it has the fixed address, `over_bytes` what was used beyond every lease and quota. `told` is what
    its router knows instead of these limits; None: these.
    """

    reservation: ReservationId
    nas: NasId
    device: str
    state: SessionState
    opened_at: int
    last_at: int
    ends_at: int
    right: str = ""
    acct_session_id: str = ""
    in_bytes: int = 0
    out_bytes: int = 0
    time_s: int = 0
    base_in: int = 0
    base_out: int = 0
    base_s: int = 0
    epoch_at: int = 0
    loose: bool = False
    interim_seen: bool = False
    cap_bytes: int = 0
    slowed: bool = False
    over_bytes: int = 0
    leases: list[Lease] = []
    interim_s: int = 0
    revision: int = 0
    cause: str = ""
    closed_at: int = 0
    filed: bool = False
    told: Told | None = None
    addressed: bool = False
    held: bool = False

    @property
    def uid(self) -> SessionUid:
        """The session's name, the same from every packet of it."""
        return session_uid(self.nas, self.acct_session_id, self.device, self.reservation)

    def note_told(self) -> None:
        """Keep what the router knows, before its limits become others. A session let in behind our back has none."""
        if self.told is None and self.right:
            self.told = Told(self.right, self.cap_bytes, self.slowed, self.held)

    @property
    def total_bytes(self) -> int:
        """Both directions, over all counter epochs."""
        return self.base_in + self.base_out + self.in_bytes + self.out_bytes

    @property
    def total_s(self) -> int:
        """Session time over all counter epochs."""
        return self.base_s + self.time_s


class Subscriber(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "id": "i",
        "credential": "c",
        "aliases": "a",
        "rights": "r",
        "sessions": "s",
        "intents": "n",
        "devices": "d",
        "blocked": "B",
        "site": "S",
        "zone": "z",
        "caller": "C",
        "fixed_ip": "F",
        "pool": "P",
        "created_at": "t",
        "spilled": "M",
        "unheeded_on": "u",
        "unheeded_until": "U",
        "bought_at": "b",
        "schema": "V",
    },
):
    """One customer, voucher or home line.

    `aliases` are the names (`Username.alias`, codes hashed) that lead here; a name that is not listed does not count.
    `devices` are the MACs that proved the secret, newest last. `caller` binds a PPPoE home to one MAC.
    `spilled`: the marks of its sessions may lie in shards (`spill`). `unheeded_on`: a router that could not be made to
    end a session of it; until `unheeded_until` sessions there are short. `bought_at`: when somebody first paid for a
    right of it, as its seller wrote down; 0 for never.
    """

    id: SubscriberId
    credential: Credential
    created_at: int
    aliases: list[str] = []
    rights: list[Right] = []
    sessions: list[Session] = []
    intents: list[Intent] = []
    devices: list[MacAddress] = []
    blocked: str = ""
    site: str = ""
    caller: MacAddress | None = None
    fixed_ip: str = ""
    pool: str = ""
    spilled: bool = False
    unheeded_on: str = ""
    unheeded_until: int = 0
    bought_at: int = 0
    schema: int = SCHEMA

    def right(self, right_id: str) -> Right | None:
        """The right of that id, or None."""
        for right in self.rights:
            if right.id == right_id:
                return right
        return None

    def remember(self, device: MacAddress) -> None:
        """Note a device that proved the secret; the oldest is forgotten beyond `REMEMBERED_DEVICES_MAX`."""
        if device in self.devices:
            return
        self.devices = [*self.devices, device][-REMEMBERED_DEVICES_MAX:]


_decoder = decoder(Subscriber)
_encoder = msgspec.json.Encoder()


def encode(subscriber: Subscriber) -> bytes:
    """The stored body: compact JSON text."""
    return _encoder.encode(subscriber)


def decode(body: bytes | str) -> Subscriber:
    """A fresh copy of a stored body; raises Corrupt for one that this version cannot read."""
    try:
        subscriber = _decoder.decode(body)
    except msgspec.MsgspecError as bad:
        raise Corrupt(f"subscriber body: {bad}") from bad
    if subscriber.schema > SCHEMA:
        raise Corrupt(f"subscriber {subscriber.id}: schema {subscriber.schema} is newer than {SCHEMA}")
    return subscriber
