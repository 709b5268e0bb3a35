"""`who-had` and `audit`: who had an address at a time, for those who may ask; and who did what by hand."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any

import typer

from billing.cli import books, progress, sessions
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.show import Column, when
from billing.domain.journal import business_day
from billing.reports import span
from radius.domain import calendar
from radius.domain.deed import Deed
from radius.domain.errors import Malformed
from radius.domain.record import SessionRecord
from radius.domain.world import SESSION_S_MAX
from radius.ports import Where

DAY_S = 86_400
SESSIONS_A_DAY_MAX = 20_000  # of one site; the index gives so many in one answer of each of its shards
LIST_MAX = 200
BACK_DAYS = SESSION_S_MAX // DAY_S  # no session lasts longer
NAT = (
    "Behind the router's one public address all its customers look alike: without the port, and the router's own table "
    "of connections, a public address says only which site it was."
)

HAD = (
    Column("CUSTOMER", "customer"),
    Column("USER", "user"),
    Column("DEVICE", "device"),
    Column("ROUTER", "router"),
    Column("FROM", "since", when),
    Column("TO", "closed_at", when),
    Column("SESSION", "session"),
)
DEEDS = (
    Column("WHEN", "at", when),
    Column("WHO", "actor"),
    Column("DID", "what"),
    Column("TO", "about"),
    Column("SITE", "site"),
    Column("CAME TO", "outcome"),
    Column("WHY", "reason"),
)


def register(app: typer.Typer) -> None:
    """Both stand beside the groups."""
    command(
        app, "who-had",
        "who-had 10.5.0.7 --at '2026-11-25 14:30' --site kilimani --reason 'court order 12/2026'",
    )(who_had)  # fmt: skip
    command(app, "audit", "audit\naudit --day 2026-11-24 --by mary")(audit)


def who_had(
    frame: Frame,
    ip: Annotated[str, typer.Argument(metavar="IP", help="The address inside the site.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="Of the site's clock: '2026-11-25 14:30'.")],
    reason: Annotated[str, typer.Option("--reason", help="Whose question it is, and on what ground: kept.")] = "",
    back: Annotated[
        int, typer.Option(min=0, max=BACK_DAYS, help="So many days before that a session may have begun.")
    ] = BACK_DAYS,
) -> Exit:
    """Which customer had an address of a site at a time. It is audited, also when nobody had it.

    A session's record has the address of its first or last report; one that changed between is not known.
    """
    if not frame.site:
        raise Malformed("site", "say which (--site SITE): the same address is used at many")
    try:
        address = str(ip_address(ip))
    except ValueError:
        raise Malformed("IP", f"{ip} is no address") from None
    instant = instant_of(at, frame.zone)
    if instant > frame.now:
        raise Malformed("at", f"{at} is still to come")
    with frame.deed(f"{address} at {calendar.local(instant, frame.zone):%Y-%m-%d %H:%M}", frame.why(reason)):
        records, cut = _had(frame, address, instant, back)
        found = list(sessions.now_or_past(frame, records))
    first = f"{calendar.local(instant - back * DAY_S, frame.zone):%Y-%m-%d}"
    nobody = f"Nobody of {frame.site} had {address} then, of all whose session began on {first} or later."
    frame.show.table(found, HAD, "Not found." if cut else nobody)
    for day in cut:
        frame.note(f"Not all sessions of {day} were looked at: there were more than {SESSIONS_A_DAY_MAX:,}.")
    frame.note(NAT)
    if cut:
        return Exit.NOT  # another one may have had it too
    return Exit.DONE if found else Exit.NOBODY


def _had(frame: Frame, address: str, at: int, back: int) -> tuple[list[SessionRecord], list[str]]:
    """Who had it, and the days of which not all was looked at."""
    days = [calendar.local(at - ago * DAY_S, frame.zone).strftime("%Y%m%d") for ago in range(back + 1)]
    begun = frame.core.store.sessions.begun_on
    by_day = {day: begun(Where.SITE, frame.site, day, SESSIONS_A_DAY_MAX, frame.deadline()) for day in days}
    cut = [day for day, keys in by_day.items() if len(keys) >= SESSIONS_A_DAY_MAX]
    wanted = [key for keys in by_day.values() for key in keys if key[1] <= at]
    records = progress.each(frame, f"Sessions of {frame.site}", sessions.records_of(frame, wanted), len(wanted))
    return [record for record in records if record.framed_ip == address and _lasted(record, at)], cut


def _lasted(record: SessionRecord, at: int) -> bool:
    """True if a session went on at an instant. One whose end nobody reported ended with its last sign of life."""
    if not record.closed_at:
        return at <= record.started_at + SESSION_S_MAX
    return at <= (record.closed_at if record.clean_stop else record.last_at)


def instant_of(text: str, zone: str) -> int:
    """An instant of a site's clock, '2026-11-25 14:30'; raises Malformed."""
    try:
        return calendar.instant(datetime.fromisoformat(text.strip()).replace(tzinfo=None), zone)
    except ValueError:
        raise Malformed("at", f"{text} must be like '2026-11-25 14:30'") from None


def _deeds_on(frame: Frame, day: str) -> list[Deed]:
    """Of a day in Nairobi: the store keeps them by days of UTC, of which two touch it."""
    first = datetime.fromtimestamp(span.begin(day), UTC).date()
    days = (first.isoformat(), (first + timedelta(days=1)).isoformat())
    found = [deed for each in days for deed in frame.core.store.deeds.on(each, frame.now, frame.deadline())]
    return [deed for deed in found if business_day(deed.at_ms // 1000) == day]


def audit(
    frame: Frame,
    day: Annotated[str, typer.Option(metavar="DAY", help="As 2026-11-25; default: today.")] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Of one person.")] = "",
    about: Annotated[str, typer.Option(metavar="THING", help="To one router, customer, batch, ...")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = LIST_MAX,
) -> None:
    """What people did by hand on a day, the latest first. `begun` and nothing else: it was interrupted."""
    deeds = _deeds_on(frame, books.day_of(day) if day else business_day(frame.now))
    rows: list[dict[str, Any]] = [
        {"at": deed.at_ms // 1000, "actor": deed.actor, "what": deed.what, "about": deed.about, "site": deed.site,
         "reason": deed.reason, "outcome": deed.outcome}
        for deed in reversed(deeds)
        if by in {"", deed.actor} and about in {"", deed.about} and frame.site in {"", deed.site}
    ]  # fmt: skip
    frame.show.table(rows[:limit], DEEDS, "Nobody changed anything by hand that day.")
