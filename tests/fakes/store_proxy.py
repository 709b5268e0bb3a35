"""A TCP proxy before a DynamoDB engine that makes what no emulator makes.

Faults are a script: each `Fault` says what happens to which operation, how often and with what chance (seeded). The
first fault that matches a request takes it. Speaks enough HTTP/1.1 (keep-alive, Content-Length) for the AWS clients.
"""

import contextlib
import json
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

HEAD_BYTES_MAX = 65_536  # more than any signed request carries
ACCEPT_POLL_S = 0.1
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}  # only these meet a TransactionConflict


class FaultKind(Enum):
    """What happens to a request."""

    CONFLICT = "conflict"  # TransactionConflict: as cancellation reason, or as error of a single write
    THROTTLE = "throttle"  # ThrottlingException
    THROUGHPUT = "throughput"  # ProvisionedThroughputExceededException
    SERVER_ERROR = "server_error"  # HTTP 500
    CUT_BEFORE = "cut_before"  # connection closed, nothing done
    CUT_AFTER = "cut_after"  # done, connection closed instead of an answer
    SWALLOW = "swallow"  # done, and silence: time-out after commit
    BLACK_HOLE = "black_hole"  # nothing done, and silence
    UNPROCESSED = "unprocessed"  # BatchGetItem: only the first half of the keys is answered
    SLOW = "slow"  # done, answered `delay_s` later


@dataclass
class Fault:
    """One line of the script. `count` None: for ever. `operation` empty: any."""

    kind: FaultKind
    operation: str = ""
    count: int | None = None
    probability: float = 1.0
    delay_s: float = 0.0
    when: Callable[[dict[str, Any]], bool] | None = None


@dataclass
class Request:
    """One HTTP request as it came."""

    operation: str
    head: bytes
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body or b"{}")
        return payload


@dataclass
class _Connection:
    client: socket.socket
    store: socket.socket


