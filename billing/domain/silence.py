"""How long nobody has bought, measured in the hours in which people buy, against how long that is on other days. Pure.

The measure of a day is its longest gap between sales within these hours; of several days it is their median, so that
one day of outage does not make the next one look ordinary. At a multiple of it an outage is likelier than chance.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT

GAP_S_MIN = 600  # a site that sells all the time still has slow minutes
DAYS_MAX = 7  # that are remembered
HOUR_S = 3_600


class Hours(NamedTuple):
    """When people buy: whole hours of the day in Nairobi, `until` not included."""

    since: int = 7
    until: int = 22

    @property
    def day_s(self) -> int:
        """Of one day."""
        return (self.until - self.since) * HOUR_S


def open_s(hours: Hours, at: int) -> int:
    """Seconds of these hours from a fixed day to the instant `at`; of two instants the difference counts."""
    here = calendar.local(at, ZONE_DEFAULT)
    of_day = here.hour * HOUR_S + here.minute * 60 + here.second - hours.since * HOUR_S
    return here.date().toordinal() * hours.day_s + min(max(of_day, 0), hours.day_s)


def longest_gap_s(hours: Hours, day: str, sales: Iterable[int]) -> int:
    """The longest time of an ISO day, within the hours, without a sale. `sales`: UTC seconds."""
    first = date.fromisoformat(day).toordinal() * hours.day_s
    marks = sorted(
        {first, first + hours.day_s, *(min(max(open_s(hours, at), first), first + hours.day_s) for at in sales)}
    )
    return max(later - sooner for sooner, later in pairwise(marks))


def expected_gap_s(hours: Hours, gaps: Sequence[int]) -> int:
    """What the longest gap of a day is like. `gaps`: of the days before; without any it may be the whole day."""
    return max(GAP_S_MIN, round(median(gaps))) if gaps else hours.day_s
