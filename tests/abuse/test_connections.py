"""The portal's own server against who holds its connections: over real sockets, with deadlines short enough to see."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from billing.portal import connections, shield
from billing.portal.connections import HEAD_S_MAX, Impatient
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.portal import Stand
from tests.fakes.ports import free_port

SHORT_S = 0.4
WAIT_S = 30
GOOD = b"GET /api/v1/health/live HTTP/1.1\r\nHost: portal\r\n\r\n"


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A portal on a loopback port, with at most eight connections."""
    monkeypatch.setattr(connections, "HEAD_S_MAX", SHORT_S)
    monkeypatch.setattr(shield, "BODY_S_MAX", SHORT_S)
    stand = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    port = free_port()
    config = uvicorn.Config(
        stand.app, host="127.0.0.1", port=port, http=Impatient, ws="none", log_config=None, limit_concurrency=8
    )
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    end = time.monotonic() + WAIT_S
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join()
    stand.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def test_whoever_sends_a_head_byte_by_byte_is_cut_off_and_others_are_served(port: int) -> None:
    slow = [connect(port) for _ in range(8)]
    for each in slow:
        each.sendall(b"GET / HTTP/1.1\r\nHost: por")
    with closing(connect(port)) as full:
        full.sendall(GOOD)
        assert full.recv(100).startswith(b"HTTP/1.1 503 "), "for a moment every place is taken"
    for each in slow:
        with closing(each):
            assert each.recv(100) == b"", "cut off"
    with closing(connect(port)) as line:
        line.sendall(GOOD)
        assert line.recv(100).startswith(b"HTTP/1.1 200 ")


def test_an_answer_buys_no_time_for_the_next_head(port: int) -> None:
    with closing(connect(port)) as line:
        line.sendall(GOOD)
        answer = line.recv(4_096)
        line.sendall(GOOD[:10])
        while piece := line.recv(4_096):  # until it is cut off
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1 ") == 1


def test_a_request_in_time_is_not_touched_by_the_deadline(port: int) -> None:
    slow_to_answer = b"GET /api/v1/payments/none/events HTTP/1.1\r\nHost: portal\r\n\r\n"
    with closing(connect(port)) as line:
        line.sendall(slow_to_answer[:20])
        line.sendall(slow_to_answer[20:])
        assert line.recv(100).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /api/v1/health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n X-Folded: c\x00\r\n\r\n",
        b"GET /\x0b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # TLS, where plain HTTP is spoken
    ],
    ids=["two hosts", "smuggling", "two lengths", "null", "control", "huge head", "tls"],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused_and_closed(port: int, raw: bytes) -> None:
    with closing(connect(port)) as line:
        line.sendall(raw)
        answer = b""
        try:
            while piece := line.recv(4_096):
                answer += piece
        except ConnectionResetError:
            pass
        assert answer[:13] in (b"", b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")
        assert answer.count(b"HTTP/1.1 ") <= 1, "what follows is no second request"


def test_the_deadline_is_longer_than_a_rest_between_requests() -> None:
    from billing.portal.__main__ import KEEP_ALIVE_S  # noqa: PLC0415 - it is the program

    assert HEAD_S_MAX > KEEP_ALIVE_S
