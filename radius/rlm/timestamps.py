"""Instants as routers and FreeRADIUS write them, and whether a router's clock can be believed. Pure."""

from datetime import UTC, datetime

from radius.domain import calendar
from radius.domain.errors import Malformed

SECONDS_DIGITS_MAX = 11  # plain seconds up to the year 5138

_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_LAST = datetime(9999, 12, 30, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


def parse_date(name: str, text: str) -> int:
    """Read a date attribute as rlm_python3 gives it (``Nov 14 2023 22:13:20 UTC``, %e may pad) or plain seconds.

    The server must run with TZ=UTC: any other zone name raises Malformed, as does anything else unreadable.
    """
    try:
        if text.isascii():
            return int(text) if text.isdigit() and len(text) <= SECONDS_DIGITS_MAX else _spelled(text)
    except (ValueError, KeyError, OverflowError):
        pass
    raise Malformed(name, "must be a date such as 'Nov 14 2023 22:13:20 UTC' (run the server with TZ=UTC)")


def _spelled(text: str) -> int:
    month, day, year, clock, zone = text.split()
    hour, minute, second = clock.split(":")
    day_number = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second)).toordinal()  # noqa: DTZ001 - checks the ranges; the zone is checked below
    if zone not in ("UTC", "GMT"):
        raise ValueError(zone)
    return (day_number - _EPOCH_DAY) * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second)


def terminate_time(at: int, zone: str) -> str:
    """WISPr-Session-Terminate-Time: ISO 8601 with the offset of the site's zone, ``YYYY-MM-DDThh:mm:ss+hh:mm``."""
    bounded = min(max(at, 0), int(_LAST.timestamp()))
    return calendar.local(bounded, zone).isoformat(timespec="seconds")
