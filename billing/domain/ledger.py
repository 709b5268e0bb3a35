"""Builders: what happened to a customer's money, as a balanced journal. Vouchers, agents and tills are in `trade`.

A builder knows nothing of what was booked before, except for what it is handed (a balance, a journal to take back). A
refusal is a value; what only a fault of ours can ask for raises Unbalanced.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from billing.domain.journal import MEMOS, MONEY, Account, AccountKind, Cause, Fact, Journal, Unbalanced, journal
from billing.domain.money import TaxRate, split

Move = tuple[Account, int]


class Sale(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was sold: a version of a package (``day.3``) for `cents`, tax included, as the right `right`."""

    package: str
    cents: int
    rate: TaxRate
    right: str
    receipt: str


class Came(NamedTuple):
    """Money that came in: where it is now, and for M-Pesa what it is known by.

    `mpesa_receipt` is empty for cash, and when a query proved the payment: it names none. `payment` is ours, if any.
    """

    into: Account
    cents: int
    mpesa_receipt: str = ""
    payment: str = ""


class Missing(NamedTuple):
    """Refusal: so much more is needed."""

    cents: int


class Reason(NamedTuple):
    """Refusal of a correction, in words."""

    text: str


def package_code(package: str) -> str:
    """``day`` of ``day.3``: revenue is counted by package, not by its versions."""
    return package.rpartition(".")[0]


def customer(subscriber: str) -> Account:
    """The account of a customer's balance."""
    return Account(AccountKind.CUSTOMER, subscriber)


def cash_of(seller: str) -> Account:
    """The account of what a seller has in hand."""
    return Account(AccountKind.CASH, seller)


def revenue(package: str, cents: int, rate: TaxRate) -> tuple[Move, Move]:
    """Credits of a sale: revenue without tax, and the tax."""
    parts = split(cents, rate)
    return (
        (Account(AccountKind.REVENUE, package_code(package)), -parts.net_cents),
        (Account(AccountKind.TAX, rate.id), -parts.tax_cents),
    )


def mpesa(shortcode: str) -> Account:
    """The account of M-Pesa money until it is moved to the bank."""
    return Account(AccountKind.MPESA, shortcode)


def sold(
    cause: Cause,
    fact: Fact,
    sale: Sale,
    payer: Account,
    *also: Move,
    payment: str = "",
    mpesa_receipt: str = "",
) -> Journal:
    """A package for money out of `payer`, whoever that is; `also` what else moves with it."""
    return journal(
        cause,
        fact,
        sale.cents,
        [(payer, sale.cents), *revenue(sale.package, sale.cents, sale.rate), *also],
        package=sale.package,
        payment=payment,
        right=sale.right,
        receipt=sale.receipt,
        mpesa_receipt=mpesa_receipt,
    )


def sale_by_mpesa(fact: Fact, sale: Sale, came: Came) -> Journal:
    """A payment bought its package: `fact` names the payment; `came.into`: where its money is, booked now or before."""
    if (came.cents, came.payment) != (sale.cents, fact.subject):
        raise Unbalanced(f"{fact.subject}: {came.cents} cents of {came.payment!r} came for a sale of {sale.cents}")
    return sold(Cause.SALE_MPESA, fact, sale, came.into, payment=came.payment, mpesa_receipt=came.mpesa_receipt)


def sale_by_cash(fact: Fact, sale: Sale, seller: str) -> Journal:
    """A seller took cash: it is in that seller's hand from now on."""
    return sold(Cause.SALE_CASH, fact, sale, cash_of(seller))


def top_up(fact: Fact, subscriber: str, came: Came, receipt: str) -> Journal:
    """Money for a customer's balance: a payment, a C2B notice that names the customer, cash at a desk."""
    moves = [(came.into, came.cents), (customer(subscriber), -came.cents)]
    return journal(
        Cause.TOP_UP,
        fact,
        came.cents,
        moves,
        payment=came.payment,
        receipt=receipt,
        mpesa_receipt=came.mpesa_receipt,
    )


def purchase(
    fact: Fact, sale: Sale, subscriber: str, balance_cents: int, overdraft_cents: int = 0
) -> Journal | Missing:
    """A package bought from the balance as it stands (read with the version that the write is conditional on)."""
    missing = sale.cents - balance_cents - overdraft_cents
    if missing > 0:
        return Missing(missing)
    return sold(Cause.PURCHASE, fact, sale, customer(subscriber))


def unmatched_in(fact: Fact, came: Came) -> Journal:
    """Money that names nobody: held under its own M-Pesa receipt until somebody claims it."""
    if came.mpesa_receipt != fact.subject:
        raise Unbalanced(f"unmatched money is known by its M-Pesa receipt, not as {fact.subject}")
    held = Account(AccountKind.UNMATCHED, came.mpesa_receipt)
    moves = [(came.into, came.cents), (held, -came.cents)]
    return journal(Cause.UNMATCHED_IN, fact, came.cents, moves, mpesa_receipt=came.mpesa_receipt)


def unmatched_claimed(fact: Fact, held: Journal, subscriber: str, receipt: str) -> Journal:
    """All of the money of `held` (an UNMATCHED_IN) for one customer's balance."""
    moves = [(_held(held), held.cents), (customer(subscriber), -held.cents)]
    return journal(Cause.UNMATCHED_CLAIMED, _same_subject(fact, held), held.cents, moves, receipt=receipt)


