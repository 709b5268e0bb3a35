"""Routers in a process of their own that obey Disconnect-Requests: they answer, and then report the Stop.

As lean as a fake can be, since it runs on the same two processors as what is measured: no dictionary, no check of the
request's authenticator (`tests/fakes/router_das.py` does all that).
"""

import contextlib
import hashlib
import multiprocessing
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.connection import Connection

from coa.families import WAYS
from radius.domain.identity import class_value
from tests.bench import packets
from tests.bench.enforced import Place
from tests.bench.packets import Customer
from tests.bench.processes import BenchError
from tests.bench.radiusd import SECRET
from tests.bench.us import FILLER_FIRST, filler_id, filler_reservation

STOPS_MAX = 32  # a router's Stops without an answer at once; the product's server queues 270 requests at most
STOP_AGAIN_S = 3.0  # as our router script sets it
ACK, NAK = 1, 2  # added to the code of a Disconnect-Request (RFC 5176 §2.1)
ERROR_CAUSE = 101
GONE, BUSY = 503, 506
DATAGRAMS_MAX = 64
POLL_S = 0.2


class Habit(Enum):
    """What a router does to the first request about a session; the next ones it obeys."""

    OBEY = "obey"
    GONE = "gone"  # NAK: no such session
    BUSY = "busy"  # NAK: resources unavailable
    MUTE = "mute"  # no answer, however often it is sent


@dataclass
class Seen:
    """What the routers saw. Instants are monotonic and of this machine; sessions are numbers of `us.filler_id`."""

    asked_at: dict[int, float] = field(default_factory=dict)  # the first request
    ended_at: dict[int, float] = field(default_factory=dict)  # the Stop was acknowledged, or "no such session" was said
    answers: dict[str, Counter[str]] = field(default_factory=dict)  # by NAS-Identifier: acks, naks, silences
    gone: Counter[str] = field(default_factory=Counter)  # by NAS-Identifier: naks that said "no such session"
    stops_again: int = 0


class _Router:
    def __init__(self, place: Place, acct_port: int) -> None:
        self.place = place
        self.das, self.acct = _bound(place.router.address, place.coa_port), _bound(place.router.address, 0)
        self.acct.connect(("127.0.0.1", acct_port))
        self.stops: deque[int] = deque()
        self.under_way: dict[int, tuple[int, bytes, float]] = {}  # identifier -> session, packet, sent at
        self.identifier = 0

    def pump(self, seen: Seen, now: float) -> None:
        """Send the Stops that may go now, and again those that were not answered."""
        for identifier, (number, packet, sent_at) in list(self.under_way.items()):
            if now >= sent_at + STOP_AGAIN_S:
                self.acct.send(packet)
                seen.stops_again += 1
                self.under_way[identifier] = (number, packet, now)
        while self.stops and len(self.under_way) < STOPS_MAX:
            number = self.stops.popleft()
            while self.identifier in self.under_way:
                self.identifier = (self.identifier + 1) % 256
            packet = packets.seal(_stop(number, self.place.router), SECRET.encode(), self.identifier)
            self.under_way[self.identifier] = (number, packet, now)
            self.identifier = (self.identifier + 1) % 256
            self.acct.send(packet)


