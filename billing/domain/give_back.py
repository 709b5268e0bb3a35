"""Money on its way back: one refund, and what of a sale was taken back already. Rules of its states: `reversal`."""

from enum import StrEnum
from typing import ClassVar

from billing.domain.reversal import ReversalState
from billing.domain.thing import Thing


class Way(StrEnum):
    """How money goes back. The value is stored."""

    MPESA = "mpesa"  # reversal of the payer's own transaction
    CASH = "cash"  # out of a seller's hand
    BALANCE = "balance"  # to the customer's balance


class Refund(Thing, frozen=True, omit_defaults=True):
    """One refund of `cents` of the sale `journal`. `seller`: whose cash it is; `sent_at` 0: nothing was sent yet.

    `conversation` names the reversal at the provider, `status_conversation` the last question what became of it.
    """

    KIND: ClassVar[str] = "F"

    id: str
    journal: str
    cents: int
    way: Way
    subscriber: str
    asked_by: str
    reason: str
    state: ReversalState = ReversalState.ASKED
    approved_by: str = ""
    seller: str = ""
    mpesa_receipt: str = ""
    shortcode: str = ""
    sent_at: int = 0
    conversation: str = ""
    status_conversation: str = ""

    @property
    def name(self) -> str:
        """The id."""
        return self.id


class TakenBack(Thing, frozen=True, omit_defaults=True):
    """What of a sale was taken back: journals that did, and the refund under way, "" for none."""

    KIND: ClassVar[str] = "K"

    journal: str
    by: tuple[str, ...] = ()
    open: str = ""

    @property
    def name(self) -> str:
        """The sale's journal."""
        return self.journal
