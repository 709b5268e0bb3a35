"""`report`: what a day, a week or a month brought, from the ledger and the session records."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from billing.cli import books
from billing.cli.frame import Frame, command
from billing.cli.report_lines import groups
from billing.cli.show import Column, as_is
from billing.domain.journal import business_day
from billing.reports.gather import Gather, Report
from radius.domain import calendar
from radius.domain.errors import Malformed


class ByPeriod(TyperGroup):
    """`report --period weekly` is `report weekly`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The period goes to the front, where commands stand."""
        said = [each.removeprefix("--period=") for each in args if each.startswith("--period=")]
        rest = [each for each in args if not each.startswith("--period=")]
        if "--period" in rest[:-1]:
            at = rest.index("--period")
            said, rest = [rest[at + 1]], [*rest[:at], *rest[at + 2 :]]
        return super().parse_args(ctx, [*said[:1], *rest])


app = typer.Typer(
    name="report", cls=ByPeriod, help="What a day, a week or a month brought (also: --period).", no_args_is_help=True
)


class Period(StrEnum):
    """How much a report is of."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_Day = Annotated[str, typer.Option("--day", metavar="DAY", help="Any day of it; default: the last whole one.")]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A line for each figure.")]
_Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="One page with charts, to read or print.")]

FIGURES = (
    Column("", "group", as_is),
    Column("FIGURE", "figure"),
    Column("OF", "of", as_is),
    Column("VALUE", "text", right=True),
)


@command(app, "daily", "report daily\nreport daily --day 2026-11-24 --site kilimani")
def daily(frame: Frame, day: _Day = "", out: _Csv = None, page: _Html = None) -> None:
    """One business day, midnight to midnight in Nairobi."""
    _tell(frame, *_span(frame, Period.DAILY, day), out, page)


@command(app, "weekly", "report weekly --csv week.csv --html week.html")
def weekly(frame: Frame, day: _Day = "", out: _Csv = None, page: _Html = None) -> None:
    """A week, Monday to Sunday."""
    _tell(frame, *_span(frame, Period.WEEKLY, day), out, page)


@command(app, "monthly", "report monthly --day 2026-11-01 --json")
def monthly(frame: Frame, day: _Day = "", out: _Csv = None, page: _Html = None) -> None:
    """A month."""
    _tell(frame, *_span(frame, Period.MONTHLY, day), out, page)


def _span(frame: Frame, period: Period, day: str) -> tuple[date, date]:
    """The first and the last day."""
    today = _today(frame)
    if period is Period.DAILY:
        only = date.fromisoformat(books.day_of(day)) if day else today - timedelta(days=1)
        return only, only
    if period is Period.WEEKLY:
        within = date.fromisoformat(books.day_of(day)) if day else today - timedelta(days=7)
        first = within - timedelta(days=within.weekday())
        return first, first + timedelta(days=6)
    within = date.fromisoformat(books.day_of(day)) if day else today.replace(day=1) - timedelta(days=1)
    first = within.replace(day=1)
    return first, calendar.add_months(first, 1) - timedelta(days=1)


def _today(frame: Frame) -> date:
    return date.fromisoformat(business_day(frame.now))


def _tell(frame: Frame, first: date, last: date, out: Path | None, page: Path | None) -> None:
    if first > _today(frame):
        raise Malformed("day", f"{first} is still to come")
    report = gathered(frame, first, last)
    for file, what, made in ((out, "csv", _csv), (page, "html", _page)):
        if file is not None:
            _write(file, what, made(report))
            frame.note(f"Written to {file}.")
    if frame.as_json:
        frame.show.document(plain(report))
        return
    whole = "" if last < _today(frame) else " (not over yet)"
    frame.show.line(f"{report.first} to {report.last}{whole}{f', site {report.site}' if report.site else ''}")
    frame.show.table(list(lines(report)), FIGURES, "")


def gathered(frame: Frame, first: date, last: date) -> Report:
    """All figures of some days, of --site."""
    sites = tuple(site.id for site in frame.directory.all_sites())
    store = frame.core.store
    gather = Gather(frame.billing.book, store.sessions, store.tallies, sites, frame.selling.first_day, frame.deadline)
    return gather.report(first.isoformat(), last.isoformat(), frame.site, frame.now)


def plain(value: Any) -> Any:
    """The figures as JSON has them."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        own = {name: plain(each) for name, each in value._asdict().items()}
        return {**own, "net_cents": value.net_cents} if hasattr(value, "net_cents") else own
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def lines(report: Report) -> Iterator[dict[str, str]]:
    """A line for each figure, as people read it."""
    for group, figures in groups(report):
        for figure, of_what, text in figures:
            yield {"group": group, "figure": figure, "of": of_what, "text": text}
            group = ""  # noqa: PLW2901 - said once


def _page(report: Report) -> str:
    from billing.reports.page import page  # noqa: PLC0415 - the plotting library is for whoever wants pictures

    return page(report, groups(report, by_day=False))


def _csv(report: Report) -> str:
    """Plain numbers: one line a figure, its path in the JSON as its name."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(("figure", "value"))
    writer.writerows(_flat("", plain(report)))
    return written.getvalue()


def _write(out: Path, what: str, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as refused:
        raise Malformed(what, f"{out} cannot be written: {refused.strerror}") from None


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(f"{path}.{name}" if path else name, each)
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _flat(f"{path}.{number}", each)
    else:
        yield path, value
