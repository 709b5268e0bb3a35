"""What a router's own script asks: which devices have paid and wait (`deploy/routers/mikrotik/waiting.rsc`).

The address holds a key of the router's own: the list is of addresses, and is nobody else's.
"""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from billing.portal import problems
from billing.portal.pages.door import Door
from billing.portal.problems import AWAY_S, Code
from billing.portal.tokens import same
from radius.domain.errors import Unavailable


def routes(door: Door) -> APIRouter:
    """The one."""
    router = APIRouter(include_in_schema=False)
    pages = door.book.pages

    @router.get("/w/{name}/waiting/{key}")
    def waiting(name: str, key: str) -> Response:
        """``MAC=IP,MAC=IP``, or nothing."""
        try:
            if not same(key, pages.router_key(name)) or pages.roster.find(name) is None:
                return problems.answer(Code.NOT_FOUND)
            found = pages.waiters.paid(name, door.book.deps.now())
        except Unavailable:
            return problems.answer(Code.AWAY, AWAY_S)
        return PlainTextResponse(",".join(f"{each.mac}={each.ip}" for each in found))

    return router
