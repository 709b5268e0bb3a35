"""Daraja's requests as bodies, and what the direct replies to them mean. Pure: no clock, no network.

The bodies are the documented ones, with their spellings (``RecieverIdentifierType``). A reply is judged by its
errorCode or ResultCode, never by a text and rarely by the HTTP status: one code comes with several. Source: the
project's notes on Daraja.
"""

from base64 import b64encode
from typing import Any, NamedTuple

from billing.domain.daraja import PAID, PushOutcome, fails, normal_code, push_error
from billing.domain.payment import PaymentEvent, check_amount, check_phone
from billing.domain.settle import Proof
from billing.mpesa import fields
from billing.mpesa.fields import stamp
from billing.provider import (
    Accepted,
    Already,
    Local,
    Pushed,
    PushRequest,
    Queried,
    Refused,
    Requested,
    Taken,
    TooMany,
    Trouble,
    Unknown,
)
from radius.domain.errors import Malformed

PUSH = "/mpesa/stkpush/v1/processrequest"
QUERY = "/mpesa/stkpushquery/v1/query"
STATUS = "/mpesa/transactionstatus/v1/query"
REVERSAL = "/mpesa/reversal/v1/request"
REGISTER = "/mpesa/c2b/v2/registerurl"
OAUTH = "/oauth/v1/generate"

THROTTLED_S = 60  # the window of the observed limit: after a 429 nothing is asked for so long
REFERENCE_CHARS_MAX = 12
DESCRIPTION_CHARS_MAX = 13
_THROTTLED = frozenset({"500.003.02", "500.003.03"})
_REGISTERED = "500.003.1001"  # "URLs are already registered"

Body = dict[str, Any]


class Account(NamedTuple):
    """Whose money it is. `till` is set for Buy Goods: money goes there, while `shortcode` is the store that asks."""

    shortcode: str
    passkey: str
    till: str = ""

    def __repr__(self) -> str:
        return f"Account({self.shortcode!r}, ..., {self.till!r})"


class Addresses(NamedTuple):
    """Where Daraja calls us: `base` is public and https, `secret` a path segment that only Daraja is told.

    No word that C2B registration is known to refuse (mpesa, safaricom, query, sql, cmd, exe) is in a path.
    """

    base: str
    secret: str

    def __repr__(self) -> str:
        return f"Addresses({self.base!r}, ...)"

    def stk(self, token: str) -> str:
        """The callback of one payment."""
        return f"{self.base}/pay/stk/{token}"

    @property
    def result(self) -> str:
        """Results of what answers later."""
        return f"{self.base}/pay/result/{self.secret}"

    @property
    def late(self) -> str:
        """Daraja gave up waiting for such a result."""
        return f"{self.base}/pay/late/{self.secret}"

    @property
    def confirmation(self) -> str:
        """Money paid by hand."""
        return f"{self.base}/pay/c2b/{self.secret}/confirm"

    @property
    def validation(self) -> str:
        """Whether such money is wanted."""
        return f"{self.base}/pay/c2b/{self.secret}/check"


class Initiator(NamedTuple):
    """Who may ask for a status or a reversal; `credential` is the SecurityCredential, encrypted already."""

    name: str
    credential: str

    def __repr__(self) -> str:
        return f"Initiator({self.name!r}, ...)"


def _signed(account: Account, now: int) -> Body:
    """The three fields that say who asks. The time is inside the password, so both come from one instant."""
    time = stamp(now)
    password = b64encode(f"{account.shortcode}{account.passkey}{time}".encode()).decode()
    return {"BusinessShortCode": account.shortcode, "Password": password, "Timestamp": time}


