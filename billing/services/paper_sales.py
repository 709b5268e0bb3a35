"""Vouchers for money: a pile out of a batch, or one code on the spot."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from billing.domain import voucher as rules
from billing.domain.agent import check_seller
from billing.domain.batch import Batch, BatchEvent, BatchRefusal, BatchState, check_batch
from billing.domain.batch import decide as decide_batch
from billing.domain.check_digit import LETTERS
from billing.domain.draw import Draw, characters
from billing.domain.journal import Cause
from billing.domain.ledger import Missing, cash_of
from billing.domain.thing import Thing
from billing.domain.trade import Paper as Pile
from billing.domain.trade import agent_float, agent_takes, batch_made, vouchers_sold
from billing.domain.voucher import CodeRules, Voucher, VoucherEvent, VoucherRefusal, VoucherState
from billing.ports import KEY_KEPT_S, Claim, ClaimKind, Entry, Kept, KeptVoucher, Posting
from billing.services.batches import SWEPT_EVERY_S
from billing.services.book import Book, fact
from billing.services.codes import SEED_BYTES, Codes, Paper
from billing.services.sell import agent_after, agent_of, event_id, on_sale
from radius.domain.errors import Malformed
from radius.ports import Outcome

PILE_MAX = 90  # vouchers in one sale: they change hands together, in one transaction
_BATCH_CHARS = 9
DIGITS_12 = CodeRules()


class PileOrder(NamedTuple):
    """Vouchers of a batch by their serial numbers. `agent`: whose float pays, "" when `seller` takes cash."""

    key: str
    seller: str
    batch: str
    serials: tuple[str, ...]
    agent: str = ""


class SoldPile(NamedTuple):
    """What was sold. `again`: by an earlier try of the same key."""

    receipt: str
    cents: int
    again: bool = False


class Unsold(NamedTuple):
    """The first voucher that stands in the way, and why."""

    serial: str
    why: VoucherRefusal


class GivenCode(NamedTuple):
    """A code that was sold on the spot. `code` "": it was handed out by an earlier try, and nobody knows it now."""

    serial: str
    receipt: str
    code: str = ""


class PaperSales:
    """Sells vouchers."""

    def __init__(self, book: Book, codes: Codes, random: Draw, code_rules: CodeRules = DIGITS_12) -> None:
        """`code_rules`: of codes on the spot."""
        self._book = book
        self._customers = book.stores.customers
        self._codes = codes
        self._random = random
        self._rules = code_rules

    def sell(self, order: PileOrder, now: int) -> SoldPile | Unsold | BatchRefusal | Missing:
        """All of a pile or nothing. Raises Malformed, Unavailable, Contended."""
        check_seller("seller", order.seller)
        if not 1 <= len(order.serials) <= PILE_MAX:
            raise Malformed("serials", f"must be 1 to {PILE_MAX}; sell more in several piles")
        subject = event_id(order.seller, order.key)
        for attempt in self._book.tries(subject):
            done = self._book.stores.ledger.entry(f"{Cause.VOUCHERS_SOLD.value}:{subject}", self._book.deadline())
            if done is not None:
                self._check_same(order)
                return SoldPile(done.journal.receipt, done.journal.cents, again=True)
            batch = self._batch(order.batch)
            if isinstance(batch, BatchRefusal):
                return batch
            sold = self._sold(batch, order, now)
            if isinstance(sold, Unsold):
                return sold
            posting = self._posting(batch, order, sold, subject, attempt, now)
            if isinstance(posting, Missing):
                return posting
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                journal = posting.entries[0].journal
                return SoldPile(journal.receipt, journal.cents)
        raise AssertionError  # `tries` ends by raising

    def _check_same(self, order: PileOrder) -> None:
        """A pile that was sold under this key has none in stock; raises Malformed."""
        found = self._customers.vouchers(order.serials, self._book.deadline())
        if len(found) < len(set(order.serials)) or any(each.voucher.state is VoucherState.STOCK for each in found):
            raise Malformed("key", "is that of another pile. Say a new one")

    def _batch(self, name: str) -> Batch | BatchRefusal:
        kept = self._customers.thing(Batch, name, self._book.deadline())
        if kept is None:
            raise Malformed("batch", f"{name} is not known")
        return decide_batch(kept.thing, BatchEvent.SELL)

    def _sold(self, batch: Batch, order: PileOrder, now: int) -> list[KeptVoucher] | Unsold:
        """The vouchers as sold, or the first that cannot be."""
        found = {each.voucher.serial: each for each in self._customers.vouchers(order.serials, self._book.deadline())}
        sold = []
        for serial in order.serials:
            kept = found.get(serial)
            if kept is None or kept.voucher.batch != batch.id:
                raise Malformed("serials", f"{serial} is not of batch {batch.id}")
            after = rules.decide(kept.voucher, VoucherEvent.SELL, now)
            if isinstance(after, VoucherRefusal):
                return Unsold(serial, after)
            sold.append(kept._replace(voucher=after, version=kept.version + 1, seller=order.agent or order.seller))
        return sold

    def _posting(
        self, batch: Batch, order: PileOrder, sold: Sequence[KeptVoucher], subject: str, attempt: int, now: int
    ) -> Posting | Missing:
        number = self._book.number(subject, attempt)
        pile = Pile(batch.id, batch.package, batch.price_cents, len(sold))
        booked = fact(subject, now, now, order.seller)
        things: tuple[Kept[Thing], ...] = ()
        if order.agent:
            kept = agent_of(self._book, order.agent)
            agent = kept.thing
            missing = agent_takes(pile.cents, agent.float_cents, agent.ceiling_cents)
            if missing is not None:
                return missing
            points = agent.basis_points(batch.package)
            journal = vouchers_sold(booked, pile, agent_float(agent.id), number.text, points)
            things = (agent_after(kept, journal),)
        else:
            journal = vouchers_sold(booked, pile, cash_of(order.seller), number.text)
        entry = number.entry(journal, "")
        return Posting(self._book.new_id(), entries=(entry,), vouchers=tuple(sold), things=things)

    def sell_code(self, key: str, seller: str, package: str, site: str, now: int) -> GivenCode:
        """A code for cash, made on the spot: a batch of one, printed, sold and in the customer's hand."""
        check_seller("seller", seller)
        found = on_sale(self._book, package, site, now)
        subject = event_id(seller, key)
        seed = self._random(SEED_BYTES)
        name = f"S{characters(LETTERS, _BATCH_CHARS, self._random)}"
        batch = Batch(
            name, found.id, found.price_cents, 1, now, seller, 0, site, self._rules, BatchState.EXPORTED, made=1
        )
        check_batch(batch, 0, 1)
        made = None
        for attempt in self._book.tries(subject):
            done = self._given(subject)
            if done is not None:
                return done
            paper = Paper(found.id, found.price_cents, seller, site)
            made = made or self._codes.make(seed, Voucher(name, 1), self._rules, paper, now)
            number = self._book.number(subject, attempt)
            pile = Pile(name, found.id, found.price_cents)
            entry = number.entry(vouchers_sold(fact(subject, now, now, seller), pile, cash_of(seller), number.text), "")
            voucher = msgspec.structs.replace(made.kept.voucher, state=VoucherState.SOLD)  # nobody else has seen it
            posting = Posting(
                self._book.new_id(),
                claims=(
                    made.claim,
                    Claim(ClaimKind.IDEMPOTENCY, f"code:{subject}", voucher.serial, now + KEY_KEPT_S),
                ),
                entries=(Entry(batch_made(fact(name, now, now, seller), pile)), entry),
                voucher=made.kept._replace(voucher=voucher),
                things=(Kept(batch, 1, now + SWEPT_EVERY_S),),
            )
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return GivenCode(voucher.serial, number.text, made.code)
        raise AssertionError  # `tries` ends by raising

    def _given(self, subject: str) -> GivenCode | None:
        """What an earlier try of this key sold."""
        done = self._book.stores.ledger.entry(f"{Cause.VOUCHERS_SOLD.value}:{subject}", self._book.deadline())
        if done is None:
            return None
        serial = self._book.stores.postings.owner(ClaimKind.IDEMPOTENCY, f"code:{subject}", self._book.deadline())
        return GivenCode(serial or "", done.journal.receipt)
