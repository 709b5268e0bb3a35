"""A day's money for messages, one account in the store for all processes."""

from billing.domain.messages_spent import MessagesSpent
from billing.ports import Kept, Posting
from billing.services.book import Book
from billing.sms.budget import OwnPurse, Spent, Step
from billing.sms.port import Refused
from radius.domain.errors import Contended, Unavailable
from radius.ports import Outcome


class SharedPurse:
    """A `billing.sms.budget.Purse`. Until it has a `book`, and while the store is away, this process counts alone."""

    def __init__(self) -> None:
        self.book: Book | None = None
        self._own = OwnPurse()

    def change(self, step: Step) -> Refused | None:
        """Take one step that no other comes between; what it refused."""
        if self.book is None:
            return self._own.change(step)
        try:
            return self._shared(self.book, step)
        except (Contended, Unavailable):  # a code that somebody waits for leaves all the same
            return self._own.change(step)

    @staticmethod
    def _shared(book: Book, step: Step) -> Refused | None:
        for _ in book.tries("what messages cost"):
            found = book.stores.customers.thing(MessagesSpent, "messages", book.deadline())
            before = Spent(found.thing.day, found.thing.cents) if found else Spent()
            after = step(before)
            if isinstance(after, Refused) or after == before:
                return after if isinstance(after, Refused) else None
            kept = Kept(MessagesSpent(after.day, after.cents), found.version + 1 if found else 1)
            if book.post(Posting(book.new_id(), things=(kept,))).outcome is Outcome.COMMITTED:
                return None
        raise AssertionError  # `tries` ends by raising
