"""Routes of one payment: waiting for the prompt, what became of it, and in."""

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from billing.portal.pages.door import Door
from billing.portal.pages.front import Form
from billing.portal.pages.guest import Guest
from billing.portal.pages.handbook import VISIT, Handbook
from billing.portal.pages.http import route_class, see
from billing.portal.pages.plain import money
from billing.portal.pages.texts import text
from billing.portal.problems import Code, Refusal
from billing.portal.shapes import Reason, Stage, Status
from billing.services.shown import Answer
from radius.domain.guessing import Shape
from radius.domain.identity import NasId

_RECEIPT = re.compile(r"[A-Z0-9]{10}", re.ASCII)


def routes(door: Door) -> APIRouter:
    """All of them. The token in the address is what only its buyer was told; it names nobody."""
    router = APIRouter(prefix="/p/{token}", route_class=route_class(door.book), include_in_schema=False)
    desk = Desk(door)

    @router.get("")
    def payment(token: str, request: Request) -> Response:
        """The page that waits, or goes on."""
        return desk.show(request, door.shop.status(token))

    @router.get("/paid")
    def types(token: str, request: Request) -> Response:
        """The field for M-Pesa's code, on a page that does not load itself anew while one types."""
        return desk.show(request, door.shop.status(token), types=True)

    @router.post("/paid")
    def paid(token: str, request: Request, sent: Form) -> Response:
        """The customer has M-Pesa's message and we do not know of it."""
        return desk.has_paid(request, door.shop.status(token), sent)

    return router


class Desk:
    """Shows payments."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._book = door.book

    def show(self, request: Request, status: Status, *, types: bool = False) -> Response:
        """A payment as it stands."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        match status.stage:
            case Stage.PAID:
                return self._paid(request, guest)
            case Stage.WAITING:
                return self._waiting(request, status, types=types)
        reason = (status.reason or Reason.OTHER).value
        review = status.stage is Stage.REVIEW
        return self._book.renderer.page(self._book.view(request), "failed.html", review=review, reason=reason)

    def _paid(self, request: Request, guest: Guest | None) -> Response:
        if guest is None:
            return self._book.renderer.page(self._book.view(request), "enter.html", paid=True, looks=False)
        return self._door.enter(guest, paid=True)

    def _waiting(
        self, request: Request, status: Status, *, said: str = "", problem: str = "", types: bool = False
    ) -> Response:
        view = self._book.view(request)
        return self._book.renderer.page(
            view,
            "wait.html",
            token=status.token,
            amount=money(status.price_cents, view.language),
            said=said,
            problem=problem,
            types=types or bool(problem),
        )

    def has_paid(self, request: Request, status: Status, sent: dict[str, str]) -> Response:
        """Judge a typed M-Pesa code: only money that is known here counts, and a code that is noted is looked for."""
        if status.stage not in {Stage.WAITING, Stage.FAILED}:
            return see(f"/p/{status.token}")
        view = self._book.view(request)
        receipt = normal_receipt(sent.get("receipt", ""))
        if receipt is None:
            return self._waiting(request, status, problem=text("code_not_looked", view.language))
        self._slow_down(request)
        match self._door.shop.show(status.token, receipt).answer:
            case Answer.DONE:
                return see(f"/p/{status.token}")
            case Answer.WAITS:
                return self._waiting(request, status, said=text("code_noted", view.language))
        return self._waiting(request, status, problem=text("code_other", view.language))

    def _slow_down(self, request: Request) -> None:
        """A code that opens something is not found by trying."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is not None:
            slow_down(self._book, guest)


def slow_down(book: Handbook, guest: Guest) -> None:
    """Count a typed code against its site and device, like a voucher's; raises Refusal."""
    deps, site, mac = book.deps, NasId(guest.visit.site), guest.visit.arrival.mac
    now_ms = int(deps.monotonic() * 1000)
    verdict = deps.guard.check(now_ms, site, "", mac, shape=Shape.CODE, known_to_node=False, remembered=True)
    if not verdict.allowed:
        raise Refusal(Code.TOO_MANY, verdict.wait_s)
    deps.guard.failed(now_ms, site, "", mac, shape=Shape.CODE, unknown=True)


def normal_receipt(typed: str) -> str | None:
    """An M-Pesa code as it is kept; None for what is none."""
    text = re.sub(r"[\s-]", "", typed).upper()
    return text if _RECEIPT.fullmatch(text) else None
