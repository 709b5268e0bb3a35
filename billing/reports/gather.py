"""Reads what a report is computed from, a day and a page at a time: an offline walk, not for a page that waits.

What is read is that of the report's own days, and around them what its definitions name: sales and sessions of the 30
days before (who is active), sales as far back as a package lasts, and for 90 days after (who came back). No table is
scanned, and nothing grows with the years that were sold before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple, TypeVar

from billing.domain.compared import Compared
from billing.domain.journal import Cause, business_day
from billing.domain.payment import Payment
from billing.reports import figures, span
from billing.reports import paying as paid
from billing.reports import people as folk
from billing.reports.figures import PAID, SALES, Sold
from billing.reports.people import ACTIVE_DAYS, DAY_S, GONE_DAYS, GONE_S, Bought
from billing.reports.running import Running, running
from billing.reports.statement import Reconciliation, reconciliation
from billing.services import walk
from billing.services.book import Book
from radius.domain import calendar
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.record import SessionRecord
from radius.ports import RECORDS_MAX, Sessions, Tallies, Where

T = TypeVar("T")

DEFINITIONS = 3  # of the figures: goes up when one is computed otherwise than before
SESSION_DAYS_MAX = 7  # a session that ended on a day began at most so many days before (SESSION_S_MAX)
SESSIONS_A_DAY_MAX = 1_000_000  # of one site
FOREVER = 1 << 62
READERS = 16  # at once: the store groups what they ask for


class Report(NamedTuple):
    """Figures of the business days `first` to `last` (ISO). `site` "": all sites.

    `definitions` and `as_of` (UTC seconds) name the version: the same facts give the same figures whenever they are
    asked for; what came late counts on its own day, and is marked (`Revenue.late_entries`).
    """

    first: str
    last: str
    site: str
    definitions: int
    as_of: int
    revenue: figures.Revenue
    trade: figures.Trade
    people: folk.People
    churn: tuple[folk.Churn, ...]
    sessions: figures.Sessions
    paying: paid.Paying
    statement: Reconciliation
    running: Running


class _Home(NamedTuple):
    """What is known of a customer: the site, when the first thing was bought (0: not known)."""

    site: str = ""
    bought_at: int = 0


class Gather:
    """Makes reports. Raises Unavailable."""

    def __init__(
        self,
        book: Book,
        sessions: Sessions,
        tallies: Tallies,
        sites: tuple[str, ...],
        first_day: str,
        deadline: Callable[[], float],
    ) -> None:
        """`first_day`: ISO day before which nothing was sold."""
        self._book = book
        self._sessions = sessions
        self._tallies = tallies
        self._sites = sites
        self._first_day = first_day
        self._deadline = deadline
        self._homes: dict[str, _Home] = {}

    def report(self, first: str, last: str, site: str, now: int) -> Report:
        """All figures of some days; of one site those of its customers and its sessions. `running` is of all sites."""
        days = list(walk.days(first, last))
        since, until = span.begin(first), span.begin(span.shifted(last, 1))
        around = self._around(first, last, site, now)
        entries = [entry for entry in around if first <= entry.journal.fact.day <= last]
        self._meet(entry.subscriber for entry in entries)
        sales = figures.trade(entries)
        earned = figures.revenue(entries, days, lambda who: self._homes[who].site)
        bought = self._bought(around)
        new = self._new(entries, bought, first, last)
        back = self._back(first, last)
        records = dict(zip(back, self._of_each(back, lambda day: self._records(day, site)), strict=True))
        active = _active([span.shifted(first, -1), *days], records, around)
        at_start = active.pop(span.shifted(first, -1))
        return Report(
            first,
            last,
            site,
            DEFINITIONS,
            now,
            earned,
            sales,
            folk.people(active, new, folk.came_back(bought, new.keys(), first, last), earned.net_cents, sales.payers),
            tuple(folk.churn(bought, at_start, since, until, now, after) for after in GONE_DAYS),
            figures.sessions((each for those in records.values() for each in those), since, until),
            paid.paying(chain.from_iterable(self._of_each(days, lambda day: self._payments(day, site)))),
            reconciliation(days, (each for those in self._of_each(days, self._compared) for each in those)),
            running(days, self._tallies.tallied(first, last, now, self._deadline())),
        )

    @staticmethod
    def _of_each(days: Sequence[str], read: Callable[[str], Iterable[T]]) -> list[list[T]]:
        """What is read of each day, many days at once: most of the time goes by in waiting."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda day: list(read(day)), days))

    # -- money -----------------------------------------------------------------------------------------------------

    def _around(self, first: str, last: str, site: str, now: int) -> list[Sold]:
        """What was booked in these days, and around them what tells who came, stays and went."""
        packages = self._book.stores.packages.packages(self._book.deadline())
        reach_s = max((self._end(package.id, 0) for package in packages), default=0)
        back = max(ACTIVE_DAYS, -(-(reach_s + GONE_S) // DAY_S)) + 1
        begin = max(min(self._first_day, first), span.shifted(first, -back))
        end = min(span.shifted(last, max(GONE_DAYS) + 1), max(last, business_day(now)))
        days = list(walk.days(begin, end))
        return list(chain.from_iterable(self._of_each(days, lambda day: self._sold(day, site))))

    def _sold(self, day: str, site: str) -> Iterator[Sold]:
        found = [Sold(entry.journal, entry.subscriber) for entry in walk.entries(self._book, day)]
        if site:
            self._meet(each.subscriber for each in found)
            found = [each for each in found if each.subscriber and self._homes[each.subscriber].site == site]
        yield from found

    def _payments(self, day: str, site: str) -> Iterator[Payment]:
        stores = self._book.stores
        for ids in walk.pages(lambda after: stores.payments.begun_on(day, after, self._deadline())):
            found = [kept.payment for kept in stores.payments.payments(ids, self._deadline())]
            if site:
                self._meet(each.subscriber for each in found)
                found = [each for each in found if each.subscriber and self._homes[each.subscriber].site == site]
            yield from found

    def _compared(self, day: str) -> Iterator[Compared]:
        kept = self._book.stores.customers.thing(Compared, day, self._deadline())
        if kept is not None:
            yield kept.thing

    def _bought(self, around: Iterable[Sold]) -> dict[str, list[Bought]]:
        """Of each customer what was bought, the earliest first.

        A renewal begins where the one before it ends; what is given back ends then.
        """
        sales = [entry for entry in around if entry.journal.cause in SALES and entry.subscriber]
        back = [entry.journal for entry in around if entry.journal.reverses]
        undone = {journal.reverses for journal in back if journal.cause is Cause.VOID}
        cut_at = {journal.reverses: journal.fact.at for journal in back}
        found: dict[str, list[Bought]] = {}
        for journal, subscriber in sorted(sales, key=lambda entry: entry.journal.fact.at):
            if journal.id in undone:
                continue
            mine = found.setdefault(subscriber, [])
            ends_at = max((one.ends_at for one in mine), default=0) if journal.cause is Cause.PURCHASE else 0
            begins_at = max(journal.fact.at, ends_at)
            end = min(self._end(journal.package, begins_at), cut_at.get(journal.id, FOREVER))
            mine.append(Bought(journal.fact.at, end, journal.fact.day))
        return found

    def _end(self, package: str, begins_at: int) -> int:
        window = self._book.terms(package).window
        return calendar.add(begins_at, window.count, window.unit, ZONE_DEFAULT)

    def _new(
        self, entries: Sequence[Sold], bought: Mapping[str, Sequence[Bought]], first: str, last: str
    ) -> dict[str, str]:
        """Of each customer who had never bought before: the business day of the first sale."""
        found: dict[str, str] = {}
        for who in {entry.subscriber for entry in entries if entry.subscriber in bought}:
            at = self._homes[who].bought_at
            earliest = min(one.day for one in bought[who])
            if first <= earliest <= last and not (at and business_day(at) < first):
                found[who] = earliest
        return found

    # -- people and sessions ---------------------------------------------------------------------------------------

    @staticmethod
    def _back(first: str, last: str) -> list[str]:
        """The days whose sessions are read: 30 before for who is active, which covers those that end later."""
        return list(walk.days(span.shifted(first, -max(ACTIVE_DAYS, SESSION_DAYS_MAX) - 1), last))

    def _records(self, day: str, site: str) -> Iterator[SessionRecord]:
        for each in (site,) if site else self._sites:
            local = day.replace("-", "")
            keys = self._sessions.begun_on(Where.SITE, each, local, SESSIONS_A_DAY_MAX, self._deadline())
            for first in range(0, len(keys), RECORDS_MAX):
                yield from self._sessions.records(keys[first : first + RECORDS_MAX], self._deadline())

    def _meet(self, customers: Iterable[str]) -> None:
        """Look up who was not met yet, many at once."""
        unknown = {each for each in customers if each} - self._homes.keys()
        with ThreadPoolExecutor(READERS) as readers:
            self._homes.update(zip(unknown, readers.map(self._home, unknown), strict=True))

    def _home(self, subscriber: str) -> _Home:
        stored = self._book.stores.subscribers.read(SubscriberId(subscriber), self._deadline())
        if stored is None:
            return _Home()
        present = aggregate.decode(stored.body)
        return _Home(present.site, present.bought_at)


def _active(
    days: Sequence[str], records: Mapping[str, Sequence[SessionRecord]], around: Iterable[Sold]
) -> dict[str, AbstractSet[str]]:
    """Of each day who had a session, or paid, in the 30 days up to it."""
    seen: dict[str, set[str]] = {day: set() for day in records}
    for each in (record for those in records.values() for record in those if record.subscriber):
        ended_at = max(each.started_at, each.closed_at or each.last_at)
        for day in walk.days(business_day(each.started_at), business_day(ended_at)):
            if day in seen:
                seen[day].add(str(each.subscriber))
    for entry in around:
        if entry.journal.cause in PAID and entry.subscriber and entry.journal.fact.day in seen:
            seen[entry.journal.fact.day].add(entry.subscriber)
    return {
        day: set[str]().union(*(seen.get(each, set()) for each in walk.days(span.shifted(day, 1 - ACTIVE_DAYS), day)))
        for day in days
    }
