"""Routes of who proved a phone by a code in a text message: signing in, what is left, devices, payments.

The rules are those of the pages. A token is what a page's cookie is, a `Seat`: for half an hour, of one customer on one
device; it comes in a header, so it is in no address and no log, and no other site's form sends it along.
"""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from billing.portal import shapes
from billing.portal.deps import Deps
from billing.portal.holdings import choose_notices, holdings
from billing.portal.pages.visit import SEAT_S, Seat, seat
from billing.portal.problems import ANY, BODY, Code, Refusal, documented
from billing.portal.shield import address_of
from billing.portal.shop import Shop, device_of
from billing.portal.signing import Asker, SignIn
from radius.domain.identity import SubscriberId

_BEARER = HTTPBearer(auto_error=False, description="What `sign-in/confirm` gave out.")


def routes(deps: Deps, shop: Shop) -> APIRouter:
    """All of them; none where there are no text messages."""
    router = APIRouter(tags=["account"])
    if deps.pages.send is None:
        return router
    _add_signing_in(router, deps, shop)
    _add_mine(router, deps)
    return router


def _add_signing_in(router: APIRouter, deps: Deps, shop: Shop) -> None:
    signing = SignIn(deps)

    def asker(phone: shapes.PhoneHere) -> Asker:
        shop.place(phone.site)
        return Asker(phone.phone, device_of(phone.device), phone.site, phone.language)

    @router.post("/sign-in", status_code=202, responses=documented(*BODY, Code.NO_SITE))
    def ask(wanted: shapes.PhoneHere, request: Request, tasks: BackgroundTasks) -> shapes.CodeAsked:
        """Send a code to a phone. Whether it is known, and whether one was sent, is not told."""
        asked = signing.ask(asker(wanted), address_of(request.scope), deps.now())
        if asked.send is not None:
            tasks.add_task(asked.send)
        return shapes.CodeAsked(ask_again_s=asked.ask_again_s)

    @router.post("/sign-in/confirm", responses=documented(*BODY, Code.NO_SITE, Code.WRONG_CODE))
    def confirm(proof: shapes.PhoneProof) -> shapes.SignedIn:
        """A token for a code that is right: typed on the device that asked for it, within ten minutes."""
        signed = signing.enter(asker(proof), proof.code, deps.now())
        if signed is None:
            raise Refusal(Code.WRONG_CODE)
        return shapes.SignedIn(token=signed, lasts_s=SEAT_S)


def _add_mine(router: APIRouter, deps: Deps) -> None:
    def seated(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Seat:
        found = seat(deps.pages.signer, sent.credentials, deps.now()) if sent is not None else None
        if found is None:
            raise Refusal(Code.NOT_SIGNED_IN)
        return found

    def mine(subscriber: SubscriberId) -> shapes.Mine:
        now = deps.now()
        return shapes.mine(holdings(deps, subscriber, now), now)

    @router.get("/me", responses=documented(*ANY, Code.NOT_SIGNED_IN))
    def me(sits: Annotated[Seat, Depends(seated)]) -> shapes.Mine:
        """What is left and until when, devices, the last payments."""
        return mine(SubscriberId(sits.subscriber))

    @router.post("/me/devices/remove", responses=documented(*BODY, Code.NOT_SIGNED_IN))
    def remove(gone: shapes.DeviceGone, sits: Annotated[Seat, Depends(seated)]) -> shapes.Mine:
        """A device is mine no more, and is cut; what is left then. One that is not mine stays what it is."""
        subscriber = SubscriberId(sits.subscriber)
        deps.pages.moves.drop(subscriber, device_of(gone.device), deps.now())
        return mine(subscriber)

    @router.post("/me/notices", responses=documented(*BODY, Code.NOT_SIGNED_IN))
    def notices(choice: shapes.NoticesWanted, sits: Annotated[Seat, Depends(seated)]) -> shapes.Mine:
        """Be told of outages and works by message, or not any more. Codes and receipts are sent all the same."""
        subscriber = SubscriberId(sits.subscriber)
        choose_notices(deps, subscriber, deps.now(), wanted=choice.wanted)
        return mine(subscriber)
