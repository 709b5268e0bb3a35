"""Money that names nobody: booked once it cannot be a payment's own, and given to whoever shows its M-Pesa code.

Under a till every prompt may be told of twice, by callback and by a C2B notice that names nothing. So such a notice
waits, and is booked when no payment of that amount and time is still without its receipt: for the customer whose
telephone paid, where we were given its number, else as unmatched. A notice that names a payment which a query proved
waits for the callback of it, and is its receipt when none came.
"""

from collections.abc import Callable
from enum import StrEnum

from billing.domain.journal import Cause
from billing.domain.ledger import Came, mpesa, top_up, unmatched_claimed, unmatched_in
from billing.domain.payment import Payment, PaymentEvent, PaymentState
from billing.domain.settle import CLOCKS_APART_S_MAX, Proof, Settled
from billing.ports import PAGE_MAX, Claim, ClaimKind, Customer, Entry, Posting, Unmatched, UnmatchedState
from billing.services.book import Book, fact
from billing.services.rounds import of_each
from billing.services.settle import SAME_MONEY_S, Settle
from radius.domain.identity import SubscriberId
from radius.ports import Outcome

ROUND_MAX = 100  # receipts looked at in one round
RIVALS_MAX = 5_000  # payments without a receipt that are compared; with more of them money waits
LOOK_AGAIN_S = 1_800
CALLBACK_S_MAX = 3_600  # after a query said paid, no callback of that payment comes any more
SAME_TIME_S = 600  # from the prompt to M-Pesa's time of the money, where only a proof with a receipt can come
AHEAD_S = 30 * 86_400  # payments are due long before that

_OVER = frozenset({PaymentState.PAID, PaymentState.DISPUTED})


class Claimed(StrEnum):
    """Answer to somebody who shows an M-Pesa code."""

    CLAIMED = "claimed"  # the money is on the balance
    WAITS = "waits"  # it may be a payment's own: ask again
    UNKNOWN = "unknown"  # no such money
    GONE = "gone"  # somebody has it


