"""From what a person types to what is meant: a customer by phone, MAC, code, serial, account number or id; a size."""

import re
from typing import NamedTuple

from billing.cli.exits import Nobody
from billing.cli.frame import Frame
from billing.domain.voucher import CodeRules, mistyped, slipped
from billing.ports import ClaimKind
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import (
    NameKind,
    SubscriberId,
    Username,
    normal_name,
    parse_mac,
    parse_username,
    parse_written,
)
from radius.domain.subscriber import Subscriber

CODES = CodeRules()
CODE_SHOWN_CHARS = 4
_ID = re.compile(r"[A-Za-z0-9]{16}", re.ASCII)
_SERIAL = re.compile(r"[A-Za-z][A-Za-z0-9]{0,11}-[0-9]{4}(\.[0-9]+)?", re.ASCII)
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SPANS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_NUMBER = re.compile(r"([0-9]+)\s*([A-Za-z]*)", re.ASCII)
WHO = "a phone number, MAC address, code, serial number of a voucher, account number or id"
KINDS = {NameKind.PHONE: "phone", NameKind.MAC: "MAC address", NameKind.NAME: "code or account name"}


class Found(NamedTuple):
    """A customer, and as what the typed text named it."""

    subscriber: SubscriberId
    named: str


def readings(text: str) -> list[Username]:
    """All that a name can mean: twelve hex digits may be a device, a phone or a code."""
    return list(dict.fromkeys((parse_username(text, None), parse_written(text))))


def search(frame: Frame, text: str) -> list[Found]:
    """Whoever `text` can mean, by exact names only; each look-up reads one item. Raises Malformed if it is no name."""
    text = text.strip()
    if not text:
        raise Malformed("WHO", f"is empty: say {WHO}")
    found: dict[SubscriberId, str] = {}
    for name in readings(text):
        owner = frame.core.names.resolve(frame.core.names.alias(name), frame.deadline())
        if owner is not None:
            found.setdefault(owner, KINDS[name.kind])
    ports = frame.billing.store.ports
    account = ports.owner(ClaimKind.ACCOUNT, text, frame.deadline())
    if account is not None:
        found.setdefault(SubscriberId(account), "account number")
    if _ID.fullmatch(text) and frame.core.desk.read(SubscriberId(text), frame.deadline()) is not None:
        found.setdefault(SubscriberId(text), "id")
    paper = ports.voucher(text.upper(), frame.deadline()) if _SERIAL.fullmatch(text) else None
    if paper is not None:
        found.setdefault(paper.subscriber, "serial number")
    payer = ports.owner(ClaimKind.MPESA, text.upper(), frame.deadline())
    payment = ports.payment(payer, frame.deadline()) if payer else None
    paid_by = SubscriberId(payment.payment.subscriber if payment is not None else payer or "")
    if _ID.fullmatch(paid_by):
        found.setdefault(paid_by, "M-Pesa code")
    return [Found(subscriber, named) for subscriber, named in found.items()]


def customer(frame: Frame, text: str) -> SubscriberId:
    """The one customer whom `text` names; raises Nobody, or Malformed if it names several."""
    return one(frame, text).subscriber


def one(frame: Frame, text: str) -> Found:
    """The same, and as what it was named."""
    found = search(frame, text)
    if not found:
        raise Nobody(f"nobody has that name, number, code or id{slip(text) or _as_device(text)}")
    if len(found) > 1:
        said = ", ".join(f"{each.subscriber} ({each.named})" for each in found)
        raise Malformed("customer", f"names several: {said}; take an id")
    return found[0]


def shown_name(name: str, device: str) -> str:
    """Whom a session logged in as. Of a voucher's code only the end: it is as good as money while its time runs."""
    try:
        code = parse_username(name, parse_mac(device)).kind is NameKind.NAME and not mistyped(name, CODES)
    except Malformed:
        return name
    return f"...{normal_name(name)[-CODE_SHOWN_CHARS:]}" if code else name


def _as_device(text: str) -> str:
    """A device belongs to whoever logged in from it by a phone or a code, and is no name of theirs."""
    if text.isdecimal() or parse_mac(text) is None:
        return ""
    return "; who logged in from a device by phone or code is found by that: wifibilling sessions list --site SITE"


def slip(text: str) -> str:
    """A word on what looks like the code of a voucher and cannot be one: told to staff, it helps no guesser."""
    said = "; as the code of a voucher it is mistyped: a digit is wrong, missing or too many"
    return said if slipped(text, CODES) else ""


def read(frame: Frame, subscriber: SubscriberId) -> Subscriber:
    """The aggregate as stored; raises Nobody."""
    stored = frame.core.desk.read(subscriber, frame.deadline())
    if stored is None:
        raise Nobody(f"there is no customer {subscriber}")
    return aggregate.decode(stored.body)


def byte_count(text: str) -> int:
    """Bytes of `500MB` or `2 GB` (powers of ten); raises Malformed."""
    found = _NUMBER.fullmatch(text.strip())
    unit = found[2].upper() if found else ""
    if found is None or unit not in _UNITS:
        raise Malformed("size", f"{text} must be like 500MB or 2GB")
    return int(found[1]) * _UNITS[unit]


def seconds(text: str) -> int:
    """Seconds of `90s`, `30m`, `2h` or `7d`; raises Malformed."""
    found = _NUMBER.fullmatch(text.strip())
    unit = found[2].lower() if found else ""
    if found is None or unit not in _SPANS:
        raise Malformed("time", f"{text} must be like 90s, 30m, 2h or 7d")
    return int(found[1]) * _SPANS[unit]
