"""Routes of the pages before one is online: arrival, packages, vouchers, and what is told by a file."""

import re
from ipaddress import IPv4Address
from typing import Annotated

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from billing.domain.voucher import CodeRules, slipped
from billing.domain.waiting import Waits
from billing.portal import handover, shapes
from billing.portal.limits import Gate, address_key
from billing.portal.pages import render
from billing.portal.pages.door import Door, Wrong
from billing.portal.pages.guest import Guest
from billing.portal.pages.handbook import VISIT, words
from billing.portal.pages.http import fields, form, route_class, see
from billing.portal.pages.texts import text
from billing.portal.problems import AWAY_S, KINDS, Code, Refusal
from billing.portal.shield import address_of
from radius.domain.errors import Malformed
from radius.domain.nas import Family, Language
from radius.domain.policy import Reject

Fields = Annotated[dict[str, str], Depends(fields)]
Form = Annotated[dict[str, str], Depends(form)]
PUSHES_MAX = 24  # as for the API: each may wait half a minute for M-Pesa
SHOWN = frozenset({Code.NOT_SOLD, Code.BLOCKED, Code.PHONE_BUSY, Code.KEY_REUSED, Code.NOT_SENT, Code.TOO_MANY})
CODES = CodeRules()  # of vouchers, where their batch was not told otherwise
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_THEN = re.compile(r"/(?:p/[0-9a-f]{48}|me|screen|online)", re.ASCII)  # pages that the language can be changed on
_OTHER = {Language.ENGLISH: Language.SWAHILI, Language.SWAHILI: Language.ENGLISH}


def routes(door: Door) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=route_class(door.book), include_in_schema=False)
    front = Front(door)
    for method, path, endpoint in (
        ("GET", "/w/{name}", front.arrive),
        ("POST", "/w/{name}", front.arrive),
        ("GET", "/", front.packages),
        ("POST", "/language", front.language),
        ("POST", "/buy", front.buy),
        ("POST", "/voucher", front.voucher),
        ("GET", "/v", front.scanned),
        ("POST", "/connect", front.connect),
        ("GET", "/online", front.online),
        ("POST", "/online", front.look),
        ("GET", "/static/{name}", front.asset),
        ("GET", "/logo/{site}/{name}", front.logo),
    ):
        router.add_api_route(path, endpoint, methods=[method])
    return router


class Front:
    """The routes."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._book = door.book
        self._counter = Counter(door)
        self._pushes = CapacityLimiter(PUSHES_MAX)

    def arrive(self, name: str, request: Request, said: Fields) -> Response:
        """From a router's log-in page; without a word of a device (a page loaded anew) as it came before."""
        before = self._book.guest(request.cookies.get(VISIT, ""))
        if not said and before is not None and before.visit.arrival.router == name:
            return self._door.enter(before)
        try:
            return self._door.arrive(name, said, str(request.url), before.visit if before else None)
        except Malformed:  # no device, or none that can be
            return self._book.strange(request, KINDS[Code.INVALID].status)

    def packages(self, request: Request) -> Response:
        """The packages again."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is None:
            return self._book.strange(request)
        return self._door.front(guest) if "buy" in request.query_params else self._door.enter(guest)

    def language(self, request: Request, sent: Form) -> Response:
        """The other language, on the page that it was asked on: who waits for a payment does not pay again."""
        guest, then = self._book.guest(sent.get("visit", "")), sent.get("then", "")
        if guest is None:
            return self._book.strange(request)
        other = translated(guest)
        return self._door.with_visit(see(then), other) if _THEN.fullmatch(then) else self._door.front(other)

    async def buy(self, request: Request, sent: Form) -> Response:
        """Order: one prompt, then the page that waits for it."""
        wait_s = self._book.deps.gates.enter(Gate.PURCHASES, address_key(address_of(request.scope)))
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        if self._pushes.available_tokens < 1:
            raise Refusal(Code.AWAY, AWAY_S)
        found = await to_thread.run_sync(self._counter.buy, sent, limiter=self._pushes)
        return found or self._book.strange(request)

    def voucher(self, request: Request, sent: Form) -> Response:
        """A code becomes time online."""
        return self._counter.redeem(sent) or self._book.strange(request)

    def scanned(self, request: Request) -> Response:
        """Where a voucher's QR code leads: its code is behind "#", which only the page's script is told."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is None:
            return self._book.renderer.page(self._book.view(request), "scanned.html")
        return self._door.front(guest, opened="voucher")

    def connect(self, request: Request, sent: Form) -> Response:
        """Once more to the router, because the customer says so."""
        guest = self._book.guest(sent.get("visit", ""))
        return self._door.back(guest, pressed=True) if guest else self._book.strange(request)

    def online(self, request: Request) -> Response:
        """Where routers send who is in; where a page waits that has no router's page to go to."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is None:
            return self._book.strange(request)
        return self._door.enter(guest)

    def look(self, request: Request, sent: Form) -> Response:
        """The same for who has no cookies."""
        guest = self._book.guest(sent.get("visit", ""))
        return self._door.enter(guest) if guest else self._book.strange(request)

    def asset(self, name: str) -> Response:
        """The script."""
        found = self._book.renderer.asset(name)
        if found is None:
            raise Refusal(Code.NOT_FOUND)
        return found

    def logo(self, site: str, name: str) -> Response:
        """A site's picture."""
        found = render.logo(self._book.pages.looks.brand(site), f"/logo/{site}/{name}")
        if found is None:
            raise Refusal(Code.NOT_FOUND)
        return found


