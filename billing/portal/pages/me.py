"""Routes of who signs in by a code in a text message: my usage, my devices, and "use on this phone instead"."""

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from billing.domain.package import TrialRefusal
from billing.portal.holdings import choose_notices
from billing.portal.pages.door import Door
from billing.portal.pages.front import Form
from billing.portal.pages.guest import Guest
from billing.portal.pages.handbook import VISIT, words
from billing.portal.pages.http import SEAT, route_class, see, set_cookie
from billing.portal.pages.mine import mine
from billing.portal.pages.paying import slow_down
from billing.portal.pages.plain import gets
from billing.portal.pages.texts import text
from billing.portal.pages.visit import Seat, same, seat
from billing.portal.problems import Code, Refusal
from billing.portal.shield import address_of
from billing.portal.signing import Asker, SignIn
from billing.services.moves import MOVES_A_WEEK, Moved
from billing.services.screens import DIGITS
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, SubscriberId, parse_mac
from radius.domain.policy import Accept


def routes(door: Door) -> APIRouter:
    """All of them; none where there are no text messages."""
    router = APIRouter(route_class=route_class(door.book), include_in_schema=False)
    me = Me(door)
    router.add_api_route("/screen", me.screen, methods=["GET"])
    for method, path, endpoint in (
        ("GET", "", me.show),
        ("POST", "/code", me.code),
        ("POST", "/enter", me.enter),
        ("POST", "/use", me.use),
        ("POST", "/try", me.try_it),
        ("POST", "/add", me.add),
        ("POST", "/remove", me.remove),
        ("POST", "/notices", me.notices),
        ("POST", "/leave", me.leave),
    ):
        router.add_api_route(f"/me{path}", endpoint, methods=[method])
    return router


