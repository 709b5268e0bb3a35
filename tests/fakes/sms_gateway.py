"""An SMS gateway over real HTTP that misbehaves on purpose: each request meets the next of the planned behaviours."""

import json
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

STALL_S = 1.6  # beyond the shortest deadline that settings allow


def recipient(
    number: str, code: int = 101, status: str = "Success", cost: str = "KES 0.8000", name: str = "ATXid_1"
) -> dict[str, Any]:
    return {"statusCode": code, "number": number, "status": status, "cost": cost, "messageId": name}


def answer(*recipients: dict[str, Any], message: str = "Sent to 1/1 Total Cost: KES 0.8000") -> dict[str, Any]:
    return {"SMSMessageData": {"Message": message, "Recipients": list(recipients)}}


class SmsGateway:
    """Behaviours: ("json"|"trickle"|"flood", status, value), ("raw", status, bytes), "stall", "reset", "half"."""

    def __init__(self) -> None:
        self.plan: deque[Any] = deque()
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                gateway.seen.append((self.command, self.path, dict(self.headers), body))
                gateway.behave(self, gateway.plan.popleft())

            do_GET = do_POST  # noqa: N815  (the name that http.server asks for)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def form(self, at: int = -1) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.seen[at][3].decode()).items()}

    def behave(self, handler: BaseHTTPRequestHandler, behaviour: Any) -> None:
        if behaviour == "stall":  # the message goes out, the answer never comes
            time.sleep(STALL_S)
            return
        if behaviour == "reset":
            handler.connection.close()
            return
        if behaviour == "half":
            self._head(handler, 201, 1_000)
            handler.wfile.write(b'{"SMSMessageData"')
            return
        kind, status, value = behaviour
        body = value if kind == "raw" else json.dumps(value).encode()
        if kind == "flood":  # right in every byte, and too long
            body += b" " * 200_000
        if kind == "trickle":  # each byte in time, and the whole too late
            self._trickle(handler, status, body)
            return
        self._head(handler, status, len(body))
        try:
            handler.wfile.write(body)
        except OSError:  # who asked has had enough
            return

    def _trickle(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        parts = int(STALL_S / 0.1)
        self._head(handler, status, len(body) + parts)
        for part in (*[b" "] * parts, body):
            try:
                handler.wfile.write(part)
                handler.wfile.flush()
            except OSError:  # who asked has had enough
                return
            time.sleep(0.1)

    def _head(self, handler: BaseHTTPRequestHandler, status: int, length: int) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(length))
        if 300 <= status < 400:
            handler.send_header("Location", f"{self.url}/elsewhere")
        handler.end_headers()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
