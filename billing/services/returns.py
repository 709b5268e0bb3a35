"""Money that names nobody, given back to who sent it: what a refund of it changes besides its own state.

From the moment that it is asked for nobody can claim the money; what is refused or fails is held again.
"""

from billing.domain.give_back import Refund, Way
from billing.domain.journal import Account, Cause, Fact
from billing.domain.ledger import Reason, unmatched_returned
from billing.domain.money import SHILLING_CENTS, text
from billing.domain.reversal import ReversalState
from billing.ports import ClaimKind, Entry, Unmatched, UnmatchedState
from billing.services.book import Book

_HELD_AGAIN = frozenset({ReversalState.FAILED, ReversalState.DROPPED})


def is_unmatched(entry: Entry) -> bool:
    """True for a journal that holds money which names nobody."""
    return entry.journal.cause is Cause.UNMATCHED_IN


def held(book: Book, entry: Entry, way: Way, cents: int) -> Unmatched | Reason:
    """The money, if all of it can be given back so."""
    money = book.stores.customers.unmatched(entry.journal.mpesa_receipt, book.deadline())
    if money is None or money.state is not UnmatchedState.HELD:
        return Reason(f"{entry.journal.mpesa_receipt} is not held: somebody has it")
    if way is Way.BALANCE:
        return Reason(f"{money.receipt} is nobody's; let its payer claim it")
    if cents not in {0, money.cents} or (way is Way.MPESA and money.cents % SHILLING_CENTS):
        return Reason(f"{money.receipt} goes back whole, {text(money.cents)}, or not at all")
    return money


def reserved(money: Unmatched) -> Unmatched:
    """The money on its way back."""
    return money._replace(state=UnmatchedState.RETURNED, version=money.version + 1)


def after(book: Book, refund: Refund) -> Unmatched | None:
    """The money after a step of its refund; None where it stays as it is."""
    money = book.stores.customers.unmatched(refund.mpesa_receipt, book.deadline())
    if money is None:
        return None
    if refund.state in _HELD_AGAIN and money.state is UnmatchedState.RETURNED:
        return money._replace(state=UnmatchedState.HELD, version=money.version + 1)
    if refund.state is ReversalState.DONE and money.state is UnmatchedState.HELD:
        return reserved(money)  # it had been given up, and went back after all
    return None


def returned(book: Book, refund: Refund, entry: Entry, signed: Fact, out_of: Account) -> Entry | None:
    """The journal of the return; None if somebody claimed the money meanwhile, so that it is gone twice."""
    money = book.stores.customers.unmatched(refund.mpesa_receipt, book.deadline())
    if money is None or money.state not in {UnmatchedState.HELD, UnmatchedState.RETURNED}:
        return None
    fact = Fact(money.receipt, signed.at, signed.day, signed.actor, signed.reason, signed.approved_by)
    return Entry(unmatched_returned(fact, entry.journal, out_of))


def took(book: Book, mpesa_receipt: str) -> list[str]:
    """Journals that may have had the money of a receipt, to give it back."""
    owner = book.stores.postings.owner(ClaimKind.MPESA, mpesa_receipt, book.deadline())
    journal = f"{Cause.UNMATCHED_IN.value}:{mpesa_receipt}"
    if owner != journal:
        return [f"{Cause.SALE_MPESA.value}:{owner}"]
    money = book.stores.customers.unmatched(mpesa_receipt, book.deadline())
    return [journal, f"{Cause.SALE_MPESA.value}:{money.payment if money else ''}"]
