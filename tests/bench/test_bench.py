"""What the bench says must be right before it is fast: packets, counting, verdicts. No timing is asserted."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pyrad.dictionary import Dictionary
from pyrad.packet import AcctPacket, AuthPacket

from tests.bench import packets, scale, table
from tests.bench.cells import Cell
from tests.bench.meter import Meter
from tests.bench.processes import Generator, Load, compile_native

SECRET = b"a-secret-of-the-test"
CUSTOMER, ROUTER = packets.Customer(42), packets.Router()
LOAD = Load(
    seconds=2, sent=200, answered=200, wrong=0, forged=0, unanswered=0, held_max=0, in_flight_max=4, next=200,
    p50_ms=1, p99_ms=2, p999_ms=3, max_ms=4, radiusd_cpu_us=20_000, store_cpu_us=0, own_cpu_us=0, box_busy_us=0,
)  # fmt: skip


def _auth(data: bytes) -> Any:
    make: Any = AuthPacket  # pyrad is untyped
    return make(packet=data, secret=SECRET, dict=_no_names())


def _acct(data: bytes) -> Any:
    make: Any = AcctPacket
    return make(packet=data, secret=SECRET, dict=_no_names())


def _no_names() -> Any:
    make: Any = Dictionary
    return make()


def test_a_sealed_login_is_what_pyrad_reads_back() -> None:
    packet = _auth(packets.seal(packets.access_request(CUSTOMER, ROUTER), SECRET, 7))
    assert packet.id == 7
    assert packet.verify_message_authenticator()
    assert packet[packets.USER_NAME] == [b"254700000042"]
    assert packet.PwDecrypt(packet[packets.USER_PASSWORD][0]) == "pw-00000042"


def test_a_sealed_interim_carries_a_right_authenticator() -> None:
    template = packets.accounting_request(CUSTOMER, ROUTER, packets.INTERIM_UPDATE, b"class")
    packet = _acct(packets.seal(template, SECRET, 9))
    assert packet.VerifyAcctRequest()
    assert packet[packets.CLASS] == [b"class"]


def _answer(request: bytes, code: int) -> bytes:
    reply = _auth(request).CreateReply()
    reply.code = code
    return bytes(reply.ReplyPacket())


class Server:
    """Answers logins; every fifth is refused, every seventh gets silence, every eleventh a forged answer."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.seen: list[bytes] = []
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(4096)
            if data == b"stop":
                return
            self.seen.append(data)
            number = len(self.seen)
            if number % 7 == 0:
                continue
            answer = _answer(data, packets.ACCESS_REJECT if number % 5 == 0 else packets.ACCESS_ACCEPT)
            if number % 11 == 0:
                answer = answer[:4] + bytes(16) + answer[20:]
            self.socket.sendto(answer, peer)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    server.thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bye:
            bye.sendto(b"stop", ("127.0.0.1", server.port))
        server.thread.join()
        server.socket.close()


def test_the_generator_finishes_packets_and_counts_wrong_forged_and_missing_answers(tmp_path: Path) -> None:
    generator = Generator(compile_native("loadgen", tmp_path))
    customers = [packets.Customer(index) for index in range(10)]
    templates = packets.write_templates(tmp_path / "t", (packets.access_request(c, ROUTER) for c in customers))
    with serving() as server:
        load = generator.run(
            templates, port=server.port, secret=SECRET.decode(), radiusd_pid=1, in_flight=1, warm_s=0, seconds=60,
            timeout_s=0.3, requests=24,
        )  # fmt: skip
    assert len(server.seen) == 24
    for number, data in enumerate(server.seen):
        packet = _auth(data)
        assert packet.verify_message_authenticator()
        assert packet.PwDecrypt(packet[packets.USER_PASSWORD][0]) == customers[number % 10].password
    # of 24: 7, 14, 21 silent; 11, 22 forged; 5, 10, 15, 20 refused
    assert (load.answered, load.wrong, load.forged, load.unanswered) == (19, 4, 2, 5)
    assert len({data[4:20] for data in server.seen}) == 24