class _World:
    def __init__(self, places: Sequence[Place], acct_port: int, habits: Mapping[int, Habit]) -> None:
        self.seen = Seen(answers={place.router.identifier: Counter() for place in places})
        self._habits = dict(habits)
        self._given: dict[tuple[object, bytes], bytes] = {}
        self._epoll = select.epoll()
        self.routers = [_Router(place, acct_port) for place in places]
        self._by_socket = {}
        for router in self.routers:
            for udp in (router.das, router.acct):
                self._by_socket[udp.fileno()] = (router, udp)
                self._epoll.register(udp.fileno(), select.EPOLLIN)

    def turn(self) -> None:
        for descriptor, _ in self._epoll.poll(POLL_S):
            router, udp = self._by_socket[descriptor]
            for _ in range(DATAGRAMS_MAX):
                try:
                    data, source = udp.recvfrom(4096)
                except OSError:
                    break
                if udp is router.das:
                    self._asked(router, data, source)
                else:
                    self._stopped(router, data)
            router.pump(self.seen, time.monotonic())
        now = time.monotonic()
        for router in self.routers:
            if router.under_way:
                router.pump(self.seen, now)

    def _asked(self, router: _Router, data: bytes, source: object) -> None:
        key = (source, data)
        answer = self._given.get(key)
        if answer is None:
            answer = self._given[key] = self._answer(router, data)
        if answer:
            router.das.sendto(answer, source)

    def _answer(self, router: _Router, data: bytes) -> bytes:
        number, now = _session_of(data), time.monotonic()
        self.seen.asked_at.setdefault(number, now)
        counted = self.seen.answers[router.place.router.identifier]
        habit = self._habits.pop(number, Habit.OBEY)
        if habit is Habit.MUTE:
            counted["silences"] += 1
            return b""
        if habit is Habit.OBEY:
            counted["acks"] += 1
            if number not in self.seen.ended_at:
                router.stops.append(number)
            return _reply(data, ACK)
        counted["naks"] += 1
        if habit is Habit.BUSY:
            return _reply(data, NAK, BUSY)
        self.seen.ended_at[number] = now
        self.seen.gone[router.place.router.identifier] += 1
        bare = WAYS[router.place.family].bare_nak == GONE
        return _reply(data, NAK, 0 if bare else GONE)

    def _stopped(self, router: _Router, data: bytes) -> None:
        known = router.under_way.pop(data[1], None) if data[:1] == bytes((packets.ACCOUNTING_RESPONSE,)) else None
        if known is not None:
            self.seen.ended_at.setdefault(known[0], time.monotonic())


def _bound(address: str, port: int) -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    udp.bind((address, port))
    return udp


def _session_of(data: bytes) -> int:
    named = {code: value for _, code, value in packets.attributes_of(data)}
    return int(named[packets.ACCT_SESSION_ID][1:], 16) - FILLER_FIRST


def _reply(request: bytes, answer: int, cause: int = 0) -> bytes:
    told = packets.attribute(ERROR_CAUSE, cause.to_bytes(4)) if cause else b""
    head = bytes((request[0] + answer, request[1])) + (20 + len(told)).to_bytes(2)
    return head + hashlib.md5(head + request[4:20] + told + SECRET.encode()).digest() + told


def _stop(number: int, router: packets.Router) -> bytes:
    class_text = class_value(filler_id(number), filler_reservation(number)).encode()
    return packets.accounting_request(
        Customer(FILLER_FIRST + number), router, packets.STOP, class_text, int(time.time())
    )


def _be(places: Sequence[Place], acct_port: int, habits: Mapping[int, Habit], pipe: Connection) -> None:
    world = _World(places, acct_port, habits)
    pipe.send("ready")
    while True:
        world.turn()
        while pipe.poll():
            asked = pipe.recv()
            if asked == "end":
                return
            pipe.send(len(world.seen.ended_at) if asked == "count" else world.seen)


class Obeying:
    """The other process, from here."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def ended(self) -> int:
        """How many sessions have ended."""
        self._pipe.send("count")
        return int(self._pipe.recv())

    def seen(self) -> Seen:
        """Everything."""
        self._pipe.send("seen")
        found = self._pipe.recv()
        assert isinstance(found, Seen)
        return found


@contextlib.contextmanager
def obeying(places: Sequence[Place], acct_port: int, habits: Mapping[int, Habit] | None = None) -> Iterator[Obeying]:
    """Be all these routers. Raises BenchError when they cannot be."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_be, args=(places, acct_port, habits or {}, there), daemon=True
    )
    process.start()
    try:
        if not here.poll(30) or here.recv() != "ready":
            raise BenchError("the routers' process did not start")
        yield Obeying(here)
        here.send("end")
        process.join(5)
    finally:
        if process.is_alive():
            process.terminate()
        process.join()
