"""The end of a business day as the worker sees it: what was taken, and whose cash nobody has counted."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import ClassVar

import msgspec

from billing.domain.agent import Till
from billing.domain.journal import AccountKind, Journal, business_day
from billing.domain.thing import Thing

COUNTED_BY_S = 12 * 3_600  # a day is looked at from noon of the next one: who sells until midnight counts next morning
_EARNED = frozenset({AccountKind.REVENUE, AccountKind.TAX, AccountKind.REFUNDS})


class DayEnds(Thing, frozen=True, omit_defaults=True):
    """The last day that was looked at (ISO). `gaps`: see `billing.domain.silence`."""

    KIND: ClassVar[str] = "I"

    day: str
    gaps: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """There is one."""
        return "days"


class DayEnd(msgspec.Struct, frozen=True):
    """A day. `taken_cents`: revenue and tax less what was given back. `open_tills`: sellers who have not closed it."""

    day: str
    journals: int
    taken_cents: int
    open_tills: tuple[str, ...]


def over(now: int) -> str:
    """The last day that every seller should have closed by `now`."""
    return (date.fromisoformat(business_day(now - COUNTED_BY_S)) - timedelta(days=1)).isoformat()


def sellers(journals: Iterable[Journal]) -> list[str]:
    """Whose cash the journals moved."""
    return sorted({leg.account.of for entry in journals for leg in entry.legs if leg.account.kind is AccountKind.CASH})


def sales(journals: Iterable[Journal]) -> list[int]:
    """When money came to the shortcode (UTC seconds)."""
    came = AccountKind.MPESA
    return [each.fact.at for each in journals if any(leg.account.kind is came and leg.cents > 0 for leg in each.legs)]


def day_end(day: str, journals: Iterable[Journal], tills: Mapping[str, Till]) -> DayEnd:
    """The end of a day; `tills` as they are now, of those sellers who ever closed one."""
    entries = list(journals)
    taken = -sum(leg.cents for entry in entries for leg in entry.legs if leg.account.kind in _EARNED)
    late = tuple(name for name in sellers(entries) if name not in tills or tills[name].day < day)
    return DayEnd(day, len(entries), taken, late)
