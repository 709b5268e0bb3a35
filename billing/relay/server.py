"""The relay's side: the doors that M-Pesa calls, and one that the box asks. For all else nothing is there.

M-Pesa calls once: it is answered when the call is on the disk, and told that it failed where it is not. A validation is
answered here, as the box would answer it: all money is wanted (`billing.portal.callbacks`); what names a wrong paybill
is found when its confirmation is booked.
"""

import asyncio
import hmac
import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from billing.mpesa.callbacks import ACKNOWLEDGED, Verdict, validation_reply
from billing.relay.kept import Call, Kept
from radius.domain.shapes import decoder

BODY_BYTES_MAX = 64 * 1024  # as the portal's own doors
WAIT_S_MAX = 10.0
OURS = re.compile(r"/pay/(stk|c2b|result|late|sms)/[A-Za-z0-9_-]{8,128}(/confirm|/check)?")
NEXT, DONE, STATE = "/relay/next", "/relay/done", "/relay/state"

Networks = Sequence[IPv4Network | IPv6Network]


class Asked(msgspec.Struct):
    """When the box last asked (UTC seconds; 0: never), in this process."""

    at: int = 0


class Doors:
    """The routes over one queue. `allowed`: who may call; none: anybody. `token`: what the box shows."""

    def __init__(self, kept: Kept, token: str, allowed: Networks, now: Callable[[], int]) -> None:
        self._kept = kept
        self._token = token
        self._allowed = allowed
        self._now = now
        self._came = asyncio.Event()
        self._asked = Asked()

    def app(self) -> Starlette:
        """What a server serves."""
        return Starlette(
            routes=[
                Route("/pay/{rest:path}", self._call, methods=["POST"]),
                Route(NEXT, self._next, methods=["GET"]),
                Route(DONE, self._done, methods=["POST"]),
                Route(STATE, self._state, methods=["GET"]),
            ]
        )

    async def _call(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        if not OURS.fullmatch(request.url.path) or not self._may_call(address):
            return Response(status_code=404)
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        if request.url.path.endswith("/check"):
            return JSONResponse(validation_reply(Verdict.ACCEPT))
        kind = request.headers.get("content-type", "application/json")
        try:
            kept = await to_thread.run_sync(self._kept.put, Call(request.url.path, body, kind, address, self._now()))
        except OSError:
            kept = False
        if not kept:
            return Response(status_code=503)
        self._came.set()
        return JSONResponse(dict(ACKNOWLEDGED))

    def _may_call(self, address: str) -> bool:
        try:
            return not self._allowed or any(ip_address(address) in network for network in self._allowed)
        except ValueError:
            return False

    def _knows(self, request: Request) -> bool:
        shown = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(shown, f"Bearer {self._token}".encode())

    async def _next(self, request: Request) -> Response:
        """What waits, now or within some seconds: at once when something comes."""
        if not self._knows(request):
            return Response(status_code=404)
        self._asked.at = self._now()
        self._came.clear()
        found = await to_thread.run_sync(self._kept.first)
        if not found:
            try:
                await asyncio.wait_for(self._came.wait(), WAIT_S_MAX)
            except TimeoutError:
                pass
            else:
                found = await to_thread.run_sync(self._kept.first)
        return Response(msgspec.json.encode(found), media_type="application/json")

    async def _done(self, request: Request) -> Response:
        if not self._knows(request):
            return Response(status_code=404)
        try:
            names = decoder(list[str]).decode(await request.body())
        except msgspec.MsgspecError:
            return Response(status_code=400)
        await to_thread.run_sync(self._kept.done, names)
        return Response(status_code=204)

    async def _state(self, request: Request) -> Response:
        if not self._knows(request):
            return Response(status_code=404)
        waiting, oldest_at = await to_thread.run_sync(self._kept.state)
        return JSONResponse({"waiting": waiting, "oldest_at": oldest_at, "asked_at": self._asked.at})


async def _body(request: Request) -> bytes | None:
    """All of it; None for too much."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > BODY_BYTES_MAX:
            return None
    return bytes(read)
