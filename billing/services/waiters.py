"""Who has paid and is not in, for a router that asks: where nothing inbound lets a device in, its router fetches it."""

from billing.domain.payment import PAID_STATES
from billing.domain.waiting import WAITS_S, Waiters, Waits
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.domain import subscriber as aggregate
from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId, parse_mac
from radius.domain.subscriber import SessionState
from radius.ports import Outcome

JOIN_TRIES_MAX = 3  # it is only faster: without it the next page lets the device in


class WaitersOfRouters:
    """Raises Unavailable only where a router asks."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._stores = book.stores

    def join(self, router: str, device: Waits, now: int) -> None:
        """A device waits from now on."""
        try:
            for _ in range(JOIN_TRIES_MAX):
                kept = self._kept(router)
                after = Kept(kept.thing.joined(device, now), kept.version + 1, 0, now + 2 * WAITS_S)
                posting = Posting(self._book.new_id(), things=(after,))
                if self._book.post(posting).outcome is Outcome.COMMITTED:
                    return
        except Unavailable:
            return

    def paid(self, router: str, now: int) -> list[Waits]:
        """Those who have paid since, and did not come in by themselves."""
        waiting = self._kept(router).thing.fresh(now)
        ids = [each.payment for each in waiting]
        found = self._stores.payments.payments(ids, self._book.deadline()) if ids else []
        payers = {each.payment.id: each.payment.subscriber for each in found if each.payment.state in PAID_STATES}
        return [each for each in waiting if each.payment in payers and not self._came(payers[each.payment], each)]

    def _came(self, subscriber: str, device: Waits) -> bool:
        stored = self._stores.subscribers.read(SubscriberId(subscriber), self._book.deadline())
        present = aggregate.decode(stored.body) if stored else None
        mine = [each for each in present.sessions if each.device == parse_mac(device.mac)] if present else []
        return any(each.state is SessionState.OPEN or each.opened_at >= device.at for each in mine)

    def _kept(self, router: str) -> Kept[Waiters]:
        return self._stores.customers.thing(Waiters, router, self._book.deadline()) or Kept(Waiters(router), 0)
