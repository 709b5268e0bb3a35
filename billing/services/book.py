"""What every posting needs: the next number of a series, a right in an aggregate, and the tries that are bounded."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from billing.domain.journal import Fact, Journal, Receipt, business_day
from billing.domain.money import TaxRate
from billing.domain.payment import Payment
from billing.ports import (
    Bodies,
    Customers,
    Entry,
    Ledger,
    Packages,
    Payments,
    Posted,
    Posting,
    Postings,
)
from radius.domain import enforcement, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.errors import Contended, Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.intent import IntentReason, Waiting
from radius.domain.lifecycle import add_intent, await_device
from radius.domain.subscriber import SecretKind, SessionState, Subscriber
from radius.domain.terms import Service, Terms
from radius.ports import Change, Outcome, Subscribers

DECIDE_TRIES_MAX = 8  # accounting of a busy customer overtakes us now and then, another settler once
POST_TRIES_MAX = 3  # of the same posting when its answer was lost: it knows itself again
SERIES = tuple(f"K{number}" for number in range(1, 33))  # of receipts: so many settlers need not wait for each other

Told = Callable[[Payment | None, Payment], object]  # a payment before and after a commit; never waits nor raises


class Stores(NamedTuple):
    """The ports used here."""

    postings: Postings
    payments: Payments
    bodies: Bodies
    ledger: Ledger
    customers: Customers
    packages: Packages
    subscribers: Subscribers


class Number(NamedTuple):
    """The next number of a series, as it was when it was read."""

    series: str
    number: int

    @property
    def text(self) -> str:
        """As printed."""
        return Receipt(self.series, self.number, "", 0).text

    def entry(self, journal: Journal, subscriber: str) -> Entry:
        """The journal with its numbered receipt."""
        return Entry(journal, Receipt(self.series, self.number, journal.id, journal.cents), subscriber)


class Given(NamedTuple):
    """A right that is to be in an aggregate. `from_end`: it begins where what the customer has of its kind ends.

    `device`: waits for it, at `waits` if anybody knows where. `sold`: somebody pays for it.
    """

    subscriber: SubscriberId
    right: str
    terms: str
    device: str = ""
    from_end: bool = False
    waits: Waiting | None = None
    sold: bool = False


class Book:
    """Reads and writes for whoever books something. Raises Unavailable, and Contended for what never came through."""

    def __init__(
        self,
        stores: Stores,
        terms: Callable[[str], Terms],
        rates: tuple[TaxRate, ...],
        new_id: Callable[[], str],
        deadline: Callable[[], float],
        ring: Callable[[SubscriberId], object] = lambda _subscriber: None,
        series: tuple[str, ...] = SERIES,
        told: Told = lambda _before, _after: None,
    ) -> None:
        """`new_id`: ids of postings; `ring` wakes the sender and never waits nor raises.

        `told` hears of each committed change of a payment, once, by whichever door it came.
        """
        self.stores = stores
        self.rates = rates
        self.new_id = new_id
        self.deadline = deadline
        self.told = told
        self._terms = terms
        self.ring = ring
        self._series = series

    def tries(self, what: str) -> Iterator[int]:
        """Numbers of the tries of one decision; raises Contended after `DECIDE_TRIES_MAX`."""
        yield from range(DECIDE_TRIES_MAX)
        raise Contended(f"{what}: overtaken {DECIDE_TRIES_MAX} times")

    def number(self, subject: str, attempt: int) -> Number:
        """The next number of the series that is this subject's at this try."""
        drawn = blake2b(f"{subject} {attempt}".encode(), digest_size=4).digest()  # rivals part at the next try
        series = self._series[int.from_bytes(drawn) % len(self._series)]
        return Number(series, self.stores.ledger.last_number(series, self.deadline()) + 1)

    def give(self, given: Given, posting: str, now: int) -> Change | None:
        """The aggregate with a new right, and what must follow at once; None if there is no such subscriber.

        A right of that id that is there already (which only the same event can have given) is left as it is.
        """
        terms = self._terms(given.terms)

        def add(present: Subscriber) -> None:
            if present.right(given.right) is not None:
                return
            if given.sold:
                present.bought_at = present.bought_at or _bought_at(present, now)
            right = entitlement.issue(given.right, terms, now)
            if given.from_end and right.starts_at:
                right.starts_at = 0
                entitlement.start(right, terms, self.covered_until(present, terms.service, now))
            present.rights.append(right)
            live = [session for session in present.sessions if session.state is SessionState.OPEN]
            for session in live:
                add_intent(present, session.uid, IntentReason.TERMS, now)
            if given.device and all(session.device != given.device for session in live):
                if given.waits is not None:
                    await_device(present, given.device, given.waits, now)
                else:
                    add_intent(present, given.device, IntentReason.REAUTHORIZE, now)

        return self.alter(given.subscriber, add, posting, now)

    def covered_until(self, present: Subscriber, service: Service, now: int) -> int:
        """When the last live right for a service ends; `now` if there is none."""
        live = [right for right in present.rights if entitlement.state(right, now) is RightState.LIVE]
        return max((right.ends_at for right in live if self._terms(right.terms).service is service), default=now)

    def revoke(self, subscriber: SubscriberId, right: str, posting: str, now: int) -> Change | None:
        """The aggregate without a right, and its sessions to be cut; None if there is no such subscriber."""

        def end(present: Subscriber) -> None:
            gone = present.right(right)
            if gone is None or gone.revoked_at:
                return
            gone.revoked_at = now
            for session in present.sessions:
                if session.state is SessionState.OPEN and session.right == right:
                    add_intent(present, session.uid, IntentReason.BLOCKED, now)

        return self.alter(subscriber, end, posting, now)

    def terms(self, terms: str) -> Terms:
        """Immutable terms; raises Corrupt for an id that leads nowhere."""
        return self._terms(terms)

    def alter(
        self, subscriber: SubscriberId, alter: Callable[[Subscriber], None], posting: str, now: int
    ) -> Change | None:
        """The next version of an aggregate; None if there is none."""
        stored = self.stores.subscribers.read(subscriber, self.deadline())
        if stored is None:
            return None
        present = aggregate.decode(stored.body)
        alter(present)
        due_at = enforcement.due_at(present, stored.due_at, looked_at=0)
        if due_at and due_at != stored.due_at:
            due_at = max(due_at, now)  # what is due in the past is due now, where workers still look
        return Change(subscriber, stored.version + 1, posting, aggregate.encode(present), due_at)

    def post(self, posting: Posting) -> Posted:
        """Commit, ask again when the answer was lost, ring when it is done."""
        posted = self._post(posting)
        if posted.outcome is Outcome.COMMITTED:
            for change in posting.changes:
                self.ring(change.subscriber)
        return posted

    def _post(self, posting: Posting) -> Posted:
        for _ in range(POST_TRIES_MAX - 1):
            try:
                return self.stores.postings.post(posting, self.deadline())
            except Unavailable:
                continue
        return self.stores.postings.post(posting, self.deadline())


def _bought_at(present: Subscriber, now: int) -> int:
    """Of who buys now and nothing is known of: whose name is a code was sold as paper."""
    return present.created_at if present.credential.kind is SecretKind.CODE else now


def fact(subject: str, at: int, now: int, actor: str = "", reason: str = "") -> Fact:
    """A fact booked `now`, of the business day of `at`."""
    return Fact(subject, now, business_day(at), actor, reason)
