"""Around the whole app: limits before a body is read, security headers on every answer, faults told once, no secrets.

Nothing here looks at a body, and no address, path or query gets into the log: a path holds tokens.
"""

import asyncio
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from billing.metrics import Answer
from billing.portal import problems
from billing.portal.limits import Gate, Gates, address_key
from billing.portal.problems import Code
from billing.ports import BODY_BYTES_MAX
from radius.log import RequestIds
from radius.metrics import Metrics

BODY_S_MAX = 10.0  # for a body to arrive
CALLBACKS = "/pay/"
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",  # a status page's address holds its token
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"interest-cohort=()",
}


class Shield:
    """ASGI middleware. Cross-origin requests are never allowed: no header says so."""

    def __init__(
        self,
        app: ASGIApp,
        gates: Gates,
        metrics: Metrics,
        log: FilteringBoundLogger,
        monotonic: Callable[[], float],
        refuse: Callable[[Scope, Code, int], Response] = lambda _scope, code, wait_s: problems.answer(code, wait_s),
    ) -> None:
        """`refuse`: how a request is refused; waits for nothing."""
        self._app = app
        self._refuse = refuse
        self._gates = gates
        self._metrics = metrics
        self._log = log
        self._monotonic = monotonic
        self._request_id = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at, status = self._monotonic(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = _with_headers(message.get("headers", []))
            await send(message)

        try:
            await self._serve(scope, receive, told)
        except Exception as error:  # noqa: BLE001 - boundary: told with its trace, never shown
            self._tell(scope, began_at, error)
            if not status:
                await self._refuse(scope, Code.FAULT, 0)(scope, receive, told)
        else:
            if status >= 500:
                self._tell(scope, began_at, None)
        self._count(status, began_at)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._limited(scope)
        body: bytes | Code | None = b""
        if refusal is None:
            body = await _body(scope, receive)
            if body is None:
                return  # whoever asked is gone
            if isinstance(body, Code):
                refusal = self._refuse(scope, body, 0)
                refusal.headers["Connection"] = "close"
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return rest.pop() if rest else await receive()

        await self._app(scope, replayed, send)

    def _limited(self, scope: Scope) -> Response | None:
        """Callbacks come from few addresses and only once: they are not limited here."""
        if str(scope["path"]).startswith(CALLBACKS):
            return None
        wait_s = self._gates.enter(Gate.REQUESTS, address_key(address_of(scope)))
        return self._refuse(scope, Code.TOO_MANY, wait_s) if wait_s else None

    def _tell(self, scope: Scope, began_at: float, error: Exception | None) -> None:
        path = getattr(scope.get("route"), "path", "")
        took_us = int((self._monotonic() - began_at) * 1_000_000)
        tell = self._log.error if error is not None else self._log.warning
        tell(
            "Request failed",
            request_id=self._request_id(),
            operation=f"{scope['method']} {path}" if path else None,
            took_us=took_us,
            exc_info=error,
        )

    def _count(self, status: int, began_at: float) -> None:
        answer = Answer.FAILED
        if 0 < status < 500:
            answer = Answer.LIMITED if status == 429 else Answer.REFUSED if status >= 400 else Answer.DONE
        self._metrics.count("PortalRequests", Answer=answer.value)
        self._metrics.observe("PortalLatency", self._monotonic() - began_at)


def address_of(scope: Scope) -> str:
    """Where a request came from, as the server saw it (it resolves its own proxies); "" where it does not say."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _body(scope: Scope, receive: Receive) -> bytes | Code | None:
    """The whole body, or why not; None if the client is gone."""
    if _announced(scope) > BODY_BYTES_MAX:
        return Code.TOO_LARGE
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_S_MAX):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    return Code.TOO_LARGE
                chunks.append(chunk)
                if not message.get("more_body"):
                    return b"".join(chunks)
    except TimeoutError:
        return Code.TOO_SLOW


def _announced(scope: Scope) -> int:
    """Content-Length; 0 if there is none (what does not parse is refused by the server)."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else BODY_BYTES_MAX + 1
    return 0


def _with_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the route did not set itself."""
    there = {name.lower() for name, _ in headers}
    return [*headers, *((name, value) for name, value in HEADERS.items() if name not in there)]