class Strays:
    """Books and hands out unmatched money."""

    def __init__(
        self, book: Book, topped_up: Callable[[SubscriberId, int], object] = lambda _subscriber, _now: None
    ) -> None:
        """`topped_up`: money for a balance came."""
        self._book = book
        self._stores = book.stores
        self._settle = Settle(book)
        self._topped_up = topped_up

    def round(self, now: int) -> int:
        """Look at what waits; how many were booked."""
        waiting = self._stores.customers.waiting_money(now, ROUND_MAX, self._book.deadline())
        rivals = self._rivals(now) if waiting else {}
        return sum(of_each(waiting, lambda receipt: self.look(receipt, now, rivals)))

    def look(self, receipt: str, now: int, rivals: dict[str, Payment] | None = None) -> bool:
        """True if this money was booked. When another writer was first, the next round looks again.

        `rivals`: payments whose money it may be, None: to be read. What begins after they were read is none of them:
        money waits longer than clocks are apart. One that has its money is taken out.
        """
        money = self._stores.customers.unmatched(receipt, self._book.deadline())
        if money is None or money.state is not UnmatchedState.WAITS:
            return False
        if self._stores.postings.owner(ClaimKind.MPESA, receipt, self._book.deadline()) is not None:
            return self._write(money, UnmatchedState.SAME) and False
        if self._is_named_payments(money, now):
            if rivals is not None:
                rivals.pop(money.payment, None)
            return self._write(money, UnmatchedState.SAME) and False
        if self.may_be_a_payments(money, now, rivals=rivals):
            self._write(money, UnmatchedState.WAITS, now + LOOK_AGAIN_S)
            return False
        payer = self._payer(money)
        if payer is not None:
            return self._top_up(money, payer, now)
        journal = unmatched_in(fact(receipt, money.paid_at, now), _came(money))
        claim = Claim(ClaimKind.MPESA, receipt, journal.id)
        return self._write(money, UnmatchedState.HELD, 0, (claim,), (Entry(journal),))

    def _is_named_payments(self, money: Unmatched, now: int) -> bool:
        """True if a payment that a query proved has taken this money for its own, which names its reference.

        Whoever paid it twice has the other one too: it is other money from then on, and nobody's yet.
        """
        kept = self._stores.payments.payment(money.payment, self._book.deadline()) if money.payment else None
        if kept is None or kept.payment.state is not PaymentState.PROVEN or now < kept.payment.paid_at + CALLBACK_S_MAX:
            return False
        proof = Proof(
            PaymentEvent.RECEIPT_FOUND,
            reference=kept.payment.reference,
            shortcode=money.shortcode,
            cents=money.cents,
            mpesa_receipt=money.receipt,
            paid_at=money.paid_at,
        )
        found = self._settle.prove(money.payment, proof, now) if money.cents == kept.payment.cents else None
        return isinstance(found, Settled) and found.payment.mpesa_receipt == money.receipt

    def _payer(self, money: Unmatched) -> Customer | None:
        """Whose telephone paid."""
        owner = self._stores.postings.owner
        found = owner(ClaimKind.PAYER, money.payer, self._book.deadline()) if money.payer else None
        return self._stores.customers.customer(SubscriberId(found), self._book.deadline()) if found else None

    def _top_up(self, money: Unmatched, payer: Customer, now: int) -> bool:
        number = self._book.number(money.receipt, money.version)
        journal = top_up(fact(money.receipt, money.paid_at, now), payer.subscriber, _came(money), number.text)
        posting = Posting(
            self._book.new_id(),
            claims=(Claim(ClaimKind.MPESA, money.receipt, payer.subscriber),),
            entries=(number.entry(journal, payer.subscriber),),
            customer=payer._replace(balance_cents=payer.balance_cents + money.cents, version=payer.version + 1),
            unmatched=money._replace(state=UnmatchedState.CLAIMED, due_at=0, version=money.version + 1),
        )
        done = self._book.post(posting).outcome is Outcome.COMMITTED
        if done:
            self._topped_up(payer.subscriber, now)
        return done

    def _write(
        self,
        money: Unmatched,
        state: UnmatchedState,
        due_at: int = 0,
        claims: tuple[Claim, ...] = (),
        entries: tuple[Entry, ...] = (),
    ) -> bool:
        after = money._replace(state=state, due_at=due_at, version=money.version + 1)
        posting = Posting(self._book.new_id(), claims=claims, entries=entries, unmatched=after)
        return self._book.post(posting).outcome is Outcome.COMMITTED

    def may_be_a_payments(
        self, money: Unmatched, now: int, but: str = "", rivals: dict[str, Payment] | None = None
    ) -> bool:
        """True while a payment of that amount and time has no receipt yet.

        `but`: a payment that is not looked at; `rivals`: see `look`.
        """
        named = self._stores.payments.payment(money.payment, self._book.deadline()) if money.payment else None
        if named is not None and named.payment.state is PaymentState.PROVEN:
            return True
        rivals = self._rivals(now) if rivals is None else rivals
        return len(rivals) >= RIVALS_MAX or any(_alike(each, money, now) for each in rivals.values() if each.id != but)

    def _rivals(self, now: int) -> dict[str, Payment]:
        """By id: payments that have no receipt yet: all of them are due some time."""
        due = [name for name, _ in self._stores.payments.due(now + AHEAD_S, RIVALS_MAX, self._book.deadline())]
        pages = (due[first : first + PAGE_MAX] for first in range(0, len(due), PAGE_MAX))
        kept = (each for page in pages for each in self._stores.payments.payments(page, self._book.deadline()))
        return {each.payment.id: each.payment for each in kept}

    def claim(self, receipt: str, subscriber: SubscriberId, now: int, actor: str = "") -> Claimed:
        """All of this money for a customer's balance. The caller slows guessing down."""
        for attempt in self._book.tries(receipt):
            money = self._stores.customers.unmatched(receipt, self._book.deadline())
            customer = self._stores.customers.customer(subscriber, self._book.deadline())
            if money is None or customer is None:
                return Claimed.UNKNOWN
            if money.state is not UnmatchedState.HELD:
                return Claimed.WAITS if money.state is UnmatchedState.WAITS else Claimed.GONE
            held = self._stores.ledger.entry(f"{Cause.UNMATCHED_IN.value}:{receipt}", self._book.deadline())
            if held is None:
                raise AssertionError(f"{receipt} is held and was not booked")
            number = self._book.number(receipt, attempt)
            journal = unmatched_claimed(
                fact(receipt, now, now, actor or subscriber), held.journal, subscriber, number.text
            )
            after = customer._replace(balance_cents=customer.balance_cents + money.cents, version=customer.version + 1)
            posting = Posting(
                self._book.new_id(),
                entries=(number.entry(journal, subscriber),),
                customer=after,
                unmatched=money._replace(state=UnmatchedState.CLAIMED, version=money.version + 1),
            )
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                self._topped_up(subscriber, now)
                return Claimed.CLAIMED
        raise AssertionError  # `tries` ends by raising


def _came(money: Unmatched) -> Came:
    return Came(mpesa(money.shortcode), money.cents, money.receipt)


def _alike(payment: Payment, money: Unmatched, now: int) -> bool:
    """True if the money may be this payment's. About one that has failed nobody asks any more after a while."""
    if payment.state is PaymentState.FAILED and now >= payment.created_at + SAME_MONEY_S:
        return False
    same = (payment.cents, payment.shortcode) == (money.cents, money.shortcode)
    early = money.paid_at < payment.created_at - CLOCKS_APART_S_MAX
    return same and payment.state not in _OVER and not early and money.paid_at <= _last(payment, money)


def _last(payment: Payment, money: Unmatched) -> int:
    """Until when its money can have come. A query may still prove it, however late, and names no receipt then."""
    if payment.state is PaymentState.PROVEN:
        return payment.paid_at + CLOCKS_APART_S_MAX
    return money.paid_at if payment.checkout_id else payment.created_at + SAME_TIME_S + CLOCKS_APART_S_MAX
