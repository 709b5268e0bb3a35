"""When production may change: the rule of the operations guide, without a clock or a cloud."""

from datetime import date, datetime, time, timedelta, timezone

import holidays

NAIROBI = timezone(timedelta(hours=3), "EAT")  # no daylight saving since 1960
OPENS, CLOSES = time(2), time(4)
SATURDAY = 5
ANNOUNCED_BEFORE = timedelta(hours=48)
ANNOUNCED_FOR = timedelta(days=14)  # what was said longer ago nobody remembers


def objections(
    now: datetime, *, commit: str, is_dirty: bool, on_staging: str | None, announced: list[tuple[datetime, datetime]]
) -> list[str]:
    """Why production may not change at `now` (with its zone); empty when it may.

    `on_staging`: the commit that was last deployed there. `announced`: when each announcement was made, and for when.
    """
    found = []
    local = now.astimezone(NAIROBI)
    if is_dirty:
        found.append("files of this clone differ from its commit")
    if on_staging != commit:
        there = on_staging[:12] if on_staging else "nothing"
        found.append(f"staging has {there}, not this commit ({commit[:12]})")
    if not OPENS <= local.time() < CLOSES:
        found.append(f"it is {local:%H:%M} in Nairobi: changes are made from {OPENS:%H:%M} to {CLOSES:%H:%M}")
    if local.weekday() >= SATURDAY:
        found.append(f"it is {local:%A}: changes are made from Monday to Friday")
    if name := holiday(local.date()):
        found.append(f"today is {name}")
    if not any(is_announced(now, made, planned) for made, planned in announced):
        found.append("nobody was told 48 hours before: deploy/aws announce")
    return found


def is_announced(now: datetime, made: datetime, planned: datetime) -> bool:
    """Whether what was said at `made`, of works at `planned`, covers a change now: the same night, 48 hours before."""
    same_night = planned.astimezone(NAIROBI).date() == now.astimezone(NAIROBI).date()
    return same_night and ANNOUNCED_BEFORE <= now - made <= ANNOUNCED_FOR


def holiday(day: date) -> str:
    """The public holiday that Kenya has on that day; empty for none."""
    return str(holidays.country_holidays("KE", years=day.year).get(day, ""))


def next_window(now: datetime) -> datetime:
    """The first opening at or after `now` that is no weekend and no holiday, for who announces one."""
    day = now.astimezone(NAIROBI).date()
    while True:
        opens = datetime.combine(day, OPENS, NAIROBI)
        if opens >= now and day.weekday() < SATURDAY and not holiday(day):
            return opens
        day += timedelta(days=1)
