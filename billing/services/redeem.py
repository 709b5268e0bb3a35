"""Redeeming a voucher: state, journal and right in one posting. A code is used once, at the portal or over RADIUS."""

from typing import NamedTuple

from billing.domain import voucher as rules
from billing.domain.journal import Account
from billing.domain.ledger import cash_of
from billing.domain.money import rate_on
from billing.domain.trade import Paper, redeemed
from billing.domain.voucher import Voucher, VoucherEvent, VoucherRefusal, VoucherState
from billing.ports import ClaimKind, Entry, KeptVoucher, Posting
from billing.services.book import Book, Given, fact
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Outcome

DESK = "desk"  # has the money of unsold paper that was given to nobody


class Redeemed(NamedTuple):
    """The right that the voucher became. `again`: by an earlier try."""

    right: str
    package: str
    again: bool = False


class Redeem:
    """Turns vouchers into rights."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._stores = book.stores

    def by_code(self, code: str, subscriber: SubscriberId, device: str, now: int) -> Redeemed | VoucherRefusal | None:
        """`code`: its keyed hash. None: there is no such code. The caller slows guessing down."""
        serial = self._stores.postings.owner(ClaimKind.CODE, code, self._book.deadline())
        for _ in self._book.tries(serial or "voucher"):
            kept = self._stores.customers.voucher(serial, self._book.deadline()) if serial else None
            if kept is None:
                return None
            after = rules.decide(kept.voucher, VoucherEvent.USE, now)
            if isinstance(after, VoucherRefusal):
                has_it = after is VoucherRefusal.USED and self._has(subscriber, kept.right)
                return Redeemed(kept.right, kept.package, again=True) if has_it else after
            given = Given(subscriber, kept.right, kept.package, device, sold=True)
            posting = self._posting(kept, after, subscriber, now)
            gives = self._book.give(given, posting.id, now)
            taken_off = self._taken_off(kept, posting.id, now)
            if gives is None or taken_off is None:
                return None if gives is None else VoucherRefusal.USED
            posting = posting._replace(changes=(gives, *taken_off))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return Redeemed(kept.right, kept.package)
        raise AssertionError  # `tries` ends by raising

    def by_itself(self, serial: str, now: int) -> bool:
        """Book a voucher whose code logged in over RADIUS (its dormant right has begun); True if it was booked now."""
        for _ in self._book.tries(serial):
            kept = self._stores.customers.voucher(serial, self._book.deadline())
            if kept is None or not self._used_by_itself(kept):
                return False
            after = rules.decide(kept.voucher, VoucherEvent.USE, 0)  # it was in time when it logged in
            if isinstance(after, VoucherRefusal):
                return False
            if self._book.post(self._posting(kept, after, kept.subscriber, now)).outcome is Outcome.COMMITTED:
                return True
        raise AssertionError  # `tries` ends by raising

    def _posting(self, kept: KeptVoucher, after: Voucher, subscriber: str, now: int) -> Posting:
        """Voucher and journal."""
        booked = fact(kept.voucher.serial, now, now)
        paper = Paper(kept.voucher.batch, kept.package, kept.price_cents)
        unsold: Account | None = cash_of(kept.seller or DESK) if kept.voucher.state is VoucherState.STOCK else None
        journal = redeemed(booked, paper, rate_on(self._book.rates, booked.day), kept.right, unsold)
        used = kept._replace(voucher=after, version=kept.version + 1)
        return Posting(self._book.new_id(), entries=(Entry(journal, None, subscriber),), voucher=used)

    def _has(self, subscriber: SubscriberId, right: str) -> bool:
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        return stored is not None and aggregate.decode(stored.body).right(right) is not None

    def _used_by_itself(self, kept: KeptVoucher) -> bool:
        stored = self._stores.subscribers.read(kept.subscriber, self._book.deadline())
        right = aggregate.decode(stored.body).right(kept.right) if stored else None
        return right is not None and bool(right.starts_at) and not right.revoked_at

    def _taken_off(self, kept: KeptVoucher, posting: str, now: int) -> tuple[Change, ...] | None:
        """The paper's own right ends: what is a customer's right opens nothing by itself. None if it has begun."""
        begun = False

        def revoke(present: Subscriber) -> None:
            nonlocal begun
            right = present.right(kept.right)
            if right is not None:
                begun = bool(right.starts_at) and not right.revoked_at
                right.revoked_at = right.revoked_at or now

        change = self._book.alter(kept.subscriber, revoke, posting, now)
        if begun:
            return None
        return (change,) if change else ()
