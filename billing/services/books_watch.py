"""The ledger's check by itself, after each day: what is found twice, some minutes apart, is so.

What is booked while the books are read may look half done. Books that do not fit into the memory of a small machine are
left to `wifibilling ledger check`.
"""

from typing import NamedTuple

from billing.domain.books import Finding
from billing.domain.journal import business_day
from billing.services.check import LedgerCheck

JOURNALS_MAX = 50_000  # some 100 MB


class Checked(NamedTuple):
    """What the check says. `whole` False: there was more than was looked at."""

    found: tuple[Finding, ...] = ()
    whole: bool = True


class BooksWatch:
    """Looks when it was asked to, in one process."""

    def __init__(self, check: LedgerCheck, first_day: str, journals_max: int = JOURNALS_MAX) -> None:
        """`first_day`: ISO day before which nothing was sold."""
        self._check = check
        self._first_day = first_day
        self._journals_max = journals_max
        self._asked = False
        self._suspects: list[Finding] | None = None

    def ask(self) -> None:
        """Look at the next round."""
        self._asked, self._suspects = True, None

    def round(self, now: int) -> Checked | None:
        """The verdict, once for each time it was asked; None while there is none."""
        if not self._asked:
            return None
        found = self._check.check_at_most(self._journals_max, self._first_day, business_day(now), now)
        if found and self._suspects is None:
            self._suspects = found
            return None
        self._asked = False
        if found is None:
            return Checked(whole=False)
        return Checked(tuple(each for each in found if each in (self._suspects or ())))
