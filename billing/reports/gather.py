"""Reads what a report is computed from, a day and a page at a time: an offline walk, not for a page that waits."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from billing.domain.journal import business_day
from billing.domain.payment import Payment
from billing.reports import figures
from billing.reports.figures import SALES, Sold
from billing.services import walk
from billing.services.book import Book
from radius.domain import calendar
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.record import SessionRecord
from radius.ports import RECORDS_MAX, Sessions, Where

ACTIVE_DAYS = 30
SESSION_DAYS_MAX = 7  # a session that ended on a day began at most so many days before (SESSION_S_MAX)
SESSIONS_A_DAY_MAX = 20_000  # of one site


class Report(NamedTuple):
    """Figures of the business days `first` to `last` (ISO). `site` "": all sites."""

    first: str
    last: str
    site: str
    revenue: figures.Revenue
    by_site: Mapping[str, int]
    trade: figures.Trade
    people: figures.People
    churn: figures.Churn
    sessions: figures.Sessions
    paying: figures.Paying


class Gather:
    """Makes reports. Raises Unavailable."""

    def __init__(
        self, book: Book, sessions: Sessions, sites: tuple[str, ...], first_day: str, deadline: Callable[[], float]
    ) -> None:
        """`first_day`: ISO day before which nothing was sold."""
        self._book = book
        self._sessions = sessions
        self._sites = sites
        self._first_day = first_day
        self._deadline = deadline
        self._site_of: dict[str, str] = {}

    def report(self, first: str, last: str, site: str, now: int) -> Report:
        """All figures of some days; of one site those of its customers and its sessions."""
        days = list(walk.days(first, last))
        past = min(self._first_day, first)
        history = [entry for day in walk.days(past, max(last, business_day(now))) for entry in self._sold(day, site)]
        entries = [entry for entry in history if first <= entry.journal.fact.day <= last]
        earned, sales = figures.revenue(entries), figures.trade(entries)
        records = {day: list(self._records(day, site)) for day in self._back(first, last)}
        active = self._active(days, records, history)
        since, until = _begin(first), _begin(_after(last))
        return Report(
            first,
            last,
            site,
            earned,
            figures.by_site(entries, self._home),
            sales,
            figures.people(days, active, _first_paid(history), earned.net_cents, sales.payers),
            figures.churn(self._ends(history), active.get(_before(first), set()), since, until, now),
            figures.sessions((each for those in records.values() for each in those), since, until),
            figures.paying(payment for day in days for payment in self._payments(day, site)),
        )

    def _back(self, first: str, last: str) -> list[str]:
        """The days whose sessions are read: 30 before for who is active, which covers those that end later."""
        begin = date.fromisoformat(first) - timedelta(days=max(ACTIVE_DAYS, SESSION_DAYS_MAX) + 1)
        return list(walk.days(begin.isoformat(), last))

    def _sold(self, day: str, site: str) -> Iterator[Sold]:
        for entry in walk.entries(self._book, day):
            if not site or (entry.subscriber and self._home(entry.subscriber) == site):
                yield Sold(entry.journal, entry.subscriber)

    def _payments(self, day: str, site: str) -> Iterator[Payment]:
        stores = self._book.stores
        for ids in walk.pages(lambda after: stores.payments.begun_on(day, after, self._deadline())):
            for kept in stores.payments.payments(ids, self._deadline()):
                if not site or self._home(kept.payment.subscriber) == site:
                    yield kept.payment

    def _records(self, day: str, site: str) -> Iterator[SessionRecord]:
        for each in (site,) if site else self._sites:
            local = day.replace("-", "")
            keys = self._sessions.begun_on(Where.SITE, each, local, SESSIONS_A_DAY_MAX, self._deadline())
            for first in range(0, len(keys), RECORDS_MAX):
                yield from self._sessions.records(keys[first : first + RECORDS_MAX], self._deadline())

    def _home(self, subscriber: str) -> str:
        """The site of a customer."""
        known = self._site_of.get(subscriber)
        if known is None:
            stored = self._book.stores.subscribers.read(SubscriberId(subscriber), self._deadline())
            known = self._site_of[subscriber] = aggregate.decode(stored.body).site if stored else ""
        return known

    @staticmethod
    def _active(
        days: list[str], records: Mapping[str, list[SessionRecord]], history: list[Sold]
    ) -> dict[str, AbstractSet[str]]:
        """Of each day, and of the day before the first, who had a session or a sale in the 30 days up to it."""
        seen: dict[str, set[str]] = {
            day: {str(each.subscriber) for each in those if each.subscriber} for day, those in records.items()
        }
        for entry in history:
            if entry.journal.cause in SALES and entry.subscriber and entry.journal.fact.day in seen:
                seen[entry.journal.fact.day].add(entry.subscriber)
        found: dict[str, AbstractSet[str]] = {}
        for day in [_before(days[0]), *days]:
            window = walk.days((date.fromisoformat(day) - timedelta(days=ACTIVE_DAYS - 1)).isoformat(), day)
            found[day] = set().union(*(seen.get(each, set()) for each in window))
        return found

    def _ends(self, history: list[Sold]) -> dict[str, list[tuple[int, int]]]:
        """Of each customer the packages that were bought: when, and when their time was over."""
        found: dict[str, list[tuple[int, int]]] = {}
        for entry in history:
            if entry.journal.cause in SALES and entry.subscriber:
                window = self._book.terms(entry.journal.package).window
                at = entry.journal.fact.at
                end = calendar.add(at, window.count, window.unit, ZONE_DEFAULT)
                found.setdefault(entry.subscriber, []).append((at, end))
        return found


def _first_paid(history: list[Sold]) -> dict[str, str]:
    """The day on which each customer paid for the first time."""
    found: dict[str, str] = {}
    for entry in history:
        if entry.journal.cause in SALES and entry.subscriber:
            day = entry.journal.fact.day
            found[entry.subscriber] = min(day, found.get(entry.subscriber, day))
    return found


def _before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _begin(day: str) -> int:
    """The first instant of a business day."""
    return calendar.instant(datetime.combine(date.fromisoformat(day), time()), ZONE_DEFAULT)
