"""What Daraja sends us: callbacks of pushes, notices of money paid by hand, results of what answers later. Pure.

Nothing of it is signed. Each function raises Malformed, naming the field, for a body that lacks what it cannot do
without; an amount or a receipt of a push that is absent or unreadable is left out of the proof, because settlement then
asks instead of crediting.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256

from billing.domain.daraja import PAID, fails, normal_code
from billing.domain.money import parse
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.mpesa import fields
from billing.provider import Notice, QueueTimedOut, Result
from radius.domain.errors import Malformed

ACKNOWLEDGED: Mapping[str, object] = {"ResultCode": 0, "ResultDesc": "Accepted"}  # to every callback, once it is stored
_PHONE = re.compile(r"254[17][0-9]{8}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Verdict(StrEnum):
    """Answers to a C2B validation: any other than ACCEPT sends the money back."""

    ACCEPT = "0"
    PAYER = "C2B00011"
    ACCOUNT = "C2B00012"
    AMOUNT = "C2B00013"
    SHORTCODE = "C2B00015"
    OTHER = "C2B00016"


def validation_reply(verdict: Verdict) -> dict[str, str]:
    """The body that answers a C2B validation; it is waited for some 8 s."""
    return {"ResultCode": verdict.value, "ResultDesc": "Accepted" if verdict is Verdict.ACCEPT else "Rejected"}


def parse_callback(body: bytes, token: str, shortcode: str = "") -> Proof:
    """The proof in the callback of a push. `token` is from its path, `shortcode` its header ``Businessshortcode``.

    The phone that it names, if any, is not looked at: it may be masked.
    """
    inner = fields.child(fields.child(fields.read(body), "Body", ""), "stkCallback", "Body")
    path = "Body.stkCallback"
    checkout_id = fields.identifier(inner, "CheckoutRequestID", path)
    code = normal_code(fields.identifier(inner, "ResultCode", path))
    shortcode = fields.optional(shortcode)
    if code != PAID:
        event = PaymentEvent.CALLBACK_FAILED if fails(code) else PaymentEvent.CALLBACK_OPEN
        return Proof(event, token=token, checkout_id=checkout_id, shortcode=shortcode, code=code)
    metadata = fields.items(inner.get("CallbackMetadata"))
    named = fields.pairs(metadata[0].get("Item") if metadata else None, "Name")
    return Proof(
        PaymentEvent.CALLBACK_PAID,
        token=token,
        checkout_id=checkout_id,
        shortcode=shortcode,
        cents=fields.cents(named.get("Amount")),
        mpesa_receipt=fields.optional(named.get("MpesaReceiptNumber")).upper(),
        code=code,
        paid_at=fields.instant(named.get("TransactionDate")),
    )


def parse_notice(body: bytes) -> Notice:
    """The money of a C2B confirmation; a validation has the same body, where the receipt is not final yet."""
    said = fields.read(body)
    amount = said.get("TransAmount")
    if not isinstance(amount, str):
        raise Malformed("TransAmount", "must be shillings such as 50 or 5.00")
    typed = said.get("BillRefNumber")
    return Notice(
        mpesa_receipt=fields.identifier(said, "TransID", "").upper(),
        cents=parse(amount, "TransAmount"),
        shortcode=fields.identifier(said, "BusinessShortCode", ""),
        reference=fields.shown(typed).strip(),
        payer_hash=_payer_hash(said.get("MSISDN")),
        paid_at=fields.instant(said.get("TransTime")),
    )


def _payer_hash(phone: object) -> str:
    """SHA-256 of the payer's number in hex. It comes in full, hashed already, or masked and then says nothing."""
    text = phone.strip().lower().removeprefix("+") if isinstance(phone, str) else ""
    if _PHONE.fullmatch(text):
        return sha256(text.encode()).hexdigest()
    return text if _HASH.fullmatch(text) else ""


def parse_result(body: bytes) -> Result:
    """The result of a transaction status request or a reversal."""
    said = fields.child(fields.read(body), "Result", "")
    code = normal_code(fields.identifier(said, "ResultCode", "Result"))
    parameters = fields.items(said.get("ResultParameters"))
    named = fields.pairs(parameters[0].get("ResultParameter") if parameters else None, "Key")
    receipt = fields.optional(named.get("ReceiptNo")) or fields.optional(named.get("OriginalTransactionID"))
    return Result(
        conversation_id=fields.identifier(said, "ConversationID", "Result"),
        code=code,
        done=code == PAID,
        mpesa_receipt=receipt.upper(),
        cents=fields.cents(named.get("Amount")),
        status=fields.shown(named.get("TransactionStatus")),
        paid_at=fields.instant(named.get("FinalisedTime")),
        paid_to=_number(fields.shown(named.get("CreditPartyName"))),
    )


def _number(party: str) -> str:
    """The number of a party, which is shown as ``600999 - Name``."""
    number = party.partition(" ")[0]
    return number if number.isascii() and number.isdigit() else ""


def parse_queue_timeout(body: bytes) -> QueueTimedOut:
    """Which request Daraja gave up on; the envelope of a result is there, or not."""
    said = fields.read(body)
    inner = fields.items(said.get("Result"))
    return QueueTimedOut(fields.identifier(inner[0] if inner else said, "ConversationID", ""))
