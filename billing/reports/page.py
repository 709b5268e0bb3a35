"""A report as one page with charts: a file that is opened, sent and printed, and asks nobody for anything."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.domain import money
from billing.domain.journal import business_day
from billing.reports.charts import charts
from billing.reports.gather import Report
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT

NONE = "-"
Group = tuple[str, list[tuple[str, str, str]]]


class Tile(NamedTuple):
    """One figure in large letters."""

    title: str
    value: str
    says: str


def page(report: Report, groups: Iterable[Group]) -> str:
    """HTML; `groups` are all figures in lines."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made = calendar.local(report.as_of, ZONE_DEFAULT)
    return environment.get_template("page.html").render(
        title=f"{_span(report.first, report.last)}{f', {report.site}' if report.site else ''}",
        subtitle=f"{'Site ' + report.site if report.site else 'All sites'} · made {made:%d %B %Y, %H:%M} in Nairobi · "
        f"definitions, version {report.definitions}",
        notes=list(_notes(report)),
        tiles=_tiles(report),
        charts=charts(report),
        groups=list(groups),
    )


def _span(first: str, last: str) -> str:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    if begin == end:
        return f"{begin:%A}, {begin.day} {begin:%B %Y}"
    if (begin.year, begin.month) == (end.year, end.month):
        return f"{begin.day} to {end.day} {end:%B %Y}"
    return f"{begin.day} {begin:%B}{f' {begin.year}' if begin.year != end.year else ''} to {end.day} {end:%B %Y}"


def _notes(report: Report) -> Iterable[str]:
    if business_day(report.as_of) <= report.last:
        yield "These days are not over yet: figures will grow."
    earned = report.revenue
    if earned.late_entries:
        yield (
            f"Adjusted after close: {money.text(earned.late_net_cents)} net of {', '.join(earned.late_days)} was "
            "booked after those days were closed. Reports made earlier do not have it."
        )


def _tiles(report: Report) -> list[Tile]:
    earned, trade, people, paying = report.revenue, report.trade, report.people, report.paying
    given_back = f"after {_whole(earned.refunds_cents)} of refunds" if earned.refunds_cents else "no refunds"
    decided = paying.paid + paying.failed
    arpu = NONE if people.arpu_cents is None else money.text(people.arpu_cents)
    success = NONE if paying.success is None else f"{paying.success / 100:.0f} %"
    return [
        Tile("Net revenue", _whole(earned.net_cents), f"without tax, {given_back}"),
        Tile("Sales", f"{trade.sales:,}", f"{money.text(trade.mean_cents)} on average" if trade.sales else "none"),
        Tile("Active customers", f"{people.active:,}", "seen or paid in 30 days"),
        Tile("Revenue per active customer", arpu, "net (ARPU)"),
        Tile("New customers", f"{people.new:,}", "bought for the first time"),
        Tile("M-Pesa success", success, f"{paying.paid:,} of {decided:,} that were decided"),
        Tile("Most online", f"{report.sessions.peak:,}", "at the same moment"),
        Tile("Data", f"{report.sessions.data_bytes / 1e9:,.1f} GB", "by sessions that ended"),
    ]


def _whole(cents: int) -> str:
    """Without cents: large letters are for a glance."""
    return money.text(round(cents / money.SHILLING_CENTS) * money.SHILLING_CENTS)
