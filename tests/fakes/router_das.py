"""A fake router that hears Disconnect- and CoA-Requests over real UDP (RFC 5176), and misbehaves on purpose.

    with FakeDas(b"secret") as das:
        das.add("80000001", user="0712345678", address="10.0.0.5")
        das.next(Drop(2), Refuse(506))       # what it does to the next new requests; then it obeys
        ...
        assert das.sessions == {}

It reads and answers with pyrad, so that our own codec is not judged by itself. It forgets nothing that it heard.
"""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, NamedTuple, Self

from pyrad.packet import CoAACK, CoANAK, CoAPacket, CoARequest, DisconnectACK, DisconnectNAK

from coa.codec import dictionary

STEP_S = 0.005


class Manners(Enum):
    """Whose habits it has; sources in `coa.families`."""

    RFC = "rfc"
    MIKROTIK = "mikrotik"
    COOVA = "coova"
    USPOT = "uspot"
    HOSTAPD = "hostapd"


class Drop(NamedTuple):
    """Hears nothing of the first transmissions, then obeys."""

    times: int = 1


class Delay(NamedTuple):
    """Obeys at once, answers late."""

    seconds: float


class Duplicate(NamedTuple):
    """Answers several times."""

    times: int = 2


class Refuse(NamedTuple):
    """NAK with a cause, or without; more attributes as pyrad takes them."""

    cause: int | None
    more: Mapping[str, Any] = {}


class Linger(NamedTuple):
    """ACK, but the session stays."""


class Forge(NamedTuple):
    """Answers with a wrong authenticator, then obeys the retransmission."""


class BadSignature(NamedTuple):
    """Answers with a right authenticator over a wrong Message-Authenticator, then obeys the retransmission."""


class Elsewhere(NamedTuple):
    """Answers from another port, then obeys the retransmission."""


class Garbage(NamedTuple):
    """Sends these bytes for an answer, then obeys the retransmission."""

    data: bytes
    times: int = 1


class Restart(NamedTuple):
    """Power cut while it works: the sessions are gone, nothing is answered, the port is closed for a while."""

    seconds: float


class Late(NamedTuple):
    """Obeys, but answers only when the next new request has come, before it answers that."""


class Mute(NamedTuple):
    """Never answers this one."""


Move = Drop | Delay | Duplicate | Refuse | Linger | Forge | BadSignature | Elsewhere | Garbage | Restart | Late | Mute


class Heard(NamedTuple):
    """One datagram: when (monotonic), from where, and its bytes."""

    at: float
    source: tuple[str, int]
    data: bytes


@dataclass
class LiveSession:
    """A session as the router keeps it; `limits` as the last CoA left them; else than `authorized` it waits."""

    user: str
    address: str = ""
    mac: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    authorized: bool = True


class _Answer(NamedTuple):
    """`ack` None: silence."""

    ack: bool | None
    cause: int | None = None


