"""Settlement: a proof becomes one posting. The one path of callbacks, queries, receipts found later and C2B notices.

Money that came and fits no payment is never dropped: it is written down under its M-Pesa receipt, and waits until it is
sure that it is not the same money as a payment's (`reconcile` books it then).
"""

from typing import NamedTuple

import msgspec

from billing.domain import settle as rules
from billing.domain.draw import parse_account, parse_reference
from billing.domain.journal import Account, AccountKind, Cause, Journal
from billing.domain.ledger import Came, Sale, mpesa, sale_by_mpesa, top_up
from billing.domain.ledger import customer as balance_of
from billing.domain.money import rate_on
from billing.domain.payment import PAID_STATES, Effect, Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof, Refused, Settled, Settlement, Waits, Why
from billing.ports import (
    Claim,
    ClaimKind,
    Customer,
    KeptPayment,
    Part,
    Posting,
    Unmatched,
    UnmatchedState,
)
from billing.provider import Notice
from billing.services.arrivals import ONLINE_AFTER_S
from billing.services.book import Book, Given, Number, fact
from radius.domain.errors import Corrupt
from radius.domain.identity import SubscriberId
from radius.ports import Change, Outcome

RECEIPT_ASKED_AFTER_S = 600  # of a payment that a query proved: callback and C2B notice are given so long
ASK_SOON_S = 30  # who is asked about within so long need not be asked about earlier
# From the beginning of a payment: no answer in time is followed by success now and then, so it is asked about once
# more, but not so late that its money may have been booked for its payer: a query names no receipt.
FAILED_ASKED_AFTER_S, FAILED_UNTIL_S = 240, 480
SAME_MONEY_S = 600  # a notice that names nobody waits so long for the callback of the same money

_DECIDED = PAID_STATES | {PaymentState.DISPUTED}
_MAY_BE_PAID_YET = frozenset({"1019", "1037"})  # the prompt's time was over, which says nothing of its payer


class Landed(NamedTuple):
    """Where the money of a notice went: to a payment, to the balance of `subscriber`.

    `known`: it was there before. `waits`: `strays` says where, after a while.
    """

    payment: str = ""
    subscriber: str = ""
    waits: bool = False
    known: bool = False


class _There(NamedTuple):
    """Money that was booked before: the account that has it, and what else changes when it leaves."""

    account: Account
    unmatched: Unmatched | None = None
    customer: Customer | None = None


