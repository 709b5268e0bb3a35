"""The organisation portal's statement (CSV), and what differs between it and our receipts. Pure.

Columns are found by name, in any order and case, below whatever stands above them: Receipt No., Completion Time,
Transaction Status, Paid In; Withdrawn, A/C No. and Linked Transaction ID where they are. Times are EAT. The columns are
those that are commonly described; no statement of Safaricom's own was at hand.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from billing.domain.money import parse
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.mpesa.fields import EAT
from radius.domain.errors import Malformed

STATEMENT_BYTES_MAX = 64 * 1024**2  # some 300,000 rows
_RECEIPT, _TIME, _STATUS, _IN = "receipt no", "completion time", "transaction status", "paid in"
_OUT, _ACCOUNT, _LINKED = "withdrawn", "a/c no", "linked transaction id"
_NEEDED = (_RECEIPT, _TIME, _STATUS, _IN)
_TIMES = ("%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M", "%d-%m-%Y %H:%M")
_RECEIPT_FORM = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)


class Row(NamedTuple):
    """A line of the statement. `completed_at` is UTC seconds. A charge has its payment's receipt, and is withdrawn."""

    line: int
    mpesa_receipt: str
    completed_at: int
    done: bool
    paid_in_cents: int
    withdrawn_cents: int = 0
    account: str = ""
    linked_receipt: str = ""

    def proof(self, reference: str, checkout_id: str = "") -> Proof:
        """Money that came, as a proof for the payment of `reference` or `checkout_id`."""
        return Proof(
            PaymentEvent.RECEIPT_FOUND,
            reference=reference,
            checkout_id=checkout_id,
            cents=self.paid_in_cents,
            mpesa_receipt=self.mpesa_receipt,
            paid_at=self.completed_at,
        )


def parse_statement(data: bytes) -> list[Row]:
    """The rows of a statement. Raises Malformed, which names line and column and never a value."""
    if len(data) > STATEMENT_BYTES_MAX:
        raise Malformed("statement", f"must have at most {STATEMENT_BYTES_MAX // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("statement", "must be CSV in UTF-8; export it from the portal again") from None
    lines = _cells(text)
    columns = _columns(lines)
    return [_row(line, cells, columns) for line, cells in lines if any(cells)]


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


def _columns(lines: Iterator[tuple[int, list[str]]]) -> dict[str, int]:
    """Where each column is; takes what stands above the names, and the names, from `lines`."""
    for line, cells in lines:
        names = {cell.casefold().rstrip("."): at for at, cell in enumerate(cells)}
        if _RECEIPT not in names:
            continue
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise Malformed(f"line {line}", f"must have the column {missing[0]!r}")
        return names
    raise Malformed("statement", "must have a line of column names with 'Receipt No.'")


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
    for form in _TIMES:
        try:
            return int((datetime.strptime(text, form).replace(tzinfo=UTC) - EAT).timestamp())
        except (ValueError, OverflowError):
            continue
    raise Malformed(f"line {line}, {_TIME}", "must be a time such as 2026-11-25 08:30:00 or 25-11-2026 08:30:00")


class Known(NamedTuple):
    """A receipt of ours, whatever was credited with it or holds it as unmatched. `paid_at` is M-Pesa's time, UTC."""

    mpesa_receipt: str
    cents: int
    paid_at: int


class Match(NamedTuple):
    """What agrees and what does not. All but `matched` down to nothing is the aim."""

    matched: tuple[Row, ...]
    missing_here: tuple[Row, ...]  # money that came and that we never heard of
    missing_there: tuple[Known, ...]  # credited, and the statement does not have it
    different: tuple[tuple[Row, Known], ...]  # another amount


def match(rows: Iterable[Row], known: Iterable[Known], since: int, until: int) -> Match:
    """Compare the money that came in with our receipts.

    `since` and `until` (UTC seconds, the latter excluded) are the period of the statement: a receipt of ours outside of
    it cannot be missing there, but is known to a row at the period's edge. A receipt counts once however often it is
    listed; raises Malformed if it is listed with two amounts.
    """
    ours = {one.mpesa_receipt: one for one in known}
    came: dict[str, Row] = {}
    for row in rows:
        if row.done and row.paid_in_cents:
            first = came.setdefault(row.mpesa_receipt, row)
            if first.paid_in_cents != row.paid_in_cents:
                raise Malformed(f"line {row.line}, {_IN}", f"must be that of line {first.line}: it is the same receipt")
    both = [(row, ours[receipt]) for receipt, row in came.items() if receipt in ours]
    return Match(
        matched=tuple(row for row, one in both if row.paid_in_cents == one.cents),
        missing_here=tuple(row for receipt, row in came.items() if receipt not in ours),
        missing_there=tuple(
            one for one in ours.values() if one.mpesa_receipt not in came and since <= one.paid_at < until
        ),
        different=tuple((row, one) for row, one in both if row.paid_in_cents != one.cents),
    )