class StoreProxy:
    """Listens on a loopback port of its own and forwards to `upstream_port`. Close it to join all threads."""

    def __init__(self, upstream_port: int, seed: int = 0) -> None:
        self._upstream_port = upstream_port
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._quiet = threading.Event()  # set once to end every silence and delay of now
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.injected: list[FaultKind] = []
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._start(self._accept, self._listener)

    # -- script ------------------------------------------------------------------------------------------------

    def inject(self, kind: FaultKind, **what: Any) -> Fault:
        """Append a fault to the script; `what` are fields of Fault."""
        fault = Fault(kind, **what)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget the script; requests that hang in silence are cut."""
        with self._lock:
            self._faults.clear()
            quiet, self._quiet = self._quiet, threading.Event()
        quiet.set()

    def refuse(self) -> None:
        """Refuse connections, and cut those that exist: the store process is gone."""
        _close(self._listener)
        with self._lock:
            connections = list(self._connections)
            quiet, self._quiet = self._quiet, threading.Event()
        quiet.set()
        for connection in connections:
            _close(connection.client)
            _close(connection.store)

    def listen_again(self) -> None:
        """Accept connections again on the same port."""
        self._listener = self._listen(self.port)
        self._start(self._accept, self._listener)

    def close(self) -> None:
        """Stop and join everything."""
        self._closed.set()
        self.refuse()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    # -- wires -------------------------------------------------------------------------------------------------

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
        listener.settimeout(ACCEPT_POLL_S)
        return listener

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, name="store-proxy")
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                store = socket.create_connection(("127.0.0.1", self._upstream_port))
            except OSError:
                _close(client)
                continue
            store.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(client, store)
            with self._lock:
                self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: _Connection) -> None:
        try:
            with contextlib.suppress(OSError):
                while (request := _read_request(connection.client)) is not None:
                    if not self._answer(connection, request):
                        return
        finally:
            with self._lock:
                self._connections.remove(connection)
            _close(connection.client)
            _close(connection.store)

    # -- faults ------------------------------------------------------------------------------------------------

    def _pick(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append((request.operation, request.payload))
            for fault in self._faults:
                if fault.operation not in ("", request.operation) or fault.count == 0:
                    continue
                if fault.kind is FaultKind.CONFLICT and request.operation not in WRITES:
                    continue
                if fault.when is not None and not fault.when(request.payload):
                    continue
                if self._random.random() >= fault.probability:
                    continue
                if fault.count is not None:
                    fault.count -= 1
                self.injected.append(fault.kind)
                return fault
        return None

    def _answer(self, connection: _Connection, request: Request) -> bool:
        """Answer one request; False ends the connection."""
        fault = self._pick(request)
        kind = fault.kind if fault else None
        quiet = self._quiet
        answer = _forge(kind, request)
        if kind is FaultKind.UNPROCESSED and request.operation == "BatchGetItem":
            answer = self._half(connection, request)
        elif answer is None and kind not in (FaultKind.CUT_BEFORE, FaultKind.BLACK_HOLE):
            answer = _exchange(connection.store, request.head, request.body)
        if fault is not None and kind is FaultKind.SLOW:
            quiet.wait(fault.delay_s)
        if kind in (FaultKind.SWALLOW, FaultKind.BLACK_HOLE):
            quiet.wait()
        if answer is None or kind in (FaultKind.CUT_AFTER, FaultKind.SWALLOW):
            return False
        connection.client.sendall(answer)
        return True

    def _half(self, connection: _Connection, request: Request) -> bytes:
        """Ask the engine for half of the keys and call the others unprocessed (HTTP 200, as DynamoDB does)."""
        payload = request.payload
        left: dict[str, Any] = {}
        for table, asked in payload["RequestItems"].items():
            keys = asked["Keys"]
            left[table] = {**asked, "Keys": keys[len(keys) // 2 :]}
            asked["Keys"] = keys[: len(keys) // 2]
        asked_for_some = any(asked["Keys"] for asked in payload["RequestItems"].values())
        reply: dict[str, Any] = {"Responses": {table: [] for table in left}}
        if asked_for_some:
            body = json.dumps(payload).encode()
            answer = _exchange(connection.store, _with_length(request.head, len(body)), body)
            reply = json.loads(answer.partition(b"\r\n\r\n")[2])
        reply["UnprocessedKeys"] = left
        return _response(200, reply)


def _forge(kind: FaultKind | None, request: Request) -> bytes | None:
    if kind is FaultKind.CONFLICT:
        if request.operation == "TransactWriteItems":
            reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in request.payload["TransactItems"]]
            reasons[0] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
            codes = ", ".join(reason["Code"] for reason in reasons)
            text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            return _error("TransactionCanceledException", text, CancellationReasons=reasons)
        return _error("TransactionConflictException", "Transaction is ongoing for the item")
    if kind is FaultKind.THROTTLE:
        return _error(
            "ThrottlingException", "Rate of requests exceeds the allowed throughput.", "com.amazon.coral.service"
        )
    if kind is FaultKind.THROUGHPUT:
        return _error("ProvisionedThroughputExceededException", "The level of configured throughput was exceeded.")
    if kind is FaultKind.SERVER_ERROR:
        return _response(500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "oops"})
    return None


def _error(code: str, message: str, space: str = "com.amazonaws.dynamodb.v20120810", **more: Any) -> bytes:
    return _response(400, {"__type": f"{space}#{code}", "message": message, "Message": message, **more})


def _response(status: int, payload: dict[str, Any]) -> bytes:
    body = json.dumps(payload).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _exchange(store: socket.socket, head: bytes, body: bytes) -> bytes:
    store.sendall(head + body)
    answer = _read_message(store)
    if answer is None:
        raise OSError("the engine closed the connection")
    return answer[0] + answer[1]


def _read_request(client: socket.socket) -> Request | None:
    message = _read_message(client)
    if message is None:
        return None
    head, body = message
    return Request(_header(head, b"x-amz-target").rpartition(".")[2], head, body)


def _read_message(wire: socket.socket) -> tuple[bytes, bytes] | None:
    """Head (with the blank line) and body of one HTTP message; None at the end of the connection."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = wire.recv(65_536)
        if not chunk or len(buffer) > HEAD_BYTES_MAX:
            return None
        buffer += chunk
    head, _, body = buffer.partition(b"\r\n\r\n")
    left = int(_header(head, b"content-length") or 0) - len(body)
    parts = [body]
    while left > 0:
        chunk = wire.recv(min(left, 1 << 20))
        if not chunk:
            return None
        parts.append(chunk)
        left -= len(chunk)
    return head + b"\r\n\r\n", b"".join(parts)


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode()
    return ""


def _with_length(head: bytes, length: int) -> bytes:
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*lines, f"Content-Length: {length}".encode()]) + b"\r\n\r\n"


def _close(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    wire.close()
