"""Whether this node should be sent packets: one HTTP answer for a load balancer that can only ask by TCP.

    python -m radius.health --settings FILE --status-port 18121 --status-secret FILE --port 8125

200 while FreeRADIUS answers a Status-Server (RFC 5997) within `ANSWER_S` and the hooks in it reached the store in the
last `STORE_S`; else 503, with the reason as text. Also 503 while `STATE/draining` exists: no new routers, please. A
round asks every `ROUND_S`; who asks us gets the last round's verdict at once, and 503 when that is too old.

A store that is away for all nodes makes all of them bad, and a Network Load Balancer that has only bad targets sends to
all: routers then get what an outage gives them.
"""

import argparse
import hmac
import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from radius import settings as settings_module
from radius.domain.errors import Malformed
from radius.metrics import CATALOGUE, prometheus_name
from radius.settings import Settings

DEFAULT_PORT = 8_125
ROUND_S = 3.0
ANSWER_S = 2.0  # below the patience of routers that wait longest
STORE_S = 60.0  # six rounds of the keeper at its slowest
STALE_S = 12.0  # the asking thread itself hangs
DRAINING = "draining"
STATUS_SERVER, ACCESS_ACCEPT = 12, 2
MESSAGE_AUTHENTICATOR = 80
HEADER_BYTES = 20
_AGE = next(prometheus_name(metric) for metric in CATALOGUE if metric.name == "RouterCacheAge")
_AGE_LINE = re.compile(rf"^{_AGE}\{{[^}}]*\}} (\d+(?:\.\d+)?)$", re.MULTILINE)


class Verdict(NamedTuple):
    """`trouble` empty: well. `at`: monotonic seconds."""

    trouble: str
    at: float


def status_request(secret: bytes, number: int, authenticator: bytes) -> bytes:
    """A Status-Server packet (RFC 5997 §3): its one attribute is the Message-Authenticator (RFC 3579 §3.2)."""
    attribute = bytes((MESSAGE_AUTHENTICATOR, 18))
    length = HEADER_BYTES + 18
    head = bytes((STATUS_SERVER, number)) + length.to_bytes(2, "big") + authenticator + attribute
    return head + hmac.new(secret, head + bytes(16), md5).digest()


def is_answer(reply: bytes, secret: bytes, request: bytes) -> bool:
    """Whether an Access-Accept answers this very request, by its Response Authenticator (RFC 2865 §3)."""
    length = int.from_bytes(reply[2:4], "big")
    if not HEADER_BYTES <= length <= len(reply) or reply[0] != ACCESS_ACCEPT or reply[1] != request[1]:
        return False
    expected = md5(reply[:4] + request[4:20] + reply[20:length] + secret).digest()  # noqa: S324 - RADIUS has no other
    return hmac.compare_digest(reply[4:20], expected)


def asks_radius(port: int, secret: bytes) -> str:
    """What is wrong with FreeRADIUS; empty: it answered."""
    request = status_request(secret, os.urandom(1)[0], os.urandom(16))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(ANSWER_S)
        asking.connect(("127.0.0.1", port))
        try:
            asking.send(request)
            reply = asking.recv(4_096)
        except OSError:
            return "FreeRADIUS does not answer Status-Server"
    return "" if is_answer(reply, secret, request) else "who answers Status-Server is not ours"


def asks_hooks(host: str, port: int) -> str:
    """What is wrong with the hooks; empty: they reached the store lately."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/metrics")
        told = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return "the hooks do not answer"
    finally:
        connection.close()
    found = _AGE_LINE.search(told)
    if found is None:
        return "the hooks have not looked at the store yet"
    return "" if float(found[1]) <= STORE_S else f"the hooks have not reached the store for {float(found[1]):.0f} s"


class Health:
    """The last verdict. `ask` gives what is wrong, or nothing."""

    def __init__(self, ask: Callable[[], str], draining: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._draining = draining
        self._clock = clock
        self._verdict = Verdict("not asked yet", clock())

    def round(self) -> None:
        """Ask once."""
        self._verdict = Verdict(self._ask(), self._clock())

    def trouble(self) -> str:
        """What is wrong now; empty: send us packets."""
        if self._draining.exists():
            return "draining"
        verdict = self._verdict
        return verdict.trouble if self._clock() - verdict.at <= STALE_S else "the last look is too old"


def serve(health: Health, bind: str, port: int) -> ThreadingHTTPServer:
    """Answer whoever asks, in threads of their own. Raises Malformed for a port that cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        timeout = ANSWER_S

        def do_GET(self) -> None:
            trouble = health.trouble()
            body = f"{trouble or 'well'}\n".encode()
            self.send_response(503 if trouble else 200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A line for each question would be all that is in the log."""

    try:
        server = ThreadingHTTPServer((bind, port), Handler)
    except OSError as taken:
        raise Malformed("port", f"{bind}:{port} cannot be had: {taken.strerror}") from taken
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def health_of(settings: Settings, status_port: int, secret: bytes) -> Health:
    """Of the node that these settings and this listener are of."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.metrics_bind, settings.metrics_bind)  # noqa: S104

    def ask() -> str:
        return asks_radius(status_port, secret) or asks_hooks(host, settings.metrics_port)

    return Health(ask, settings.state_dir / DRAINING)


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m radius.health")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--status-port", type=int, required=True)
    parser.add_argument("--status-secret", type=Path, required=True, metavar="FILE")
    parser.add_argument("--bind", default="0.0.0.0")  # noqa: S104 - the load balancer is elsewhere
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    given = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    secret = given.status_secret.read_text().strip().encode()
    health = health_of(settings_module.load(given.settings), given.status_port, secret)
    health.round()
    server = serve(health, given.bind, given.port)
    while not stopping.wait(ROUND_S):
        health.round()
    server.shutdown()
    server.server_close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
