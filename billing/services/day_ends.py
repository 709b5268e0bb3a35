"""The end of a day, looked at once, whichever worker comes first: its takings, and who has not closed."""

from datetime import date, timedelta

from billing.domain.agent import Till
from billing.domain.day_end import DayEnd, DayEnds, day_end, over, sales, sellers
from billing.domain.silence import DAYS_MAX, Hours, longest_gap_s
from billing.ports import Kept, Posting
from billing.services import walk
from billing.services.book import Book
from radius.ports import Outcome

_HOURS = Hours()


class DayEndWatch:
    """Reads, and marks the day."""

    def __init__(self, book: Book, hours: Hours = _HOURS) -> None:
        self._book = book
        self._hours = hours
        self._customers = book.stores.customers

    def round(self, now: int) -> DayEnd | None:
        """The next day that is over and was not looked at; None when there is none, or another was first.

        Without a mark it begins with the last day: what was before is history.
        """
        last = over(now)
        kept = self._customers.thing(DayEnds, "days", self._book.deadline())
        day = _after(kept.thing.day) if kept else last
        if day > last:
            return None
        journals = [entry.journal for entry in walk.entries(self._book, day)]
        tills = {name: self._customers.thing(Till, name, self._book.deadline()) for name in sellers(journals)}
        found = day_end(day, journals, {name: till.thing for name, till in tills.items() if till})
        gaps = (*(kept.thing.gaps if kept else ()), longest_gap_s(self._hours, day, sales(journals)))
        mark = Kept(DayEnds(day, gaps[-DAYS_MAX:]), kept.version + 1 if kept else 1)
        posted = self._book.post(Posting(self._book.new_id(), things=(mark,)))
        return found if posted.outcome is Outcome.COMMITTED else None


def _after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
