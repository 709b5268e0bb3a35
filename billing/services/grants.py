"""What staff give or unsay: rights without money, money for a balance, journals that should not have been."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from billing.domain import money
from billing.domain.give_back import TakenBack
from billing.domain.journal import MEMOS, AccountKind, Cause, Journal, business_day
from billing.domain.ledger import Reason, gift, grant
from billing.domain.ledger import void as void_journal
from billing.domain.package import Package
from billing.domain.thing import Thing
from billing.ports import Customer, Entry, Kept, Posting
from billing.services import walk
from billing.services.book import Book, Given
from billing.services.refunds import taken_back
from billing.services.sell import agent_after, agent_of, check_same, event_id
from billing.services.word import Word, said
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.ports import Change, Outcome

SOLD_WITHIN_DAYS = 35  # a month, and some days
VOIDED = frozenset({Cause.SALE_CASH, Cause.SALE_AGENT, Cause.PURCHASE, Cause.TOP_UP, Cause.FLOAT_IN})


class Outage(NamedTuple):
    """An outage of a site, in UTC seconds, and the package that makes up for it. `id` names it for ever."""

    id: str
    since: int
    until: int
    package: str


class Credited(NamedTuple):
    """Customers who got the credit now, who had it already, and who had nothing that could be lost."""

    given: int
    before: int
    none: int


class Grants:
    """Gives and unsays. `approval_cents`: what is worth more needs a second person's word."""

    def __init__(self, book: Book, approval_cents: int) -> None:
        self._book = book
        self._stores = book.stores
        self._approval_cents = approval_cents

    def give(
        self, key: str, subscriber: SubscriberId, package: str, word: Word, now: int, *, device: str = "",
        from_end: bool = False,
    ) -> str:  # fmt: skip
        """Give a package; the right's id. The same key of the same actor is the same grant. Raises Malformed."""
        found = self._package(package)
        right = event_id(word.actor, key)
        self._give(Given(subscriber, right, package, device, from_end), found, word, now, found.price_cents)
        return right

    def _give(self, given: Given, package: Package, word: Word, now: int, cents: int) -> bool:
        """False if it was given before. `cents`: what it is about, with all that goes with it."""
        booked = said(given.right, word, now, cents, self._approval_cents)
        for _ in self._book.tries(given.right):
            done = self._stores.ledger.entry(f"{Cause.GRANT.value}:{given.right}", self._book.deadline())
            if done is not None:
                check_same(done, given.subscriber, package.id)
                return False
            id_ = self._book.new_id()
            change = self._book.give(given, id_, now)
            if change is None:
                raise Malformed("subscriber", "is nobody")
            entry = Entry(grant(booked, given.right, package.id), None, given.subscriber)
            if self._book.post(Posting(id_, entries=(entry,), changes=(change,))).outcome is Outcome.COMMITTED:
                return True
        raise AssertionError  # `tries` ends by raising

    def gift(self, key: str, subscriber: SubscriberId, cents: int, word: Word, now: int) -> bool:
        """Money for a balance, which costs us; False if it was given before."""
        if cents < 1:
            raise Malformed("cents", "must be more than 0")
        subject = event_id(word.actor, key)
        booked = said(subject, word, now, cents, self._approval_cents)
        for _ in self._book.tries(subject):
            if self._stores.ledger.entry(f"{Cause.GRANT.value}:{subject}", self._book.deadline()) is not None:
                return False
            kept = self._customer(subscriber)
            entry = Entry(gift(booked, subscriber, cents), None, subscriber)
            if (
                self._book.post(Posting(self._book.new_id(), entries=(entry,), customer=_moved(kept, cents))).outcome
                is Outcome.COMMITTED
            ):
                return True
        raise AssertionError  # `tries` ends by raising

    def outage(
        self, outage: Outage, people: Iterable[SubscriberId], word: Word, now: int, *, apply: bool = False
    ) -> Credited:
        """Credit all of `people` who had a right while it lasted; dry unless `apply`. Called again, it goes on.

        Each credit begins where what the customer has ends. The limit counts what all of them are worth.
        """
        package = self._package(outage.package)
        wanted, before, none = [], 0, 0
        for subscriber in people:
            right = event_id(outage.id, subscriber)
            if not self._had_right(subscriber, outage, right):
                none += 1
            elif self._stores.ledger.entry(f"{Cause.GRANT.value}:{right}", self._book.deadline()) is not None:
                before += 1
            else:
                wanted.append(Given(subscriber, right, package.id, from_end=True))
        cents = (len(wanted) + before) * package.price_cents
        if apply:
            wanted = [given for given in wanted if self._give(given, package, word, now, cents)]
        return Credited(len(wanted), before, none)

    def people_of(self, site: str, outage: Outage, days_back: int = SOLD_WITHIN_DAYS) -> list[SubscriberId]:
        """Customers of a site to whom anything was booked in the days before an outage ended, online then or not.

        Longer packages need more `days_back`; it reads the journals of those days, and each customer once.
        """
        last = business_day(outage.until)
        first = (date.fromisoformat(last) - timedelta(days=days_back)).isoformat()
        booked = (entry.subscriber for day in walk.days(first, last) for entry in walk.entries(self._book, day))
        return [each for each in map(SubscriberId, sorted(set(booked) - {""})) if self._site(each) == site]

    def _site(self, subscriber: SubscriberId) -> str | None:
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        return aggregate.decode(stored.body).site if stored else None

    def _had_right(self, subscriber: SubscriberId, outage: Outage, credit: str) -> bool:
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        rights = aggregate.decode(stored.body).rights if stored else []
        return any(
            right.id == credit or (right.starts_at and right.starts_at < outage.until and right.ends_at > outage.since)
            for right in rights
            if not right.revoked_at
        )

    def void(self, journal: str, word: Word, now: int) -> Journal | Reason:
        """Unsay a journal that should not have been, with its right. M-Pesa money is refunded, paper is voided."""
        for _ in self._book.tries(journal):
            entry = self._stores.ledger.entry(journal, self._book.deadline())
            if entry is None:
                return Reason(f"{journal} is not there")
            done = self._stores.ledger.entry(f"{Cause.VOID.value}:{journal}", self._book.deadline())
            if done is not None:
                return done.journal
            posting = self._unsaid(entry, word, now)
            if isinstance(posting, Reason):
                return posting
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return posting.entries[0].journal
        raise AssertionError  # `tries` ends by raising

    def _unsaid(self, entry: Entry, word: Word, now: int) -> Posting | Reason:
        """The mirror of a journal, and everything that it had changed."""
        sold = entry.journal
        if sold.cause not in VOIDED and sold.cause not in MEMOS:
            return Reason(f"{sold.id} is not voided by itself")
        booked = said(sold.id, word, now, sold.cents, self._approval_cents)
        taken = taken_back(self._book, sold.id)
        if taken.thing.open:
            return Reason(f"refund {taken.thing.open} of it is under way")
        others = [each.journal for each in self._stores.ledger.entries(taken.thing.by, self._book.deadline())]
        journal = void_journal(booked, sold, others)
        if isinstance(journal, Reason):
            return journal
        id_ = self._book.new_id()
        customer = self._balance(journal, entry.subscriber)
        if isinstance(customer, Reason):
            return customer
        agent = self._agent(journal)
        if isinstance(agent, Reason):
            return agent
        marked = TakenBack(sold.id, (*taken.thing.by, journal.id))
        return Posting(
            id_,
            entries=(Entry(journal, None, entry.subscriber),),
            changes=self._without(entry, id_, now),
            customer=customer,
            things=(taken._replace(thing=marked, version=taken.version + 1), *agent),
        )

    def _without(self, entry: Entry, posting: str, now: int) -> tuple[Change, ...]:
        if not entry.journal.right:
            return ()
        change = self._book.revoke(SubscriberId(entry.subscriber), entry.journal.right, posting, now)
        return (change,) if change else ()

    def _balance(self, journal: Journal, subscriber: str) -> Customer | Reason | None:
        """The customer after the journal; None if it does not touch a balance."""
        moved = -sum(leg.cents for leg in journal.legs if leg.account.kind is AccountKind.CUSTOMER)
        if not moved:
            return None
        kept = self._customer(SubscriberId(subscriber))
        if kept.balance_cents + moved < 0:
            return Reason(f"{money.text(-moved)} is not there any more: {money.text(kept.balance_cents)} is left")
        return _moved(kept, moved)

    def _agent(self, journal: Journal) -> tuple[Kept[Thing], ...] | Reason:
        """The agents after the journal."""
        names = {leg.account.of for leg in journal.legs if leg.account.kind is AccountKind.FLOAT}
        after = []
        for name in names:
            kept = agent_after(agent_of(self._book, name), journal)
            agent = kept.thing
            if agent.float_cents + agent.ceiling_cents < 0 or agent.earned_cents < 0:
                return Reason(f"{name} has used that float, or been paid that commission")
            after.append(kept)
        return tuple(after)

    def _package(self, package: str) -> Package:
        found = self._stores.packages.package(package, self._book.deadline())
        if found is None:
            raise Malformed("package", f"{package} is not known")
        return found

    def _customer(self, subscriber: SubscriberId) -> Customer:
        kept = self._stores.customers.customer(subscriber, self._book.deadline())
        if kept is None:
            raise Malformed("subscriber", "has no balance")
        return kept


def _moved(kept: Customer, cents: int) -> Customer:
    return kept._replace(balance_cents=kept.balance_cents + cents, version=kept.version + 1)
