"""Vouchers that are void, replaced, over, or used without a word to us: what is written down, and what they open.

Whatever ends a voucher here ends its right in the same posting; one whose code has logged in is used, and booked so.
"""

from collections.abc import Callable
from typing import NamedTuple

from billing.domain import voucher as rules
from billing.domain.batch import Batch, BatchEvent, BatchRefusal, BatchState
from billing.domain.batch import decide as decide_batch
from billing.domain.draw import Draw
from billing.domain.journal import Account, AccountKind, Journal
from billing.domain.money import rate_on
from billing.domain.thing import Thing
from billing.domain.trade import Paper as Pile
from billing.domain.trade import voucher_expired, voucher_replaced, voucher_void
from billing.domain.voucher import Voucher, VoucherEvent, VoucherRefusal, VoucherState
from billing.ports import Entry, Kept, KeptVoucher, Posting
from billing.services.batches import SWEPT_EVERY_S, Batches
from billing.services.book import Book, fact
from billing.services.codes import SEED_BYTES, Codes, Paper
from billing.services.redeem import Redeem
from billing.services.rounds import of_each
from billing.services.sell import agent_after, agent_of
from billing.services.word import Word, said
from radius.domain.errors import Malformed
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Outcome

ROUND_MAX = 100  # batches looked at in one round
_ALIVE = frozenset({VoucherState.STOCK, VoucherState.SOLD})


class Replaced(NamedTuple):
    """The voucher that takes the place of another, and its code, shown once."""

    serial: str
    code: str


class Ended(NamedTuple):
    """What became of a batch: vouchers that were ended, and those that are good still (sold, and not paid back)."""

    ended: int
    left: int


