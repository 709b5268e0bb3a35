"""The organisation portal's statement (CSV). Pure; what its rows mean is in `billing.domain.statement`.

Columns are found by name, in any order and case, below whatever stands above them: Receipt No., Completion Time,
Transaction Status, Paid In; Withdrawn, A/C No. and Linked Transaction ID where they are. Above them a short code and a
period may be named; without a period it is that of the rows. Times are EAT. The columns are those that are commonly
described; no statement of Safaricom's own was at hand.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from billing.domain.money import parse
from billing.domain.statement import Row, Statement
from billing.mpesa.fields import EAT
from radius.domain.errors import Malformed

__all__ = ["Row", "Statement", "parse_statement", "read_statement"]

STATEMENT_BYTES_MAX = 64 * 1024**2  # some 300,000 rows
_RECEIPT, _TIME, _STATUS, _IN = "receipt no", "completion time", "transaction status", "paid in"
_OUT, _ACCOUNT, _LINKED = "withdrawn", "a/c no", "linked transaction id"
_NEEDED = (_RECEIPT, _TIME, _STATUS, _IN)
_TIMES = ("%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M", "%d-%m-%Y %H:%M")
PROBLEMS_MAX = 100
_SHORTCODES = frozenset({"short code", "shortcode", "organization short code", "organisation short code"})
_SHORTCODE_FORM = re.compile(r"[0-9]{5,7}", re.ASCII)
_RECEIPT_FORM = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)


def read_statement(data: bytes) -> Statement:
    """A statement. A row that cannot be read is a problem, named by line and column and never by value; others count.

    Raises Malformed for a file that is none, and for one with more than `PROBLEMS_MAX` problems.
    """
    if len(data) > STATEMENT_BYTES_MAX:
        raise Malformed("statement", f"must have at most {STATEMENT_BYTES_MAX // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("statement", "must be CSV in UTF-8; export it from the portal again") from None
    lines = _cells(text)
    head, columns = _columns(lines)
    rows: list[Row] = []
    problems: list[Malformed] = []
    for line, cells in lines:
        try:
            if any(cells):
                rows.append(_row(line, cells, columns))
        except Malformed as bad:
            problems.append(bad)
            if len(problems) > PROBLEMS_MAX:
                raise Malformed(bad.field, f"{bad.fix}; more than {PROBLEMS_MAX} lines cannot be read") from None
    times = [row.completed_at for row in rows] or [0]
    since, until = head.period or (min(times), max(times) + 1)
    return Statement(tuple(rows), since, until, head.shortcode, tuple(problems))


def parse_statement(data: bytes) -> list[Row]:
    """The rows of a statement all of which can be read; raises Malformed for the first that cannot."""
    found = read_statement(data)
    if found.problems:
        raise found.problems[0]
    return list(found.rows)


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and stripped cells."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise Malformed(f"line {reader.line_num}", "must be CSV") from None
        yield reader.line_num, [cell.strip() for cell in cells]


class _Head(NamedTuple):
    """What stands above the names of the columns."""

    shortcode: str = ""
    period: tuple[int, int] | None = None


def _columns(lines: Iterator[tuple[int, list[str]]]) -> tuple[_Head, dict[str, int]]:
    """The head, and where each column is; takes what stands above the names, and the names, from `lines`."""
    head = _Head()
    for line, cells in lines:
        names = {cell.casefold().rstrip("."): at for at, cell in enumerate(cells)}
        if _RECEIPT not in names:
            head = _above(head, cells)
            continue
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise Malformed(f"line {line}", f"must have the column {missing[0]!r}")
        return head, names
    raise Malformed("statement", "must have a line of column names with 'Receipt No.'")


def _above(head: _Head, cells: list[str]) -> _Head:
    name, value = ([cell for cell in cells if cell] + ["", ""])[:2]
    said = name.casefold().rstrip(":")
    if said in _SHORTCODES and _SHORTCODE_FORM.fullmatch(value):
        return head._replace(shortcode=value)
    if said == "time period":
        first, _, last = value.removeprefix("From ").partition(" To ")
        since, until = _time(first), _time(last)
        if since is not None and until is not None and since <= until:
            return head._replace(period=(since, until + 1))
    return head


def _row(line: int, cells: list[str], columns: dict[str, int]) -> Row:
    def cell(name: str) -> str:
        at = columns.get(name, len(cells))
        return cells[at] if at < len(cells) else ""

    receipt = cell(_RECEIPT).upper()
    if not _RECEIPT_FORM.fullmatch(receipt):
        raise Malformed(f"line {line}, {_RECEIPT}", "must be a receipt such as NLJ7RT61SV")
    return Row(
        line,
        receipt,
        _instant(cell(_TIME), line),
        done=cell(_STATUS).casefold() == "completed",
        paid_in_cents=_cents(cell(_IN), f"line {line}, {_IN}"),
        withdrawn_cents=_cents(cell(_OUT).removeprefix("-"), f"line {line}, {_OUT}"),
        account=cell(_ACCOUNT),
        linked_receipt=cell(_LINKED).upper(),
    )


def _cents(text: str, field: str) -> int:
    return parse(text, field) if text else 0


def _instant(text: str, line: int) -> int:
    at = _time(text)
    if at is None:
        raise Malformed(f"line {line}, {_TIME}", "must be a time such as 2026-11-25 08:30:00 or 25-11-2026 08:30:00")
    return at


def _time(text: str) -> int | None:
    """UTC seconds of a time in EAT, None if it is none."""
    for form in _TIMES:
        try:
            return int((datetime.strptime(text.strip(), form).replace(tzinfo=UTC) - EAT).timestamp())
        except (ValueError, OverflowError):
            continue
    return None
