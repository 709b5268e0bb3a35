"""The app: routes, the shield around them, and one shape for everything that goes wrong."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from billing.portal import account, buying, callbacks, health, joining, problems, waiting
from billing.portal.deps import Deps
from billing.portal.pages import pages
from billing.portal.pages.handbook import Handbook
from billing.portal.problems import AWAY_S, Code, Problem, Refusal, Slip
from billing.portal.shapes import FIXES
from billing.portal.shield import Shield
from billing.portal.shop import Shop
from radius.domain.errors import Malformed, Unavailable

SLIPS_MAX = 10  # of one request
PROGRAMS = ("/api/", "/pay/")

Refuse = Callable[[Scope, Code, int], Response]


def create_app(deps: Deps) -> FastAPI:
    """The app over `deps`; its life begins and ends the settler's threads (unless it settles inline)."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        if deps.options.inline:
            yield
            return
        deps.settler.start()
        try:
            yield
        finally:
            await to_thread.run_sync(deps.settler.close)

    app = FastAPI(
        title="WiFi portal",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    shop = Shop(deps)
    for part in (buying, waiting, account):
        app.include_router(part.routes(deps, shop), prefix="/api/v1")
    app.include_router(health.routes(shop), prefix="/api/v1")
    app.include_router(callbacks.routes(deps))
    app.include_router(joining.routes(deps))
    refuse = _refusing(pages.add(app, deps, shop))
    app.add_middleware(
        Shield, gates=deps.gates, metrics=deps.metrics, log=deps.log, monotonic=deps.monotonic, refuse=refuse
    )
    _handle(app, refuse)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # the way FastAPI documents it
    return app


def _refusing(book: Handbook) -> Refuse:
    """People get a page, programs a problem."""

    def refuse(scope: Scope, code: Code, wait_s: int) -> Response:
        if str(scope["path"]).startswith(PROGRAMS):
            return problems.answer(code, wait_s)
        return book.bare(Request(scope), code, wait_s)

    return refuse


def _handle(app: FastAPI, refuse: Refuse) -> None:
    """Errors become problems, each in one place."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return problems.answer(refusal.code, refusal.wait_s, refusal.slips)

    @app.exception_handler(Malformed)
    async def malformed(_: Request, bad: Malformed) -> Response:
        return problems.answer(Code.INVALID, slips=(Slip(field=bad.field, fix=bad.fix),))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, bad: RequestValidationError) -> Response:
        return problems.answer(Code.INVALID, slips=tuple(_slip(error) for error in bad.errors()[:SLIPS_MAX]))

    @app.exception_handler(Unavailable)
    async def away(_: Request, _away: Unavailable) -> Response:
        return problems.answer(Code.AWAY, AWAY_S)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = Code.NO_METHOD if error.status_code == 405 else Code.NOT_FOUND
        if error.status_code not in {404, 405}:
            code = Code.INVALID
        response = refuse(request.scope, code, 0)
        response.headers.update(error.headers or {})
        return response


def _slip(error: dict[str, Any]) -> Slip:
    """The field at fault and what is wanted. The framework's text may quote what was sent, so it is not used."""
    where = [str(part) for part in error["loc"][1:]]
    field = where[-1] if where else "body"
    if error["type"] == "missing":
        return Slip(field=field, fix=f"is missing; it {FIXES[field]}" if field in FIXES else "must be a JSON object")
    if error["type"] == "extra_forbidden":
        return Slip(field="body", fix="has a field that is not known; leave it out")
    return Slip(field=field if field in FIXES else "body", fix=FIXES.get(field, "must be a JSON object"))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """What FastAPI knows, with our shape of problems instead of its own."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes)
        shapes = found["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        shapes.update(problem.pop("$defs"))
        shapes["Problem"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            shapes.pop(name, None)
        for operations in found["paths"].values():
            for operation in operations.values():
                _drop_foreign(operation["responses"])
        app.openapi_schema = found
    return app.openapi_schema


def _drop_foreign(responses: dict[str, Any]) -> None:
    """A path that is any text cannot be invalid; FastAPI says that it can."""
    content = responses.get("422", {}).get("content", {})
    if "application/json" in content:
        del responses["422"]
