"""The provider's port: who asks a payer's phone for money, says later what became of it, and gives money back.

Daraja is the first provider. Nothing here raises for what the network or the provider does: outcomes are values.
`now` is UTC seconds, money integer cents. Source: the project's notes on Daraja as it behaves.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol

from billing.domain.daraja import ErrorClass, error_class, push_error
from billing.domain.payment import BY_HAND, Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof


class PushRequest(NamedTuple):
    """A prompt for one phone. `phone` as `check_phone` gives it; `token` goes into the path of the callback.

    `reference` (<= 12 characters) is printed in the payer's SMS, `description` (<= 13) may be shown: nothing private.
    """

    phone: str
    cents: int
    reference: str
    token: str
    description: str = "WiFi"

    def __repr__(self) -> str:
        return f"PushRequest({self.reference!r}, {self.cents}, ...)"  # phone and token are in no log


class Accepted(NamedTuple):
    """Taken for processing, which is no payment. `checkout_id` names the prompt from now on."""

    checkout_id: str


class Refused(NamedTuple):
    """Nothing was done. `again`: it may be sent again later, as it is (busy, no connection); else it never works so.

    `code` is the provider's errorCode, or one of `Local`; `text` is the provider's, for logs, at most 200 characters.
    """

    code: str
    text: str = ""
    again: bool = False


class Unknown(NamedTuple):
    """No reply, or one that does not say what was done. What moves money is never sent again after it by a machine."""

    why: str


class PayByHand(NamedTuple):
    """Nothing was sent, nor will be: the payer pays `to` from the menu of the phone, and shows the code of it."""

    to: str


class Already(NamedTuple):
    """It was done before; by whom, and how, is not said."""


class TooMany(NamedTuple):
    """Not asked, or `refused` for asking too often: not before `wait_s` seconds from now."""

    wait_s: float
    refused: bool = True


class Taken(NamedTuple):
    """An asynchronous request was taken; its result comes by callback and carries `conversation_id`."""

    conversation_id: str


class Local(StrEnum):
    """Codes of a Refused that never reached the provider."""

    NO_CONNECTION = "no_connection"  # refused or timed out before a byte of the request was sent
    NO_TOKEN = "no_token"  # noqa: S105 - a code, no secret: OAuth gave no token, so the request was not sent
    NO_INITIATOR = "no_initiator"  # who may reverse and ask for transactions was not set up
    THROTTLED = "throttled"  # HTTP 429 without a code of its own


_LOCAL = {
    Local.NO_CONNECTION.value: ErrorClass.NETWORK,
    Local.NO_TOKEN.value: ErrorClass.CONFIGURATION,
    Local.THROTTLED.value: ErrorClass.SYSTEM,
}


def fault(ended: Payment) -> ErrorClass:
    """Whose fault it is that it was not paid. Of a prompt that was never sent, the code is one of the push."""
    if ended.state is PaymentState.EXPIRED and ended.code == BY_HAND:
        return ErrorClass.CUSTOMER
    if ended.state is not PaymentState.FAILED:
        return ErrorClass.UNKNOWN
    if ended.code in _LOCAL:
        return _LOCAL[ended.code]
    return error_class(ended.code) if ended.checkout_id else push_error(ended.code).error_class


class Trouble(StrEnum):
    """Why the provider's interface did not do a request. What a payer did or has not is none of it."""

    TOKEN = "token"  # noqa: S105 - a word, no secret: OAuth gave none, or the token was refused
    TOO_MANY = "too_many"
    ERROR = "error"  # 5xx
    SILENT = "silent"  # no connection, or no answer


Pushed = Accepted | Refused | Unknown | PayByHand
Queried = Proof | TooMany | Unknown  # a Proof of the events QUERY_PAID, QUERY_FAILED or QUERY_OPEN
Requested = Taken | Refused | Unknown


class Notice(NamedTuple):
    """Money that somebody paid by hand (C2B). `reference` is what they typed, empty at a till.

    `payer_hash` is the SHA-256 of ``2547...`` in hex, empty where the number came masked; the number is not kept.
    `paid_at` is M-Pesa's time, 0 where it is not said.
    """

    mpesa_receipt: str
    cents: int
    shortcode: str
    reference: str = ""
    payer_hash: str = ""
    paid_at: int = 0

    def proof(self, reference: str) -> Proof:
        """As a proof for the payment of `reference` (what `parse_reference` made of what was typed)."""
        return Proof(
            PaymentEvent.C2B_NOTICE,
            reference=reference,
            shortcode=self.shortcode,
            cents=self.cents,
            mpesa_receipt=self.mpesa_receipt,
            paid_at=self.paid_at,
        )


class Result(NamedTuple):
    """The result of a status request or a reversal, by callback. `done`: ResultCode 0.

    `mpesa_receipt`, `cents` and `status` (as ``Completed``, ``Reversed``) are those of the transaction that was asked
    about, where they are named; `paid_at` is when it was finalised, 0 where that is not said; `paid_to` is the number
    that its money went to.
    """

    conversation_id: str
    code: str
    done: bool
    mpesa_receipt: str = ""
    cents: int | None = None
    status: str = ""
    paid_at: int = 0
    paid_to: str = ""


class Addresses(NamedTuple):
    """Where the provider calls about money paid by hand: what may be shown, and a hash of it all."""

    base: str
    hashed: str


class QueueTimedOut(NamedTuple):
    """The provider gave up waiting for its own answer to a request. That is no failure: ask later."""

    conversation_id: str


class Provider(Protocol):
    """What billing needs of a provider. Every method waits for at most the provider's own time-outs (some 35 s)."""

    @property
    def shortcode(self) -> str:
        """The number that money goes to, as payments keep it."""

    @property
    def doors(self) -> Addresses | None:
        """Where it calls us; None for a provider that calls nobody."""

    @property
    def gives_back(self) -> bool:
        """Whether it can be asked to give money back."""

    def push(self, request: PushRequest, now: int) -> Pushed:
        """Prompt a phone, once. The payment and its token must be committed before."""

    def query(self, checkout_id: str, now: int) -> Queried:
        """Ask what became of a prompt; within one rate for all callers."""

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        """Ask for a transaction's amount and state; a `Result` comes by callback."""

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:
        """Give money of a receipt back; a `Result` comes by callback. After Unknown it is never sent again blindly."""

    def register_urls(self, now: int) -> Refused | Unknown | Already | None:
        """Name our addresses for C2B; None when they are registered. Production takes this once."""
