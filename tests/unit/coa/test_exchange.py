"""The loop over real sockets with a clock of our own: what is sent when, from which port, and what bounds it."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from pyrad.packet import CoAPacket

from coa import codec
from coa import exchange as exchange_module
from coa.breaker import BACK_OFF_S
from coa.codec import Code, Request
from coa.das import Das
from coa.exchange import JUNK_MAX, QUEUE_S_MAX, QUIET_S, Exchange
from coa.lane import Ticket, open_lane
from coa.line import IN_FLIGHT_MAX, QUEUE_MAX
from coa.outcome import Acked, Answer, Nak, Reason, Refused, Silent
from coa.pace import Pace
from coa.source_ports import WINDOW_S, Ports

SECRET = b"testing123"


class Router:
    """A bound socket; the test says what it does."""

    def __init__(self) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.setblocking(False)
        self.das = Das("127.0.0.1", SECRET, int(self.udp.getsockname()[1]))

    def heard(self) -> list[tuple[bytes, tuple[str, int]]]:
        """What came since the last look: on loopback a datagram is there when `send` returns."""
        got = []
        while True:
            try:
                got.append(self.udp.recvfrom(4096))
            except BlockingIOError:
                return got

    def answer(self, heard: list[tuple[bytes, tuple[str, int]]], *, ack: bool = True) -> None:
        for data, source in heard:
            reply = CoAPacket(packet=data, secret=SECRET, dict=codec.dictionary()).CreateReply()
            if not ack:
                reply.code += 1
            self.udp.sendto(reply.ReplyPacket(), source)


class World(SimpleNamespace):
    """An exchange and its time."""

    def __init__(self, **options: object) -> None:
        super().__init__(now=1000.0, wall=1_700_000_000.0, answers=[])
        self.exchange = Exchange(
            Pace(), clock=lambda: self.now, wall=lambda: self.wall, random=lambda: 0.5, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def ask(self, das: Das, name: str = "80000001", code: Code = Code.DISCONNECT_REQUEST) -> Ticket:
        body = codec.encode(Request(code, (("Acct-Session-Id", name),)))
        ticket = Ticket(das, code, body, self.answers.append)
        self.exchange.submit(ticket)
        return ticket

    def until(self, at: float) -> None:
        """Let time pass in the steps that the exchange asks for."""
        while self.now < at:
            self.now = min(self.now + max(self.exchange.next_s(), 0.001), at)
            self.exchange.turn(0)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.exchange.close()


@pytest.fixture
def router() -> Iterator[Router]:
    made = Router()
    yield made
    made.udp.close()


@pytest.fixture
def other() -> Iterator[Router]:
    made = Router()
    yield made
    made.udp.close()


def test_the_same_bytes_go_out_at_0_2_6_and_14_seconds_and_silence_is_declared_at_30(
    world: World, router: Router
) -> None:
    stamped = Das("127.0.0.1", SECRET, router.das.port, message_authenticator=True, event_timestamp=True)
    world.ask(stamped)
    began, seen = world.now, [(0.0, *router.heard()[0])]
    while not world.answers:
        world.wall += 1
        world.until(world.now + 0.5)
        seen += [(world.now - began, *heard) for heard in router.heard()]
    assert [round(at, 3) for at, _, _ in seen] == [0.0, 2.0, 6.0, 14.0]
    assert len({(data, source) for _, data, source in seen}) == 1
    packet = CoAPacket(packet=seen[0][1], secret=SECRET, dict=codec.dictionary())
    assert packet["Event-Timestamp"] == [1_700_000_000]
    assert packet.verify_message_authenticator()
    assert world.answers == [Silent(4, 30.0)]


def test_an_answer_ends_it(world: World, router: Router) -> None:
    world.ask(router.das)
    world.until(world.now + 2.5)
    router.answer(router.heard()[1:])
    world.now += 0.25
    world.exchange.turn(1)
    assert world.answers == [Acked(2, 0.75)]
    world.until(world.now + 60)
    assert router.heard() == []
    assert len(world.answers) == 1


def test_each_identifier_once_a_port_and_each_port_once_a_window(world: World, router: Router) -> None:
    heard = []
    for number in range(1000):
        world.ask(router.das, f"{number}")
        came = router.heard()
        heard += came
        router.answer(came)
        world.exchange.turn(1)
    assert len(world.answers) == 1000
    sources = [source for _, source in heard]
    assert len({(source, data[1]) for data, source in heard}) == 1000
    assert sorted(sources.count(source) for source in set(sources)) == [232, 256, 256, 256]
    assert len(world.exchange._lanes) == 1  # spent sockets are given back
    assert len(world.exchange._lines[router.das.key].ports) == 4


def test_a_port_that_the_router_has_seen_lately_is_not_taken(router: Router) -> None:
    class Seen(Ports):
        """Whatever the kernel gives first is barred."""

        barred = 0

        def __contains__(self, port: int) -> bool:
            self.barred = self.barred or port
            return port == self.barred

    ports = Seen()
    lane = open_lane(router.das, ports)
    assert lane is not None
    assert lane.port != ports.barred
    lane.socket.close()


def test_no_port_left_is_no_lane(router: Router) -> None:
    class Full(Ports):
        def __contains__(self, port: int) -> bool:
            return True

    assert open_lane(router.das, Full()) is None


def test_in_flight_and_queue_of_a_router_are_bounded(world: World, router: Router) -> None:
    for number in range(IN_FLIGHT_MAX + QUEUE_MAX + 1):
        world.ask(router.das, f"{number}")
    assert len(router.heard()) == IN_FLIGHT_MAX
    assert [answer.reason for answer in world.answers] == [Reason.BUSY]
    world.until(world.now + QUEUE_S_MAX)
    assert [answer.reason for answer in world.answers] == [Reason.BUSY] * (QUEUE_MAX + 1)
    assert {len(data) for data, _ in router.heard()}  # retransmissions went on


def test_the_queue_moves_up_as_answers_come(world: World, router: Router) -> None:
    for number in range(3 * IN_FLIGHT_MAX):
        world.ask(router.das, f"{number}")
    for _ in range(3):
        came = router.heard()
        assert len(came) == IN_FLIGHT_MAX
        router.answer(came)
        world.exchange.turn(1)
    assert world.answers == [Acked(1, 0.0)] * 3 * IN_FLIGHT_MAX


def test_a_dead_router_costs_the_others_nothing(world: World, router: Router, other: Router) -> None:
    for number in range(1000):
        world.ask(other.das, f"{number}")
    for number in range(300):
        world.ask(router.das, f"{number}")
    while came := router.heard():
        router.answer(came)
        world.exchange.turn(1)
    assert world.answers == [Acked(1, 0.0)] * 300  # and no time has passed


def down(world: World, router: Router) -> None:
    world.ask(router.das)
    world.ask(router.das)
    world.until(world.now + 30)
    router.heard()
    world.answers.clear()


def test_a_router_that_is_down_is_tried_by_one_request_at_a_time(world: World, router: Router) -> None:
    down(world, router)
    world.ask(router.das)
    assert world.answers == [Refused(Reason.DOWN, retry_after_s=BACK_OFF_S)]
    world.until(world.now + BACK_OFF_S)
    world.ask(router.das)
    world.ask(router.das)
    assert len(router.heard()) == 1
    assert world.answers[1:] == [Refused(Reason.DOWN, retry_after_s=BACK_OFF_S)]
    world.until(world.now + 30)
    assert isinstance(world.answers[2], Silent)
    world.ask(router.das)
    assert world.answers[3] == Refused(Reason.DOWN, retry_after_s=2 * BACK_OFF_S)


def test_a_nak_brings_a_router_back(world: World, router: Router) -> None:
    down(world, router)
    world.until(world.now + BACK_OFF_S)
    world.ask(router.das)
    router.answer(router.heard(), ack=False)
    world.exchange.turn(1)
    assert world.answers == [Nak(1, 0.0)]
    for number in range(10):
        world.ask(router.das, f"{number}")
    assert len(router.heard()) == 10


def test_going_down_answers_what_waits(world: World, router: Router) -> None:
    for number in range(IN_FLIGHT_MAX):
        world.ask(router.das, f"{number}")
    world.until(world.now + 25)
    for number in range(5):
        world.ask(router.das, f"late {number}")
    assert world.answers == []
    world.until(world.now + 5)
    kinds = [answer.reason if isinstance(answer, Refused) else type(answer) for answer in world.answers]
    assert kinds.count(Silent) == IN_FLIGHT_MAX
    assert kinds.count(Reason.DOWN) == 4  # the first silence gave its place to one, the second was one too many


def test_a_flood_of_junk_makes_that_socket_deaf_and_no_other(world: World, router: Router, other: Router) -> None:
    world.ask(router.das)
    asked = router.heard()
    for number in range(1000):
        router.udp.sendto(bytes([41, number % 256]) + b"\0\x14" + bytes(16), asked[0][1])
    for _ in range(50):
        world.exchange.turn(0)
    counters = world.exchange.counters
    assert counters.forged + counters.foreign == JUNK_MAX
    assert counters.muted == 1
    world.ask(other.das)
    other.answer(other.heard())
    world.exchange.turn(1)
    assert world.answers == [Acked(1, 0.0)]
    for _ in range(8):  # the rest of the flood is heard in later ticks, and then the answer
        world.until(world.now + 1)
        world.exchange.turn(0)
    router.answer(router.heard()[:1])
    world.exchange.turn(1)
    assert isinstance(world.answers[1], Acked)


def test_cancelled_before_and_after_it_was_sent(world: World, router: Router) -> None:
    sent = world.ask(router.das)
    waiting = [world.ask(router.das, f"{number}") for number in range(IN_FLIGHT_MAX)][-1]
    assert len(router.heard()) == IN_FLIGHT_MAX
    sent.cancelled = waiting.cancelled = True
    world.until(world.now + 2.5)
    assert len(router.heard()) == IN_FLIGHT_MAX - 1
    assert world.answers == [Silent(1, 2.0), Refused(Reason.CANCELLED)]


def test_a_cancelled_trial_does_not_bar_the_next(world: World, router: Router) -> None:
    down(world, router)
    world.until(world.now + BACK_OFF_S)
    world.ask(router.das).cancelled = True
    world.until(world.now + 3)
    router.heard()
    world.ask(router.das)
    assert len(router.heard()) == 1


@pytest.mark.parametrize(
    ("das", "reason"),
    [
        (Das("router.example", SECRET), Reason.ADDRESS),
        (Das("203.0.113.300", SECRET), Reason.ADDRESS),
        (Das("255.255.255.255", SECRET), Reason.ADDRESS),
        (Das("", SECRET), Reason.ADDRESS),
        (Das("127.0.0.1", SECRET, source="192.0.2.77"), Reason.NO_ROUTE),
    ],
    ids=["name", "no address", "broadcast", "empty", "source not ours"],
)
def test_an_address_that_cannot_be_sent_to(world: World, das: Das, reason: Reason) -> None:
    world.ask(das)
    assert [answer.reason for answer in world.answers] == [reason]
    assert world.answers[0].detail
    assert world.exchange.open == 0


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENETUNREACH, Reason.NO_ROUTE), (errno.EPERM, Reason.NO_ROUTE), (errno.ENOBUFS, None)]
)
def test_a_network_that_is_down_is_no_fault_of_the_address(
    world: World, router: Router, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason | None
) -> None:
    """Short of buffers the packet counts as sent and lost."""

    class Refusing(socket.socket):
        def send(self, *_: object) -> int:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Refusing)
        world.ask(router.das)
    assert [answer.reason for answer in world.answers] == ([reason] if reason else [])
    assert world.exchange.open == (0 if reason else 1)


def test_short_of_files_it_waits(world: World, router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", none_left)
        world.ask(router.das)
    assert world.answers == []
    world.until(world.now + 1)
    router.answer(router.heard())
    world.exchange.turn(1)
    assert world.answers == [Acked(1, 0.0)]


def test_a_closed_port_is_noted_and_tried_on(world: World, router: Router) -> None:
    router.udp.close()
    world.ask(router.das)
    world.until(world.now + 30)
    assert world.answers == [Silent(4, 30.0, closed=True)]
    assert world.exchange.counters.unreachable >= 1


def test_routers_beyond_the_number_of_sockets_take_turns(router: Router, other: Router) -> None:
    world = World(sockets_max=1)
    world.ask(router.das)
    world.ask(other.das)
    assert other.heard() == []
    router.answer(router.heard())
    world.exchange.turn(1)
    world.exchange.turn(0)
    other.answer(other.heard())
    world.exchange.turn(1)
    assert world.answers == [Acked(1, 0.0)] * 2
    world.ask(router.das)  # an idle socket makes room
    assert len(router.heard()) == 1
    world.exchange.close()


def test_a_router_out_of_ports_waits_and_takes_none_from_others(
    world: World, router: Router, other: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "PORTS_MAX", 1)
    for number in range(257):
        world.ask(router.das, f"{number}")
        router.answer(router.heard())
        world.exchange.turn(0)
    assert len(world.answers) == 256
    sources = set()
    for _ in range(5):
        world.ask(other.das)
        came = other.heard()
        sources |= {source for _, source in came}
        other.answer(came)
        world.exchange.turn(1)
    assert len(world.answers) == 261
    assert len(sources) == 1
    world.until(world.now + QUEUE_S_MAX)
    assert world.answers[-1].reason is Reason.BUSY


def test_two_ways_to_a_router_are_kept_apart(world: World, router: Router) -> None:
    for source in ("127.0.0.1", "127.0.0.2"):
        world.ask(Das("127.0.0.1", SECRET, router.das.port, source=source))
    assert [source[0] for _, source in router.heard()] == ["127.0.0.1", "127.0.0.2"]


def test_what_is_not_used_is_forgotten(world: World, router: Router) -> None:
    world.ask(router.das)
    router.answer(router.heard())
    world.exchange.turn(1)
    world.until(world.now + QUIET_S + 2)
    assert world.exchange._lanes == {}
    assert list(world.exchange._lines) == [router.das.key]  # its port is barred still
    world.until(world.now + WINDOW_S)
    assert world.exchange._lines == {}


def test_closing_answers_everything(router: Router) -> None:
    world = World()
    for number in range(IN_FLIGHT_MAX + 3):
        world.ask(router.das, f"{number}")
    world.exchange.close()
    assert world.exchange.open == 0
    kinds = [answer.reason if isinstance(answer, Refused) else type(answer) for answer in world.answers]
    assert (kinds.count(Silent), kinds.count(Reason.CANCELLED)) == (IN_FLIGHT_MAX, 3)


def test_a_caller_that_raises_holds_up_nobody(world: World, router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(str(args.exc_value)))

    def broken(answer: Answer) -> None:
        raise RuntimeError("not mine")

    body = codec.encode(Request(Code.DISCONNECT_REQUEST, (("Acct-Session-Id", "1"),)))
    world.exchange.submit(Ticket(router.das, Code.DISCONNECT_REQUEST, body, broken))
    world.ask(router.das)
    router.answer(router.heard())
    world.exchange.turn(1)
    assert told == ["not mine"]
    assert world.answers == [Acked(1, 0.0)]


def test_a_secret_is_in_no_representation() -> None:
    assert "testing123" not in repr(Das("192.0.2.1", SECRET))
    assert "testing123" not in f"{[Das('192.0.2.1', SECRET)]}"
