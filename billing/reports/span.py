"""Business days and their instants (Nairobi, which keeps one time all year)."""

from datetime import date, datetime, time, timedelta

from billing.domain.day_end import COUNTED_BY_S
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT


def shifted(day: str, days: int) -> str:
    """The ISO day so many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def begin(day: str) -> int:
    """The first instant of a business day."""
    return calendar.instant(datetime.combine(date.fromisoformat(day), time()), ZONE_DEFAULT)


def closes_at(day: str) -> int:
    """When its books are looked at: what is booked on it from then on came late."""
    return begin(shifted(day, 1)) + COUNTED_BY_S
