"""Routes that tell whether this process lives, and whether it can serve."""

from fastapi import APIRouter

from billing.portal import shapes
from billing.portal.problems import ANY, Code, documented
from billing.portal.shop import Shop


def routes(shop: Shop) -> APIRouter:
    """Both of them."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", responses=documented(Code.TOO_MANY))
    async def live() -> shapes.Alive:
        """This process answers."""
        return shapes.Alive()

    @router.get("/ready", responses=documented(*ANY))
    def ready() -> shapes.Alive:
        """This process can serve: its clock is right and the store answers."""
        shop.ready()
        return shapes.Alive()

    return router