def unmatched_returned(fact: Fact, held: Journal, out_of: Account) -> Journal:
    """All of the money of `held` back to who sent it."""
    moves = [(_held(held), held.cents), (out_of, -held.cents)]
    return journal(Cause.UNMATCHED_RETURNED, _same_subject(fact, held), held.cents, moves)


def _held(held: Journal) -> Account:
    if held.cause is not Cause.UNMATCHED_IN:
        raise Unbalanced(f"{held.id} holds no unmatched money")
    return Account(AccountKind.UNMATCHED, held.mpesa_receipt)


def _same_subject(fact: Fact, held: Journal) -> Fact:
    if fact.subject != held.fact.subject:
        raise Unbalanced(f"{fact.subject} is not {held.fact.subject}")
    return fact


def taken_back_cents(entry: Journal, others: Iterable[Journal]) -> int:
    """How much of `entry` others have taken back, by refund or by voiding."""
    return sum(other.cents for other in others if other.reverses == entry.id)


def refund(
    fact: Fact, entry: Journal, cents: int, before: Iterable[Journal], out_of: Account, receipt: str
) -> Journal | Reason:
    """Give back all or part of what `entry` took for a package; `before` are journals that may have done so already.

    The tax of each part is what makes the sum of all parts right: after the last one, exactly the tax of the sale.
    """
    rate = sold_at(entry)
    if rate is None:
        return Reason(f"{entry.id} sold no package")
    already = taken_back_cents(entry, before)
    if not 0 < cents <= entry.cents - already:
        return Reason(f"{entry.cents - already} cents of {entry.id} are left to give back")
    tax = split(already + cents, rate).tax_cents - split(already, rate).tax_cents
    moves = [
        (Account(AccountKind.REFUNDS, package_code(entry.package)), cents - tax),
        (Account(AccountKind.TAX, rate.id), tax),
        (out_of, -cents),
    ]
    links = {"package": entry.package, "payment": entry.payment, "right": entry.right}
    return journal(Cause.REFUND, fact, cents, moves, receipt=receipt, reverses=entry.id, **links)


def sold_at(entry: Journal) -> TaxRate | None:
    """The tax rate a package was sold at, from the journal's own tax leg; None if it sold none.

    A sale without tax has no such leg: it is the rate of nought. What takes a sale back sold nothing.
    """
    earned = {AccountKind.REVENUE, AccountKind.TAX}
    if entry.reverses or not any(leg.account.kind in earned for leg in entry.legs):
        return None
    for leg in entry.legs:
        if leg.account.kind is AccountKind.TAX:
            since, _, basis_points = leg.account.of.rpartition(".")
            return TaxRate(since, int(basis_points))
    return TaxRate(entry.fact.day, 0)


def void(fact: Fact, entry: Journal, others: Iterable[Journal]) -> Journal | Reason:
    """Unsay a journal that should not have been: every leg the other way round; `fact.subject` is its id.

    Money that went through M-Pesa did move, and is refunded; what is taken back already is not taken back twice.
    """
    if fact.subject != entry.id:
        raise Unbalanced(f"voiding {fact.subject} with the legs of {entry.id}")
    if entry.reverses or entry.cause in MEMOS:
        return Reason(f"{entry.id} cannot be voided; book what should be")
    if any(leg.account.kind is AccountKind.MPESA for leg in entry.legs):
        return Reason(f"{entry.id} moved money through M-Pesa; refund it")
    if any(other.reverses == entry.id for other in others):
        return Reason(f"{entry.id} was given back already")
    moves = [(leg.account, -leg.cents) for leg in entry.legs]
    links = {"package": entry.package, "payment": entry.payment, "right": entry.right}
    return journal(Cause.VOID, fact, entry.cents, moves, reverses=entry.id, **links)


def grant(fact: Fact, right: str, package: str = "") -> Journal:
    """A right without money: manual activation, outage credit. No sale, and no revenue."""
    return journal(Cause.GRANT, fact, 0, (), right=right, package=package)


def gift(fact: Fact, subscriber: str, cents: int) -> Journal:
    """Money given to a balance: goodwill, which costs us."""
    return journal(Cause.GRANT, fact, cents, [(Account(AccountKind.GOODWILL), cents), (customer(subscriber), -cents)])


def trial(fact: Fact, right: str, package: str) -> Journal:
    """A package that costs nothing was tried."""
    return journal(Cause.TRIAL, fact, 0, (), right=right, package=package)


def money_moved(fact: Fact, cents: int, out_of: Account, into: Account) -> Journal:
    """Money of ours from one place to another: cash handed in, M-Pesa withdrawn to the bank."""
    if not {out_of.kind, into.kind} <= MONEY:
        raise Unbalanced(f"{out_of.text} or {into.text} is no place where money is")
    return journal(Cause.MONEY_MOVED, fact, cents, [(into, cents), (out_of, -cents)])


def fee(fact: Fact, shortcode: str, cents: int) -> Journal:
    """What the provider kept, as its statement says."""
    moves = [(Account(AccountKind.FEES, shortcode), cents), (Account(AccountKind.MPESA, shortcode), -cents)]
    return journal(Cause.FEE, fact, cents, moves)
