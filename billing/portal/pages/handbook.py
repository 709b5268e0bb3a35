"""What every page can fall back on: how it looks for whom, and the page that says what went wrong."""

from starlette.requests import Request
from starlette.responses import Response

from billing.domain.brand import EVERYWHERE, Brand
from billing.portal.deps import Deps
from billing.portal.pages.guest import Guest
from billing.portal.pages.plain import length
from billing.portal.pages.render import Renderer, View
from billing.portal.pages.texts import text
from billing.portal.pages.visit import Visit, fresh
from billing.portal.problems import KINDS, Code
from radius.domain.errors import Unavailable
from radius.domain.nas import Language

VISIT = "wb"  # the cookie

_WORDS = {
    Code.NOT_FOUND: "p_not_found",
    Code.NO_METHOD: "p_not_found",
    Code.NO_SITE: "p_no_site",
    Code.NOT_SOLD: "p_not_sold",
    Code.NO_PAYMENT: "p_no_payment",
    Code.NO_RIGHT: "p_no_payment",
    Code.NO_CODE: "p_no_code",
    Code.CODE_OVER: "p_code_over",
    Code.BLOCKED: "p_blocked",
    Code.PHONE_BUSY: "p_phone_busy",
    Code.KEY_REUSED: "p_key_reused",
    Code.NOT_SENT: "p_not_sent",
    Code.AWAY: "p_away",
    Code.FAULT: "p_fault",
}


class Handbook:
    """Threads may share it."""

    def __init__(self, deps: Deps, renderer: Renderer) -> None:
        self.deps = deps
        self.pages = deps.pages
        self.renderer = renderer

    def now(self) -> int:
        """UTC seconds; a page that only says something is there at a wrong time too."""
        try:
            return self.deps.now()
        except Unavailable:
            return 0

    def guest(self, signed: str) -> Guest | None:
        """The device of a visit that is not too old."""
        now = self.deps.now()
        visit = fresh(self.pages.signer, signed, now)
        return Guest(self.deps, visit, now) if visit is not None else None

    def view(self, request: Request) -> View:
        """How a page looks for whoever asks, also for who came from nowhere."""
        visit = self.pages.signer.read(Visit, request.cookies.get(VISIT, ""))
        if visit is not None:
            return Guest(self.deps, visit, self.now()).view()
        return View(self.pages.looks.brand(EVERYWHERE), _wanted(request))

    def bare(self, request: Request, code: Code, wait_s: int) -> Response:
        """The same, without a look at the store."""
        return self._problem(View(Brand(EVERYWHERE), _wanted(request)), code, wait_s)

    def problem(self, request: Request, code: Code, wait_s: int = 0) -> Response:
        """What went wrong, and what to do."""
        try:
            view = self.view(request)
        except Unavailable:
            return self.bare(request, code, wait_s)
        return self._problem(view, code, wait_s)

    def _problem(self, view: View, code: Code, wait_s: int) -> Response:
        response = self.renderer.page(
            view,
            "problem.html",
            KINDS[code].status,
            heading=text("problem", view.language),
            words=words(code, view.language, wait_s),
            home=True,
        )
        if wait_s:
            response.headers["Retry-After"] = str(wait_s)
        return response

    def strange(self, request: Request, status: int = 200) -> Response:
        """For a device that no router has told of."""
        view = self.view(request)
        return self.renderer.page(
            view,
            "problem.html",
            status,
            heading=text("not_on_wifi", view.language),
            words=text("not_on_wifi_text", view.language),
            home=False,
        )


def _wanted(request: Request) -> Language:
    """What the browser says that it wants."""
    swahili = request.headers.get("accept-language", "").lower().startswith("sw")
    return Language.SWAHILI if swahili else Language.ENGLISH


def words(code: Code, language: Language, wait_s: int = 0) -> str:
    """A problem in a customer's words."""
    if code is Code.TOO_MANY:
        return text("p_too_many", language, wait=length(max(60, wait_s), language))
    return text(_WORDS.get(code, "p_invalid"), language)
