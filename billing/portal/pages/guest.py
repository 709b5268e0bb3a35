"""Who stands before a page: the device, its site, what it may do there. Most calls wait for the store."""

from typing import NamedTuple

from billing.portal.deps import Deps
from billing.portal.holdings import Held, usable
from billing.portal.pages.plain import instant, length, size
from billing.portal.pages.render import View
from billing.portal.pages.texts import text
from billing.portal.pages.visit import Visit
from radius.domain import entitlement, policy
from radius.domain import subscriber as aggregate
from radius.domain.identity import ReservationId
from radius.domain.nas import Family, Language, Nas, Router
from radius.domain.policy import Accept, Ask, Reject
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.terms import Service

NOBODY = Reject(policy.Reason.NO_PACKAGE)
HOPELESS = frozenset({policy.Reason.NO_PACKAGE, policy.Reason.EXPIRED})  # nothing to tell but: buy


class Line(NamedTuple):
    """A right as its customer sees it."""

    name: str
    lines: list[str]


class Guest:
    """A device on a site's WiFi."""

    def __init__(self, deps: Deps, visit: Visit, now: int) -> None:
        self.visit = visit
        self.now = now
        self._deps = deps
        self._pages = deps.pages

    def on(self, visit: Visit) -> "Guest":
        """The same device with more known of it."""
        return Guest(self._deps, visit, self.now)

    @property
    def router(self) -> tuple[Router, Nas] | None:
        """The router that it came from, if that is still registered."""
        return self._pages.roster.find(self.visit.arrival.router)

    @property
    def family(self) -> Family:
        """Of that router."""
        found = self.router
        return found[0].family if found else Family.WISPR

    def view(self) -> View:
        """How its pages look."""
        site, found = self.visit.site, self.router
        zone = {"zone": found[1].site.zone} if found else {}
        return View(
            self._pages.looks.brand(site),
            self.visit.language,
            self._pages.signer.sign(self.visit),
            self._pages.looks.notice(site, self.now),
            self.now,
            **zone,
        )

    def customer(self) -> Subscriber | None:
        """Whose the device is."""
        return self._deps.customers.known(self.visit.arrival.mac)

    def standing(self, present: Subscriber | None) -> Accept | Reject:
        """What its log-in would be answered now; nothing is reserved."""
        found = self.router
        if present is None or found is None:
            return NOBODY
        mac = self.visit.arrival.mac
        copy = aggregate.decode(aggregate.encode(present))
        ask = Ask(mac, mac, Service.HOTSPOT, "", ReservationId("portal"))
        return policy.reserve(copy, ask, found[1], self._pages.world(self.now))

    def online(self, present: Subscriber | None) -> bool:
        """Whether it came in since its router sent it here: a session from before that is still open proves nothing.

        A slot that was granted counts too: the router has let it in and its Start is on the way.
        """
        visit = self.visit
        if visit.arrival.online:
            return True
        mine = [each for each in present.sessions if each.device == visit.arrival.mac] if present else []
        return any(each.state is not SessionState.CLOSED and each.opened_at >= visit.at for each in mine)

    def rights(self, present: Subscriber | None) -> list[Line]:
        """What its customer has, for reading."""
        view = self.view()
        return lines(self._deps, usable(self._deps, present, self.now), view.language, self.now, view.zone)


def lines(deps: Deps, rights: list[Held], language: Language, now: int, zone: str) -> list[Line]:
    """Rights in words, in their order."""
    packages = {each.id: each for each in deps.book.stores.packages.packages(deps.book.deadline())}
    found = []
    for right, terms in rights:
        said = []
        if right.starts_at:
            said.append(text("until", language, end=instant(right.ends_at, now, zone, language)))
        else:
            said.append(text("not_begun", language))
        left_bytes, left_s = entitlement.remaining_bytes(right, terms), entitlement.remaining_s(right, terms)
        if left_bytes is not None:
            said.append(text("left_data", language, size=size(left_bytes)))
        if left_s is not None:
            said.append(text("left_time", language, length=length(left_s, language)))
        package = packages.get(right.terms)
        found.append(Line(package.name(language) if package else right.terms, said))
    return found