class Settle:
    """Commits what proofs say."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._stores = book.stores

    def prove(self, payment: str, proof: Proof, now: int) -> Settlement | None:
        """What a proof did to a payment, committed; None if there is no such payment."""
        for attempt in self._book.tries(payment):
            kept = self._stores.payments.payment(payment, self._book.deadline())
            if kept is None:
                return None
            found = rules.settle(kept.payment, proof, now)
            if found.payment == kept.payment and not _money_is_free(found) and not _to_ask(kept, found, now):
                return found
            done = self._commit(kept, found, proof, now, attempt)
            if done is not None:
                return done
        raise AssertionError  # `tries` ends by raising

    def _commit(self, kept: KeptPayment, found: Settlement, proof: Proof, now: int, attempt: int) -> Settlement | None:
        """The settlement as it was committed; None when something was overtaken."""
        id_ = self._book.new_id()
        money = _unmatched(kept.payment, proof, now) if _money_is_free(found) else None
        if money and self._stores.customers.unmatched(money.receipt, self._book.deadline()) is not None:
            money = None  # the same proof came before
        posting = Posting(id_, self._kept(kept, found, now), _claims(kept.payment, found), unmatched=money)
        if isinstance(found, Settled) and found.effect is Effect.CREDIT:
            credited = self._credit(posting, found.payment, now, attempt)
            if credited is None:
                return self._cannot(kept, found, proof, now)
            posting = credited
        if found.payment == kept.payment and not _to_ask(kept, found, now):
            posting = posting._replace(payment=None)
            if money is None:
                return found
        posted = self._book.post(posting)
        if posted.outcome is Outcome.COMMITTED:
            self._book.told(kept.payment, found.payment)
            return found
        if Part.MPESA in posted.parts and self._elsewhere(found.payment):
            return self._booked_before(kept, found, now, attempt)
        return None

    def _credit(
        self, posting: Posting, payment: Payment, now: int, attempt: int, out_of: Account | None = None
    ) -> Posting | None:
        """The posting with journal, number and what was bought; None if nobody is there to have it.

        `out_of`: where its money was booked before, None where it comes from M-Pesa now.
        """
        number = self._book.number(payment.id, attempt)
        receipt = "" if out_of else payment.mpesa_receipt
        came = Came(out_of or mpesa(payment.shortcode), payment.cents, receipt, payment.id)
        if not payment.package:
            return self._balance(posting, payment.subscriber, came, number, payment.paid_at, now)
        change = self._right(posting, payment, now)
        if change is None:
            return None
        booked = fact(payment.id, payment.paid_at, now)
        sale = Sale(payment.package, payment.cents, rate_on(self._book.rates, booked.day), payment.id, number.text)
        entry = number.entry(sale_by_mpesa(booked, sale, came), payment.subscriber)
        return posting._replace(entries=(entry,), changes=(change,))

    def _right(self, posting: Posting, payment: Payment, now: int) -> Change | None:
        kept = posting.payment
        device, waits = (kept.device, kept.waits) if kept else ("", None)
        given = Given(SubscriberId(payment.subscriber), payment.id, payment.package, device, waits=waits, sold=True)
        try:
            return self._book.give(given, posting.id, now)
        except (
            Corrupt
        ):  # the terms are not in the catalogue, or the aggregate cannot be read: the money stays somebody's
            return None

    def _balance(
        self, posting: Posting, subscriber: str, came: Came, number: Number, paid_at: int, now: int
    ) -> Posting | None:
        """The posting of money for a balance; None for somebody who has none."""
        customer = self._stores.customers.customer(SubscriberId(subscriber), self._book.deadline())
        if customer is None:
            return None
        subject = came.payment or came.mpesa_receipt
        journal: Journal = top_up(fact(subject, paid_at, now), subscriber, came, number.text)
        after = customer._replace(balance_cents=customer.balance_cents + came.cents, version=customer.version + 1)
        return posting._replace(entries=(number.entry(journal, subscriber),), customer=after)

    def _cannot(self, kept: KeptPayment, found: Settlement, proof: Proof, now: int) -> Settlement:
        """Paid, and there is nobody to credit: a person looks. Money that named its receipt is held under it."""
        money = _unmatched(kept.payment, proof, now) if found.payment.mpesa_receipt else None
        if money is not None:
            self._hold(money)
        return Refused(kept.payment, Why.IMPOSSIBLE, alarm=True, unmatched=money is not None)

    def _elsewhere(self, payment: Payment) -> bool:
        owner = self._stores.postings.owner(ClaimKind.MPESA, payment.mpesa_receipt, self._book.deadline())
        return owner is not None and owner != payment.id

    def _booked_before(self, kept: KeptPayment, found: Settlement, now: int, attempt: int) -> Settlement | None:
        """A receipt whose money was booked before the proof came: the payment is paid out of it, if it is still there.

        A notice that named nothing came and waited in vain for this proof. Who claimed that money for a balance has it:
        the customer's own balance pays, another's is a dispute.
        """
        first = isinstance(found, Settled) and found.effect is Effect.CREDIT
        there = self._there(found.payment) if first else None
        if there is None:
            return self._dispute(kept, now)
        claims = tuple(each for each in _claims(kept.payment, found) if each.kind is not ClaimKind.MPESA)
        posting = Posting(self._book.new_id(), self._kept(kept, found, now), claims)
        credited = self._credit(posting, found.payment, now, attempt, there.account)
        if credited is None:
            return self._dispute(kept, now)
        whole = credited._replace(unmatched=there.unmatched, customer=there.customer or credited.customer)
        if self._book.post(whole).outcome is not Outcome.COMMITTED:
            return None
        self._book.told(kept.payment, found.payment)
        return found

    def _there(self, payment: Payment) -> _There | None:
        """Where the money of this payment's receipt is; None if another has it, or it was used."""
        receipt, deadline = payment.mpesa_receipt, self._book.deadline
        money = self._stores.customers.unmatched(receipt, deadline())
        if money is None or money.cents != payment.cents:
            return None
        if money.state is UnmatchedState.HELD:
            taken = money._replace(state=UnmatchedState.CLAIMED, payment=payment.id, version=money.version + 1)
            return _There(Account(AccountKind.UNMATCHED, receipt), unmatched=taken)
        customer = self._stores.customers.customer(SubscriberId(payment.subscriber), deadline())
        if not payment.package or customer is None or customer.balance_cents < payment.cents:
            return None
        names = [f"{cause.value}:{receipt}" for cause in (Cause.TOP_UP, Cause.UNMATCHED_CLAIMED)]
        if not any(each.subscriber == payment.subscriber for each in self._stores.ledger.entries(names, deadline())):
            return None
        after = customer._replace(balance_cents=customer.balance_cents - payment.cents, version=customer.version + 1)
        return _There(balance_of(payment.subscriber), customer=after)

    def _dispute(self, kept: KeptPayment, now: int) -> Settlement | None:
        """The receipt's money was booked for something else: no second credit, now or by a query; a person looks."""
        payment = kept.payment
        if payment.state is not PaymentState.PROVEN:
            payment = msgspec.structs.replace(payment, state=PaymentState.DISPUTED)
        refused = Refused(payment, Why.OTHER_MONEY, alarm=True)
        if payment.state is kept.payment.state:
            return refused
        posted = self._book.post(Posting(self._book.new_id(), self._kept(kept, refused, now)))
        if posted.outcome is not Outcome.COMMITTED:
            return None
        self._book.told(kept.payment, payment)
        return refused

    @staticmethod
    def _kept(kept: KeptPayment, found: Settlement, now: int) -> KeptPayment:
        """The payment as it is to be stored: due until it is decided, its receipt is known, and its device was seen."""
        after = kept._replace(payment=found.payment, version=kept.version + 1)
        if isinstance(found, Settled):
            return _paid(after, found, now)
        over = isinstance(found, Refused) and found.payment.state in {PaymentState.FAILED, PaymentState.DISPUTED}
        if over:
            return after._replace(due_at=_failed_asked_at(found.payment, now), tries=0)
        return after._replace(due_at=now, tries=0) if _to_ask(kept, found, now) else after

    # -- money that came by hand -----------------------------------------------------------------------------------

    def notice(self, notice: Notice, now: int, *, last: bool = False) -> Landed:
        """A C2B confirmation: to the payment whose reference it names, to a balance, or kept until it is claimed.

        `last`: it stands in a statement, so that no other word of this money will come: a payment that was proven by
        query, and whose reference it names, takes it for its own.
        """
        deadline = self._book.deadline
        owner = self._stores.postings.owner(ClaimKind.MPESA, notice.mpesa_receipt, deadline())
        if owner is not None:
            return Landed(known=True)
        reference = parse_reference(notice.reference)
        payment = self._stores.postings.owner(ClaimKind.REFERENCE, reference, deadline()) if reference else None
        if payment is not None:
            return self._for_payment(notice, payment, reference or "", now, last=last)
        number = parse_account(notice.reference)
        subscriber = self._stores.postings.owner(ClaimKind.ACCOUNT, number, deadline()) if number else None
        if subscriber is not None:
            return self._for_customer(notice, subscriber, now)
        return self._keep(notice, "", now)  # whose telephone paid says nothing yet: a prompt's money comes so too

    def _for_payment(self, notice: Notice, payment: str, reference: str, now: int, *, last: bool) -> Landed:
        proof = notice.proof(reference)
        found = self.prove(payment, proof, now)
        if last and isinstance(found, Waits) and found.why is Why.HELD:
            found = self.prove(payment, msgspec.structs.replace(proof, event=PaymentEvent.RECEIPT_FOUND), now)
        if isinstance(found, Settled):
            return Landed(payment, "" if found.payment.package else found.payment.subscriber)
        return self._keep(notice, payment if isinstance(found, Waits) else "", now)

    def _for_customer(self, notice: Notice, subscriber: str, now: int) -> Landed:
        """Any amount that names a customer lands on that customer's balance."""
        came = Came(mpesa(notice.shortcode), notice.cents, notice.mpesa_receipt)
        for attempt in self._book.tries(notice.mpesa_receipt):
            number = self._book.number(notice.mpesa_receipt, attempt)
            claim = Claim(ClaimKind.MPESA, notice.mpesa_receipt, subscriber)
            empty = Posting(self._book.new_id(), claims=(claim,))
            posting = self._balance(empty, subscriber, came, number, notice.paid_at or now, now)
            if posting is None:
                return self._keep(notice, "", now)
            posted = self._book.post(posting)
            if posted.outcome is Outcome.COMMITTED:
                return Landed(subscriber=subscriber)
            if posted.parts & {Part.MPESA, Part.JOURNAL}:
                return Landed(known=True)
        raise AssertionError  # `tries` ends by raising

    def _keep(self, notice: Notice, payment: str, now: int) -> Landed:
        money = Unmatched(
            notice.mpesa_receipt,
            notice.cents,
            notice.shortcode,
            notice.paid_at or now,
            UnmatchedState.WAITS,
            1,
            payment,
            notice.reference,
            notice.payer_hash,
            now + SAME_MONEY_S,
        )
        self._hold(money)
        return Landed(payment, waits=True)

    def _hold(self, money: Unmatched) -> None:
        """Write money down that is not written down yet."""
        self._book.post(Posting(self._book.new_id(), unmatched=money))


