"""The captive-portal API (RFC 8908): what a phone asks so that it can show time and data left without a page.

The device is named by its router, which redirects the question (`billing/portal/handover.py`): from here nobody behind
a router can be told from another. Who names somebody else's device learns what is left there, and no more.
"""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from billing.portal import problems
from billing.portal.pages.door import Door
from billing.portal.problems import AWAY_S, Code, Slip
from billing.portal.shapes import FIXES
from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress, parse_mac
from radius.domain.subscriber import Session, SessionState

MEDIA_TYPE = "application/captive+json"


def routes(door: Door) -> APIRouter:
    """The one."""
    router = APIRouter(include_in_schema=False)

    @router.get("/w/{name}/captive")
    def captive(name: str, request: Request) -> Response:
        """Whether a device is held back, and what it has left."""
        mac = parse_mac(request.query_params.get("mac", ""))
        try:
            if door.book.pages.roster.find(name) is None:
                return problems.answer(Code.NO_SITE)
            if mac is None:
                return problems.answer(Code.INVALID, slips=(Slip(field="device", fix=FIXES["device"]),))
            said = _said(door, name, mac)
        except Unavailable:
            return problems.answer(Code.AWAY, AWAY_S)
        return JSONResponse(said, headers={"Cache-Control": "private, no-store"}, media_type=MEDIA_TYPE)

    return router


def _said(door: Door, name: str, mac: MacAddress) -> dict[str, object]:
    """RFC 8908 §5. A right without a limit has no member for it."""
    present, url = door.book.deps.customers.known(mac), door.book.pages.url
    said: dict[str, object] = {"captive": True, "can-extend-session": True}
    if url.startswith("https:"):  # the only kind that may be named
        said["user-portal-url"] = f"{url}/w/{name}"
    mine = [each for each in present.sessions if each.device == mac and each.nas == name] if present else []
    online = next((each for each in reversed(mine) if each.state is SessionState.OPEN), None)
    return said | _left(online, door.book.deps.now()) if online is not None else said


def _left(session: Session, now: int) -> dict[str, object]:
    left: dict[str, object] = {"captive": False, "seconds-remaining": max(0, session.ends_at - now)}
    if session.cap_bytes:
        left["bytes-remaining"] = max(0, session.cap_bytes - session.total_bytes)
    return left
