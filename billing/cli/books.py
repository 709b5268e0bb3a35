"""`ledger`: whether the books are right, one account of them, and all of them for a bookkeeper."""

import csv
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.cli import progress
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.show import Column, amount, when
from billing.domain.journal import Account, AccountKind, balances, business_day
from billing.ports import Entry
from billing.services import walk
from radius.domain.errors import Malformed

app = typer.Typer(name="ledger", help="The books.", no_args_is_help=True)

DAYS_MAX = 366 * 5  # a typing error in a date must not walk for an hour

_From = Annotated[str, typer.Option("--from", metavar="DAY", help="As 2026-11-25; default: the first day of selling.")]
_Since = Annotated[str, typer.Option("--from", metavar="DAY", help="As 2026-11-25; default: today.")]
_To = Annotated[str, typer.Option("--to", metavar="DAY", help="The last day; default: today.")]

FINDINGS = (Column("RULE", "rule"), Column("WHAT", "what"), Column("FINDING", "text"))
ACCOUNT = Column("ACCOUNT", "account")
SUMS = (ACCOUNT, Column("BALANCE", "cents", amount, right=True))
LINES = (
    Column("WHEN", "at", when),
    Column("JOURNAL", "journal"),
    Column("AMOUNT", "cents", amount, right=True),
    Column("BALANCE", "balance_cents", amount, right=True),
    Column("BY", "actor"),
    Column("RECEIPT", "receipt"),
    Column("M-PESA", "mpesa_receipt"),
    Column("REASON", "reason"),
)
EXPORTED = (
    "day", "at", "journal", "cause", "account", "cents", "package", "payment", "right", "receipt", "mpesa_receipt",
    "reverses", "customer", "actor", "approved_by", "reason",
)  # fmt: skip


@command(app, "check", "ledger check\nledger check --from 2026-11-01 --json")
def check(frame: Frame, first: _From = "", last: _To = "") -> Exit:
    """Look at everything that was booked: what is not as it must be. Exit code 1 if anything is."""
    days = days_of(frame, first or frame.selling.first_day, last)
    with progress.bar(frame, "Checking the books"):
        found = frame.billing.check.check(days[0], days[-1], frame.now)
    rows = [{"rule": each.rule.value, "what": each.what, "text": each.text} for each in found]
    frame.show.table(rows, FINDINGS, f"The books are right, from {days[0]} to {days[-1]}.")
    return Exit.NOT if rows else Exit.DONE


@command(app, "account", "ledger account cash_in_hand:mary --from 2026-11-01\nledger account")
def account(
    frame: Frame,
    name: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="As revenue:day, or revenue for all; without: the sum of each.")
    ] = "",
    first: _Since = "",
    last: _To = "",
) -> None:
    """What moved on an account, or on all of a kind, in some days, the oldest first; or what moved on each account."""
    entries = _entries(frame, first, last)
    if not name:
        sums = balances(entry.journal for entry in entries)
        rows = [{"account": each.text, "cents": cents} for each, cents in sorted(sums.items())]
        frame.show.table(rows, SUMS, "Nothing was booked.")
        return
    wanted = parse_account(name)
    every = ":" not in name  # all accounts of a kind
    lines: list[dict[str, Any]] = []
    balance = 0
    for entry in sorted(entries, key=lambda each: (each.journal.fact.at, each.journal.id)):
        for leg in entry.journal.legs:
            if leg.account == wanted or (every and leg.account.kind is wanted.kind):
                balance += leg.cents
                whose = {"account": leg.account.text} if every else {}
                lines.append({**_line(entry), **whose, "cents": leg.cents, "balance_cents": balance})
    frame.show.table(lines, (ACCOUNT, *LINES) if every else LINES, f"Nothing moved on {name}.")


@command(app, "export", "ledger export --from 2026-11-01 --to 2026-11-30 --out november.csv")
def export(
    frame: Frame,
    first: _Since = "",
    last: _To = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV; default: to the terminal.")] = None,
) -> None:
    """Every line of the books of some days, a leg a line, for a bookkeeper's program (cents; a debit is positive)."""
    rows = [
        {**_line(entry), "account": leg.account.text, "cents": leg.cents}
        for entry in sorted(_entries(frame, first, last), key=lambda each: (each.journal.fact.at, each.journal.id))
        for leg in entry.journal.legs
    ]
    if frame.as_json:
        frame.show.document(rows)
    elif out is None:
        _write(rows, sys.stdout)
    else:
        try:
            with out.open("w", encoding="utf-8", newline="") as file:
                _write(rows, file)
        except OSError as refused:
            raise Malformed("out", f"{out} cannot be written: {refused.strerror}") from None
        frame.show.line(f"{len(rows)} lines are in {out}.")


def _write(rows: list[dict[str, Any]], file: Any) -> None:
    writer = csv.DictWriter(file, EXPORTED, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _line(entry: Entry) -> dict[str, Any]:
    journal, fact = entry.journal, entry.journal.fact
    return {
        "day": fact.day,
        "at": fact.at,
        "journal": journal.id,
        "cause": journal.cause.value,
        "package": journal.package,
        "payment": journal.payment,
        "right": journal.right,
        "receipt": journal.receipt,
        "mpesa_receipt": journal.mpesa_receipt,
        "reverses": journal.reverses,
        "customer": entry.subscriber,
        "actor": fact.actor,
        "approved_by": fact.approved_by,
        "reason": fact.reason,
    }


def _entries(frame: Frame, first: str, last: str) -> list[Entry]:
    days = days_of(frame, first, last)
    shown = progress.each(frame, "Days of the books", days, len(days))
    return [entry for day in shown for entry in _of_day(frame, day)]


def _of_day(frame: Frame, day: str) -> Iterator[Entry]:
    return walk.entries(frame.billing.book, day)


def days_of(frame: Frame, first: str, last: str) -> list[str]:
    """ISO days, both ends among them, today where nothing was said; raises Malformed."""
    today = business_day(frame.now)
    begin, end = day_of(first or today), day_of(last or today)
    if begin > end:
        raise Malformed("from", f"{begin} is after {end}")
    if (date.fromisoformat(end) - date.fromisoformat(begin)).days > DAYS_MAX:
        raise Malformed("from", f"at most {DAYS_MAX} days at once")
    return list(walk.days(begin, end))


def day_of(text: str) -> str:
    """An ISO day; raises Malformed."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Malformed("day", f"{text} must be like 2026-11-25") from None


def parse_account(text: str) -> Account:
    """An account by its name, ``revenue:day``; raises Malformed."""
    kind, _, of = text.partition(":")
    try:
        return Account(AccountKind(kind), of)
    except ValueError:
        raise Malformed("account", f"{kind} is none of {', '.join(AccountKind)}") from None
