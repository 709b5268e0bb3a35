"""Routes of what is bought: packages, checkout, vouchers."""

from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Request

from billing.portal import shapes
from billing.portal.deps import Deps
from billing.portal.limits import Gate, address_key
from billing.portal.problems import ANY, AWAY_S, BODY, Code, Refusal, documented
from billing.portal.shield import address_of
from billing.portal.shop import Shop

PUSHES_MAX = 24  # at once, each may wait half a minute for M-Pesa; who comes then is told to come again


def routes(deps: Deps, shop: Shop) -> APIRouter:
    """All of them over `shop`."""
    router = APIRouter(tags=["buying"])
    pushes = CapacityLimiter(PUSHES_MAX)

    @router.get("/sites/{site}/packages", responses=documented(*ANY, Code.NO_SITE))
    def packages(site: str) -> shapes.Offers:
        """What can be bought at a place."""
        return shapes.Offers(packages=[shapes.offer(each) for each in shop.offers(site)])

    @router.post(
        "/checkouts",
        status_code=202,
        responses=documented(
            *BODY, Code.NO_SITE, Code.NOT_SOLD, Code.BLOCKED, Code.PHONE_BUSY, Code.KEY_REUSED, Code.NOT_SENT
        ),
    )
    async def checkout(
        purchase: shapes.Purchase,
        request: Request,
        key: Annotated[shapes.Key, Header(alias="Idempotency-Key", description="New for each purchase.")],
    ) -> shapes.Status:
        """Send a prompt to a phone, once: the same key finds the same payment and never sends another."""
        wait_s = deps.gates.enter(Gate.PURCHASES, address_key(address_of(request.scope)))
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        if pushes.available_tokens < 1:
            raise Refusal(Code.AWAY, AWAY_S)
        return await to_thread.run_sync(shop.buy, purchase, key, limiter=pushes)

    @router.post(
        "/vouchers/redeem", responses=documented(*BODY, Code.NO_SITE, Code.NO_CODE, Code.CODE_OVER, Code.BLOCKED)
    )
    def redeem(coupon: shapes.Coupon) -> shapes.Redeemed:
        """Turn a voucher's code into time online for a device."""
        return shop.redeem(coupon)

    return router