class Counter:
    """What the forms of the first page do. None: nobody knows that device."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._book = door.book

    def buy(self, sent: dict[str, str]) -> Response | None:
        """Begin a payment."""
        guest = self._book.guest(sent.get("visit", ""))
        if guest is None:
            return None
        language, phone, package = guest.visit.language, sent.get("phone", ""), sent.get("package", "")
        typed, key = Wrong("", "", phone[:20], package), sent.get("key", "")
        if not _KEY.fullmatch(key):
            raise Refusal(Code.INVALID)
        try:
            purchase = shapes.Purchase(
                phone=phone, package=package, site=guest.visit.site, device=guest.visit.arrival.mac
            )
            self._payers(guest, phone)
            begun = self._door.shop.buy(purchase, key, handover.waiting(guest.visit.arrival))
        except (ValidationError, Malformed) as bad:
            key, field = ("p_package", "package") if _field(bad) == "package" else ("p_phone", "phone")
            said = typed._replace(words=text(key, language), field=field)
            return self._door.front(guest, said, status=422)
        except Refusal as refusal:
            if refusal.code not in SHOWN:
                raise
            said = typed._replace(words=words(refusal.code, language, refusal.wait_s))
            return self._door.front(guest, said, status=KINDS[refusal.code].status)
        self._queue(guest, begun.token)
        return see(f"/p/{begun.token}")

    def _queue(self, guest: Guest, token: str) -> None:
        """A MikroTik's own script lets in who has closed the page by then."""
        arrival, payment = guest.visit.arrival, self._book.deps.tokens.payment(token)
        if guest.family is Family.MIKROTIK and payment is not None and _is_address(arrival.ip):
            waits = Waits(handover.spelt(arrival.mac), arrival.ip, payment, guest.now)
            self._book.pages.waiters.join(arrival.router, waits, guest.now)

    def _payers(self, guest: Guest, phone: str) -> None:
        """What is paid for a device that cannot get in is no stranger's, who had said that the device is theirs."""
        present = guest.customer()
        if present is not None and isinstance(guest.standing(present), Reject):
            self._book.pages.moves.pays(present.id, guest.visit.arrival.mac, phone)

    def redeem(self, sent: dict[str, str]) -> Response | None:
        """Use a voucher."""
        guest = self._book.guest(sent.get("visit", ""))
        if guest is None:
            return None
        code, visit = sent.get("code", "").strip(), guest.visit
        try:
            self._door.shop.redeem(shapes.Coupon(code=code, site=visit.site, device=visit.arrival.mac))
        except (ValidationError, Malformed):
            said, status = text("p_code", visit.language), 422
        except Refusal as refusal:
            said, status = words(refusal.code, visit.language, refusal.wait_s), KINDS[refusal.code].status
            if refusal.code is Code.NO_CODE and slipped(code, CODES):  # a guesser knows as much
                said = text("p_code", visit.language)
        else:
            return self._door.enter(guest)
        return self._door.front(guest, Wrong(said, "code"), opened="voucher", status=status)


def _is_address(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return False


def translated(guest: Guest) -> Guest:
    """The same in the other language."""
    return guest.on(msgspec.structs.replace(guest.visit, language=_OTHER[guest.visit.language]))


def _field(bad: ValidationError | Malformed) -> str:
    return bad.field if isinstance(bad, Malformed) else str(bad.errors()[0]["loc"][-1])
