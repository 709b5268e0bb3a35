"""A batch is made, in steps that can be resumed, and its codes are handed out once.

Until the export a sealed seed stands for the codes; the export takes it away, and keyed hashes are left at rest.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from billing.domain import batch as rules
from billing.domain.batch import Batch, BatchEvent, BatchRefusal, BatchState, check_batch, vouchers
from billing.domain.draw import Draw
from billing.domain.package import Package
from billing.domain.trade import Paper as Pile
from billing.domain.trade import batch_made
from billing.domain.voucher import Voucher, VoucherState
from billing.ports import PAGE_MAX, Entry, Kept, KeptVoucher, Posting
from billing.services.book import Book, fact
from billing.services.codes import SEED_BYTES, SEED_FIELD, Codes, Paper, Seals
from radius.domain.errors import Contended, Malformed
from radius.ports import Outcome

STEP_VOUCHERS = 45  # in one posting, two items each
SWEPT_EVERY_S = 3_600  # a code that logged in by itself is booked within an hour


class Exported(NamedTuple):
    """A batch with all its codes in the clear, in the order of the serial numbers: for paper, and then forgotten."""

    batch: Batch
    codes: tuple[str, ...]


class Batches:
    """Makes batches."""

    def __init__(self, book: Book, codes: Codes, seals: Seals, random: Draw) -> None:
        self._book = book
        self._customers = book.stores.customers
        self._codes = codes
        self._seals = seals
        self._random = random

    def make(self, batch: Batch, actor: str, now: int, *, live_codes: int = 0, nas_count: int = 1) -> Batch:
        """Make a batch, or go on with one of the same id and content that was begun. Raises Malformed, NoChance."""
        self._package(batch)
        check_batch(batch, live_codes, nas_count)
        kept = self._customers.thing(Batch, batch.id, self._book.deadline())
        if kept is None:
            kept = self._begin(batch)
        there = kept.thing
        same = msgspec.structs.replace(batch, made_at=there.made_at, redeem_by=there.redeem_by)
        if same != msgspec.structs.replace(there, made=0, seed="", state=BatchState.MADE):
            raise Malformed("batch", f"{batch.id} exists with other content; take another name")
        return self.go_on(batch.id, actor, now)

    def _package(self, batch: Batch) -> Package:
        package = self._book.stores.packages.package(batch.package, self._book.deadline())
        if package is None or package.trial is not None:
            raise Malformed("package", f"{batch.package} is not sold")
        return package

    def _begin(self, batch: Batch) -> Kept[Batch]:
        seed = self._seals.seal(self._random(SEED_BYTES).hex(), batch.id, SEED_FIELD, 1)
        begun = msgspec.structs.replace(batch, state=BatchState.MADE, made=0, seed=seed)
        self._book.post(Posting(self._book.new_id(), things=(Kept(begun),)))
        return self._kept(batch.id)  # ours, or that of who was first

    def go_on(self, batch: str, actor: str, now: int) -> Batch:
        """Make what is missing of a batch. Two who do so at once come to the same."""
        overtaken = 0
        while overtaken < PAGE_MAX:
            kept = self._kept(batch)
            if kept.thing.made >= kept.thing.count:
                return kept.thing
            overtaken += self._step(kept, actor, now) is not Outcome.COMMITTED
        raise Contended(f"{batch}: overtaken {PAGE_MAX} times")

    def _step(self, kept: Kept[Batch], actor: str, now: int) -> Outcome:
        """The next vouchers, and with the last one the journal."""
        batch = kept.thing
        seed = self._seed(batch)
        paper = Paper(batch.package, batch.price_cents, batch.holder, batch.site)
        todo = vouchers(batch)[batch.made : batch.made + STEP_VOUCHERS]
        made = [self._codes.make(seed, voucher, batch.rules, paper, batch.made_at) for voucher in todo]
        after = msgspec.structs.replace(batch, made=batch.made + len(made))
        pile = Pile(batch.id, batch.package, batch.price_cents, batch.count)
        done = after.made == batch.count
        posting = Posting(
            self._book.new_id(),
            claims=tuple(each.claim for each in made),
            entries=(Entry(batch_made(fact(batch.id, now, now, actor), pile)),) if done else (),
            vouchers=tuple(each.kept for each in made),
            things=(Kept(after, kept.version + 1, now + SWEPT_EVERY_S if done else 0),),
        )
        return self._book.post(posting).outcome

    def export(self, batch: str) -> Exported | BatchRefusal:
        """The codes, to whoever is first; raises Malformed for a batch that is not whole yet.

        It is committed before the codes are handed over: who loses the paper voids the batch or replaces vouchers.
        """
        for _ in self._book.tries(batch):
            kept = self._kept(batch)
            after = rules.decide(kept.thing, BatchEvent.EXPORT)
            if isinstance(after, BatchRefusal):
                return after
            if kept.thing.made < kept.thing.count:
                raise Malformed("batch", f"{batch} is not whole; make it again to go on")
            seed = self._seed(kept.thing)
            found = tuple(self._codes.again(seed, each, after.rules) for each in self.vouchers(after))
            after = msgspec.structs.replace(after, seed="")
            posting = Posting(self._book.new_id(), things=(kept._replace(thing=after, version=kept.version + 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return Exported(after, found)
        raise AssertionError  # `tries` ends by raising

    def vouchers(self, batch: Batch) -> Iterator[KeptVoucher]:
        """The first issue of every voucher that was made, in order."""
        serials = [voucher.serial for voucher in vouchers(batch)[: batch.made]]
        for first in range(0, len(serials), PAGE_MAX):
            page = self._customers.vouchers(serials[first : first + PAGE_MAX], self._book.deadline())
            yield from sorted(page, key=lambda each: each.voucher.number)

    def latest(self, batch: Batch) -> Iterator[KeptVoucher]:
        """The last issue of every voucher: what was replaced is followed."""
        for kept in self.vouchers(batch):
            yield self.follow(kept)

    def follow(self, kept: KeptVoucher) -> KeptVoucher:
        """The last issue of a voucher."""
        while kept.voucher.state is VoucherState.VOID:
            after: Voucher = msgspec.structs.replace(kept.voucher, issue=kept.voucher.issue + 1)
            newer = self._customers.voucher(after.serial, self._book.deadline())
            if newer is None:
                return kept
            kept = newer
        return kept

    def _kept(self, batch: str) -> Kept[Batch]:
        kept = self._customers.thing(Batch, batch, self._book.deadline())
        if kept is None:
            raise Malformed("batch", f"{batch} is not known")
        return kept

    def _seed(self, batch: Batch) -> bytes:
        return bytes.fromhex(self._seals.unseal(batch.seed, batch.id, SEED_FIELD, 1))
