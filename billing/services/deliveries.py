"""Delivery reports: which messages arrived. A report may come before we have written down that the message was sent."""

from collections.abc import Callable
from typing import NamedTuple

from billing.domain.delivered import KEPT_S, Delivered
from billing.ports import Kept, Posting
from billing.services.book import Book
from billing.sms.delivery import TABLE, DeliveryState, Report
from radius.ports import Outcome


class Told(NamedTuple):
    """Where a message is. `news`: it was elsewhere before."""

    state: DeliveryState
    failure: str = ""
    news: bool = True


class Deliveries:
    """Keeps what became of messages. Raises Unavailable, Contended."""

    def __init__(self, book: Book, keyed: Callable[[str], str]) -> None:
        """`keyed`: keyed hash, which is all that is kept of a phone."""
        self._book = book
        self._keyed = keyed

    def sent(self, message_id: str, phone: str, now: int) -> None:
        """The gateway took it; nothing to keep where it gives no id."""
        if message_id:
            self.told(Report(message_id, phone, DeliveryState.SENT), now)

    def told(self, report: Report, now: int) -> Told:
        """Take a report. Late, twice and out of order, a message is where it was last."""
        name = self._keyed(f"message:{report.id}:{report.phone}")
        for _ in self._book.tries("a delivery report"):
            kept = self._book.stores.customers.thing(Delivered, name, self._book.deadline())
            before = DeliveryState(kept.thing.state) if kept else None
            after = TABLE[before, report.state] if before else report.state
            if before is after:
                return Told(after, kept.thing.failure if kept else "", news=False)
            failure = report.failure if after is DeliveryState.FAILED else ""
            thing = Kept(
                Delivered(name, after.value, now, failure), kept.version + 1 if kept else 1, expires_at=now + KEPT_S
            )
            if self._book.post(Posting(self._book.new_id(), things=(thing,))).outcome is Outcome.COMMITTED:
                return Told(after, failure)
        raise AssertionError  # `tries` ends by raising

    def where(self, message_id: str, phone: str) -> Told | None:
        """Where a message is; None for one that nobody knows."""
        name = self._keyed(f"message:{message_id}:{phone}")
        kept = self._book.stores.customers.thing(Delivered, name, self._book.deadline())
        return Told(DeliveryState(kept.thing.state), kept.thing.failure, news=False) if kept else None
