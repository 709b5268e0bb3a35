"""The close of a seller's day: what the journals say is in hand, what was counted, and what was handed in.

No item holds a seller's cash while it is being taken. A close reads the days since the last one, the day of that one
among them: what was booked on it after its close, or seen too late by the index, is in the next. The same close asked
for again, by whose answer was lost or by two at once, is answered and not booked: it would invent money.
"""

from collections import defaultdict
from typing import NamedTuple

from billing.domain.agent import Closed, Till, after_close, check_seller, closed_before
from billing.domain.batch import Batch
from billing.domain.journal import Account, AccountKind, Cause, Journal, business_day
from billing.domain.ledger import cash_of, money_moved
from billing.domain.trade import day_close
from billing.paper.statement import DayClose, Sold
from billing.ports import Entry, Kept, Posting
from billing.services import walk
from billing.services.book import Book, fact
from radius.domain.errors import Malformed
from radius.ports import Outcome

_SALES = frozenset({Cause.SALE_CASH, Cause.VOUCHERS_SOLD, Cause.VOUCHER_REDEEMED})

_CLOSES = frozenset({Cause.DAY_CLOSE, Cause.MONEY_MOVED})


class Count(NamedTuple):
    """What a seller counted, and how much of it goes where (`into` a bank, or another's cash). `reason`: of a gap.

    `key`: of this close, if it may be asked for again after something else was sold.
    """

    seller: str
    counted_cents: int
    handed_in_cents: int = 0
    into: Account = Account(AccountKind.BANK, "main")
    reason: str = ""
    key: str = ""


class CloseDay:
    """Closes days."""

    def __init__(self, book: Book, first_day: str) -> None:
        """`first_day`: ISO day of the first sale ever; a seller's first close walks from there."""
        self._book = book
        self._first_day = first_day

    def known(self, seller: str, now: int) -> bool:
        """Whether there ever was cash in this seller's hand; raises Malformed, Unavailable."""
        check_seller("seller", seller)
        if self._book.stores.customers.thing(Till, seller, self._book.deadline()) is not None:
            return True
        return any(self._cash(each, seller) for each in walk.days(self._first_day, business_day(now)))

    def close(self, count: Count, site: str, actor: str, now: int) -> DayClose:
        """Book the difference and what was handed in; raises Malformed, Contended, Unavailable.

        A difference without a reason is not booked. How much it is, whoever counted is not told before.
        The index of days follows by a moment: a sale of the last second may be in the next close.
        """
        check_seller("seller", count.seller)
        if not 0 <= count.handed_in_cents <= count.counted_cents or count.into == cash_of(count.seller):
            raise Malformed("handed_in_cents", "must be at most what was counted, into another's hand")
        day = business_day(now)
        for _ in self._book.tries(count.seller):
            kept = self._book.stores.customers.thing(Till, count.seller, self._book.deadline())
            till = kept.thing if kept else Till(count.seller, self._first_day)
            if day < till.day:
                raise Malformed("now", f"{till.day} is closed already")
            entries = {each: self._cash(each, count.seller) for each in walk.days(till.day, day)}
            found = [journal for journals in entries.values() for journal in journals]
            booked = till.in_hand_cents + sum(_cents(each, count.seller) for each in found) - till.seen_cents
            wanted = _closed(count, booked, now)
            if (before := closed_before(till, wanted)) is not None:
                return self._statement(before, entries[before.day], site, count.seller, again=True)
            if booked != count.counted_cents and not count.reason.strip():
                raise Malformed("reason", f"the books of {count.seller} say another sum: count again, or say why it is")
            subject = f"{count.seller}:{day}.{till.closes + 1}"
            made = self._booked(count, subject, booked, actor, now)
            seen = sum(_cents(each, count.seller) for each in entries[day])
            after = after_close(till, seen, wanted)
            posting = Posting(
                self._book.new_id(),
                entries=tuple(Entry(each) for each in made),
                things=(Kept(after, kept.version + 1 if kept else 1),),
            )
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return self._statement(wanted, entries[day], site, count.seller)
        raise AssertionError  # `tries` ends by raising

    def _statement(
        self, closed: Closed, journals: list[Journal], site: str, seller: str, *, again: bool = False
    ) -> DayClose:
        seen = [each for each in journals if each.fact.at <= closed.at]
        return DayClose(
            closed.day,
            site,
            seller,
            closed.booked_cents,
            closed.counted_cents,
            self._sold(seen, seller),
            closed.handed_in_cents,
            again,
        )

    @staticmethod
    def _booked(count: Count, subject: str, booked_cents: int, actor: str, now: int) -> list[Journal]:
        """Difference and transfer."""
        gap = fact(subject, now, now, actor, count.reason)
        made = [day_close(gap, count.seller, booked_cents, count.counted_cents)]
        if count.handed_in_cents:
            moved = fact(subject, now, now, actor)
            made.append(money_moved(moved, count.handed_in_cents, cash_of(count.seller), count.into))
        return [each for each in made if each is not None]

    def _cash(self, day: str, seller: str) -> list[Journal]:
        """Journals of a day that touch a seller's cash, but for those of closes: the till knows what they left."""
        journals = (entry.journal for entry in walk.entries(self._book, day))
        return [each for each in journals if _cents(each, seller) and not _of_close(each, seller)]

    def _sold(self, journals: list[Journal], seller: str) -> tuple[Sold, ...]:
        """What was sold that day for cash, by package."""
        counts: defaultdict[str, int] = defaultdict(int)
        cents: defaultdict[str, int] = defaultdict(int)
        for journal in journals:
            if journal.cause in _SALES:
                counts[journal.package] += self._count(journal)
                cents[journal.package] += _cents(journal, seller)
        return tuple(Sold(package, counts[package], cents[package]) for package in sorted(counts))

    def _count(self, journal: Journal) -> int:
        """How many a journal sold: vouchers go by the dozen."""
        batch = next((leg.account.of for leg in journal.legs if leg.account.kind is AccountKind.STOCK), "")
        kept = self._book.stores.customers.thing(Batch, batch, self._book.deadline()) if batch else None
        return journal.cents // kept.thing.price_cents if kept else 1


def _closed(count: Count, booked_cents: int, now: int) -> Closed:
    day, into = business_day(now), count.into.text
    return Closed(now, day, booked_cents, count.counted_cents, count.handed_in_cents, into, count.key)


def _of_close(journal: Journal, seller: str) -> bool:
    return journal.cause in _CLOSES and journal.fact.subject.startswith(f"{seller}:")


def _cents(journal: Journal, seller: str) -> int:
    return sum(leg.cents for leg in journal.legs if leg.account == cash_of(seller))
