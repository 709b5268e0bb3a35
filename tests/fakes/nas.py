"""A fake MikroTik hotspot over real UDP: logs devices in, counts for them, retries and reboots like the real one."""

import dataclasses
import hashlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AcctPacket, AuthPacket, Packet

from tests.fakes import mschap

DICTIONARY = Path(__file__).with_name("dictionary")
TIMEOUT_S = 3.0  # what our router script sets
TRIES_MAX = 3
WORD = 1 << 32


class How(Enum):
    """How the secret travels."""

    PAP = "pap"
    CHAP = "chap"
    CHAP_BARE = "chap without CHAP-Challenge"  # the challenge is the Request Authenticator (RFC 2865 §2.2)
    MSCHAP2 = "mschapv2"


class NoAnswer(Exception):
    """The server said nothing to any try."""


@dataclass
class Session:
    """A session as the router keeps it."""

    user: str | bytes
    mac: str
    session_id: str
    reply: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)
    started_at: float = 0.0
    up_bytes: int = 0
    down_bytes: int = 0
    seconds: int = 0
    open: bool = True


@dataclass
class FakeRouter:
    """One router. `server`, `auth_port` and `acct_port` are where FreeRADIUS is; `identity` its NAS-Identifier."""

    secret: bytes
    identity: str = "demo-router"
    server: str = "127.0.0.1"
    auth_port: int = 1812
    acct_port: int = 1813
    address: str = "127.0.0.1"
    timeout_s: float = TIMEOUT_S
    tries: int = TRIES_MAX
    sessions: dict[str, Session] = field(default_factory=dict)
    _next_session: int = 0x80000001
    _identifier: int = 0

    def __post_init__(self) -> None:
        self.dictionary = Dictionary(str(DICTIONARY))

    # -- log in ------------------------------------------------------------------------------------------------

    def login(
        self,
        user: str | bytes,
        password: str,
        mac: str,
        *,
        how: How = How.CHAP,
        more: Mapping[str, Any] | None = None,
        chap: tuple[bytes, bytes, bytes] | None = None,
    ) -> tuple[bool, Mapping[str, Any]]:
        """One Access-Request. True and the limits for an Accept, False and the message for a Reject.

        `chap`: identifier, response and challenge of a browser that was given a log-in page. `more` are attributes
        besides (None takes one away); they are repeated in the session's accounting.
        """
        session_id = f"{self._next_session:x}"
        self._next_session += 1
        packet = AuthPacket(dict=self.dictionary, secret=self.secret, id=self._id(), message_authenticator=True)
        self._describe(packet, user, mac, session_id, more or {})
        if chap is not None:
            packet["CHAP-Password"], packet["CHAP-Challenge"] = chap[0] + chap[1], chap[2]
        else:
            self._prove(packet, user, password, how)
        reply = self._ask(packet, self.auth_port)
        values = {name: _single(reply[name]) for name in reply.keys()}  # noqa: SIM118 - pyrad's packet is no mapping
        if reply.code != AccessAccept:
            return False, values
        self.sessions[mac] = Session(user, mac, session_id, values, more or {}, started_at=time.time())
        return True, values

    def _prove(self, packet: AuthPacket, user: str | bytes, password: str, how: How) -> None:
        challenge, identifier = os.urandom(16), os.urandom(1)
        if how is How.PAP:
            packet["User-Password"] = packet.PwCrypt(password or "\0")  # an empty one is 16 zero bytes (RFC 2865 §5.2)
            return
        if how is How.MSCHAP2:
            name = user.encode() if isinstance(user, str) else user
            for attribute, value in mschap.attributes(name, password, identifier[0], challenge, os.urandom(16)).items():
                packet[attribute] = value
            return
        if how is How.CHAP_BARE:
            packet.authenticator = challenge
        else:
            packet["CHAP-Challenge"] = challenge
        digest = hashlib.md5(identifier + password.encode() + challenge, usedforsecurity=False).digest()
        packet["CHAP-Password"] = identifier + digest

    # -- count -------------------------------------------------------------------------------------------------

    def start(self, mac: str) -> None:
        """Accounting Start."""
        self.account(self.sessions[mac], "Start")

    def use(self, mac: str, up_bytes: int, down_bytes: int, seconds: int) -> None:
        """The device moves bytes; nothing is sent."""
        session = self.sessions[mac]
        session.up_bytes += up_bytes
        session.down_bytes += down_bytes
        session.seconds += seconds

    def interim(self, mac: str) -> None:
        """Interim update with the counters as they stand."""
        self.account(self.sessions[mac], "Interim-Update")

    def stop(self, mac: str, cause: str = "User-Request") -> None:
        """Accounting Stop."""
        session = self.sessions.pop(mac)
        session.open = False
        self.account(session, "Stop", **{"Acct-Terminate-Cause": cause})

    def boot(self) -> None:
        """Power cut and back: all sessions are gone, Accounting-On."""
        self.sessions.clear()
        packet = AcctPacket(dict=self.dictionary, secret=self.secret, id=self._id())
        packet["Acct-Status-Type"] = "Accounting-On"
        packet["NAS-Identifier"] = self.identity
        packet["Acct-Session-Id"] = "00000000"
        self._ask(packet, self.acct_port)

    def copy(self) -> "FakeRouter":
        """The same router for another thread: identifiers of its own."""
        return dataclasses.replace(self, sessions={}, _next_session=self._next_session + 0x10000)

    # -- the wire ----------------------------------------------------------------------------------------------

    def account(self, session: Session, status: str, **more: Any) -> None:
        """Any accounting packet of a session, with the counters as they stand."""
        packet = AcctPacket(dict=self.dictionary, secret=self.secret, id=self._id())
        self._describe(packet, session.user, session.mac, session.session_id, session.more)
        packet["Acct-Status-Type"] = status
        packet["Event-Timestamp"] = int(time.time())
        if "Class" in session.reply:
            packet["Class"] = session.reply["Class"]
        if status != "Start":
            packet["Acct-Session-Time"] = session.seconds
            packet["Acct-Input-Octets"], packet["Acct-Input-Gigawords"] = _words(session.up_bytes)
            packet["Acct-Output-Octets"], packet["Acct-Output-Gigawords"] = _words(session.down_bytes)
        for name, value in more.items():
            packet[name] = value
        self._ask(packet, self.acct_port)

    def _describe(self, packet: Packet, user: str | bytes, mac: str, session_id: str, more: Mapping[str, Any]) -> None:
        packet["User-Name"] = user
        packet["Calling-Station-Id"] = mac
        packet["Called-Station-Id"] = "hotspot1"  # RouterOS: the name of the hotspot server, no MAC
        packet["NAS-Identifier"] = self.identity
        packet["NAS-IP-Address"] = self.address
        packet["NAS-Port-Type"] = "Wireless-802.11"
        packet["Acct-Session-Id"] = session_id
        for name, value in more.items():
            if value is None:
                del packet[name]
            else:
                packet[name] = value

    def _id(self) -> int:
        self._identifier = (self._identifier + 1) % 256
        return self._identifier

    def _ask(self, packet: Packet, port: int) -> Packet:
        """Send, wait, send the same bytes again; raises NoAnswer. Replies with a wrong authenticator do not count."""
        raw = packet.RequestPacket()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((self.address, 0))
            udp.connect((self.server, port))
            udp.settimeout(self.timeout_s)
            for _ in range(self.tries):
                udp.send(raw)
                try:
                    reply = packet.CreateReply(packet=udp.recv(4096))
                except OSError:
                    continue
                if packet.VerifyReply(reply):
                    return reply
        raise NoAnswer(f"{self.server}:{port} did not answer {self.tries} times")


def total_limit(reply: Mapping[str, Any]) -> int | None:
    """The byte cap of an Accept, as RouterOS reads it."""
    if "Mikrotik-Total-Limit" not in reply and "Mikrotik-Total-Limit-Gigawords" not in reply:
        return None
    return int(reply.get("Mikrotik-Total-Limit-Gigawords", 0)) * WORD + int(reply.get("Mikrotik-Total-Limit", 0))


def _words(count: int) -> tuple[int, int]:
    return count % WORD, count // WORD


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
