"""The ledger's check: walks everything, proves what must hold, and shares no rule with the builders.

What a builder computes is recomputed here another way (exact fractions instead of rounding, a table of shapes instead
of code), so that one wrong thought is not on both sides. Links to receipts, payments and rights: `audit_links`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from billing.domain.audit_links import check_links
from billing.domain.books import Books, Finding, Rule
from billing.domain.journal import Account, AccountKind, Cause, Journal

# Nodes' clocks differ: a debit is overdrawn only if no credit within so many seconds after it covers it.
CLOCKS_APART_S_MAX = 300
HALF_A_CENT = Fraction(1, 2)
K = AccountKind
_PLACES = {K.MPESA, K.CASH, K.BANK}
_PURSES = _PLACES | {K.FLOAT}
_EARNED = {K.REVENUE, K.TAX}


class Shape(NamedTuple):
    """Which accounts a cause may debit and credit, and those whose sum is the amount of the journal."""

    debits: set[AccountKind]
    credits: set[AccountKind]
    amount: set[AccountKind]


SHAPES = {
    Cause.SALE_MPESA: Shape({K.MPESA, K.UNMATCHED, K.CUSTOMER}, _EARNED, _EARNED),
    Cause.SALE_CASH: Shape({K.CASH}, _EARNED, _EARNED),
    Cause.SALE_AGENT: Shape({K.FLOAT, K.COMMISSION_COST}, _EARNED | {K.COMMISSION}, _EARNED),
    Cause.TOP_UP: Shape(_PLACES | {K.UNMATCHED}, {K.CUSTOMER}, {K.CUSTOMER}),
    Cause.PURCHASE: Shape({K.CUSTOMER}, _EARNED, _EARNED),
    Cause.UNMATCHED_IN: Shape({K.MPESA}, {K.UNMATCHED}, {K.UNMATCHED}),
    Cause.UNMATCHED_CLAIMED: Shape({K.UNMATCHED}, {K.CUSTOMER}, {K.CUSTOMER}),
    Cause.UNMATCHED_RETURNED: Shape({K.UNMATCHED}, _PLACES, {K.UNMATCHED}),
    Cause.BATCH_MADE: Shape({K.STOCK}, {K.VOUCHERS}, {K.STOCK}),
    Cause.VOUCHERS_SOLD: Shape(_PURSES | {K.COMMISSION_COST}, {K.STOCK, K.COMMISSION}, {K.STOCK}),
    Cause.VOUCHER_REDEEMED: Shape(_PURSES | {K.VOUCHERS}, _EARNED | {K.STOCK}, {K.VOUCHERS}),
    Cause.VOUCHER_VOID: Shape({K.VOUCHERS}, _PURSES | {K.STOCK}, {K.VOUCHERS}),
    Cause.VOUCHER_EXPIRED: Shape({K.VOUCHERS}, _EARNED | {K.STOCK}, {K.VOUCHERS}),
    Cause.VOUCHER_REPLACED: Shape(set(), set(), set()),
    Cause.REFUND: Shape({K.REFUNDS, K.TAX}, _PURSES | {K.CUSTOMER}, {K.REFUNDS, K.TAX}),
    Cause.GRANT: Shape({K.GOODWILL}, {K.CUSTOMER}, {K.CUSTOMER}),
    Cause.TRIAL: Shape(set(), set(), set()),
    Cause.FLOAT_IN: Shape(_PLACES | {K.COMMISSION}, {K.FLOAT}, {K.FLOAT}),
    Cause.COMMISSION_PAID: Shape({K.COMMISSION}, _PLACES, {K.COMMISSION}),
    Cause.DAY_CLOSE: Shape({K.CASH, K.DIFFERENCE}, {K.CASH, K.DIFFERENCE}, {K.CASH}),
    Cause.FEE: Shape({K.FEES}, {K.MPESA}, {K.FEES}),
}
# Two causes have no shape of their own: VOID is the mirror of what it voids, MONEY_MOVED goes between any two places.
SIGNED = frozenset({
    Cause.REFUND, Cause.VOID, Cause.GRANT, Cause.DAY_CLOSE, Cause.VOUCHER_VOID, Cause.VOUCHER_REPLACED,
    Cause.UNMATCHED_RETURNED,
})  # fmt: skip
APPROVED = frozenset({Cause.REFUND, Cause.VOID, Cause.GRANT, Cause.UNMATCHED_RETURNED})
# What must never be more than was put in: accounts that we owe (no debit balance), and paper (no credit balance).
OWED = frozenset({K.CUSTOMER, K.FLOAT, K.COMMISSION, K.VOUCHERS, K.UNMATCHED})


def check(books: Books) -> list[Finding]:
    """Everything that is not as it must be, in the order of the rules; an empty list is the proof."""
    found = [*_twice(books)]
    by_id = {entry.id: entry for entry in books.journals}
    for entry in books.journals:
        found += [*_legs(entry), *_shape(entry, by_id), *_tax(entry, books), *_signed(entry, books)]
    return [*found, *_overdrawn(books), *_taken_back(books, by_id), *check_links(books)]


def _twice(books: Books) -> Iterator[Finding]:
    for name, count in Counter(entry.id for entry in books.journals).items():
        if count > 1:
            yield Finding(Rule.BOOKED_TWICE, name, f"is there {count} times")


def _legs(entry: Journal) -> Iterator[Finding]:
    total = sum(leg.cents for leg in entry.legs)
    if total:
        yield Finding(Rule.UNBALANCED, entry.id, f"legs sum to {total} cents")
    if any(leg.cents == 0 for leg in entry.legs):
        yield Finding(Rule.UNBALANCED, entry.id, "has a leg of nothing")


def _shape(entry: Journal, by_id: dict[str, Journal]) -> Iterator[Finding]:
    if entry.cause is Cause.VOID:
        voided = by_id.get(entry.reverses)
        mirror = {leg.account: -leg.cents for leg in voided.legs} if voided else {}
        if {leg.account: leg.cents for leg in entry.legs} != mirror or not mirror:
            yield Finding(Rule.SHAPE, entry.id, f"is not the mirror of {entry.reverses}")
        return
    shape = SHAPES.get(entry.cause, Shape(_PLACES, _PLACES, set()))
    for leg in entry.legs:
        if leg.account.kind not in (shape.debits if leg.cents > 0 else shape.credits):
            side = "debits" if leg.cents > 0 else "credits"
            yield Finding(Rule.SHAPE, entry.id, f"{side} {leg.account.text}")
    if entry.cause is Cause.MONEY_MOVED:
        moved = sum(leg.cents for leg in entry.legs if leg.cents > 0)
    else:
        moved = abs(sum(leg.cents for leg in entry.legs if leg.account.kind in shape.amount))
    if moved != entry.cents:
        yield Finding(Rule.AMOUNT, entry.id, f"is about {entry.cents} cents and moves {moved}")


def _tax(entry: Journal, books: Books) -> Iterator[Finding]:
    gross = -sum(leg.cents for leg in entry.legs if leg.account.kind in _EARNED)
    if entry.cause is Cause.VOID or not any(leg.account.kind is K.REVENUE for leg in entry.legs):
        return
    points, since = 0, ""
    for rate in books.rates:
        if since <= rate.since <= entry.fact.day:
            points, since = rate.basis_points, rate.since
    booked = {leg.account.of: -leg.cents for leg in entry.legs if leg.account.kind is K.TAX}
    exact = Fraction(gross * points, 10_000 + points)
    if abs(sum(booked.values()) - exact) > HALF_A_CENT or set(booked) - {f"{since}.{points}"}:
        yield Finding(Rule.TAX, entry.id, f"has tax {booked} where {float(exact):.2f} cents were due")


def _signed(entry: Journal, books: Books) -> Iterator[Finding]:
    fact = entry.fact
    if entry.cause in SIGNED and not (fact.actor and fact.reason):
        yield Finding(Rule.UNSIGNED, entry.id, "names no actor or no reason")
    if entry.cause in APPROVED and entry.cents > books.approval_cents and fact.approved_by in {"", fact.actor}:
        yield Finding(Rule.UNAPPROVED, entry.id, f"moves {entry.cents} cents without a second person's word")


def _overdrawn(books: Books) -> Iterator[Finding]:
    """Replay each account in time, with the clocks of credits set back as far as clocks may differ."""
    moves: defaultdict[Account, list[tuple[int, int]]] = defaultdict(list)
    for entry in books.journals:
        for leg in entry.legs:
            held = -leg.cents if leg.account.kind in OWED else leg.cents
            if leg.account.kind in OWED or leg.account.kind is K.STOCK:
                moves[leg.account].append((entry.fact.at - (CLOCKS_APART_S_MAX if held > 0 else 0), held))
    for account, history in sorted(moves.items()):
        held = lowest = 0
        for _, change in sorted(history, key=lambda move: (move[0], -move[1])):
            held += change
            lowest = min(lowest, held)
        if lowest < -books.overdrafts.get(account.text, 0):
            yield Finding(Rule.OVERDRAWN, account.text, f"was {-lowest} cents below nothing")


def _taken_back(books: Books, by_id: dict[str, Journal]) -> Iterator[Finding]:
    back: defaultdict[str, list[Journal]] = defaultdict(list)
    for entry in books.journals:
        if entry.reverses or entry.cause in {Cause.REFUND, Cause.VOID}:
            back[entry.reverses].append(entry)
    for name, corrections in back.items():
        sold = by_id.get(name)
        if sold is None:
            yield Finding(Rule.TAKEN_BACK, corrections[0].id, f"takes back {name or 'nothing'}, which is not there")
            continue
        voids = sum(entry.cause is Cause.VOID for entry in corrections)
        cents = sum(entry.cents for entry in corrections)
        if cents > sold.cents or (voids and len(corrections) > 1):
            yield Finding(Rule.TAKEN_BACK, name, f"took {sold.cents} cents, {cents} were given back")
        elif not voids:
            yield from _tax_back(sold, corrections, cents)


def _tax_back(sold: Journal, refunds: list[Journal], cents: int) -> Iterator[Finding]:
    tax = -sum(leg.cents for leg in sold.legs if leg.account.kind is K.TAX)
    returned = sum(leg.cents for entry in refunds for leg in entry.legs if leg.account.kind is K.TAX)
    points = [int(leg.account.of.rpartition(".")[2]) for leg in sold.legs if leg.account.kind is K.TAX]
    exact = Fraction(cents * points[0], 10_000 + points[0]) if points else Fraction(0)
    if abs(returned - exact) > HALF_A_CENT or (cents == sold.cents and returned != tax):
        yield Finding(Rule.TAX, sold.id, f"had tax of {tax} cents, {returned} were taken back for {cents}")