class PaperCare:
    """Ends vouchers."""

    def __init__(self, book: Book, codes: Codes, batches: Batches, random: Draw) -> None:
        self._book = book
        self._customers = book.stores.customers
        self._codes = codes
        self._batches = batches
        self._redeem = Redeem(book)
        self._random = random

    # -- one -------------------------------------------------------------------------------------------------------

    def void(
        self, serial: str, word: Word, now: int, paid_back_from: Account | None = None
    ) -> Voucher | VoucherRefusal | None:
        """Make a voucher worth nothing. One that was sold is paid back from somewhere, else it stays (SOLD).

        None: there is no such voucher.
        """

        def book(kept: KeptVoucher, after: Voucher) -> Journal | VoucherRefusal:
            sold = kept.voucher.state is VoucherState.SOLD
            if sold and paid_back_from is None:
                return VoucherRefusal.SOLD
            return voucher_void(said(after.serial, word, now), _pile(kept), paid_back_from if sold else None)

        return self._end(serial, VoucherEvent.VOID, book, now)

    def replace(self, serial: str, word: Word, now: int) -> Replaced | VoucherRefusal | None:
        """Another code for what a printer ate or a customer lost. None: there is no such voucher."""
        said(serial, word, now)
        seed, made = self._random(SEED_BYTES), None
        for _ in self._book.tries(serial):
            kept = self._looked_at(serial, now)
            if kept is None:
                return None
            batch = self._customers.thing(Batch, kept.voucher.batch, self._book.deadline())
            if batch is None or batch.thing.state is BatchState.MADE:
                raise Malformed("serial", f"{serial} was not exported: its code is still to come")
            both = rules.replace(kept.voucher, now)
            if isinstance(both, VoucherRefusal):
                return both
            gone, new = both
            paper = Paper(kept.package, kept.price_cents, kept.seller, batch.thing.site)
            made = made or self._codes.make(seed, new, batch.thing.rules, paper, now)
            id_ = self._book.new_id()
            change = self._revoked(kept, id_, now)
            posting = Posting(
                id_,
                claims=(made.claim,),
                entries=(Entry(voucher_replaced(said(serial, word, now), _pile(kept))),),
                changes=(change,) if change else (),
                vouchers=(kept._replace(voucher=gone, version=kept.version + 1), made.kept._replace(voucher=new)),
            )
            if change is not None and self._book.post(posting).outcome is Outcome.COMMITTED:
                return Replaced(new.serial, made.code)
        raise AssertionError  # `tries` ends by raising

    def expire(self, serial: str, now: int) -> Voucher | VoucherRefusal | None:
        """Book that a voucher was not used in time. None: there is no such voucher."""

        def book(kept: KeptVoucher, after: Voucher) -> Journal:
            booked = fact(after.serial, now, now)
            sold = kept.voucher.state is VoucherState.SOLD
            return voucher_expired(booked, _pile(kept), rate_on(self._book.rates, booked.day), sold=sold)

        return self._end(serial, VoucherEvent.EXPIRE, book, now)

    def _end(
        self,
        serial: str,
        event: VoucherEvent,
        book: Callable[[KeptVoucher, Voucher], Journal | VoucherRefusal],
        now: int,
    ) -> Voucher | VoucherRefusal | None:
        """State, journal and the end of the right, in one posting."""
        for _ in self._book.tries(serial):
            kept = self._looked_at(serial, now)
            if kept is None:
                return None
            after = rules.decide(kept.voucher, event, now)
            if isinstance(after, VoucherRefusal):
                return after
            journal = book(kept, after)
            if isinstance(journal, VoucherRefusal):
                return journal
            id_ = self._book.new_id()
            change = self._revoked(kept, id_, now)
            posting = Posting(
                id_,
                entries=(Entry(journal),),
                changes=(change,) if change else (),
                voucher=kept._replace(voucher=after, version=kept.version + 1),
                things=self._agent(journal),
            )
            if change is not None and self._book.post(posting).outcome is Outcome.COMMITTED:
                return after
        raise AssertionError  # `tries` ends by raising

    def _looked_at(self, serial: str, now: int) -> KeptVoucher | None:
        """The voucher, booked as used if its code has logged in by itself."""
        self._redeem.by_itself(serial, now)
        return self._customers.voucher(serial, self._book.deadline())

    def _revoked(self, kept: KeptVoucher, posting: str, now: int) -> Change | None:
        """The paper's own right ends; None if it has begun meanwhile: look again."""
        begun = False

        def revoke(present: Subscriber) -> None:
            nonlocal begun
            right = present.right(kept.right)
            if right is not None:
                begun = bool(right.starts_at)
                right.revoked_at = right.revoked_at or now

        change = self._book.alter(kept.subscriber, revoke, posting, now)
        return None if begun else change

    def _agent(self, journal: Journal) -> tuple[Kept[Thing], ...]:
        """The agent whose float is paid back into."""
        agents = {leg.account.of for leg in journal.legs if leg.account.kind is AccountKind.FLOAT}
        return tuple(agent_after(agent_of(self._book, agent), journal) for agent in agents)

    # -- many ------------------------------------------------------------------------------------------------------

    def void_batch(self, batch: str, word: Word, now: int, paid_back_from: Account | None = None) -> Ended:
        """Void what is left of a batch, one by one; called again it goes on. Sold paper stays good if nobody pays."""
        said(batch, word, now)
        ended = left = 0
        for each in self._batches.latest(self._void(batch)):
            if each.voucher.state in _ALIVE:
                found = self.void(each.voucher.serial, word, now, paid_back_from)
                ended += isinstance(found, Voucher)
                left += found is VoucherRefusal.SOLD
        return Ended(ended, left)

    def _void(self, batch: str) -> Batch:
        """The batch, void from now on: nothing of it is sold any more."""
        for _ in self._book.tries(batch):
            kept = self._customers.thing(Batch, batch, self._book.deadline())
            if kept is None or kept.thing.made < kept.thing.count:
                raise Malformed("batch", f"{batch} is not there, or not whole: finish it first")
            after = decide_batch(kept.thing, BatchEvent.VOID)
            if isinstance(after, BatchRefusal):
                return kept.thing  # void already
            posting = Posting(self._book.new_id(), things=(kept._replace(thing=after, version=kept.version + 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return after
        raise AssertionError  # `tries` ends by raising

    def round(self, now: int) -> int:
        """Batches that are due: book what logged in by itself, and what is over. How many vouchers were booked."""
        due = self._customers.due_things(Batch, now, ROUND_MAX, self._book.deadline())
        return sum(of_each(due, lambda batch: self.sweep(batch, now)))

    def sweep(self, batch: str, now: int) -> int:
        """Look at every voucher of a batch that is good still; how many were booked."""
        kept = self._customers.thing(Batch, batch, self._book.deadline())
        if kept is None:
            return 0
        booked = alive = 0
        for each in self._batches.latest(kept.thing):
            if each.voucher.state not in _ALIVE:
                continue
            done = self._redeem.by_itself(each.voucher.serial, now)
            if not done and each.voucher.redeem_by and now >= each.voucher.redeem_by:
                done = isinstance(self.expire(each.voucher.serial, now), Voucher)
            booked, alive = booked + done, alive + (not done)
        after = kept._replace(version=kept.version + 1, due_at=now + SWEPT_EVERY_S if alive else 0)
        self._book.post(Posting(self._book.new_id(), things=(after,)))  # another's change: it stays due
        return booked


def _pile(kept: KeptVoucher) -> Pile:
    return Pile(kept.voucher.batch, kept.package, kept.price_cents)
