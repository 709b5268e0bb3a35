"""What the ledger's last check found: kept, so that every worker and every command says the same."""

from typing import ClassVar

from billing.domain.thing import Thing


class BooksChecked(Thing, frozen=True, omit_defaults=True):
    """`at`: UTC seconds; `findings`: how many."""

    KIND: ClassVar[str] = "BC"

    at: int
    findings: int = 0

    @property
    def name(self) -> str:
        """There is one."""
        return "books"
