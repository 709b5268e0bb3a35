"""What operators put up: how a site's pages look, and what is told there."""

from typing import TypeVar

import msgspec

from billing.domain.brand import EVERYWHERE, Brand, SiteNotice, check_brand, check_notice, shown
from billing.domain.thing import Thing
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.ports import Outcome

T = TypeVar("T", bound=Thing)


class Signs:
    """Raises Malformed naming the field, Unavailable. Pages show what was put up within half a minute."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def brand(self, site: str) -> Brand:
        """The site's own, else everybody's, else ours; a site's name for it is `site`."""
        found = self._kept(Brand, site) or self._kept(Brand, EVERYWHERE)
        return msgspec.structs.replace(found.thing, of=site) if found else Brand(site)

    def wear(self, brand: Brand) -> None:
        """A site, or everywhere, looks so from now on."""
        self._put(check_brand(brand))

    def notice(self, site: str) -> SiteNotice | None:
        """What was last told there, over or not."""
        found = self._kept(SiteNotice, site)
        return found.thing if found else None

    def tell(self, notice: SiteNotice) -> None:
        """Tell it at a site, or everywhere, instead of what was told there before."""
        self._put(check_notice(notice))

    def clear(self, site: str, now: int) -> bool:
        """What is told there is over; False if nothing was."""
        notice = self.notice(site)
        if notice is None or not shown(notice, now):
            return False
        self._put(msgspec.structs.replace(notice, at=min(notice.at, now - 1), until=now))
        return True

    def _kept(self, shape: type[T], name: str) -> Kept[T] | None:
        return self._book.stores.customers.thing(shape, name, self._book.deadline())

    def _put(self, thing: Thing) -> None:
        for _ in self._book.tries(thing.name):
            kept = self._kept(type(thing), thing.name)
            posting = Posting(self._book.new_id(), things=(Kept(thing, kept.version + 1 if kept else 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return
