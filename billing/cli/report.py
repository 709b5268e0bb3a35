"""`report`: what a day, a week or a month brought, from the ledger and the session records."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.cli import books
from billing.cli.frame import Frame, command
from billing.cli.show import NONE, Column, amount, as_is, size, span
from billing.domain.journal import business_day
from billing.reports.gather import Gather, Report
from radius.domain import calendar
from radius.domain.errors import Malformed

app = typer.Typer(name="report", help="What a day, a week or a month brought.", no_args_is_help=True)

_Day = Annotated[str, typer.Option("--day", metavar="DAY", help="Any day of it; default: the last whole one.")]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A line for each figure.")]

FIGURES = (
    Column("", "group", as_is),
    Column("FIGURE", "figure"),
    Column("OF", "of", as_is),
    Column("VALUE", "text", right=True),
)


@command(app, "daily", "report daily\nreport daily --day 2026-11-24 --site kilimani")
def daily(frame: Frame, day: _Day = "", out: _Csv = None) -> None:
    """One business day, midnight to midnight in Nairobi."""
    last = date.fromisoformat(books.day_of(day)) if day else _today(frame) - timedelta(days=1)
    _tell(frame, last, last, out)


@command(app, "weekly", "report weekly --csv week.csv")
def weekly(frame: Frame, day: _Day = "", out: _Csv = None) -> None:
    """A week, Monday to Sunday."""
    within = date.fromisoformat(books.day_of(day)) if day else _today(frame) - timedelta(days=7)
    first = within - timedelta(days=within.weekday())
    _tell(frame, first, first + timedelta(days=6), out)


@command(app, "monthly", "report monthly --day 2026-11-01 --json")
def monthly(frame: Frame, day: _Day = "", out: _Csv = None) -> None:
    """A month."""
    within = date.fromisoformat(books.day_of(day)) if day else _today(frame).replace(day=1) - timedelta(days=1)
    first = within.replace(day=1)
    _tell(frame, first, calendar.add_months(first, 1) - timedelta(days=1), out)


def _today(frame: Frame) -> date:
    return date.fromisoformat(business_day(frame.now))


def _tell(frame: Frame, first: date, last: date, out: Path | None) -> None:
    if first > _today(frame):
        raise Malformed("day", f"{first} is still to come")
    sites = tuple(site.id for site in frame.directory.all_sites())
    gather = Gather(frame.billing.book, frame.core.store.sessions, sites, frame.selling.first_day, frame.deadline)
    report = gather.report(first.isoformat(), last.isoformat(), frame.site, frame.now)
    if out is not None:
        _write(out, report)
        frame.note(f"Written to {out}.")
    if frame.as_json:
        frame.show.document(plain(report))
        return
    whole = "" if last < _today(frame) else " (not over yet)"
    frame.show.line(f"{report.first} to {report.last}{whole}{f', site {report.site}' if report.site else ''}")
    frame.show.table(list(lines(report)), FIGURES, "")


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
    for group, figures in _groups(report):
        for figure, of, text in figures:
            yield {"group": group, "figure": figure, "of": of, "text": text}
            group = ""  # noqa: PLW2901 - said once


_Line = tuple[str, str, str]


def _groups(report: Report) -> Iterator[tuple[str, list[_Line]]]:
    money, trade, people, churn = report.revenue, report.trade, report.people, report.churn
    yield (
        "REVENUE (without tax)",
        [
            ("sold", "", amount(money.gross_cents)),
            ("given back", "", amount(money.refunds_cents)),
            ("net", "", amount(money.net_cents)),
            *(("net", package, amount(cents)) for package, cents in money.by_package.items()),
            *(("net", f"site {site}" if site else "no site", amount(cents)) for site, cents in report.by_site.items()),
            ("tax", "", amount(money.tax_cents)),
            *(("taken", where, amount(cents)) for where, cents in money.taken_cents.items()),
            ("of it without a name", "", amount(money.unmatched_cents)),
        ],
    )
    yield (
        "SALES",
        [
            ("count", "", str(trade.sales)),
            ("price, mean", "", amount(trade.mean_cents)),
            ("price, median", "", amount(trade.median_cents)),
            ("customers who paid", "", str(trade.payers)),
        ],
    )
    yield (
        "CUSTOMERS",
        [
            ("active, mean of the days", "30 days", str(people.active)),
            ("new", "", str(people.new)),
            *(("new", day, str(count)) for day, count in people.new_by_day.items() if len(people.new_by_day) > 1),
            ("net revenue", "an active customer", _maybe(people.arpu_cents)),
            ("net revenue", "a payer", _maybe(people.arppu_cents)),
            ("gone" if churn.matured else "gone so far (provisional)", "", f"{churn.gone} of {churn.at_start}"),
            ("gone, share", "", percent(churn.share)),
            ("came back later", "", str(churn.back)),
        ],
    )
    yield "SESSIONS", _session_lines(report)
    yield "M-PESA", _paying_lines(report)


def _session_lines(report: Report) -> list[_Line]:
    found = report.sessions
    return [
        ("ended", "", str(found.ended)),
        ("length, mean", "", span(found.mean_s)),
        ("length, median", "", span(found.median_s)),
        ("length, nine of ten below", "", span(found.p90_s)),
        ("ended without a word of the router", "", str(found.reaped)),
        ("most at once", "", str(found.peak)),
        ("data", "", size(found.data_bytes)),
        ("beyond what was sold", "", size(found.overspend_bytes)),
        *(("most data", customer, size(used)) for customer, used in found.top),
    ]


def _paying_lines(report: Report) -> list[_Line]:
    found = report.paying
    return [
        ("begun", "", str(found.begun)),
        ("paid", "", str(found.paid)),
        ("paid", "of those decided", percent(found.success)),
        ("paid", "but for customers' own doing", percent(found.system)),
        ("paid", "of all", percent(found.conversion)),
        ("from prompt to money, median", "", span(found.wait_median_s)),
        ("from prompt to money, nine of ten below", "", span(found.wait_p90_s)),
        *((f"failed, {kind}", code, str(count)) for code, kind, count in found.by_code),
    ]


def _maybe(cents: int | None) -> str:
    return NONE if cents is None else amount(cents)


def percent(basis_points: int | None) -> str:
    """`98.7 %`; `-` for nothing to divide by."""
    return NONE if basis_points is None else f"{basis_points / 100:.1f} %"


def _write(out: Path, report: Report) -> None:
    """CSV with plain numbers: one line a figure, its path in the JSON as its name."""
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("figure", "value"))
            writer.writerows(_flat("", plain(report)))
    except OSError as refused:
        raise Malformed("csv", f"{out} cannot be written: {refused.strerror}") from None


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(f"{path}.{name}" if path else name, each)
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _flat(f"{path}.{number}", each)
    else:
        yield path, value
