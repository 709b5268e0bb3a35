"""HTTP for pages: forms in, cookies, and errors as pages that say what to do."""

from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from billing.portal.pages.handbook import VISIT, Handbook
from billing.portal.pages.visit import SEAT_S, VISIT_S
from billing.portal.problems import AWAY_S, Code, Refusal
from radius.domain.errors import Malformed, Unavailable

FIELDS_MAX = 40
VALUE_CHARS_MAX = 4_000
SEAT = "wbs"  # the cookie of who signed in

_LASTS_S = {VISIT: VISIT_S, SEAT: SEAT_S}
# A router's log-in page is another site and posts: "lax" would keep the visit from it, and with it how often the phone
# was sent round already. Unsaid, Chromium brings a cookie of the last two minutes along and others any. No form is
# believed for this cookie: each carries its visit itself.
_FOLLOWS: dict[str, Literal["lax"] | None] = {VISIT: None, SEAT: "lax"}


async def form(request: Request) -> dict[str, str]:
    """The fields of our own form; raises Refusal for one that another site sent."""
    if request.headers.get("sec-fetch-site", "same-origin") in {"cross-site", "same-site"}:
        raise Refusal(Code.INVALID)
    return await fields(request)


async def fields(request: Request) -> dict[str, str]:
    """The fields of query and body, wherever they come from: routers' pages are other sites."""
    found = list(request.query_params.multi_items())
    if request.method == "POST":
        async with request.form(max_files=0, max_fields=FIELDS_MAX) as sent:
            found += [(name, value) for name, value in sent.multi_items() if isinstance(value, str)]
    return {name: value for name, value in found[:FIELDS_MAX] if len(value) <= VALUE_CHARS_MAX}


def see(path: str) -> Response:
    """Go on by GET, so that loading anew sends nothing twice."""
    return RedirectResponse(path, 303)


def set_cookie(response: Response, name: str, value: str, *, secure: bool) -> Response:
    """For this host, not for scripts; who signed in, not along with other sites' forms. "" takes it away."""
    lasts_s = _LASTS_S[name] if value else 0
    response.set_cookie(name, value, lasts_s, path="/", secure=secure, httponly=True, samesite=_FOLLOWS[name])
    return response


def route_class(book: Handbook) -> type[APIRoute]:
    """Routes whose errors are pages."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handled(request: Request) -> Response:
                try:
                    return await handler(request)
                except Refusal as refusal:
                    return book.problem(request, refusal.code, refusal.wait_s)
                except Malformed:
                    return book.problem(request, Code.INVALID)
                except Unavailable:
                    return book.problem(request, Code.AWAY, AWAY_S)

            return handled

    return PageRoute