class Me:
    """The routes. Nobody is signed in for long, and on one device only."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._book = door.book
        self._pages = door.book.pages
        self._signing = SignIn(door.book.deps)

    # -- signing in ------------------------------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """What is left, or the way in."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is None:
            return self._book.strange(request)
        sits = self._seat(request, guest)
        return self._mine(request, guest, sits) if sits else self._sign_in(guest)

    def code(self, request: Request, sent: Form) -> Response:
        """Send a code. Whether one was sent is not told, nor to be seen by how long it took."""
        guest = self._book.guest(sent.get("visit", ""))
        if guest is None:
            return self._book.strange(request)
        language, phone = guest.visit.language, sent.get("phone", "")[:20]
        try:
            asked = self._signing.ask(_asker(guest, phone), address_of(request.scope), guest.now)
        except Malformed:
            return self._sign_in(guest, phone, problem=text("p_phone", language), status=422)
        except Refusal as refusal:
            if refusal.code is not Code.TOO_MANY:
                raise
            return self._sign_in(guest, phone, problem=words(refusal.code, language, refusal.wait_s), status=429)
        response = self._sign_in(guest, phone, asked=True, said=text("code_sent", language))
        response.background = BackgroundTask(asked.send) if asked.send else None
        return response

    def enter(self, request: Request, sent: Form) -> Response:
        """A code that is right signs in, and registers a phone that nobody had."""
        guest = self._book.guest(sent.get("visit", ""))
        if guest is None:
            return self._book.strange(request)
        phone = sent.get("phone", "")[:20]
        signed = self._signing.enter(_asker(guest, phone), sent.get("code", ""), guest.now)
        if signed is None:
            problem = text("wrong_code", guest.visit.language)
            return self._sign_in(guest, phone, asked=True, problem=problem, status=422)
        return set_cookie(see("/me"), SEAT, signed, secure=self._door.secure)

    def leave(self, request: Request, sent: Form) -> Response:
        """Sign out."""
        self._sits(request, sent)
        return set_cookie(see("/"), SEAT, "", secure=self._door.secure)

    # -- devices ---------------------------------------------------------------------------------------------------

    def use(self, request: Request, sent: Form) -> Response:
        """What is left moves to this device."""
        guest, sits = self._sits(request, sent)
        moved = self._pages.moves.take(SubscriberId(sits.subscriber), guest.visit.arrival.mac, guest.now, instead=True)
        if moved is Moved.DONE:
            return self._door.enter(guest)
        return self._mine(request, guest, sits, problem=refused(moved, guest), status=409)

    def try_it(self, request: Request, sent: Form) -> Response:
        """A package that costs nothing, for who proved a phone, on this device."""
        guest, sits = self._sits(request, sent)
        subscriber, mac = SubscriberId(sits.subscriber), guest.visit.arrival.mac
        offered = {each.id for each in self._door.shop.trials(guest.visit.site)}
        if sent.get("package", "") not in offered:
            raise Refusal(Code.NOT_SOLD)
        moved = self._pages.moves.take(subscriber, mac, guest.now, instead=False)
        if moved is not Moved.DONE:
            return self._mine(request, guest, sits, problem=refused(moved, guest), status=409)
        given = self._pages.trials.give(subscriber, sent["package"], mac, guest.visit.site, guest.now)
        if isinstance(given, TrialRefusal):
            return self._mine(request, guest, sits, problem=text("trial_over", guest.visit.language), status=409)
        return self._door.enter(guest)

    def add(self, request: Request, sent: Form) -> Response:
        """A device that has no screen to sign in on."""
        guest, sits = self._sits(request, sent)
        mac = self._named(guest, sent.get("mac", ""))
        if mac is None:
            problem = text("p_device", guest.visit.language)
            return self._mine(request, guest, sits, problem=problem, status=422)
        moved = self._pages.moves.take(SubscriberId(sits.subscriber), mac, guest.now, instead=False)
        if moved is Moved.DONE:
            return self._mine(request, guest, sits, said=text("added", guest.visit.language))
        return self._mine(request, guest, sits, problem=refused(moved, guest), status=409)

    def _named(self, guest: Guest, typed: str) -> MacAddress | None:
        """The device of an address, or of the code that it shows."""
        digits = "".join(typed.split())
        if len(digits) != DIGITS or not digits.isdecimal():
            return parse_mac(typed)
        slow_down(self._book, guest)
        return self._pages.screens.find(digits, guest.now)

    def screen(self, request: Request) -> Response:
        """The code that a television shows; it goes on by itself once it is somebody's."""
        guest = self._book.guest(request.cookies.get(VISIT, ""))
        if guest is None:
            return self._book.strange(request)
        if isinstance(guest.standing(guest.customer()), Accept):
            return self._door.enter(guest)
        code = self._pages.screens.show(guest.visit.arrival.mac, guest.now)
        return self._book.renderer.page(guest.view(), "screen.html", code=code)

    def remove(self, request: Request, sent: Form) -> Response:
        """A device is mine no more."""
        guest, sits = self._sits(request, sent)
        mac = parse_mac(sent.get("mac", ""))
        if mac is not None:
            self._pages.moves.drop(SubscriberId(sits.subscriber), MacAddress(mac), guest.now)
        return self._mine(request, guest, sits, said=text("removed", guest.visit.language))

    def notices(self, request: Request, sent: Form) -> Response:
        """Be told of outages and works, or not any more."""
        guest, sits = self._sits(request, sent)
        wanted = sent.get("wanted", "") == "yes"
        choose_notices(self._book.deps, SubscriberId(sits.subscriber), guest.now, wanted=wanted)
        said = text("notices_on" if wanted else "notices_off", guest.visit.language)
        return self._mine(request, guest, sits, said=said)

    # -- who asks --------------------------------------------------------------------------------------------------

    def _seat(self, request: Request, guest: Guest) -> Seat | None:
        found = seat(self._pages.signer, request.cookies.get(SEAT, ""), guest.now)
        return found if found is not None and found.device == guest.visit.arrival.mac else None

    def _sits(self, request: Request, sent: dict[str, str]) -> tuple[Guest, Seat]:
        """Who is signed in and sent this form; raises Malformed for a form that another page made."""
        same(sent.get("seat", ""), request.cookies.get(SEAT, ""))
        guest = self._book.guest(sent.get("visit", ""))
        sits = self._seat(request, guest) if guest else None
        if guest is None or sits is None:
            raise Malformed("form", "is too old; open the page again")
        return guest, sits

    # -- pages -----------------------------------------------------------------------------------------------------

    def _sign_in(
        self,
        guest: Guest,
        phone: str = "",
        *,
        asked: bool = False,
        problem: str = "",
        said: str = "",
        status: int = 200,
    ) -> Response:
        if self._pages.send is None:
            problem, asked = text("no_sms", guest.visit.language), False
        return self._book.renderer.page(
            guest.view(),
            "sign_in.html",
            status,
            asked=asked,
            phone=phone,
            wrong=bool(problem),
            problem=problem,
            said=said,
        )

    def _mine(
        self, request: Request, guest: Guest, sits: Seat, *, problem: str = "", said: str = "", status: int = 200
    ) -> Response:
        shown, language = mine(self._book.deps, guest, SubscriberId(sits.subscriber)), guest.visit.language
        trials = [
            {"id": each.id, "name": each.name(language), "gets": " · ".join(gets(each, language))}
            for each in (self._door.shop.trials(guest.visit.site) if not shown.rights else ())
        ]
        return self._book.renderer.page(
            guest.view(),
            "mine.html",
            status,
            **shown._asdict(),
            trials=trials,
            seat=request.cookies.get(SEAT, ""),
            mac=guest.visit.arrival.mac,
            opened=status == 422,
            problem=problem,
            said=said,
        )


def _asker(guest: Guest, phone: str) -> Asker:
    return Asker(phone, guest.visit.arrival.mac, guest.visit.site, guest.visit.language)


def refused(moved: Moved, guest: Guest) -> str:
    """Why a device was not taken on."""
    if moved is Moved.TOO_MANY:
        return text("too_many_moves", guest.visit.language, count=MOVES_A_WEEK)
    return text("anothers" if moved is Moved.ANOTHERS else "p_no_code", guest.visit.language)
