"""One source port to one router: a connected socket and its 256 identifiers, each issued once."""

import errno
import socket
from collections.abc import Callable
from ipaddress import ip_address

from coa.codec import PACKET_BYTES_MAX, Code
from coa.das import Das
from coa.outcome import Answer, Reason, Refused
from coa.source_ports import Ports

IDENTIFIERS = 256
BIND_TRIES_MAX = 16  # the kernel picks at random among some 28,000 ports, of which at most 4,096 are barred

# Out of something for the moment. A packet is then lost, and the retransmission will tell; a socket is waited for.
SHORT_OF = {errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
_NO_ADDRESS = {errno.EACCES, errno.EAFNOSUPPORT, errno.EINVAL}  # broadcast and the like


class Ticket:
    """One request. `answer` is None until it is over; only the sender's thread changes anything but `cancelled`."""

    __slots__ = (
        "answer", "began_at", "body", "cancelled", "closed", "code", "das", "done", "due_at", "identifier", "ignored",
        "lane", "packet", "sent_at", "tries", "wait_s",
    )  # fmt: skip

    def __init__(self, das: Das, code: Code, body: bytes, done: Callable[[Answer], None]) -> None:
        self.das = das
        self.code = code
        self.body = body
        self.done = done
        self.answer: Answer | None = None
        self.cancelled = False
        self.packet = b""
        self.identifier = -1
        self.lane: Lane | None = None  # once it was sent
        self.tries = 0
        self.began_at = 0.0  # first transmission
        self.sent_at = 0.0  # last transmission
        self.wait_s = 0.0
        self.due_at = 0.0  # when something must happen; a timer for another instant is an old one
        self.closed = False  # ICMP "port unreachable" came
        self.ignored = 0


class Lane:
    """A connected socket, so that the kernel drops what comes from anywhere else."""

    __slots__ = ("_next", "idle_since", "junk", "key", "muted", "port", "socket", "waiting")

    def __init__(self, key: tuple[str, int, str], udp: socket.socket) -> None:
        self.key = key
        self.socket = udp
        self.port = int(udp.getsockname()[1])
        self.waiting: dict[int, Ticket] = {}
        self.idle_since = 0.0
        self.junk = 0
        self.muted = False
        self._next = 0

    @property
    def spent(self) -> bool:
        """Every identifier has been issued."""
        return self._next >= IDENTIFIERS

    def issue(self, ticket: Ticket) -> int:
        """The next identifier, for this ticket."""
        identifier = self._next
        self._next += 1
        self.waiting[identifier] = ticket
        return identifier

    def send(self, packet: bytes) -> Refused | None:
        """Transmit. Returns why this machine will not send there; None when the packet is out, or lost on the way.

        An ICMP error of an earlier packet surfaces here and is not this packet's: one more try.
        """
        for _ in range(2):
            try:
                self.socket.send(packet)
            except ConnectionRefusedError:
                continue
            except OSError as refused:
                return None if refused.errno in SHORT_OF else refusal(refused)
            break
        return None

    def receive(self) -> bytes | None:
        """One datagram; None when there is none. Raises OSError for an ICMP error (ConnectionRefusedError: no port)."""
        try:
            return self.socket.recv(PACKET_BYTES_MAX)
        except BlockingIOError:
            return None


def refusal(refused: OSError | ValueError) -> Refused:
    """The answer to a request that this machine will not send: the address is wrong, or there is no way just now."""
    hopeless = isinstance(refused, ValueError) or refused.errno in _NO_ADDRESS
    detail = str(refused) if isinstance(refused, ValueError) else refused.strerror or ""
    return Refused(Reason.ADDRESS if hopeless else Reason.NO_ROUTE, detail=detail)


def open_lane(das: Das, ports: Ports) -> Lane | None:
    """A lane on a port that this router has not seen lately; None if the kernel has none to give.

    Raises OSError when this machine cannot send there or is short of something, ValueError for what is no address.
    """
    family = socket.AF_INET6 if ip_address(das.address).version == 6 else socket.AF_INET
    for _ in range(BIND_TRIES_MAX):
        udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if das.source:
                udp.bind((das.source, 0))
            udp.connect((das.address, das.port))
        except OSError:
            udp.close()
            raise
        lane = Lane(das.key, udp)
        if lane.port not in ports:
            return lane
        udp.close()
    return None
