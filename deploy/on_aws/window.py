"""When production may change: the rule of the operations guide, without a clock or a cloud."""

from datetime import date, datetime, time, timedelta, timezone

import holidays

from deploy.refusal import Refusal

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
    if is_dirty:
        found.append("files of this clone differ from its commit")
    if on_staging != commit:
        there = on_staging[:12] if on_staging else "nothing"
        found.append(f"staging has {there}, not this commit ({commit[:12]})")
    found += closed(now)
    if not any(is_announced(now, made, planned) for made, planned in announced):
        found.append("nobody was told 48 hours before: deploy/aws announce")
    return found


def closed(at: datetime) -> list[str]:
    """Why no works are done at that hour, whatever was announced; empty inside the window."""
    found, local = [], at.astimezone(NAIROBI)
    if not OPENS <= local.time() < CLOSES:
        found.append(f"{local:%H:%M} in Nairobi: changes are made from {OPENS:%H:%M} to {CLOSES:%H:%M}")
    if local.weekday() >= SATURDAY:
        found.append(f"{local:%Y-%m-%d} is a {local:%A}: changes are made from Monday to Friday")
    if name := holiday(local.date()):
        found.append(f"{local:%Y-%m-%d} is {name}")
    return found


def plan(at: datetime | None, now: datetime) -> datetime:
    """When works may be announced for: `at` (Nairobi time, without its zone), or the first window after the notice.

    Raises:
        Refusal: it is too soon, or `up` would refuse it at that hour.
    """
    earliest = now + ANNOUNCED_BEFORE
    if at is None:
        return next_window(earliest)
    planned = at.replace(tzinfo=NAIROBI)
    problems = ["that is in less than 48 hours"] * (planned < earliest) + closed(planned)
    if planned - now > ANNOUNCED_FOR:
        problems.append(f"that is in more than {ANNOUNCED_FOR.days} days: nobody remembers it then")
    if problems:
        raise Refusal("; ".join(problems))
    return planned


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
