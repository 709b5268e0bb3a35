"""The queries of one shortcode, shared by all processes: one small item says when the next may be sent.

Two who take the same turn write the same version of it, so one of them hears that it was overtaken and waits. What a
process knows of the item it remembers: it reads again only when there may be a turn.
"""

from billing.domain.turn import Turn
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.ports import Outcome


class SharedTurns:
    """A `reconcile.Turns`; `at` is UTC seconds."""

    def __init__(self, book: Book, shortcode: str, per_minute: float = 5) -> None:
        self._book = book
        self._shortcode = shortcode
        self._pause_s = 60 / per_minute
        self._known = Turn(shortcode)

    def take(self, at: float) -> bool:
        """True if one may be sent now, and nobody else may."""
        if self._known.wait_s(at):
            return False
        there = self._there()
        self._known = there.thing
        if there.thing.wait_s(at):
            return False
        return self._write(there, there.thing.taken(at, self._pause_s))

    def refused(self, at: float, wait_s: float) -> None:
        """The provider said: too many; not before `wait_s`, and then more slowly for a while."""
        for _ in self._book.tries(f"turns of {self._shortcode}"):
            there = self._there()
            if self._write(there, there.thing.refused(at, wait_s, self._pause_s)):
                return

    def _there(self) -> Kept[Turn]:
        found = self._book.stores.customers.thing(Turn, self._shortcode, self._book.deadline())
        return found or Kept(Turn(self._shortcode), 0)

    def _write(self, there: Kept[Turn], after: Turn) -> bool:
        posting = Posting(self._book.new_id(), things=(Kept(after, there.version + 1),))
        done = self._book.post(posting).outcome is Outcome.COMMITTED
        if done:
            self._known = after
        return done
