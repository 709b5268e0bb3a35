"""What a ledger consists of: accounts, causes, journals whose legs sum to zero. Append-only: a correction is a new one.

A debit is positive, a credit negative. What we hold (M-Pesa clearing, cash, bank) is positive when there is some; what
we owe (customer balances, floats, vouchers outstanding, unmatched money, tax) and what we earned is negative.

The id of a journal is its cause and its subject (``sale_mpesa:pay-7``): the same event cannot be booked twice, whoever
tries. No account has an item that holds its balance (it would be the hottest key of the store); totals are derived.
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import RadiusError


class AccountKind(StrEnum):
    """The chart of accounts. What `Account.of` names is in the comment."""

    MPESA = "mpesa_clearing"  # the shortcode
    CASH = "cash_in_hand"  # the seller
    BANK = "bank"  # where money goes that leaves a till or M-Pesa
    CUSTOMER = "customer_balance"  # the subscriber
    FLOAT = "agent_float"  # the agent; a debit balance is credit that we gave
    COMMISSION = "agent_commission"  # the agent: earned and not paid out
    COMMISSION_COST = "commission_cost"  # the package
    REVENUE = "revenue"  # the package
    TAX = "tax"  # the rate
    REFUNDS = "refunds"  # the package
    STOCK = "voucher_stock"  # the batch: printed and not sold
    VOUCHERS = "vouchers_outstanding"  # the batch: printed and not used
    UNMATCHED = "unmatched_money"  # the M-Pesa receipt
    DIFFERENCE = "cash_difference"  # the seller
    FEES = "provider_fees"  # the shortcode
    GOODWILL = "goodwill"  # given away


MONEY = frozenset({AccountKind.MPESA, AccountKind.CASH, AccountKind.BANK})  # where money itself is


class Account(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One account, e.g. ``revenue:day``."""

    kind: AccountKind
    of: str = ""

    @property
    def text(self) -> str:
        """Name of the account."""
        return f"{self.kind.value}:{self.of}" if self.of else self.kind.value


class Cause(StrEnum):
    """Why there is a journal: the closed list. What `Journal.subject` names is in the comment."""

    SALE_MPESA = "sale_mpesa"  # the payment
    SALE_CASH = "sale_cash"  # the sale
    SALE_AGENT = "sale_agent"  # the sale
    TOP_UP = "top_up"  # the payment, or the sale at a desk
    PURCHASE = "purchase"  # the right, bought from a balance
    UNMATCHED_IN = "unmatched_in"  # the M-Pesa receipt
    UNMATCHED_CLAIMED = "unmatched_claimed"  # the M-Pesa receipt
    UNMATCHED_RETURNED = "unmatched_returned"  # the M-Pesa receipt
    BATCH_MADE = "batch_made"  # the batch
    VOUCHERS_SOLD = "vouchers_sold"  # the sale
    VOUCHER_REDEEMED = "voucher_redeemed"  # the serial number
    VOUCHER_VOID = "voucher_void"  # the serial number
    VOUCHER_EXPIRED = "voucher_expired"  # the serial number
    VOUCHER_REPLACED = "voucher_replaced"  # the serial number that is void now
    REFUND = "refund"  # the refund
    VOID = "void"  # the journal that should not have been
    GRANT = "grant"  # the right, or the gift to a balance
    TRIAL = "trial"  # the right
    FLOAT_IN = "float_in"  # the payment
    COMMISSION_PAID = "commission_paid"  # the payout
    DAY_CLOSE = "day_close"  # seller and day
    MONEY_MOVED = "money_moved"  # the transfer
    FEE = "fee"  # the line of the statement


MEMOS = frozenset({Cause.GRANT, Cause.TRIAL, Cause.VOUCHER_REPLACED})  # may have no legs: a right, and no money


class Leg(msgspec.Struct, frozen=True, array_like=True):
    """One line: a debit (positive) or a credit (negative) of an account."""

    account: Account
    cents: int


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened, when and by whom. `subject` is unique for its cause, `at` in UTC seconds.

    `day` is the business day, told once (`business_day`): by M-Pesa's own time where there is one, not by our arrival.
    """

    subject: str
    at: int
    day: str
    actor: str = ""
    reason: str = ""
    approved_by: str = ""


class Journal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One balanced entry. `cents` is the amount of the event itself, tax included; `receipt` the number of ours.

    `mpesa_receipt` is the provider's; a payment that was proven by query is booked without it.
    """

    cause: Cause
    fact: Fact
    cents: int
    legs: tuple[Leg, ...] = ()
    package: str = ""
    payment: str = ""
    right: str = ""
    receipt: str = ""
    mpesa_receipt: str = ""
    reverses: str = ""

    @property
    def id(self) -> str:
        """Names the journal, and the only event that it can stand for."""
        return f"{self.cause.value}:{self.fact.subject}"


class Receipt(msgspec.Struct, frozen=True):
    """A numbered receipt (or credit note). A series has one writer at a time, and no gaps."""

    series: str
    number: int
    journal: str
    cents: int

    @property
    def text(self) -> str:
        """The number as printed, e.g. ``K1-000042``."""
        return f"{self.series}-{self.number:06}"


class Unbalanced(RadiusError):
    """A journal that would break the books: a fault of ours, never of who pays."""


def journal(
    cause: Cause,
    fact: Fact,
    cents: int,
    moves: Iterable[tuple[Account, int]],
    *,
    package: str = "",
    payment: str = "",
    right: str = "",
    receipt: str = "",
    mpesa_receipt: str = "",
    reverses: str = "",
) -> Journal:
    """Make a journal of `moves`: one leg an account, none of nothing. Raises Unbalanced."""
    sums: defaultdict[Account, int] = defaultdict(int)
    for account, moved in moves:
        sums[account] += moved
    legs = tuple(Leg(account, moved) for account, moved in sorted(sums.items()) if moved)
    made = Journal(cause, fact, cents, legs, package, payment, right, receipt, mpesa_receipt, reverses)
    if sum(sums.values()):
        raise Unbalanced(f"{made.id}: legs sum to {sum(sums.values())} cents")
    if not fact.subject or not (legs or cause in MEMOS):
        raise Unbalanced(f"{made.id}: names no subject or moves nothing")
    return made


def business_day(at: int) -> str:
    """The business day of an instant: 00:00 to 24:00 in Nairobi, as an ISO date."""
    return calendar.local(at, ZONE_DEFAULT).date().isoformat()


def balances(journals: Iterable[Journal]) -> dict[Account, int]:
    """Sum of every account that was ever touched, in cents; a debit is positive."""
    sums: defaultdict[Account, int] = defaultdict(int)
    for entry in journals:
        for leg in entry.legs:
            sums[leg.account] += leg.cents
    return dict(sums)