def push_body(account: Account, request: PushRequest, callback_url: str, now: int) -> Body:
    """The body of a push. Raises Malformed for an amount, a phone or a text that Daraja would refuse."""
    shillings, phone = check_amount(request.cents), check_phone(request.phone)
    for field, text, most in (
        ("reference", request.reference, REFERENCE_CHARS_MAX),
        ("description", request.description, DESCRIPTION_CHARS_MAX),
    ):
        if not 1 <= len(text) <= most or not text.isascii():
            raise Malformed(field, f"must have 1 to {most} ASCII characters")
    return _signed(account, now) | {
        "TransactionType": "CustomerBuyGoodsOnline" if account.till else "CustomerPayBillOnline",
        "Amount": str(shillings),
        "PartyA": phone,
        "PartyB": account.till or account.shortcode,
        "PhoneNumber": phone,
        "CallBackURL": callback_url,
        "AccountReference": request.reference,
        "TransactionDesc": request.description,
    }


def query_body(account: Account, checkout_id: str, now: int) -> Body:
    """The body of a query."""
    return _signed(account, now) | {"CheckoutRequestID": checkout_id}


def status_body(account: Account, who: Initiator, addresses: Addresses, mpesa_receipt: str) -> Body:
    """The body of a transaction status request; identifier type 4 is a shortcode."""
    return _later(who, addresses, "TransactionStatusQuery", mpesa_receipt) | {
        "PartyA": account.shortcode,
        "IdentifierType": "4",
        "Remarks": "Status",
    }


def reversal_body(account: Account, who: Initiator, addresses: Addresses, mpesa_receipt: str, cents: int) -> Body:
    """The body of a reversal; the field is misspelt so, and 11 is the type for reversals. Raises Malformed."""
    return _later(who, addresses, "TransactionReversal", mpesa_receipt) | {
        "Amount": str(check_amount(cents)),
        "ReceiverParty": account.shortcode,
        "RecieverIdentifierType": "11",
        "Remarks": "Refund",
    }


def _later(who: Initiator, addresses: Addresses, command: str, mpesa_receipt: str) -> Body:
    """What requests have in common whose result comes later."""
    return {
        "Initiator": who.name,
        "SecurityCredential": who.credential,
        "CommandID": command,
        "TransactionID": mpesa_receipt,
        "ResultURL": addresses.result,
        "QueueTimeOutURL": addresses.late,
        "Occasion": "",
    }


def register_body(account: Account, addresses: Addresses) -> Body:
    """The body that names our addresses for C2B. Money is taken when our validation does not answer."""
    return {
        "ShortCode": account.till or account.shortcode,
        "ResponseType": "Completed",
        "ConfirmationURL": addresses.confirmation,
        "ValidationURL": addresses.validation,
    }


class Said(NamedTuple):
    """A direct reply. `throttled`: refused for coming too often, before anything was done."""

    body: Body
    code: str
    text: str
    throttled: bool


def read_reply(status: int, raw: bytes) -> Said:
    """The parts of a reply; none of them need be there."""
    try:
        body = fields.read(raw)
    except Malformed:
        return Said({}, "", "", throttled=status == 429)
    code, text = fields.optional(body.get("errorCode")), fields.shown(body.get("errorMessage"))
    fault = body.get("fault")
    if isinstance(fault, dict):  # the gateway's own: {"fault": {"faultstring": .., "detail": {"errorcode": ..}}}
        detail = fault.get("detail")
        code = code or fields.optional(detail.get("errorcode") if isinstance(detail, dict) else "")
        text = text or fields.shown(fault.get("faultstring"))
    return Said(body, code, text, throttled=status == 429 or "ratelimit" in code or code in _THROTTLED)


def stale_token(status: int, raw: bytes) -> bool:
    """True if the reply says that the access token is no good: nothing was done, and a new one may help."""
    said = read_reply(status, raw)
    return status == 401 or (bool(said.code) and push_error(said.code).token)


def throttled(status: int, raw: bytes) -> bool:
    """True if the reply says that we come too often: nothing was done."""
    return read_reply(status, raw).throttled


