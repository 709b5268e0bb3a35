"""Walks over what was booked, a day and a page at a time. The index of days follows the table by a moment."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from billing.ports import Entry, Page
from billing.services.book import Book


def days(first: str, last: str) -> Iterator[str]:
    """ISO days, both ends among them."""
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        yield day.isoformat()
        day += timedelta(days=1)


def pages(read: Callable[[str | None], Page]) -> Iterator[tuple[str, ...]]:
    """Ids, a page at a time, none of them empty."""
    page = read(None)
    while True:
        if page.ids:
            yield page.ids
        if page.more is None:
            return
        page = read(page.more)


def entries(book: Book, day: str) -> Iterator[Entry]:
    """All journals of a business day, in no order."""
    ledger = book.stores.ledger
    for ids in pages(lambda after: ledger.booked_on(day, after, book.deadline())):
        yield from ledger.entries(ids, book.deadline())
