"""Routes of one payment, for whoever has the token that its checkout gave out."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from billing.portal import events, shapes
from billing.portal.deps import Deps
from billing.portal.problems import ANY, BODY, Code, documented
from billing.portal.shop import Shop

EVENTS = "text/event-stream"


def routes(deps: Deps, shop: Shop) -> APIRouter:
    """All of them over `shop`."""
    router = APIRouter(prefix="/payments/{token}", tags=["waiting"])
    listeners = events.Listeners()

    @router.get("", responses=documented(*ANY, Code.NO_PAYMENT))
    def payment(token: str) -> shapes.Status:
        """What became of a payment."""
        return shop.status(token)

    @router.get(
        "/events",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "Events `status`, each a Status as JSON; ends at a final stage, or to be asked again.",
                "content": {EVENTS: {"schema": {"type": "string"}}},
            },
            **documented(*ANY, Code.NO_PAYMENT),
        },
    )
    def payment_events(token: str) -> StreamingResponse:
        """The same as server-sent events."""
        first = shop.status(token)

        async def lines() -> AsyncIterator[str]:
            async for line in events.stream(shop, first, deps.options.events_s, deps.monotonic, listeners):
                yield line

        return StreamingResponse(lines(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})

    @router.post("/receipt", responses=documented(*BODY, Code.NO_PAYMENT))
    def receipt(token: str, paid: shapes.Receipt) -> shapes.Shown:
        """Show the code of M-Pesa's message: paid by hand, or nothing came of it."""
        return shop.show(token, paid.receipt)

    @router.get("/usage", responses=documented(*ANY, Code.NO_PAYMENT, Code.NO_RIGHT))
    def usage(token: str) -> shapes.Usage:
        """What is left of what it bought."""
        return shop.usage(token)

    return router
