"""Who paid and shows another device now, or a phone that changed its MAC: the M-Pesa code moves what it bought."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from billing.portal.pages.door import Door, Wrong
from billing.portal.pages.front import Form
from billing.portal.pages.guest import Guest
from billing.portal.pages.http import route_class
from billing.portal.pages.me import refused
from billing.portal.pages.paying import normal_receipt, slow_down
from billing.portal.pages.texts import text
from billing.ports import ClaimKind
from billing.services.moves import Moved
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.identity import SubscriberId


def routes(door: Door) -> APIRouter:
    """The one."""
    router = APIRouter(route_class=route_class(door.book), include_in_schema=False)

    @router.post("/claim")
    def claim(request: Request, sent: Form) -> Response:
        """By the code of M-Pesa's message, which only who paid has."""
        guest = door.book.guest(sent.get("visit", ""))
        return _claim(door, guest, sent.get("receipt", "")) if guest else door.book.strange(request)

    return router


def _claim(door: Door, guest: Guest, typed: str) -> Response:
    language, receipt = guest.visit.language, normal_receipt(typed)
    if receipt is None:
        return door.front(guest, Wrong(text("code_not_looked", language)), opened="claim", status=422)
    slow_down(door.book, guest)
    owner = _owner(door, receipt, guest.now)
    if owner is None:
        return door.front(guest, Wrong(text("p_no_code", language)), opened="claim", status=404)
    moved = door.book.pages.moves.take(owner, guest.visit.arrival.mac, guest.now, instead=True)
    if moved is Moved.DONE:
        return door.enter(guest)
    return door.front(guest, Wrong(refused(moved, guest)), opened="claim", status=409)


def _owner(door: Door, receipt: str, now: int) -> SubscriberId | None:
    """Whose payment that was, while what it bought is still good; a code that is worth nothing looks like none."""
    book = door.book.deps.book
    payment = book.stores.postings.owner(ClaimKind.MPESA, receipt, book.deadline())
    kept = book.stores.payments.payment(payment, book.deadline()) if payment else None
    if kept is None or kept.payment.mpesa_receipt != receipt:
        return None
    subscriber = SubscriberId(kept.payment.subscriber)
    stored = book.stores.subscribers.read(subscriber, book.deadline())
    right = aggregate.decode(stored.body).right(kept.payment.id) if stored else None
    good = right is not None and entitlement.state(right, now) in {RightState.LIVE, RightState.DORMANT}
    return subscriber if good else None
