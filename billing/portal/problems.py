"""What is answered when it is not done: one JSON shape (RFC 9457), which names the field and the fix.

No answer repeats what was sent. A payment, a code or a path that is not there looks like one that is not yours.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

MEDIA_TYPE = "application/problem+json"
SCHEMA = "#/components/schemas/Problem"


class Code(StrEnum):
    """For programs; pages have a text in each language for each."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    NO_METHOD = "no_method"
    NO_SITE = "no_site"
    NOT_SOLD = "not_sold"
    NO_PAYMENT = "no_payment"
    NO_RIGHT = "no_right"
    NO_CODE = "no_code"
    CODE_OVER = "code_over"
    WRONG_CODE = "wrong_code"
    NOT_SIGNED_IN = "not_signed_in"
    BLOCKED = "blocked"
    PHONE_BUSY = "phone_busy"
    KEY_REUSED = "key_reused"
    NOT_SENT = "not_sent"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many"
    AWAY = "away"
    FAULT = "fault"


class Kind(NamedTuple):
    """HTTP status, what happened, and what to do."""

    status: int
    title: str
    fix: str


KINDS = {
    Code.INVALID: Kind(422, "Something that was sent cannot be used", "Mend what `errors` names and send it again."),
    Code.NOT_FOUND: Kind(404, "There is nothing here", "Look at the address."),
    Code.NO_METHOD: Kind(405, "That cannot be done here", "Use a method that `Allow` names."),
    Code.NO_SITE: Kind(404, "There is no such place", "Open the login page of the WiFi once more."),
    Code.NOT_SOLD: Kind(404, "That package is not sold here", "Ask for the packages anew and choose one of them."),
    Code.NO_PAYMENT: Kind(404, "There is no such payment", "Begin a new one."),
    Code.NO_RIGHT: Kind(404, "Nothing was bought by it yet", "Wait until the payment is `paid`."),
    Code.NO_CODE: Kind(404, "There is no such code", "Look at the digits and type the code once more."),
    Code.CODE_OVER: Kind(410, "That code is used, void or too old", "Ask the seller for another one."),
    Code.WRONG_CODE: Kind(403, "That code is not right", "Look at the message once more, or ask for another code."),
    Code.NOT_SIGNED_IN: Kind(401, "Nobody is signed in", "Ask for a code and confirm it; a token lasts half an hour."),
    Code.BLOCKED: Kind(403, "This device cannot buy", "Talk to the staff."),
    Code.PHONE_BUSY: Kind(409, "That phone has a prompt open", "Answer it, or wait until it is gone."),
    Code.KEY_REUSED: Kind(409, "The key belongs to another purchase", "Send a new `Idempotency-Key`."),
    Code.NOT_SENT: Kind(502, "M-Pesa took no order", "Try again with a new `Idempotency-Key`; nothing was asked for."),
    Code.TOO_LARGE: Kind(413, "That is too much", "Send less."),
    Code.TOO_SLOW: Kind(408, "It took too long to arrive", "Send it again."),
    Code.TOO_MANY: Kind(429, "Too many tries", "Wait as long as `Retry-After` says."),
    Code.AWAY: Kind(503, "Not now", "Try again when `Retry-After` is over; a key that comes again buys nothing twice."),
    Code.FAULT: Kind(500, "Something is broken on our side", "Try again, and tell the staff if it stays so."),
}
AWAY_S = 5  # a store that failed over is back by then
ANY = (Code.TOO_MANY, Code.AWAY)  # what every request may get
BODY = (*ANY, Code.INVALID, Code.TOO_LARGE, Code.TOO_SLOW)  # and every one that has a body


class Slip(BaseModel):
    """One field, and what is wanted of it."""

    model_config = ConfigDict(extra="forbid")

    field: str
    fix: str


class Problem(BaseModel):
    """Why it was not done. `detail` is the fix."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    code: Code
    errors: list[Slip]


class Refusal(Exception):
    """Raised by a route: the answer is this problem."""

    def __init__(self, code: Code, wait_s: int = 0, field: str = "", fix: str = "") -> None:
        super().__init__(code.value)
        self.code = code
        self.wait_s = wait_s
        self.slips = (Slip(field=field, fix=fix),) if field else ()


def answer(
    code: Code, wait_s: int = 0, slips: tuple[Slip, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    """The response. `wait_s`: becomes Retry-After."""
    kind = KINDS[code]
    problem = Problem(
        type=f"urn:wifibilling:{code.value}",
        title=kind.title,
        status=kind.status,
        detail=kind.fix,
        code=code,
        errors=list(slips),
    )
    said = dict(headers or {})
    if wait_s:
        said["Retry-After"] = str(wait_s)
    if kind.status == 401:
        said["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.model_dump(mode="json"), kind.status, said, MEDIA_TYPE)


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """These problems as `responses` of a route."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        kind = KINDS[code]
        entry = found.setdefault(
            kind.status, {"description": "", "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}}}}
        )
        entry["description"] = "; ".join(filter(None, (entry["description"], f"`{code.value}`: {kind.title}")))
    return found
