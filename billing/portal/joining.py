"""Where routers that join ask: ``POST /join/...``, the token first in the body, so that no address holds a secret.

A preview of the address in a chat asks with GET and finds nothing. A token that is used, too old or was never there is
answered alike; who keeps trying is not looked up any more. Every answer is logged by router and step.
"""

from collections.abc import Callable

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from billing.portal.deps import Deps
from billing.portal.limits import Gate, address_key
from billing.portal.problems import Code, Refusal
from billing.portal.shield import address_of
from billing.services.joining import PATH, Answer
from radius.domain.errors import RadiusError

WORD_CHARS_MAX = 128


def routes(deps: Deps) -> APIRouter:
    """All of them; they answer routers, so the document of the API does not list them."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    joining = deps.joining

    async def answered(request: Request, step: str, ask: Callable[[str, str, int], Answer]) -> Response:
        stranger = address_key(address_of(request.scope))
        wait_s = deps.gates.wait_s(Gate.STRANGERS, stranger)
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        body = (await request.body()).decode("utf-8", "replace").strip()
        token, _, word = body.partition(" ")

        def told() -> Answer:
            return _told(deps, step, lambda: ask(token, word[:WORD_CHARS_MAX], deps.now()))

        answer = await to_thread.run_sync(told)
        if answer.refused is not None:
            if not answer.router:
                deps.gates.count(Gate.STRANGERS, stranger)
            raise Refusal(Code.NOT_FOUND)
        return PlainTextResponse(answer.text)

    @router.post("/script")
    async def script(request: Request) -> Response:
        """The script, once."""
        return await answered(request, "script", lambda token, _, now: joining.script(token, now))

    @router.post("/key")
    async def key(request: Request) -> Response:
        """The public key that the router made."""
        return await answered(request, "key", joining.key)

    @router.post("/page")
    async def page(request: Request) -> Response:
        """A page of its hotspot."""
        return await answered(request, "page", joining.page)

    @router.post("/done")
    async def done(request: Request) -> Response:
        """The router is set up."""
        return await answered(request, "done", lambda token, _, now: joining.done(token, now))

    return router


def _told(deps: Deps, step: str, ask: Callable[[], Answer]) -> Answer:
    try:
        answer = ask()
    except RadiusError as error:
        deps.log.warning("Router joining failed", operation=step, error=type(error).__name__, reason=str(error))
        raise
    tell = deps.log.info if answer.refused is None else deps.log.warning
    tell("Router joining", operation=step, nas=answer.router, outcome=answer.refused or "answered")
    return answer
