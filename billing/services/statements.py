"""The provider's statement against our books: what is missing here lands by the same settlement as everything else.

Each row is its own change, so an import that ends half-way is finished by the next, and one that comes again changes
nothing. What cannot be told by a machine is named for a person: the aim is that all of these lists are empty.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from billing.domain.compared import Compared, by_day
from billing.domain.journal import AccountKind, Cause, Journal
from billing.domain.ledger import Reason, fee
from billing.domain.payment import Payment, PaymentEvent, PaymentState
from billing.domain.settle import CLOCKS_APART_S_MAX, Settlement
from billing.domain.statement import Known, Match, Row, Sorted, Statement, days_covered, match, sort, sure
from billing.ports import PAGE_MAX, ClaimKind, Entry, Kept, Posting, UnmatchedState
from billing.provider import Notice
from billing.services import walk
from billing.services.book import Book, fact
from billing.services.rounds import tell, try_each
from billing.services.settle import SAME_MONEY_S, Settle
from billing.services.strays import AHEAD_S, RIVALS_MAX, Strays
from billing.services.word import Word, said
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.ports import Outcome


class Refunded(Protocol):
    """Who knows of refunds: `billing.services.refunds.Refunds`."""

    def gone_back(self, mpesa_receipt: str, cents: int, now: int) -> bool:
        """The statement has a reversal of a receipt; False if it is no refund of ours."""


class Imported(NamedTuple):
    """What an import did, by M-Pesa receipts unless it says otherwise. Without `found`, it changed nothing.

    `found`: credited, booked or attached by this import. `waiting`: names nobody, and may yet be a payment's own.
    `fees_cents`: booked by this import. `unproven`: payments that a query proved and whose money cannot be told from
    others', or is not there at all. `outside`: reversals that are no refunds of ours. `withdrawn`: what a person took
    out; book where it went. `problems`: rows that could not be read.
    """

    match: Match
    found: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    fees_cents: int = 0
    unproven: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    withdrawn: tuple[Row, ...] = ()
    problems: tuple[Malformed, ...] = ()


class Statements:
    """Imports statements."""

    def __init__(
        self,
        book: Book,
        settle: Settle,
        strays: Strays,
        refunds: Refunded,
        shortcodes: Collection[str],
        topped_up: Callable[[SubscriberId, int], object] = lambda _subscriber, _now: None,
        seen: Callable[[str, int], object] = lambda _mpesa_receipt, _now: None,
    ) -> None:
        """`shortcodes`: what the statement may call us, first the number that payments keep, "" for none.

        `topped_up`: money for a balance came; `seen`: money of an M-Pesa receipt is known now, and may be claimed.
        """
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._strays = strays
        self._refunds = refunds
        self._shortcodes = tuple(shortcodes)
        self._shortcode = self._shortcodes[0]
        self._topped_up = topped_up
        self._seen = seen

    def take(self, statement: Statement, actor: str, now: int) -> Imported:
        """Import it. Raises Malformed, before anything is changed, for a statement of somebody else or of nothing.

        Raises ExceptionGroup, after all else was done, for rows that could not be settled.
        """
        if statement.shortcode not in {*self._shortcodes, ""}:
            raise Malformed("short code", f"must be {self._shortcode}: this is another's statement")
        if not self._shortcode:
            raise Malformed("short code", "of our own till or paybill must be set first")
        found = sort(statement.rows)
        late = {row.mpesa_receipt: row for row in found.came if self._owner(row.mpesa_receipt) is None}
        _, unlanded = try_each(late, lambda receipt: self._land(late[receipt], now))
        self._attach(found, statement, now)
        _, unseen = try_each(late, lambda receipt: self._look(late[receipt], now))
        here = {receipt for receipt in late if self._owner(receipt) is not None}
        done = Imported(
            match(found.came, self._ours(found.came, statement), statement.since, statement.until),
            tuple(receipt for receipt in late if receipt in here),
            tuple(receipt for receipt in late if receipt not in here),
            self._fees(found.charges, actor, now),
            tuple(payment.id for payment in self._proven(statement, now)) if statement.whole else (),
            tuple(row.mpesa_receipt for row in found.reversals if not self._gone_back(row, now)),
            found.other,
            statement.problems,
        )
        self._keep(done.match, statement, now)
        tell([*unlanded, *unseen])  # the others are done, and the next import tries these again
        return done

    def _keep(self, found: Match, statement: Statement, now: int) -> None:
        """For reports. Who writes at the same moment compared the same days."""
        days = days_covered(statement.since, statement.until) if statement.whole else None
        for day in by_day(found, walk.days(*days) if days else (), now):
            before = self._stores.customers.thing(Compared, day.name, self._book.deadline())
            kept = Kept(day, before.version + 1 if before else 1)
            self._book.post(Posting(self._book.new_id(), things=(kept,)))

    def _land(self, row: Row, now: int) -> None:
        """To the payment or the balance that it names, or written down."""
        landed = self._settle.notice(self._notice(row), now, last=True)
        if landed.subscriber:
            self._topped_up(SubscriberId(landed.subscriber), now)

    def _look(self, row: Row, now: int) -> None:
        """Book what names nobody, when no other word of it will come; somebody may have shown its code."""
        if row.completed_at <= now - SAME_MONEY_S:
            self._strays.look(row.mpesa_receipt, now)
        self._seen(row.mpesa_receipt, now)

    def decide(self, mpesa_receipt: str, payment: str, word: Word, now: int) -> Settlement | Reason:
        """A person says which of several receipts is that of a payment which a query proved: its payer shows it."""
        said(payment, word, now)
        money = self._stores.customers.unmatched(mpesa_receipt, self._book.deadline())
        kept = self._stores.payments.payment(payment, self._book.deadline())
        if money is None or money.state is not UnmatchedState.WAITS:
            return Reason(f"{mpesa_receipt} is not money that waits")
        if kept is None or kept.payment.state is not PaymentState.PROVEN or kept.payment.cents != money.cents:
            return Reason(f"{payment} is no payment of that amount that waits for its receipt")
        notice = Notice(mpesa_receipt, money.cents, money.shortcode, paid_at=money.paid_at)
        proof = msgspec.structs.replace(notice.proof(kept.payment.reference), event=PaymentEvent.RECEIPT_FOUND)
        return self._settle.prove(payment, proof, now) or Reason(f"{payment} is not known")

    def _owner(self, mpesa_receipt: str) -> str | None:
        return self._stores.postings.owner(ClaimKind.MPESA, mpesa_receipt, self._book.deadline())

    def _notice(self, row: Row) -> Notice:
        return Notice(row.mpesa_receipt, row.paid_in_cents, self._shortcode, row.account, "", row.completed_at)

    def _gone_back(self, row: Row, now: int) -> bool:
        return self._refunds.gone_back(row.linked_receipt, row.withdrawn_cents, now)

    # -- payments that a query proved ------------------------------------------------------------------------------

    def _proven(self, statement: Statement, now: int) -> list[Payment]:
        """Payments without a receipt whose money must be in this statement (all of them are due some time)."""
        due = self._stores.payments.due(now + AHEAD_S, RIVALS_MAX, self._book.deadline())
        found: list[Payment] = []
        for first in range(0, len(due), PAGE_MAX):
            names = [name for name, _ in due[first : first + PAGE_MAX]]
            found += [kept.payment for kept in self._stores.payments.payments(names, self._book.deadline())]
        return [
            payment
            for payment in found
            if (payment.state, payment.shortcode) == (PaymentState.PROVEN, self._shortcode)
            and statement.since <= payment.created_at - CLOCKS_APART_S_MAX
            and payment.paid_at + CLOCKS_APART_S_MAX < statement.until
        ]

    def _attach(self, found: Sorted, statement: Statement, now: int) -> None:
        """Receipts that can be no other's, of money that names nobody: at a till each prompt's is such.

        All rows in which its money may be count, also those that were booked for somebody: then it is not certain, and
        a person looks. A row that could not be read may be any of them.
        """
        proven = {payment.id: payment for payment in self._proven(statement, now)}
        if statement.problems or not proven or not statement.whole:
            return
        rows = {row.mpesa_receipt: row for row in found.came if not row.account and not self._is_paid(row)}
        options = {
            name: [receipt for receipt, row in rows.items() if _may_be(payment, row)]
            for name, payment in proven.items()
        }
        for name, receipt in sure(options).items():
            if self._owner(receipt) is None:
                self._settle.prove(name, rows[receipt].proof(proven[name].reference), now)

    def _is_paid(self, row: Row) -> bool:
        """True for money that a payment has for its own."""
        owner = self._owner(row.mpesa_receipt)
        return owner is not None and self._stores.payments.payment(owner, self._book.deadline()) is not None

    # -- what is known here ----------------------------------------------------------------------------------------

    def _ours(self, came: Iterable[Row], statement: Statement) -> Iterator[Known]:
        """Receipts of ours that the rows name, and all of the days that the statement covers."""
        for row in came:
            known = self._known(row)
            if known is not None:
                yield known
        days = days_covered(statement.since, statement.until) if statement.whole else None
        for day in walk.days(*days) if days else ():
            for entry in walk.entries(self._book, day):
                known = self._booked(entry)
                if known is not None:
                    yield known

    def _known(self, row: Row) -> Known | None:
        receipt, deadline = row.mpesa_receipt, self._book.deadline
        money = self._stores.customers.unmatched(receipt, deadline())
        if money is not None:
            return Known(receipt, money.cents, money.paid_at)
        owner = self._owner(receipt)
        kept = self._stores.payments.payment(owner, deadline()) if owner else None
        if kept is not None:
            return Known(receipt, kept.payment.cents, kept.payment.paid_at)
        entry = self._stores.ledger.entry(f"{Cause.TOP_UP.value}:{receipt}", deadline()) if owner else None
        return Known(receipt, entry.journal.cents, row.completed_at) if entry else None

    def _booked(self, entry: Entry) -> Known | None:
        """The receipt that a journal took from M-Pesa; None if it took none, or its receipt is not known yet."""
        journal = entry.journal
        mine = any(leg.account.kind is AccountKind.MPESA and leg.account.of == self._shortcode for leg in journal.legs)
        if not mine or journal.reverses or journal.cause in {Cause.FEE, Cause.MONEY_MOVED}:
            return None
        kept = self._stores.payments.payment(journal.payment, self._book.deadline()) if journal.payment else None
        receipt = journal.mpesa_receipt or (kept.payment.mpesa_receipt if kept else "")
        at = kept.payment.paid_at if kept else self._came_at(receipt, journal)
        return Known(receipt, journal.cents, at) if receipt else None

    def _came_at(self, receipt: str, journal: Journal) -> int:
        """M-Pesa's time of money that no payment asked for, as well as it is known."""
        money = self._stores.customers.unmatched(receipt, self._book.deadline())
        return money.paid_at if money else journal.fact.at

    # -- what the provider kept ------------------------------------------------------------------------------------

    def _fees(self, charges: Iterable[Row], actor: str, now: int) -> int:
        """Cents of charges that were not booked yet; each is known by its receipt and its number under it."""
        numbers: Counter[str] = Counter()
        booked = 0
        for row in charges:
            numbers[row.mpesa_receipt] += 1
            subject = f"{row.mpesa_receipt}.{numbers[row.mpesa_receipt]}"
            journal = fee(fact(subject, row.completed_at, now, actor), self._shortcode, row.withdrawn_cents)
            if self._stores.ledger.entry(journal.id, self._book.deadline()) is None:
                posted = self._book.post(Posting(self._book.new_id(), entries=(Entry(journal),)))
                booked += row.withdrawn_cents if posted.outcome is Outcome.COMMITTED else 0
        return booked


def _may_be(payment: Payment, row: Row) -> bool:
    """True if the row may be this payment's money: it had come when the query said so."""
    early, late = payment.created_at - CLOCKS_APART_S_MAX, payment.paid_at + CLOCKS_APART_S_MAX
    return row.paid_in_cents == payment.cents and early <= row.completed_at <= late
