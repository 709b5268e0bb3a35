"""How the books agree with M-Pesa's statements, by the last comparison of each day. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from billing.domain.compared import Compared


class Reconciliation(NamedTuple):
    """Receipts of the days that were compared; `open_days` are not, and nothing is known of them.

    `missing_here`: money that we never heard of. `missing_there`: credited, and not in the statement. `different`:
    another amount. None of these is the aim.
    """

    compared_days: int
    open_days: tuple[str, ...]
    matched: int
    missing_here: int
    missing_there: int
    different: int


def reconciliation(days: Sequence[str], compared: Iterable[Compared]) -> Reconciliation:
    """Of some days."""
    found = list(compared)
    known = {each.day for each in found}
    return Reconciliation(
        len(known),
        tuple(day for day in days if day not in known),
        sum(each.matched for each in found),
        sum(each.missing_here for each in found),
        sum(each.missing_there for each in found),
        sum(each.different for each in found),
    )