def _paid(after: KeptPayment, found: Settled, now: int) -> KeptPayment:
    """When it is looked at next, and how often it was before."""
    if after.device and after.payment.package:
        return after._replace(due_at=now + ONLINE_AFTER_S, tries=0) if found.effect is Effect.CREDIT else after
    proven = after.payment.state is PaymentState.PROVEN
    return after._replace(due_at=now + RECEIPT_ASKED_AFTER_S if proven else 0)


def _to_ask(kept: KeptPayment, found: Settlement, now: int) -> bool:
    """True if a callback says paid and not how much, and nobody will ask soon: the payment has failed."""
    payment = found.payment
    if not isinstance(found, Waits) or found.why is not Why.NO_RECEIPT or payment.state in _DECIDED:
        return False
    fresh = now < payment.created_at + FAILED_UNTIL_S
    return bool(payment.checkout_id) and fresh and not 0 < kept.due_at <= now + ASK_SOON_S


def _failed_asked_at(payment: Payment, now: int) -> int:
    """When a payment that is over is asked about once more; 0 for never."""
    asked_at = payment.created_at + FAILED_ASKED_AFTER_S
    wanted = payment.state is PaymentState.FAILED and payment.code in _MAY_BE_PAID_YET and bool(payment.checkout_id)
    return asked_at if wanted and now < asked_at else 0


def _money_is_free(found: Settlement) -> bool:
    return isinstance(found, Refused) and found.unmatched


def _unmatched(payment: Payment, proof: Proof, now: int) -> Unmatched:
    """Money that a proof of this payment named and that is not this payment's."""
    return Unmatched(
        proof.mpesa_receipt,
        proof.cents or 0,
        proof.shortcode or payment.shortcode,
        proof.paid_at or now,
        UnmatchedState.WAITS,
        1,
        reference=proof.reference or payment.reference,
        due_at=now,
    )


def _claims(before: Payment, found: Settlement) -> tuple[Claim, ...]:
    """Names that are the payment's from now on."""
    after = found.payment
    claims = []
    if after.checkout_id != before.checkout_id:
        claims.append(Claim(ClaimKind.CHECKOUT, after.checkout_id, after.id))
    if after.mpesa_receipt != before.mpesa_receipt:
        claims.append(Claim(ClaimKind.MPESA, after.mpesa_receipt, after.id))
    return tuple(claims)
