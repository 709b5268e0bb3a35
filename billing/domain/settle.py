"""Settlement: what a proof does to a payment. One path for callbacks, queries, receipts found later and C2B notices.

It decides; the caller commits the new payment, and with CREDIT or ATTACH the M-Pesa receipt (unique over all doors),
journal, right and intent, in one transaction conditional on the payment as it was read.
"""

import re
from enum import StrEnum
from hmac import compare_digest
from typing import NamedTuple

import msgspec

from billing.domain.daraja import ALARMING, PAID, error_class, push_error
from billing.domain.draw import token_hash
from billing.domain.payment import (
    EXPIRES_S,
    PAID_STATES,
    TABLE,
    Effect,
    Payment,
    PaymentEvent,
    PaymentState,
    Step,
)

CLOCKS_APART_S_MAX = 300  # between ours and M-Pesa's, for a C2B notice that may be the same money
_RECEIPT = re.compile(r"[A-Z0-9]{6,20}", re.ASCII)  # ten characters today; nobody promises that

E = PaymentEvent
_CALLBACKS = frozenset({E.CALLBACK_PAID, E.CALLBACK_FAILED, E.CALLBACK_OPEN})
_QUERIES = frozenset({E.QUERY_PAID, E.QUERY_FAILED, E.QUERY_OPEN})
_CODED = frozenset({E.CALLBACK_FAILED, E.CALLBACK_OPEN, E.QUERY_FAILED, E.QUERY_OPEN})
_WITH_RECEIPT = frozenset({E.CALLBACK_PAID, E.RECEIPT_FOUND, E.C2B_NOTICE})
_PROOFS = _CALLBACKS | _QUERIES | _WITH_RECEIPT


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was heard, in values. `token` is from a callback's path; `cents` None where no amount is named.

    `paid_at` is M-Pesa's own time of the transaction, 0 where it is not said. `code` is the ResultCode.
    """

    event: PaymentEvent
    token: str = ""
    checkout_id: str = ""
    reference: str = ""
    shortcode: str = ""
    cents: int | None = None
    mpesa_receipt: str = ""
    code: str = ""
    paid_at: int = 0


class Why(StrEnum):
    """Why it is not settled, or not by this."""

    OPEN = "open"  # nothing is decided yet
    HELD = "held"  # credited already; whether this is the same money is known when the receipt is
    FAILED = "failed"  # by a terminal code; a later proof revives it
    EXPIRED = "expired"
    FORGED = "forged"  # not the token of this payment
    OTHER_PAYMENT = "other_payment"  # another CheckoutRequestID or reference
    SHORTCODE = "shortcode"
    AMOUNT = "amount"
    NO_RECEIPT = "no_receipt"  # it should name amount and receipt, and does not
    EARLY = "early"  # a notice of money that came before the payment was made
    OTHER_MONEY = "other_money"  # paid already, with another receipt
    IMPOSSIBLE = "impossible"  # the table says that it cannot be


class Settled(NamedTuple):
    """It is paid. `effect`: CREDIT the first time, ATTACH when the receipt came, else NOTHING."""

    payment: Payment
    effect: Effect
    alarm: bool = False


class Waits(NamedTuple):
    """Not decided yet; the payment as it is to be stored."""

    payment: Payment
    why: Why
    alarm: bool = False


class Refused(NamedTuple):
    """Not paid, or not by this. `unmatched`: money did come, and is to be held under its receipt."""

    payment: Payment
    why: Why
    alarm: bool = False
    unmatched: bool = False


Settlement = Settled | Waits | Refused


def settle(payment: Payment, proof: Proof, now: int) -> Settlement:
    """What `proof` does to `payment`; `now` in UTC seconds. A proof that is not of this payment changes nothing.

    Raises ValueError for an event that is no proof: `pushed` and `expire` are for those.
    """
    if proof.event not in _PROOFS:
        raise ValueError(f"{proof.event.value} is no proof")
    stranger = _stranger(payment, proof)
    if stranger is not None:
        return Refused(payment, stranger, alarm=True)
    if proof.event in _WITH_RECEIPT:
        if proof.cents is None or not _RECEIPT.fullmatch(proof.mpesa_receipt):
            return _nameless(payment, proof, now)
        return _money(payment, proof, now)
    return _step(payment, proof, TABLE[payment.state, proof.event], now)


def _stranger(payment: Payment, proof: Proof) -> Why | None:
    """Why a proof is not of this payment. Its token, checkout and reference say so, never a phone number."""
    if proof.event in _CALLBACKS and not compare_digest(token_hash(proof.token), payment.token_hash):
        return Why.FORGED
    # A callback may be the first to name the checkout, when the push's reply was lost; whoever asks must know it.
    known = bool(proof.checkout_id) and payment.checkout_id in {proof.checkout_id, ""}
    asked = known and bool(payment.checkout_id)
    if (proof.event in _CALLBACKS and not known) or (proof.event in _QUERIES and not asked):
        return Why.OTHER_PAYMENT
    named = bool(proof.reference) and proof.reference == payment.reference
    if proof.event in {E.C2B_NOTICE, E.RECEIPT_FOUND} and not (named or asked):
        return Why.OTHER_PAYMENT
    if (proof.shortcode or proof.event is E.C2B_NOTICE) and proof.shortcode != payment.shortcode:
        return Why.SHORTCODE
    return None


def _nameless(payment: Payment, proof: Proof, now: int) -> Waits:
    """Success that does not say how much or by which receipt: a reason to ask, no reason to credit."""
    if proof.event is E.CALLBACK_PAID:
        payment = _after(payment, proof, TABLE[payment.state, E.CALLBACK_OPEN], now)
    return Waits(payment, Why.NO_RECEIPT, alarm=True)


def _money(payment: Payment, proof: Proof, now: int) -> Settlement:
    """A proof that names a receipt: there is money, and it is somebody's, whether it fits this payment or not."""
    if payment.mpesa_receipt == proof.mpesa_receipt:
        return Settled(payment, Effect.NOTHING, alarm=proof.cents != payment.cents)
    other = _other_money(payment, proof)
    if other is not None:
        return Refused(payment, other, alarm=True, unmatched=True)
    if proof.cents != payment.cents:
        return _wrong_amount(payment, proof)
    return _step(payment, proof, TABLE[payment.state, proof.event], now)


