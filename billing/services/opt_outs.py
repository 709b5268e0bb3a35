"""Who wants no notices: by phone, so that it holds for whoever has that phone, registered or not."""

from collections.abc import Callable, Collection

from billing.domain.notice import OptOut
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.ports import Outcome


class OptOuts:
    """One-time codes and receipts go out all the same: somebody asked for them. Raises Unavailable, Contended."""

    def __init__(self, book: Book, keyed: Callable[[str], str]) -> None:
        """`keyed`: keyed hash, which is all that is kept of a phone."""
        self._book = book
        self._keyed = keyed

    def out(self, phone: str) -> bool:
        """Whether this phone, ``2547..``, is to be left alone."""
        return bool(self.outs([phone]))

    def outs(self, phones: Collection[str]) -> set[str]:
        """Those of up to `PAGE_MAX` phones that are to be left alone."""
        names = {self.name_of(phone): phone for phone in phones}
        found = self._book.stores.customers.things(OptOut, list(names), self._book.deadline())
        return {names[each.thing.of] for each in found if each.thing.out}

    def say(self, phone: str, by: str, now: int, *, out: bool) -> bool:
        """What a phone wants from now on; False if it wanted that before. `by`: through which door it said so."""
        name = self.name_of(phone)
        for _ in self._book.tries("opt-out"):
            kept = self._kept(name)
            if out is (kept is not None and kept.thing.out):
                return False
            thing = Kept(OptOut(name, out, now, by), kept.version + 1 if kept else 1)
            if self._book.post(Posting(self._book.new_id(), things=(thing,))).outcome is Outcome.COMMITTED:
                return True
        raise AssertionError  # `tries` ends by raising

    def name_of(self, phone: str) -> str:
        """The keyed hash, which is what the audit names."""
        return self._keyed(phone)

    def _kept(self, name: str) -> Kept[OptOut] | None:
        return self._book.stores.customers.thing(OptOut, name, self._book.deadline())
