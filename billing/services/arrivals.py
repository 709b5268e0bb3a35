"""Who paid and waits: a device that is not online a minute after the credit is let in again, and then told of.

The payment itself remembers that a device waits: it stays due until the device was seen, or for `LOOKS_MAX` looks.
"""

from collections.abc import Callable
from typing import NamedTuple

from billing.ports import KeptPayment
from billing.services.book import Book
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, SubscriberId
from radius.domain.intent import IntentReason, IntentState, Waiting
from radius.domain.subscriber import SessionState, Subscriber

ONLINE_AFTER_S = 60  # from the credit to the first look, and from look to look
LOOKS_MAX = 3

LetIn = Callable[[SubscriberId, MacAddress, Waiting | None, int], object]


class Seen(NamedTuple):
    """A device that came online: `after_s` seconds after the credit, None if it was online all along or need not be."""

    after_s: int | None = None


class Driven(NamedTuple):
    """A device that is not there: who enforces was told again."""


class Missing(NamedTuple):
    """A device that did not come although it was let in again and again: a person looks."""


class Arrivals:
    """Looks after paid payments whose device waits."""

    def __init__(self, book: Book, let_in: LetIn) -> None:
        """`let_in`: commits that a device may come in (`radius.services.provision`)."""
        self._book = book
        self._let_in = let_in

    def look(self, kept: KeptPayment, now: int) -> Seen | Driven | Missing:
        """Whether the device is online; if not, it is let in again. `kept.tries` is how often that was looked at."""
        subscriber = SubscriberId(kept.payment.subscriber)
        stored = self._book.stores.subscribers.read(subscriber, self._book.deadline())
        present = aggregate.decode(stored.body) if stored else None
        right = present.right(kept.payment.id) if present else None
        if present is None or right is None or right.revoked_at:
            return Seen()  # taken back: nobody waits for it
        seen = _seen(present, right.granted_at, kept.device)
        if seen is not None:
            return seen
        if kept.tries + 1 >= LOOKS_MAX:
            return Missing()
        self._drive(present, MacAddress(kept.device), now)
        return Driven()

    def _drive(self, present: Subscriber, device: MacAddress, now: int) -> None:
        """Ring for an intent that is alive; commit a new one for one that is gone or was given up."""
        found = [one for one in present.intents if one.reason is IntentReason.REAUTHORIZE and one.session == device]
        if any(one.state is not IntentState.ABANDONED for one in found):
            self._book.ring(present.id)
        else:
            self._let_in(present.id, device, found[0].waits if found else None, now)


def _seen(present: Subscriber, since: int, device: str) -> Seen | None:
    """The first session of the device since it may; its session from before, if that goes on."""
    were = [each for each in present.sessions if each.device == device and each.state is not SessionState.RESERVED]
    new = [each.opened_at - since for each in were if each.opened_at >= since]
    if new:
        return Seen(min(new))
    return Seen() if any(each.state is SessionState.OPEN for each in were) else None
