"""From a router's log-in page to the packages, or straight back to the router. Without HTTP but for the answer."""

import secrets
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.responses import Response

from billing.portal import handover
from billing.portal.pages.guest import HOPELESS, Guest
from billing.portal.pages.handbook import VISIT, Handbook
from billing.portal.pages.http import set_cookie
from billing.portal.pages.plain import gets, money
from billing.portal.pages.texts import text
from billing.portal.pages.visit import TRIES_MAX, TRIES_S, Visit
from billing.portal.problems import Code, Refusal
from billing.portal.shop import Shop
from radius.domain.nas import Language, Nas, Router
from radius.domain.policy import Reject
from radius.rlm.messages import MESSAGES


class Wrong(NamedTuple):
    """What was wrong with a form: words, the field, and what had been typed."""

    words: str
    field: str = ""
    phone: str = ""
    chosen: str = ""


NOTHING = Wrong("")


class Door:
    """Threads may share it."""

    def __init__(self, book: Handbook, shop: Shop) -> None:
        self.book = book
        self.shop = shop
        self.secure = book.pages.url.startswith("https:")

    # -- coming ----------------------------------------------------------------------------------------------------

    def arrive(self, name: str, said: Mapping[str, str], url: str, before: Visit | None) -> Response:
        """A router sends a device. `url`: as it came, for CoovaChilli's checksum; `before`: the last visit."""
        found = self.book.pages.roster.find(name)
        if found is None:
            raise Refusal(Code.NO_SITE)
        router, nas = found
        secret = self.book.pages.uam_secret(router)
        told = f"{self.book.pages.url}/w/{name}?{urlsplit(url).query}" if self.book.pages.url else url
        if secret and not handover.signed(told, secret):
            raise Refusal(Code.INVALID)
        guest = self._guest(router, nas, said, before)
        return self.enter(guest)

    def _guest(self, router: Router, nas: Nas, said: Mapping[str, str], before: Visit | None) -> Guest:
        now, arrival = self.book.deps.now(), handover.read(router, said)
        visit = Visit(arrival, router.site, nas.site.language, now)
        if before is not None and before.arrival.mac == arrival.mac:  # its language, and how often it tried
            visit = msgspec.structs.replace(before, arrival=arrival, site=router.site, at=now)
        elif arrival.error:  # refused by its router, and no cookie says how often: it might go round for ever
            visit = msgspec.structs.replace(visit, tries=TRIES_MAX, tried_at=now)
        return Guest(self.book.deps, visit, now)

    def _refused(self, guest: Guest, error: str) -> Wrong:
        """A router's text is not shown: anybody can write one. Those that we made are known again."""
        language = guest.visit.language
        for message in MESSAGES.values():
            if error.strip() in {message.english, message.swahili}:
                return Wrong(message.swahili if language is Language.SWAHILI else message.english)
        return Wrong(text("refused", language))

    def enter(self, guest: Guest, *, paid: bool = False) -> Response:
        """In, where the device has something that lets it in; else the packages."""
        present = guest.customer()
        if guest.online(present):
            return self.online(guest)
        standing, error = guest.standing(present), guest.visit.arrival.error
        if isinstance(standing, Reject):
            return self.front(guest, self._why(guest, standing))
        if error and not guest.visit.may_try(guest.now):  # else its challenge was too old, and now there is a new one
            return self.front(guest, self._refused(guest, error), connects=True)
        return self.back(guest, paid=paid)

    def _why(self, guest: Guest, standing: Reject) -> Wrong:
        """Why what it has does not let it in, for who has something."""
        if standing.reason in HOPELESS:
            return NOTHING
        message = MESSAGES.get(standing.reason.value)
        if message is None:
            return NOTHING
        return Wrong(message.swahili if guest.visit.language is Language.SWAHILI else message.english)

    # -- pages -----------------------------------------------------------------------------------------------------

    def front(
        self, guest: Guest, wrong: Wrong = NOTHING, opened: str = "", status: int = 200, *, connects: bool = False
    ) -> Response:
        """The packages, and all else that can be done about not being online. `connects`: a button tries again."""
        view, language, signs_in = guest.view(), guest.visit.language, self.book.pages.send is not None
        packages = [
            {
                "id": each.id,
                "name": each.name(language),
                "price": money(each.price_cents, language),
                "gets": gets(each, language),
            }
            for each in self.shop.offers(guest.visit.site)
        ]
        response = self.book.renderer.page(
            view,
            "front.html",
            status,
            packages=packages,
            chosen=wrong.chosen or (packages[0]["id"] if len(packages) == 1 else ""),
            phone=wrong.phone,
            wrong=wrong.field,
            problem=wrong.words,
            opened=opened,
            connects=connects,
            key=secrets.token_urlsafe(18),
            mpesa_down=self.book.deps.pulse.weak(),
            signs_in=signs_in,
            trials=[each.name(language) for each in self.shop.trials(guest.visit.site)] if signs_in else [],
        )
        return self.with_visit(response, guest)

    def back(self, guest: Guest, *, paid: bool = False, pressed: bool = False) -> Response:
        """Back to the router, which asks RADIUS; or waiting, where it is asked from our side. `pressed`: by hand."""
        visit, now = guest.visit, guest.now
        router = guest.router
        secret = self.book.pages.uam_secret(router[0]) if router else ""
        url = self.book.pages.url
        given = handover.back(visit.arrival, guest.family, secret, f"{url}/online" if url else "")
        if given is None:
            waits = guest.on(visit.waits(now))
            looks = now - waits.visit.tried_at < TRIES_S
            return self.with_visit(self.book.renderer.page(waits.view(), "enter.html", paid=paid, looks=looks), waits)
        by_itself = pressed or visit.may_try(now)
        tried = guest.on(visit.tried(now)) if by_itself else guest
        # Browsers warn of a form that leaves HTTPS; CoovaChilli reads a query only.
        by_link = guest.family in handover.UAM or (self.secure and urlsplit(given.action).scheme == "http")
        response = self.book.renderer.page(
            tried.view(),
            "go.html",
            to=given.action,
            handover=given,
            by_itself=by_itself,
            by_link=by_link,
            address=f"{given.action}?{urlencode(given.fields)}",
            paid=paid,
        )
        return self.with_visit(response, tried)

    def online(self, guest: Guest) -> Response:
        """It is in: what it has, and where more is."""
        response = self.book.renderer.page(
            guest.view(),
            "online.html",
            rights=guest.rights(guest.customer()),
            logout=guest.visit.arrival.logout,
            signs_in=self.book.pages.send is not None,
        )
        return self.with_visit(response, guest)

    def with_visit(self, response: Response, guest: Guest) -> Response:
        """What the pages with an address know the device by."""
        return set_cookie(response, VISIT, self.book.pages.signer.sign(guest.visit), secure=self.secure)
