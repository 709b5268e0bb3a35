"""What a day's comparison with the provider's statement came to, kept so that reports can say it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar

from billing.domain.journal import business_day
from billing.domain.statement import Match
from billing.domain.thing import Thing


class Compared(Thing, frozen=True, omit_defaults=True):
    """Receipts of a business day (ISO), as the last statement of all of it said at `at` (UTC seconds).

    `matched` agree; the others are `Match`'s, and none of them the aim.
    """

    KIND: ClassVar[str] = "CM"

    day: str
    at: int
    matched: int = 0
    missing_here: int = 0
    missing_there: int = 0
    different: int = 0

    @property
    def name(self) -> str:
        """The day."""
        return self.day


def by_day(match: Match, days: Iterable[str], now: int) -> Iterator[Compared]:
    """A statement's comparison, day by day: `days` are those that it has all of."""
    matched = Counter(business_day(row.completed_at) for row in match.matched)
    here = Counter(business_day(row.completed_at) for row in match.missing_here)
    there = Counter(business_day(known.paid_at) for known in match.missing_there)
    different = Counter(business_day(row.completed_at) for row, _ in match.different)
    for day in days:
        yield Compared(day, now, matched[day], here[day], there[day], different[day])
