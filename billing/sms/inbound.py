"""What customers send back: STOP and START, as Africa's Talking posts incoming messages and its own opt-outs. Pure."""

from typing import NamedTuple
from urllib.parse import parse_qs

from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone

BODY_BYTES_MAX = 4_096
_FIELDS_MAX = 20
STOPS = frozenset({"stop", "stopall", "unsubscribe", "end", "cancel", "quit", "acha", "simamisha", "ondoa", "sitaki"})
STARTS = frozenset({"start", "unstop", "anza", "nataka"})


class Wish(NamedTuple):
    """A phone wants no notices (`out`), or wants them again."""

    phone: str
    out: bool


def parse_wish(body: bytes) -> Wish | None:
    """Read the form that is posted; None for a text that asks for neither.

    An incoming message has `from` and `text`; an opt-out that the gateway took itself has `phoneNumber` and `senderId`.
    Raises Malformed naming the field, never showing what was in it.
    """
    if len(body) > BODY_BYTES_MAX:
        raise Malformed("body", f"must be at most {BODY_BYTES_MAX} bytes")
    try:
        form = parse_qs(body.decode(), max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as strange:
        raise Malformed("body", "must be a form") from strange
    field = "from" if "from" in form else "phoneNumber"
    phone = parse_phone(form.get(field, [""])[0])
    if phone is None:
        raise Malformed(field, "must be a Kenyan mobile number")
    if field == "phoneNumber":
        return Wish(phone, out=True)
    words = form.get("text", [""])[0].split()
    word = words[0].strip(".,!\"'").casefold() if words else ""
    return Wish(phone, word in STOPS) if word in STOPS | STARTS else None
