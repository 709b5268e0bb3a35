"""Incidents in the store: each change is one conditional write, whoever makes it."""

from collections.abc import Callable

import msgspec

from billing.domain.brand import NoticeState, SiteNotice
from billing.domain.draw import Draw
from billing.domain.incident import KEPT_S, Happened, Incident, noted, opened
from billing.ports import PAGE_MAX, Kept, Posting
from billing.services.book import Book
from billing.services.signs import Signs
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import Contended, Malformed
from radius.ports import Outcome

LISTED_MAX = 2_000
DUE_MAX = 50
TOLD_S = 7 * 86_400  # on the pages
OVER_TOLD_S = 86_400
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_EVER = 2**52


class Incidents:
    """Raises Malformed, Unavailable, Contended."""

    def __init__(self, book: Book, signs: Signs, random: Draw) -> None:
        self._book = book
        self._things = book.stores.customers
        self._signs = signs
        self._random = random

    def new_id(self, now: int) -> str:
        """Such as ``261125-k7qd``: short enough for the telephone."""
        letters = "".join(_LETTERS[each % len(_LETTERS)] for each in self._random(4))
        return f"{calendar.local(now, ZONE_DEFAULT):%y%m%d}-{letters}"

    def open(self, incident: Incident) -> Incident:
        """It begins. Raises Contended for an id that is taken."""
        made = opened(incident)
        if not self._put(made, 1):
            raise Contended(f"incident {incident.id} is there already")
        return made

    def incident(self, id_: str) -> Incident:
        """Raises Malformed for one that is not there."""
        return self._read(id_).thing

    def all(self) -> list[Incident]:
        """Those that are open, then those of three years; the latest first."""
        ids = self._things.due_things(Incident, _EVER, LISTED_MAX, self._book.deadline())
        pages = (ids[first : first + PAGE_MAX] for first in range(0, len(ids), PAGE_MAX))
        found = [each.thing for page in pages for each in self._things.things(Incident, page, self._book.deadline())]
        return sorted(found, key=lambda each: (not each.open, -each.opened_at, each.id))

    def due(self, now: int) -> list[str]:
        """Of which somebody is to be called."""
        return self._things.due_things(Incident, now, DUE_MAX, self._book.deadline())

    def change(self, id_: str, change: Callable[[Incident], Incident]) -> Incident:
        """The incident after a change."""
        for _ in self._book.tries(id_):
            after = self.try_change(id_, change)
            if after is not None:
                return after
        raise AssertionError  # `tries` ends by raising

    def try_change(self, id_: str, change: Callable[[Incident], Incident]) -> Incident | None:
        """The same, once; None where another was first."""
        kept = self._read(id_)
        after = change(kept.thing)
        return after if after == kept.thing or self._put(after, kept.version + 1) else None

    # -- what the pages say ----------------------------------------------------------------------------------------

    def tell(self, id_: str, state: NoticeState, texts: tuple[str, str], who: str, now: int) -> Incident:
        """Say it on the pages of its site, English and Swahili. What is over makes room for another that is not."""
        english, swahili = texts
        incident = self.incident(id_)
        over = state is NoticeState.RESOLVED
        at, until = (now, now + OVER_TOLD_S) if over else (incident.opened_at, now + TOLD_S)
        other = self._other(incident) if over else None
        self._signs.tell(other or SiteNotice(incident.of, state, english, swahili, at, until))

        def said(present: Incident) -> Incident:
            changed = msgspec.structs.replace(present, state=state, english=english, swahili=swahili)
            return noted(changed, now, who, Happened.STATUS, f"{state.value}: {english}")

        return self.change(id_, said)

    def _other(self, incident: Incident) -> SiteNotice | None:
        """What is to be told of another incident of the same site that goes on."""
        for each in self.all():
            if each.open and each.id != incident.id and each.of == incident.of and each.state is not None:
                until = each.opened_at + TOLD_S
                return SiteNotice(each.of, each.state, each.english, each.swahili, each.opened_at, until)
        return None

    # -- how -------------------------------------------------------------------------------------------------------

    def _read(self, id_: str) -> Kept[Incident]:
        found = self._things.thing(Incident, id_, self._book.deadline())
        if found is None:
            raise Malformed("incident", f"{id_} is not there: wifibilling incident list")
        return found

    def _put(self, incident: Incident, version: int) -> bool:
        kept = Kept(incident, version, incident.due_at, incident.opened_at + KEPT_S)
        return self._book.post(Posting(self._book.new_id(), things=(kept,))).outcome is Outcome.COMMITTED
