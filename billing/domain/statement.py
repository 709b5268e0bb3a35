"""A provider's statement: its rows, what they are, and what differs between them and our receipts. Pure.

A statement is complete for its period: that is what makes it a proof. Money that a query proved and that no notice
names is found in it by elimination, and a receipt of ours that it does not have was never paid.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from billing.domain.journal import business_day
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from radius.domain.errors import Malformed


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


class Statement(NamedTuple):
    """What was read. `since` and `until` (excluded) are its period; `problems` name lines that could not be read.

    `whole`: it has everything of that period; what it does not have was never paid.
    """

    rows: tuple[Row, ...]
    since: int
    until: int
    shortcode: str = ""
    problems: tuple[Malformed, ...] = ()
    whole: bool = True


class Page(NamedTuple):
    """A page of what came, as the provider lists it by itself. `problems` name transactions that could not be read."""

    rows: tuple[Row, ...]
    problems: tuple[Malformed, ...] = ()

    @property
    def listed(self) -> int:
        """How many were listed."""
        return len(self.rows) + len(self.problems)


class Sorted(NamedTuple):
    """Rows that are done, by what they are. Each money receipt once, the oldest first."""

    came: tuple[Row, ...]
    charges: tuple[Row, ...]  # what the provider kept
    reversals: tuple[Row, ...]  # money that went back to who had paid `linked_receipt`
    other: tuple[Row, ...]  # withdrawn by a person: to the bank, to somebody


def sort(rows: Iterable[Row]) -> Sorted:
    """Tell the rows apart. Raises Malformed for a receipt that is listed with two amounts.

    A charge stands under the receipt of the payment or the reversal that it is for, and links to nothing.
    """
    done = sorted((row for row in rows if row.done), key=lambda row: (row.completed_at, row.line))
    came: dict[str, Row] = {}
    for row in done:
        if row.paid_in_cents:
            first = came.setdefault(row.mpesa_receipt, row)
            if first.paid_in_cents != row.paid_in_cents:
                raise Malformed(f"line {row.line}, paid in", f"must be that of line {first.line}: it is one receipt")
    out = [row for row in done if row.withdrawn_cents]
    back = [row for row in out if row.linked_receipt]
    charged = {*came, *(row.mpesa_receipt for row in back)}
    alone = [row for row in out if not row.linked_receipt]
    return Sorted(
        tuple(came.values()),
        tuple(row for row in alone if row.mpesa_receipt in charged),
        tuple(back),
        tuple(row for row in alone if row.mpesa_receipt not in charged),
    )


def days_covered(since: int, until: int) -> tuple[str, str] | None:
    """The first and the last business day (ISO) that lie wholly within a period; None if there is none."""
    first = date.fromisoformat(business_day(since - 1)) + timedelta(days=1)
    last = date.fromisoformat(business_day(until)) - timedelta(days=1)
    return (first.isoformat(), last.isoformat()) if first <= last else None


def sure(options: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Whose money is whose, as far as it is certain: each key has exactly one of its options, no option two keys.

    What is left for one key alone is its own, and nobody else's. Two keys that have one option between them contradict
    each other: neither gets it.
    """
    left = {key: set(values) for key, values in options.items()}
    found: dict[str, str] = {}
    while True:
        single = {key: next(iter(values)) for key, values in left.items() if len(values) == 1}
        agreed = {key: value for key, value in single.items() if list(single.values()).count(value) == 1}
        if not agreed:
            return found
        found |= agreed
        taken = set(agreed.values())
        left = {key: values - taken for key, values in left.items() if key not in agreed}


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


def match(came: Iterable[Row], known: Iterable[Known], since: int, until: int) -> Match:
    """Compare the money that came in (`Sorted.came`) with our receipts.

    `since` and `until` (UTC seconds, the latter excluded) are the period of the statement: a receipt of ours outside of
    it cannot be missing there, but is known to a row at the period's edge.
    """
    ours = {one.mpesa_receipt: one for one in known}
    theirs = {row.mpesa_receipt: row for row in came}
    both = [(row, ours[receipt]) for receipt, row in theirs.items() if receipt in ours]
    return Match(
        matched=tuple(row for row, one in both if row.paid_in_cents == one.cents),
        missing_here=tuple(row for receipt, row in theirs.items() if receipt not in ours),
        missing_there=tuple(
            one for one in ours.values() if one.mpesa_receipt not in theirs and since <= one.paid_at < until
        ),
        different=tuple((row, one) for row, one in both if row.paid_in_cents != one.cents),
    )
