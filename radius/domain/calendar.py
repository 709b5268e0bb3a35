"""Local calendar arithmetic on UTC seconds: months that clamp, days that are not 86,400 s, opening hours.

Rules: month n is the anchor plus n months, clamped to the month's end, always from the anchor (the 31st comes back
after February); a local time that does not exist is the next valid instant, one that exists twice is the first.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from radius.domain.errors import Malformed
from radius.domain.terms import MINUTES_A_DAY, Hours, PeriodUnit

_HOURS_DAYS_AHEAD = 8  # a weekly pattern repeats within eight days


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Load an IANA zone; raises Malformed for an unknown name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise Malformed("time zone", f"{name!r} is not an IANA zone such as Africa/Nairobi") from unknown


def local(at: int, zone_name: str) -> datetime:
    """Local wall time of an instant."""
    return datetime.fromtimestamp(at, zone(zone_name))


def instant(wall: datetime, zone_name: str) -> int:
    """Instant of a naive wall time: the first of two, the next valid one for a gap."""
    placed = wall.replace(tzinfo=zone(zone_name), fold=0)
    back = placed.astimezone(UTC).astimezone(zone(zone_name)).replace(tzinfo=None)
    if back != wall:
        # In a gap, fold=0 applies the offset before the change, which lands after it: step back to the change itself.
        return _gap_end(wall, zone_name)
    return int(placed.timestamp())


def _gap_end(wall: datetime, zone_name: str) -> int:
    before = int(wall.replace(tzinfo=zone(zone_name), fold=1).timestamp())
    after = int(wall.replace(tzinfo=zone(zone_name), fold=0).timestamp())
    offset = local(before, zone_name).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if local(middle, zone_name).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def add_months(day: date, months: int) -> date:
    """`months` later than `day`, clamped to the end of that month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add(anchor: int, count: int, unit: PeriodUnit, zone_name: str) -> int:
    """`count` units after the instant `anchor`, keeping the local time of day for days, weeks and months."""
    if unit is PeriodUnit.SECOND:
        return anchor + count
    wall = local(anchor, zone_name).replace(tzinfo=None, fold=0)
    if unit is PeriodUnit.MONTH:
        day = add_months(wall.date(), count)
    else:
        day = wall.date() + timedelta(days=count * (7 if unit is PeriodUnit.WEEK else 1))
    return instant(datetime.combine(day, wall.time()), zone_name)


def period_bounds(anchor: int, unit: PeriodUnit, zone_name: str, at: int) -> tuple[int, int]:
    """Start and end of the quota period that holds `at` (bounds[0] <= at < bounds[1]).

    Days and weeks turn at local midnight (weeks on Monday); months turn on the anchor's day of the month, at its time.
    """
    if unit is PeriodUnit.MONTH:
        return _month_bounds(anchor, zone_name, at)
    today = local(at, zone_name).date()
    length = 1
    if unit is PeriodUnit.WEEK:
        today -= timedelta(days=today.weekday())
        length = 7
    start = instant(datetime.combine(today, time()), zone_name)
    end = instant(datetime.combine(today + timedelta(days=length), time()), zone_name)
    return start, end


def _month_bounds(anchor: int, zone_name: str, at: int) -> tuple[int, int]:
    first, now = local(anchor, zone_name), local(at, zone_name)
    months = (now.year - first.year) * 12 + now.month - first.month
    if add(anchor, months, PeriodUnit.MONTH, zone_name) > at:
        months -= 1
    return (
        add(anchor, months, PeriodUnit.MONTH, zone_name),
        add(anchor, months + 1, PeriodUnit.MONTH, zone_name),
    )


def closes_at(hours: tuple[Hours, ...], zone_name: str, at: int) -> int | None:
    """The instant at which opening hours that are open at `at` end; `at` itself when closed; None when always open.

    Adjoining and overlapping hours run on into each other.
    """
    if not hours:
        return None
    spans = _spans(hours, zone_name, at)
    end = at
    for start, stop in spans:
        if start <= end < stop:
            end = stop
    if end >= spans[-1][1] and end > at:
        return None  # open for the whole week ahead
    return end


def _spans(hours: tuple[Hours, ...], zone_name: str, at: int) -> list[tuple[int, int]]:
    today = local(at, zone_name).date()
    spans = []
    for ahead in range(-1, _HOURS_DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        for slot in hours:
            if slot.days >> day.weekday() & 1:
                stop_minute = slot.end_minute + (MINUTES_A_DAY if slot.end_minute <= slot.start_minute else 0)
                spans.append((_minute(day, slot.start_minute, zone_name), _minute(day, stop_minute, zone_name)))
    return sorted(spans)


def _minute(day: date, minute: int, zone_name: str) -> int:
    extra_days, minute = divmod(minute, MINUTES_A_DAY)
    wall = datetime.combine(day + timedelta(days=extra_days), time(minute // 60, minute % 60))
    return instant(wall, zone_name)