def trouble(path: str, status: int, raw: bytes) -> Trouble | None:
    """What is wrong with the interface, by one reply. A query's errorCode is an ordinary answer: not yet."""
    said = read_reply(status, raw)
    if said.throttled:
        return Trouble.TOO_MANY
    if status in {401, 403} or (path == OAUTH and status != 200) or (said.code and push_error(said.code).token):
        return Trouble.TOKEN
    return Trouble.ERROR if status >= 500 and not (path == QUERY and said.code) else None


def parse_push(status: int, raw: bytes) -> Pushed:
    """What is known after this reply to a push."""
    said = read_reply(status, raw)
    if not said.code and not said.throttled and said.body.get("ResponseCode") == "0":
        checkout_id = fields.optional(said.body.get("CheckoutRequestID"))
        return Accepted(checkout_id) if checkout_id else Unknown("accepted without a CheckoutRequestID")
    return not_taken(status, said)


def not_taken(status: int, said: Said) -> Refused | Unknown:
    """What a reply means that says nothing of what was wanted."""
    if said.throttled:
        return Refused(said.code or Local.THROTTLED, said.text, again=True)
    if status == 401:
        return Refused(said.code or Local.NO_TOKEN, said.text, again=True)
    known = push_error(said.code)
    if known.outcome is PushOutcome.REFUSED:
        return Refused(said.code, said.text, known.again)
    return Unknown(f"HTTP {status} {said.code or 'without a code'}")


def parse_query(status: int, raw: bytes, checkout_id: str) -> Queried:
    """What a query of `checkout_id` proves. An errorCode proves nothing: it is seen for finished payments too."""
    said = read_reply(status, raw)
    if said.throttled:
        return TooMany(THROTTLED_S)
    if status == 401 or (said.code and push_error(said.code).token):
        return Unknown(f"HTTP {status}: the access token was refused")
    if said.code:
        return Proof(PaymentEvent.QUERY_OPEN, checkout_id=checkout_id, code=said.code)
    result = normal_code(fields.optional(said.body.get("ResultCode")))
    named = fields.optional(said.body.get("CheckoutRequestID"))
    if not result or status != 200 or said.body.get("ResponseCode") != "0" or named != checkout_id:
        return Unknown(f"HTTP {status} without a result for this checkout")
    event = PaymentEvent.QUERY_FAILED if fails(result) else PaymentEvent.QUERY_OPEN
    return Proof(PaymentEvent.QUERY_PAID if result == PAID else event, checkout_id=checkout_id, code=result)


def parse_requested(status: int, raw: bytes) -> Requested:
    """What is known after a request whose result comes later (status, reversal)."""
    said = read_reply(status, raw)
    if not said.code and not said.throttled and said.body.get("ResponseCode") == "0":
        conversation = fields.optional(said.body.get("ConversationID"))
        return Taken(conversation) if conversation else Unknown("taken without a ConversationID")
    return not_taken(status, said)


def parse_register(status: int, raw: bytes) -> Refused | Unknown | Already | None:
    """None if the addresses are registered, Already if some were before."""
    said = read_reply(status, raw)
    if not said.code and not said.throttled and fields.optional(said.body.get("ResponseCode")) in {"0", "00000000"}:
        return None
    if said.code == _REGISTERED:
        return Already()
    return not_taken(status, said)


class Token(NamedTuple):
    """An access token; its `repr` shows nothing."""

    text: str
    lives_s: int

    def __repr__(self) -> str:
        return f"Token(..., {self.lives_s})"


def parse_token(status: int, raw: bytes) -> Token:
    """The token of an OAuth reply; raises Malformed, which does not show what was said (it might be a token)."""
    said = read_reply(status, raw)
    text = said.body.get("access_token")
    lives = said.body.get("expires_in")
    if status != 200 or not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text:
        raise Malformed("access_token", f"HTTP {status}; the keys may be those of the other environment")
    if not isinstance(lives, str) or not lives.isascii() or not lives.isdigit() or len(lives) > 6:
        raise Malformed("expires_in", "must be seconds")
    return Token(text, int(lives))