def test_the_generator_lets_counters_grow_with_every_pass(tmp_path: Path) -> None:
    generator = Generator(compile_native("loadgen", tmp_path))
    template = packets.accounting_request(CUSTOMER, ROUTER, packets.INTERIM_UPDATE)
    templates = packets.write_templates(tmp_path / "t", [template])
    with serving() as server:
        generator.run(
            templates, port=server.port, secret=SECRET.decode(), radiusd_pid=1, in_flight=1, warm_s=0, seconds=60,
            timeout_s=0.1, requests=3, since=1, start=2,
        )  # fmt: skip
    read = [{code: value for _, code, value in packets.attributes_of(data)} for data in server.seen]
    assert [int.from_bytes(values[packets.ACCT_SESSION_TIME]) for values in read] == [
        int.from_bytes(values[packets.EVENT_TIMESTAMP]) - 1 for values in read
    ]
    assert [int.from_bytes(values[packets.ACCT_INPUT_OCTETS]) for values in read] == [4000, 5500, 7000]
    assert all(int.from_bytes(values[packets.EVENT_TIMESTAMP]) > 0 for values in read)
    for data in server.seen:
        assert _acct(data).VerifyAcctRequest()


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["ReturnConsumedCapacity"] == "INDEXES"
        used: object = {"CapacityUnits": 1.0}
        if self.headers["X-Amz-Target"].endswith("TransactWriteItems"):
            used = [{"CapacityUnits": 3.0, "GlobalSecondaryIndexes": {"due": {"CapacityUnits": 1.0}}}]
        answer = json.dumps({"ConsumedCapacity": used}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing."""


def _call(port: int, operation: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as to_store:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\nContent-Length: 2\r\n\r\n"
        to_store.sendall(head.encode() + b"{}")
        assert to_store.recv(4096).startswith(b"HTTP/1.1 200")


def test_the_meter_adds_up_what_the_store_says() -> None:
    server = HTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Meter(server.server_port) as meter:
            _call(meter.port, "GetItem")
            _call(meter.port, "TransactWriteItems")
            used = meter.take().per_request(2)
            assert meter.take().calls == {}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (used.read_units, used.write_units, used.index_write_units) == (0.5, 1.5, 0.5)
    assert used.calls == {"GetItem": 0.5, "TransactWriteItems": 0.5}


def _cell(subject: str, delay_ms: float, kind: str, rate: float) -> Cell:
    return Cell(subject, subject, delay_ms, kind, 1, replace(LOAD, answered=int(rate * 2), sent=int(rate * 2)))


def test_verdicts_use_medians_and_leave_out_what_was_not_measured() -> None:
    cells = [_cell("us", 0, "auth", rate) for rate in (100, 9000, 8000)] + [_cell("a", 0, "auth", 2000)]
    assert table.verdicts(cells) == [["auth, us against (a)", "4.00", ">= 4", "met"]]
    assert table.verdicts([*cells[1:2], _cell("a", 0, "auth", 2300)])[0][3] == "not met"


@pytest.mark.parametrize(
    ("change", "bad"),
    [({}, False), ({"wrong": 1}, True), ({"unanswered": 1}, True), ({"forged": 1}, True), ({"answered": 0}, True)],
)
def test_wrong_or_missing_answers_fail_the_run(change: dict[str, int], bad: bool) -> None:
    cell = Cell("us", "us", 0, "auth", 1, replace(LOAD, **change))
    assert bool(table.failed([cell])) is bad


def test_plain_and_markdown_tables_hold_the_same_cells() -> None:
    body = [["a", "b", "c", "1"], ["aa", "bb", "cc", "22"]]
    plain = table.render(("w", "x", "y", "z"), body, markdown=False)
    marked = table.render(("w", "x", "y", "z"), body, markdown=True)
    assert plain.splitlines()[2].split() == body[1]
    assert marked.splitlines()[3] == "| aa | bb | cc | 22 |"


@pytest.mark.parametrize(
    ("breaks_from", "rates"),
    [(9_999.0, [1000.0, 1000.0, 1250, 1500, 2000, 2500, 3000]), (1_500, [1000, 1000, 1250, 1500]),
     (450, [1000, 750, 500, 400])],
)  # fmt: skip
def test_scale_steps_up_to_where_it_breaks_and_down_to_where_it_holds(breaks_from: float, rates: list[float]) -> None:
    asked = []

    def window(rate: float, seconds: float) -> scale.Window:
        asked.append(rate)
        return scale.Window(rate, replace(LOAD, p99_ms=500.0 if rate >= breaks_from else 5.0), 0)

    scale._hold(window, 1000.0, 2)
    assert asked == rates
