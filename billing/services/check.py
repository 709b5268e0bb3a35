"""`ledger check`: walks everything that was booked, a day and a page at a time, and hands it to the audit.

It holds what it walks in memory: some 2 KB a journal. The indexes of days follow the table by a moment, so
what it finds about the last minute is worth a second look.
"""

from collections.abc import Iterator
from itertools import islice

from billing.domain.agent import AGENT_ACCOUNTS, Agent
from billing.domain.audit import check
from billing.domain.books import Books, Finding, PaymentRow, RightRow, Rule
from billing.domain.journal import Account, AccountKind, Receipt, balances
from billing.domain.ledger import customer
from billing.domain.payment import PAID_STATES
from billing.domain.trade import agent_commission, agent_float
from billing.ports import PAGE_MAX, Entry
from billing.services import walk
from billing.services.book import SERIES, Book
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.lifecycle import RIGHT_KEEP_S


class LedgerCheck:
    """Reads only."""

    def __init__(self, book: Book, approval_cents: int = 0, series: tuple[str, ...] = SERIES) -> None:
        self._book = book
        self._stores = book.stores
        self._approval_cents = approval_cents
        self._series = series

    def check(self, first_day: str, last_day: str, now: int) -> list[Finding]:
        """All that is not as it must be; `first_day` (ISO) is that of the first payment ever."""
        return self._found(list(self._entries(first_day, last_day)), first_day, last_day, now)

    def check_at_most(self, journals: int, first_day: str, last_day: str, now: int) -> list[Finding] | None:
        """The same, for books of so many journals; None for larger ones, of which no more is read than that."""
        entries = list(islice(self._entries(first_day, last_day), journals + 1))
        return None if len(entries) > journals else self._found(entries, first_day, last_day, now)

    def _entries(self, first_day: str, last_day: str) -> Iterator[Entry]:
        for day in walk.days(first_day, last_day):
            yield from walk.entries(self._book, day)

    def _found(self, entries: list[Entry], first_day: str, last_day: str, now: int) -> list[Finding]:
        payments = [row for day in walk.days(first_day, last_day) for row in self._payments(day)]
        people = sorted({SubscriberId(entry.subscriber) for entry in entries if entry.subscriber})
        journals = tuple(entry.journal for entry in entries)
        sums = balances(journals)
        agents = self._agents({account.of for account in sums if account.kind in AGENT_ACCOUNTS})
        books = Books(
            journals,
            tuple(receipt for name in self._series for receipt in self._receipts(name)),
            tuple(payments),
            tuple(self._rights(people, entries, now)),
            self._book.rates,
            {f"{AccountKind.FLOAT.value}:{name}": kept.ceiling_most_cents for name, kept in agents.items()},
            self._approval_cents,
        )
        return [*check(books), *self._balances(entries), *_agents(sums, agents)]

    def _payments(self, day: str) -> Iterator[PaymentRow]:
        for ids in walk.pages(lambda after: self._stores.payments.begun_on(day, after, self._book.deadline())):
            for kept in self._stores.payments.payments(ids, self._book.deadline()):
                payment = kept.payment
                yield PaymentRow(payment.id, payment.state in PAID_STATES, payment.cents, payment.mpesa_receipt)

    def _receipts(self, series: str) -> Iterator[Receipt]:
        after = 0
        while True:
            page = self._stores.ledger.numbered(series, after, PAGE_MAX, self._book.deadline())
            yield from page
            if not page:
                return
            after = page[-1].number

    def _rights(self, people: list[SubscriberId], entries: list[Entry], now: int) -> Iterator[RightRow]:
        """Rights of everybody who was ever booked. One that is over long since has left its aggregate."""
        there: set[str] = set()
        for subscriber in people:
            stored = self._stores.subscribers.read(subscriber, self._book.deadline())
            for right in aggregate.decode(stored.body).rights if stored else []:
                there.add(right.id)
                yield RightRow(right.id, bool(right.revoked_at))
        for entry in entries:
            journal = entry.journal
            old = journal.fact.at < now - RIGHT_KEEP_S
            if old and journal.right and not journal.reverses and journal.right not in there:
                yield RightRow(journal.right, revoked=True)

    def _agents(self, names: set[str]) -> dict[str, Agent]:
        read = self._stores.customers.thing
        found = {name: read(Agent, name, self._book.deadline()) for name in names}
        return {name: kept.thing if kept else Agent(name, {}) for name, kept in found.items()}

    def _balances(self, entries: list[Entry]) -> Iterator[Finding]:
        """What is kept with a customer, against the journals."""
        sums = balances(entry.journal for entry in entries)
        for account in sorted(account for account in sums if account.kind is AccountKind.CUSTOMER):
            kept = self._stores.customers.customer(SubscriberId(account.of), self._book.deadline())
            cents = kept.balance_cents if kept else 0
            if cents != -sums[customer(account.of)]:
                yield Finding(Rule.BALANCE, account.text, f"keeps {cents} cents, was booked {-sums[account]}")


def _agents(sums: dict[Account, int], agents: dict[str, Agent]) -> Iterator[Finding]:
    """What is kept with an agent, against the journals."""
    for name, agent in sorted(agents.items()):
        kept = (agent.float_cents, agent.earned_cents)
        for account, cents in zip((agent_float(name), agent_commission(name)), kept, strict=True):
            if cents != -sums.get(account, 0):
                yield Finding(Rule.BALANCE, account.text, f"keeps {cents} cents, was booked {-sums.get(account, 0)}")
