"""A proxy that asks DynamoDB for ConsumedCapacity on behalf of a client that does not, and adds it up.

It changes the request body, so it works only with an engine that does not check signatures (dynoxide does not).
It is for counting, not for speed: one thread, one connection each way.
"""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
START_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Usage:
    """Capacity units and calls: totals, or for one request after `per_request`."""

    read_units: float = 0
    write_units: float = 0
    index_write_units: float = 0
    calls: dict[str, float] = field(default_factory=dict)

    def per_request(self, requests: int) -> "Usage":
        """The same, divided by the number of RADIUS requests that caused it."""
        return Usage(
            self.read_units / requests,
            self.write_units / requests,
            self.index_write_units / requests,
            {name: count / requests for name, count in self.calls.items()},
        )


class Meter:
    """The proxy. `port` is where the client connects; `take` returns what was used since the last time."""

    def __init__(self, store_port: int) -> None:
        self.port = 0
        self._store_port = store_port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._lock = threading.Lock()
        self._units: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise TimeoutError("the capacity meter did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def take(self) -> Usage:
        """What was used since the last call."""
        with self._lock:
            units, calls = self._units, dict(self._calls)
            self._units, self._calls = Counter(), Counter()
        return Usage(units["read"], units["write"], units["index"], {k: float(v) for k, v in calls.items()})

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self._store_port)
        try:
            while True:
                head, body = await _message(reader)
                operation = _header(head, b"x-amz-target").rpartition(b".")[2].decode()
                store_writer.write(_asking(head, body))
                answer_head, answer = await _message(store_reader)
                self._count(operation, answer)
                writer.write(answer_head + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # one side hung up: that is how these conversations end
        finally:
            for each in (writer, store_writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    def _count(self, operation: str, answer: bytes) -> None:
        used = json.loads(answer or b"{}").get("ConsumedCapacity", [])
        with self._lock:
            self._calls[operation] += 1
            for one in used if isinstance(used, list) else [used]:
                self._units["read" if operation in READS else "write"] += one.get("CapacityUnits", 0)
                for index in one.get("GlobalSecondaryIndexes", {}).values():
                    self._units["index"] += index.get("CapacityUnits", 0) if operation not in READS else 0


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _asking(head: bytes, body: bytes) -> bytes:
    request: dict[str, Any] = json.loads(body)
    body = json.dumps({**request, "ReturnConsumedCapacity": "INDEXES"}).encode()
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(_header(head, b"content-length") or 0)
    return head, await reader.readexactly(length)
