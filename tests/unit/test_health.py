"""What a load balancer is told of a node, and whose answer to Status-Server counts."""

import hmac
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path

import pytest

from radius import health
from radius.domain.errors import Malformed
from radius.health import Health, asks_hooks, asks_radius, is_answer, serve, status_request
from radius.metrics import InProcess
from radius.metrics import serve as serve_metrics
from tests.fakes.ports import free_port

SECRET = b"a secret"


def answer(request: bytes, code: int = 2, secret: bytes = SECRET) -> bytes:
    head = bytes((code, request[1])) + (20).to_bytes(2, "big")
    return head + md5(head + request[4:20] + secret).digest()


def test_a_status_server_is_signed_as_the_rfc_says() -> None:
    request = status_request(SECRET, 7, bytes(range(16)))
    assert (request[0], request[1], int.from_bytes(request[2:4], "big"), len(request)) == (12, 7, 38, 38)
    assert request[20:22] == b"\x50\x12"
    assert request[22:] == hmac.new(SECRET, request[:22] + bytes(16), md5).digest()


@pytest.mark.parametrize(
    ("reply", "counts"),
    [
        (answer, True),
        (lambda request: answer(request) + b"padding", True),
        (lambda request: answer(request, secret=b"another"), False),
        (lambda request: answer(request, code=3), False),
        (lambda request: answer(status_request(SECRET, 8, request[4:20])), False),
        (lambda request: answer(request)[:19], False),
        (lambda _: b"", False),
        (lambda request: answer(request)[:2] + b"\xff\xff" + answer(request)[4:], False),
    ],
)
def test_only_an_answer_to_this_very_request_counts(reply: object, counts: bool) -> None:
    request = status_request(SECRET, 7, bytes(range(16)))
    assert callable(reply)
    assert is_answer(reply(request), SECRET, request) is counts


@contextmanager
def radius_that(says: object) -> Iterator[int]:
    """Somebody on a UDP port who answers one packet."""
    assert callable(says)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def once() -> None:
            request, source = server.recvfrom(4_096)
            server.sendto(says(request), source)

        thread = threading.Thread(target=once)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_forged_answer_is_told() -> None:
    with radius_that(answer) as port:
        assert asks_radius(port, SECRET) == ""
    with radius_that(lambda request: answer(request, secret=b"x")) as port:
        assert asks_radius(port, SECRET) == "who answers Status-Server is not ours"
    assert asks_radius(free_port(), SECRET) == "FreeRADIUS does not answer Status-Server"


def test_the_hooks_are_well_while_they_reach_the_store() -> None:
    metrics = InProcess("production")
    port = free_port()
    served = serve_metrics(metrics, "127.0.0.1", port)
    try:
        assert asks_hooks("127.0.0.1", port) == "the hooks have not looked at the store yet"
        metrics.gauge("RouterCacheAge", health.STORE_S)
        assert asks_hooks("127.0.0.1", port) == ""
        metrics.gauge("RouterCacheAge", health.STORE_S + 1)
        assert asks_hooks("127.0.0.1", port) == "the hooks have not reached the store for 61 s"
    finally:
        served.close()
    assert asks_hooks("127.0.0.1", port) == "the hooks do not answer"


def test_a_look_that_is_too_old_is_not_believed_and_a_node_that_drains_is_left_out(tmp_path: Path) -> None:
    now, said = [100.0], [""]
    node = Health(lambda: said[0], tmp_path / health.DRAINING, lambda: now[0])
    assert node.trouble() == "not asked yet"
    node.round()
    assert node.trouble() == ""
    now[0] += health.STALE_S + 1
    assert node.trouble() == "the last look is too old"
    node.round()
    (tmp_path / health.DRAINING).touch()
    assert node.trouble() == "draining"


def test_it_is_told_over_http(tmp_path: Path) -> None:
    said = [""]
    node = Health(lambda: said[0], tmp_path / health.DRAINING)
    port = free_port()
    server = serve(node, "127.0.0.1", port)
    try:
        found = []
        for said[0] in ("", "the store"):
            node.round()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            reply = connection.getresponse()
            found.append((reply.status, reply.read()))
            connection.close()
        assert found == [(200, b"well\n"), (503, b"the store\n")]
        with pytest.raises(Malformed, match=str(port)):
            serve(node, "127.0.0.1", port)
    finally:
        server.shutdown()
        server.server_close()
