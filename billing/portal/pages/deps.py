"""What the pages need beside what the API needs."""

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, TypeVar

from billing.domain.brand import EVERYWHERE, FAULTS, Brand, SiteNotice, renamed, shown
from billing.domain.thing import Thing
from billing.portal.pages.visit import Signer
from billing.ports import Customers as Things
from billing.services.checkout import Cashier
from billing.services.moves import Moves
from billing.services.opt_outs import OptOuts
from billing.services.people import People
from billing.services.screens import Screens
from billing.services.trials import Trials
from billing.services.waiters import WaitersOfRouters
from billing.sms.port import Message
from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.nas import Nas, Router
from radius.domain.world import World
from radius.services.cache import BoundedMap
from radius.services.directory import Directory

T = TypeVar("T", bound=Thing)

ROUTERS_KEPT_S = 10.0  # a new router works within seconds
LOOKS_KEPT_S = 30.0
SITES_MAX = 10_000


class Roster:
    """Routers by name, read anew now and then. Threads may share it."""

    def __init__(
        self,
        directory: Directory,
        now: Callable[[], int],
        deadline: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._now = now
        self._deadline = deadline
        self._monotonic = monotonic
        self._lock = Lock()
        self._read_at = float("-inf")

    def find(self, name: str) -> tuple[Router, Nas] | None:
        """A router that is registered and not switched off; Unavailable while nothing is known."""
        self._refresh()
        router, nas = self._directory.router(name), self._directory.nas(name)
        return None if router is None or nas is None or router.disabled else (router, nas)

    def _refresh(self) -> None:
        """One request reads anew; who comes meanwhile takes what is known."""
        if not self._due() or not self._lock.acquire(blocking=not self._directory.refreshed_at):
            return
        try:
            if self._due():
                self._directory.refresh(self._now(), self._deadline())
        except Unavailable:
            if not self._directory.refreshed_at:
                raise
        finally:
            self._lock.release()
        self._read_at = self._monotonic()

    def _due(self) -> bool:
        return self._monotonic() - self._read_at > ROUTERS_KEPT_S


class Looks:
    """How sites look and what is told there, remembered for a short while. Threads may share it."""

    def __init__(self, things: Things, deadline: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._things = things
        self._deadline = deadline
        self._monotonic = monotonic
        self._kept: BoundedMap[tuple[str, str], tuple[float, Thing | None]] = BoundedMap(SITES_MAX)

    def brand(self, site: str) -> Brand:
        """The site's, else everybody's, else ours."""
        found = self._of(Brand, site) or self._of(Brand, EVERYWHERE)
        return renamed(found, site) if found else Brand(site)

    def notice(self, site: str, now: int) -> SiteNotice | None:
        """What is told there now: a fault before work that is planned, the site's own before everybody's."""
        told = [self._of(SiteNotice, site), self._of(SiteNotice, EVERYWHERE)]
        told.sort(key=lambda each: each is None or each.state not in FAULTS)
        return next((each for each in told if shown(each, now)), None)

    def _of(self, shape: type[T], name: str) -> T | None:
        """A page is served without it while the store is away."""
        known = self._kept.get((shape.KIND, name))
        if known is None or self._monotonic() - known[0] > LOOKS_KEPT_S:
            try:
                kept = self._things.thing(shape, name, self._deadline())
            except Unavailable:
                kept = None
            known = (self._monotonic(), kept.thing if kept else None)
            self._kept.put((shape.KIND, name), known)
        found = known[1]
        return found if isinstance(found, shape) else None


class PageDeps(NamedTuple):
    """`url`: where browsers reach us, "" if nobody said. `uam_secret`: of a router, in clear; "" for none.

    `newcomer` makes a customer of a phone, at a site, who has nothing yet. `send` takes a text message and raises
    nothing; None: there are no messages, and nobody signs in.
    """

    url: str
    signer: Signer
    roster: Roster
    looks: Looks
    world: Callable[[int], World]
    uam_secret: Callable[[Router], str]
    people: People
    opt_outs: OptOuts
    moves: Moves
    trials: Trials
    waiters: WaitersOfRouters
    router_key: Callable[[str], str]
    screens: Screens
    cashier: Cashier
    newcomer: Callable[[str, str, int], SubscriberId]
    send: Callable[[Message], object] | None