class FakeDas:
    """One router, on `port` or a free one.

    `remembers`: a retransmission gets the same answer again (RFC 5080 §2.2.2); hostapd does not.
    """

    def __init__(
        self,
        secret: bytes = b"testing123",
        manners: Manners = Manners.RFC,
        *,
        port: int = 0,
        bind: str = "127.0.0.1",
        nas_ip: str = "192.0.2.1",
        wants_signature: bool = False,
        wants_timestamp: bool = False,
        signs: bool = False,
        remembers: bool = True,
    ) -> None:
        self.secret, self.manners, self.nas_ip = secret, manners, nas_ip
        self.wants_signature, self.wants_timestamp = wants_signature, wants_timestamp
        self.signs, self.remembers = signs, remembers
        self.sessions: dict[str, LiveSession] = {}
        self.heard: list[Heard] = []
        self.refused: list[str] = []  # requests that were not authentic or not what it wants, by why
        self._script: deque[Move] = deque()
        self._asked: dict[tuple[tuple[str, int], bytes], Move | None] = {}
        self._given: dict[tuple[tuple[str, int], bytes], bytes] = {}
        self._tries: dict[tuple[tuple[str, int], bytes], int] = {}
        self._held: list[tuple[bytes, tuple[str, int]]] = []
        self._later: list[tuple[float, bytes, tuple[str, int]]] = []
        self._at = bind
        self._udp = self._bind(port)
        self._other = self._bind(0)
        self.port = int(self._udp.getsockname()[1])
        self._dark_until = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fake-das")

    # -- for tests ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join()
        self._udp.close()
        self._other.close()

    def add(self, session_id: str, user: str = "0712345678", address: str = "10.0.0.5", mac: str = "") -> LiveSession:
        """Log somebody in."""
        self.sessions[session_id] = LiveSession(user, address, mac)
        return self.sessions[session_id]

    def next(self, *moves: Move) -> None:
        """What to do to the next new requests, one move each."""
        self._script.extend(moves)

    @property
    def requests(self) -> list[bytes]:
        """Distinct requests, in the order in which they first came."""
        return list(dict.fromkeys(heard.data for heard in self.heard))

    def reused(self) -> list[tuple[tuple[str, int], int]]:
        """Source and identifier of every identifier that stood for two requests (RFC 5176 §6.3)."""
        seen: dict[tuple[tuple[str, int], int], bytes] = {}
        return [
            (heard.source, heard.data[1])
            for heard in self.heard
            if seen.setdefault((heard.source, heard.data[1]), heard.data) != heard.data
        ]

    # -- the router --------------------------------------------------------------------------------------------

    def _bind(self, port: int) -> socket.socket:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind((self._at, port))
        udp.setblocking(False)
        return udp

    def _run(self) -> None:
        while not self._stopping:
            now = time.monotonic()
            if self._dark_until:
                time.sleep(STEP_S)
                if now >= self._dark_until:
                    self._udp, self._dark_until = self._bind(self.port), 0.0
                continue
            ready, _, _ = select.select([self._udp], [], [], STEP_S)
            for due in [due for due in self._later if due[0] <= now]:
                self._later.remove(due)
                self._udp.sendto(due[1], due[2])
            while ready and not self._dark_until:
                try:
                    data, source = self._udp.recvfrom(4096)
                except BlockingIOError:
                    break
                self.heard.append(Heard(time.monotonic(), source, data))
                self._hear(data, source)

    def _hear(self, data: bytes, source: tuple[str, int]) -> None:
        packet = CoAPacket(packet=data, secret=self.secret, dict=dictionary())
        fault = self._fault(packet)
        if fault:
            self.refused.append(fault)
            return
        key = (source, data)
        first = key not in self._asked
        if first:
            self._asked[key] = self._script.popleft() if self._script else None
        self._tries[key] = self._tries.get(key, 0) + 1
        held, self._held = (self._held, []) if first else ([], self._held)
        for answer, whom in held:
            self._udp.sendto(answer, whom)
        self._move(self._asked[key], packet, source, self._tries[key])

    def _fault(self, packet: CoAPacket) -> str:
        if not packet.VerifyCoARequest():
            return "authenticator"
        if packet.message_authenticator and not packet.verify_message_authenticator():
            return "message authenticator"
        if self.wants_signature and not packet.message_authenticator:
            return "no message authenticator"
        stamps = packet.get("Event-Timestamp", [0])
        if (self.wants_timestamp or stamps != [0]) and abs(stamps[0] - time.time()) > 300:
            return "timestamp"
        return ""

    def _move(self, move: Move | None, packet: CoAPacket, source: tuple[str, int], tries: int) -> None:
        match move:
            case Mute():
                return
            case Drop(times) if tries <= times:
                return
            case Garbage(data, times) if tries <= times:
                self._udp.sendto(data.replace(b"ID", bytes([packet.id])), source)
                return
            case Restart(seconds) if tries == 1:
                self.sessions.clear()
                self._udp.close()
                self._dark_until = time.monotonic() + seconds
                return
            case Refuse(cause, more):
                answer = self._reply(packet, _Answer(ack=False, cause=cause), more)
            case Linger():
                answer = self._reply(packet, _Answer(ack=True))
            case BadSignature() if tries == 1:
                answer = self._badly_signed(packet)
            case _:
                key = (source, packet.raw_packet)
                answer = self._given.get(key) or self._reply(packet, self._obey(packet))
                if self.remembers:
                    self._given[key] = answer
        if answer:
            self._say(move, answer, source, tries)

    def _say(self, move: Move | None, answer: bytes, source: tuple[str, int], tries: int) -> None:
        match move:
            case Forge() if tries == 1:
                self._udp.sendto(answer[:4] + bytes(16) + answer[20:], source)
            case Elsewhere() if tries == 1:
                self._other.sendto(answer, source)
            case Late() if tries == 1:
                self._held.append((answer, source))
            case Late():
                return
            case Delay(seconds):
                self._later.append((time.monotonic() + seconds, answer, source))
            case _:
                times = move.times if isinstance(move, Duplicate) else 1
                for _ in range(times):
                    self._udp.sendto(answer, source)

    def _reply(self, packet: CoAPacket, answer: _Answer, more: Mapping[str, Any] | None = None) -> bytes:
        if answer.ack is None:
            return b""
        reply = packet.CreateReply()
        yes, no = (CoAACK, CoANAK) if packet.code == CoARequest else (DisconnectACK, DisconnectNAK)
        reply.code = yes if answer.ack else no
        if answer.cause is not None:
            reply["Error-Cause"] = answer.cause
        for name, value in (more or {}).items():
            reply[name] = value
        if self.signs:
            reply.add_message_authenticator()
        return bytes(reply.ReplyPacket())

    def _badly_signed(self, packet: CoAPacket) -> bytes:
        reply = packet.CreateReply()
        reply[80] = [bytes(16)]
        return bytes(reply.ReplyPacket())

    # -- what each kind of router does when it obeys -------------------------------------------------------------

    def _obey(self, packet: CoAPacket) -> _Answer:
        told = {name: packet[name][0] for name in packet.keys() if name not in _ENVELOPE}  # noqa: SIM118 - no mapping
        named, changes = _parts(told)
        habits: dict[Manners, Callable[[CoAPacket, dict[str, Any], dict[str, Any]], _Answer | None]] = {
            Manners.RFC: lambda *_: None,
            Manners.MIKROTIK: self._mikrotik,
            Manners.COOVA: self._coova,
            Manners.USPOT: self._uspot,
            Manners.HOSTAPD: self._hostapd,
        }
        refused = habits[self.manners](packet, named, changes)
        if refused is not None:
            return refused
        if packet.code != CoARequest and changes:
            return _Answer(ack=False, cause=401)
        found = [key for key, session in self.sessions.items() if self._fits(key, session, named)]
        causeless = self.manners in (Manners.COOVA, Manners.USPOT)
        if not found:
            return _Answer(ack=False, cause=None if causeless else 503)
        for key in found:
            self._apply(packet, key, changes)
        return _Answer(ack=True)

    def _apply(self, packet: CoAPacket, key: str, changes: dict[str, Any]) -> None:
        if packet.code != CoARequest:
            del self.sessions[key]
        elif self.manners is Manners.COOVA:
            self.sessions[key].authorized |= changes.pop("ChilliSpot-Session-State", 0) == 1
            self.sessions[key].limits = changes
        else:
            self.sessions[key].limits |= changes

    @staticmethod
    def _fits(key: str, session: LiveSession, named: Mapping[str, Any]) -> bool:
        known = {"Acct-Session-Id": key, "User-Name": session.user, "Framed-IP-Address": session.address}
        return all(named.get(name, value) == value for name, value in known.items())

    def _mikrotik(self, packet: CoAPacket, named: dict[str, Any], changes: dict[str, Any]) -> _Answer | None:
        if named.get("NAS-IP-Address", self.nas_ip) != self.nas_ip:
            return _Answer(ack=False, cause=403)
        if "User-Name" not in named or "Framed-IP-Address" not in named:
            return _Answer(ack=False, cause=402)
        stuck = {"Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords", "Mikrotik-Address-List"} & changes.keys()
        return _Answer(ack=False, cause=401) if stuck and packet.code == CoARequest else None

    @staticmethod
    def _coova(_packet: CoAPacket, named: dict[str, Any], _changes: dict[str, Any]) -> _Answer | None:
        return None if "User-Name" in named else _Answer(ack=None)

    @staticmethod
    def _uspot(packet: CoAPacket, named: dict[str, Any], changes: dict[str, Any]) -> _Answer | None:
        known = {"User-Name", "NAS-IP-Address", "NAS-Identifier", "Called-Station-Id", "Calling-Station-Id"}
        known |= {"Acct-Session-Id", "Chargeable-User-Identity"}
        if packet.code == CoARequest:
            known |= {"Framed-IP-Address", "Session-Timeout", "Idle-Timeout", "Acct-Interim-Interval"}
        strange = (named.keys() | changes.keys()) - known or packet.message_authenticator or 55 in packet
        return _Answer(ack=False) if strange or "Event-Timestamp" in packet else None

    @staticmethod
    def _hostapd(packet: CoAPacket, named: dict[str, Any], changes: dict[str, Any]) -> _Answer | None:
        if packet.code == CoARequest:
            return _Answer(ack=False, cause=405)
        return _Answer(ack=False, cause=401) if "Framed-IP-Address" in named or changes else None


_ENVELOPE = {"Message-Authenticator", "Event-Timestamp", 80, 55}
_NAMES = {"Acct-Session-Id", "User-Name", "Framed-IP-Address", "NAS-IP-Address", "NAS-Identifier", "Calling-Station-Id"}


def _parts(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What names the session, and what is to be changed."""
    return {k: v for k, v in told.items() if k in _NAMES}, {k: v for k, v in told.items() if k not in _NAMES}
