"""A payment's life-cycle, as a table. Failed and expired payments are revived by a later proof; paid is final.

::

    created --push--> pending | unknown | failed      (unknown: the reply was lost; never pushed again by a machine)
    pending, unknown --code--> failed    --nothing for long--> expired
    any of these --proof with a receipt--> paid       --proof by query, which names none--> proven --receipt--> paid
    any of these --proof of another amount--> disputed (that money is held as unmatched)
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from billing.domain.money import whole_shillings
from billing.domain.package import PRICE_CENTS_MAX
from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone

PROMPT_S_MAX = 90  # a prompt lives some 60 s on a phone, and the answer takes its time
BY_HAND = "by_hand"  # the code of a payment without a prompt: its payer pays from the menu of the phone
EXPIRES_S = 900  # nobody waits longer at a portal; a later proof revives it


class PaymentState(StrEnum):
    """What is known of a payment. The value is stored."""

    CREATED = "created"  # committed with its callback token, before anything was sent
    PENDING = "pending"  # the push was accepted
    UNKNOWN = "unknown"  # the push's reply was lost
    FAILED = "failed"
    EXPIRED = "expired"
    DISPUTED = "disputed"  # another amount than asked for came under its token: a person looks
    PROVEN = "proven"  # paid and credited, by a query: the M-Pesa receipt is not known yet
    PAID = "paid"  # paid and credited, receipt known


class PaymentEvent(StrEnum):
    """What may be heard of a payment."""

    PUSH_ACCEPTED = "push_accepted"
    PUSH_REFUSED = "push_refused"
    PUSH_UNKNOWN = "push_unknown"
    CALLBACK_PAID = "callback_paid"  # with amount and receipt
    CALLBACK_FAILED = "callback_failed"  # a terminal code
    CALLBACK_OPEN = "callback_open"  # any other code, and success without a receipt
    QUERY_PAID = "query_paid"  # no amount, no receipt
    QUERY_FAILED = "query_failed"
    QUERY_OPEN = "query_open"
    RECEIPT_FOUND = "receipt_found"  # transaction status, pulled transactions, statement
    C2B_NOTICE = "c2b_notice"  # names the payment's reference; may be the same money by the other door
    WRONG_AMOUNT = "wrong_amount"  # a proof with a receipt, of another amount
    EXPIRY = "expiry"


class Effect(StrEnum):
    """What else is to be done in the same transaction."""

    NOTHING = "nothing"
    CREDIT = "credit"  # journal, right and intent
    ATTACH = "attach"  # the receipt is taken, unique from now on
    HOLD = "hold"  # whoever brings it waits until the receipt is attached
    ALARM = "alarm"  # it cannot be, or contradicts what is known


class Step(NamedTuple):
    """A cell of the table."""

    to: PaymentState
    effect: Effect


S, E = PaymentState, PaymentEvent
PAID_STATES = frozenset({S.PROVEN, S.PAID})
OPEN_STATES = frozenset({S.CREATED, S.PENDING, S.UNKNOWN})

_PENDING, _UNKNOWN, _FAILED = (Step(to, Effect.NOTHING) for to in (S.PENDING, S.UNKNOWN, S.FAILED))
_EXPIRED, _DISPUTED = Step(S.EXPIRED, Effect.NOTHING), Step(S.DISPUTED, Effect.ALARM)
_PAY, _PROVE = Step(S.PAID, Effect.CREDIT), Step(S.PROVEN, Effect.CREDIT)
_ATTACH, _HOLD = Step(S.PAID, Effect.ATTACH), Step(S.PROVEN, Effect.HOLD)
_STAY = Effect.NOTHING  # in whatever state it is
_WRONG = Effect.ALARM

# Columns: created, pending, unknown, failed, expired, disputed, proven, paid.
# Created and unknown have no CheckoutRequestID yet: nobody can have asked about it. What fails a disputed payment
# changes nothing, and a query, which names no amount, cannot be proof for it. A failure heard after `proven` is
# two answers that exclude each other; after `paid` it is a callback that came late.
_ROWS: dict[PaymentEvent, tuple[Step | Effect, ...]] = {
    E.PUSH_ACCEPTED: (_PENDING, _STAY, _PENDING, _STAY, _STAY, _STAY, _STAY, _STAY),
    E.PUSH_REFUSED: (_FAILED, _WRONG, _FAILED, _STAY, _FAILED, _STAY, _WRONG, _WRONG),
    E.PUSH_UNKNOWN: (_UNKNOWN, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY),
    E.CALLBACK_PAID: (_PAY, _PAY, _PAY, _PAY, _PAY, _PAY, _ATTACH, _STAY),
    E.CALLBACK_FAILED: (_FAILED, _FAILED, _FAILED, _STAY, _FAILED, _STAY, _WRONG, _STAY),
    E.CALLBACK_OPEN: (_PENDING, _STAY, _PENDING, _STAY, _STAY, _STAY, _STAY, _STAY),
    E.QUERY_PAID: (_WRONG, _PROVE, _WRONG, _PROVE, _PROVE, _WRONG, _STAY, _STAY),
    E.QUERY_FAILED: (_WRONG, _FAILED, _WRONG, _STAY, _FAILED, _STAY, _WRONG, _WRONG),
    E.QUERY_OPEN: (_STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY, _STAY),
    E.RECEIPT_FOUND: (_PAY, _PAY, _PAY, _PAY, _PAY, _PAY, _ATTACH, _STAY),
    E.C2B_NOTICE: (_PAY, _PAY, _PAY, _PAY, _PAY, _PAY, _HOLD, _STAY),
    E.WRONG_AMOUNT: (_DISPUTED, _DISPUTED, _DISPUTED, _DISPUTED, _DISPUTED, _WRONG, _WRONG, _WRONG),
    E.EXPIRY: (_EXPIRED, _EXPIRED, _EXPIRED, _STAY, _STAY, _STAY, _STAY, _STAY),
}

TABLE: dict[tuple[PaymentState, PaymentEvent], Step] = {
    (state, event): Step(state, cell) if isinstance(cell, Effect) else cell
    for event, row in _ROWS.items()
    for state, cell in zip(PaymentState, row, strict=True)
}


class Payment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment as stored.

    `reference` is printed in the payer's SMS; of the token in the callback's path only the hash is kept. `package`
    is what it buys (``day.3``), empty for a top-up. `code` is the last ResultCode that was heard. The payer's number is
    not here: what comes back is masked, and nothing is ever looked up by it.
    """

    id: str
    cents: int
    shortcode: str
    reference: str
    token_hash: str
    created_at: int
    subscriber: str
    package: str = ""
    state: PaymentState = PaymentState.CREATED
    checkout_id: str = ""
    mpesa_receipt: str = ""
    code: str = ""
    paid_at: int = 0


def prompt_open(payment: Payment, now: int) -> bool:
    """True while its prompt may be on the phone: no other push to that number until then."""
    return payment.state in OPEN_STATES and payment.code != BY_HAND and now < payment.created_at + PROMPT_S_MAX


def check_amount(cents: int) -> int:
    """The whole shillings to ask for; raises Malformed for what M-Pesa cannot move at once."""
    if cents > PRICE_CENTS_MAX:
        raise Malformed("amount", f"M-Pesa moves at most {PRICE_CENTS_MAX // 100:,} shillings at once")
    return whole_shillings(cents)


def check_phone(text: str) -> str:
    """A payer's number as ``2547..`` or ``2541..``: the format alone, because numbers move between networks.

    Raises Malformed, which does not repeat the number.
    """
    phone = parse_phone(text)
    if phone is None:
        raise Malformed("phone", "must be a mobile number such as 0712 345 678 or 0110 345 678")
    return phone
