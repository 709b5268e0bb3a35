"""What `ledger check` looks at and what it says: values only, as they were read from the store."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from billing.domain.journal import Journal, Receipt
from billing.domain.money import TaxRate


class Rule(StrEnum):
    """What is not as it must be. Each is an alarm; the text of a finding says where."""

    BOOKED_TWICE = "booked_twice"
    UNBALANCED = "unbalanced"
    SHAPE = "shape"  # accounts that have no business with that cause, or on the wrong side
    AMOUNT = "amount"  # the legs do not move what the journal says it is about
    TAX = "tax"
    OVERDRAWN = "overdrawn"
    TAKEN_BACK = "taken_back"  # more than there was, twice, or of nothing
    UNSIGNED = "unsigned"  # no actor or no reason where there must be one
    UNAPPROVED = "unapproved"
    MPESA_RECEIPT = "mpesa_receipt"  # credited twice
    RECEIPT = "receipt"  # numbered receipts and journals are not one to one
    RECEIPT_GAP = "receipt_gap"
    PAYMENT = "payment"  # paid without a journal, or the other way round
    RIGHT = "right"  # a journal without its right, or the other way round
    BALANCE = "balance"  # kept with a customer, and not what the journals say
    RIGHT_KEPT = "right_kept"  # all money went back, the right lives on


class Finding(NamedTuple):
    """`what` names the journal, receipt, payment, right or account."""

    rule: Rule
    what: str
    text: str


class PaymentRow(NamedTuple):
    """A payment as the check sees it. `mpesa_receipt` may have been attached after the journal."""

    id: str
    paid: bool
    cents: int
    mpesa_receipt: str = ""


class RightRow(NamedTuple):
    """A right that was sold or granted. Rights of vouchers that nobody used are not among them."""

    id: str
    revoked: bool = False


class Books(NamedTuple):
    """Everything. `overdrafts` are allowed debits of accounts by name (``agent_float:duka-1``), in cents.

    `approval_cents`: corrections and gifts of more than this need a second person.
    """

    journals: tuple[Journal, ...]
    receipts: tuple[Receipt, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    rights: tuple[RightRow, ...] = ()
    rates: tuple[TaxRate, ...] = ()
    overdrafts: Mapping[str, int] = {}
    approval_cents: int = 0