def _other_money(payment: Payment, proof: Proof) -> Why | None:
    if payment.mpesa_receipt:
        return Why.OTHER_MONEY
    if proof.event is not E.C2B_NOTICE:
        return None
    if proof.paid_at < payment.created_at - CLOCKS_APART_S_MAX:
        return Why.EARLY
    # The money of a proven payment had come when the query said so.
    later = payment.state is PaymentState.PROVEN and proof.paid_at > payment.paid_at + CLOCKS_APART_S_MAX
    return Why.OTHER_MONEY if later else None


def _wrong_amount(payment: Payment, proof: Proof) -> Refused:
    """By hand one pays what one likes: that is other money, and the payment goes on.

    Under its own token it is no customer's mistake, and no query may credit the payment afterwards.
    """
    if proof.event is E.C2B_NOTICE:
        return Refused(payment, Why.AMOUNT, unmatched=True)
    step = TABLE[payment.state, E.WRONG_AMOUNT]
    return Refused(_replace(payment, state=step.to), Why.AMOUNT, alarm=True, unmatched=step.to is PaymentState.DISPUTED)


def _step(payment: Payment, proof: Proof, step: Step, now: int) -> Settlement:
    after = _after(payment, proof, step, now)
    alarm = step.effect is Effect.ALARM or _alarming(proof)
    if step.effect is Effect.HOLD:
        return Waits(after, Why.HELD)
    if after.state in PAID_STATES:
        return Settled(after, Effect.NOTHING if step.effect is Effect.ALARM else step.effect, alarm)
    if step.effect is Effect.ALARM:
        return Refused(after, Why.IMPOSSIBLE, alarm=True)
    if after.state is PaymentState.FAILED:
        return Refused(after, Why.FAILED, alarm)
    return Waits(after, Why.EXPIRED if after.state is PaymentState.EXPIRED else Why.OPEN, alarm)


def _alarming(proof: Proof) -> bool:
    if proof.event is E.PUSH_REFUSED:
        return push_error(proof.code).error_class in ALARMING
    return proof.event in _CODED and error_class(proof.code) in ALARMING


def _after(payment: Payment, proof: Proof, step: Step, now: int) -> Payment:
    if step.effect is Effect.ALARM:
        return payment
    first = step.effect is Effect.CREDIT
    takes_receipt = step.effect is Effect.ATTACH or (first and proof.event in _WITH_RECEIPT)
    return _replace(
        payment,
        state=step.to,
        checkout_id=payment.checkout_id or proof.checkout_id,
        code=PAID if step.to in PAID_STATES else proof.code or payment.code,
        mpesa_receipt=proof.mpesa_receipt if takes_receipt else payment.mpesa_receipt,
        paid_at=_paid_at(payment, proof, now) if first or takes_receipt else payment.paid_at,
    )


def _paid_at(payment: Payment, proof: Proof, now: int) -> int:
    """M-Pesa's time of the transaction, where it can be: it decides on which business day the sale is."""
    possible = payment.created_at - CLOCKS_APART_S_MAX <= proof.paid_at <= now + CLOCKS_APART_S_MAX
    return proof.paid_at if possible else now


def _replace(payment: Payment, **changes: object) -> Payment:
    return msgspec.structs.replace(payment, **changes)


def pushed(payment: Payment, event: PaymentEvent, now: int, checkout_id: str = "", code: str = "") -> Settlement:
    """The payment after the reply to its push (or none): one of the three PUSH events."""
    if checkout_id and payment.checkout_id not in {"", checkout_id}:
        return Refused(payment, Why.OTHER_PAYMENT, alarm=True)  # pushed twice: that must not be
    return _step(payment, Proof(event, checkout_id=checkout_id, code=code), TABLE[payment.state, event], now)


def expire(payment: Payment, now: int) -> Settlement:
    """The payment at `now`, when nothing was heard for `EXPIRES_S`."""
    due = now >= payment.created_at + EXPIRES_S
    step = TABLE[payment.state, E.EXPIRY] if due else Step(payment.state, Effect.NOTHING)
    return _step(payment, Proof(E.EXPIRY), step, now)
