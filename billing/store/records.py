"""Values <-> items. Pure: a posting becomes a list of conditional writes, which is a value that tests compare."""

from typing import Any, NamedTuple, TypeVar

import msgspec

from billing.domain.journal import Receipt, business_day
from billing.domain.payment import Payment
from billing.domain.thing import Thing
from billing.ports import Body, Claim, ClaimKind, Entry, Kept, KeptPayment, Part, Posting, Unmatched
from billing.store import keys
from radius.domain.errors import Corrupt
from radius.domain.shapes import decoder
from radius.store.keys import USERS
from radius.store.records import Item, subscriber_item

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class Write(NamedTuple):
    """Write `item` whole if the stored version is `before` (0: there is no item)."""

    part: Part
    table: str
    item: Item
    before: int


def writes(posting: Posting) -> list[Write]:
    """All of a posting. What is most often overtaken comes last: an engine may stop at the first failure."""
    found: list[Write] = []
    if posting.payment is not None:
        found.append(_billing(Part.PAYMENT, posting, payment_item(posting.payment), posting.payment.version))
        if posting.listed is not None:
            rows = listed_items(posting.payment.payment, posting.listed)
            found += [_billing(Part.PAYMENT, posting, row, 1) for row in rows]
    found += [_billing(Part(claim.kind.value), posting, claim_item(claim), 1) for claim in posting.claims]
    for entry in posting.entries:
        found.append(_billing(Part.JOURNAL, posting, entry_item(entry), 1))
        if entry.receipt is not None:
            found.append(_billing(Part.NUMBER, posting, receipt_item(entry.receipt), 1))
    for part, kind, name, value in (
        (Part.CUSTOMER, keys.CUSTOMER, posting.customer and posting.customer.subscriber, posting.customer),
        (Part.VOUCHER, keys.VOUCHER, posting.voucher and posting.voucher.voucher.serial, posting.voucher),
        (Part.PROMPT, keys.PROMPT, posting.prompt and posting.prompt.phone, posting.prompt),
    ):
        if value is not None:
            found.append(_billing(part, posting, _item(kind, str(name), value), value.version))
    for voucher in posting.vouchers:
        found.append(
            _billing(Part.VOUCHER, posting, _item(keys.VOUCHER, voucher.voucher.serial, voucher), voucher.version)
        )
    found += [_billing(Part.THING, posting, thing_item(kept), kept.version) for kept in posting.things]
    if posting.unmatched is not None:
        found.append(_billing(Part.UNMATCHED, posting, unmatched_item(posting.unmatched), posting.unmatched.version))
    return found + [
        Write(Part.SUBSCRIBER, USERS, subscriber_item(change), change.version - 1) for change in posting.changes
    ]


def _billing(part: Part, posting: Posting, item: Item, version: int) -> Write:
    return Write(part, keys.BILLING, {**item, "v": version, "w": posting.id}, version - 1)


def _item(kind: str, name: str, value: object) -> Item:
    return {"pk": keys.key(kind, name), "sk": keys.NONE, "b": _encode(value).decode()}


def _due(item: Item, kind: str, due_at: int) -> Item:
    return {**item, "k": keys.due_key(kind, str(item["pk"])), "d": due_at} if due_at else item


def _day(item: Item, kind: str, day: str, at: int) -> Item:
    return {**item, "y": keys.day_key(kind, day, str(item["pk"])), "a": at}


def payment_item(kept: KeptPayment) -> Item:
    """A payment."""
    at = kept.payment.created_at
    item = _day(_item(keys.PAYMENT, kept.payment.id, kept), keys.PAYMENT, business_day(at), at)
    return _due(item, keys.PAYMENT, kept.due_at)


def listed_items(payment: Payment, site: str) -> list[Item]:
    """Its rows in the lists of its site and of its customer. They never change."""
    place = keys.list_place(payment.created_at, payment.id)
    lists = (keys.site_list(site, business_day(payment.created_at)), keys.customer_list(payment.subscriber))
    return [{"pk": name, "sk": place} for name in lists]


def claim_item(claim: Claim) -> Item:
    """A name that is taken."""
    item: Item = {**claim_key(claim.kind, claim.key), "o": claim.owner}
    return {**item, "expires_at": claim.expires_at} if claim.expires_at else item


def claim_key(kind: ClaimKind, name: str) -> dict[str, str]:
    """Primary key of a claim."""
    return {"pk": keys.key(kind.value, name), "sk": "claim"}


def entry_item(entry: Entry) -> Item:
    """A journal."""
    fact = entry.journal.fact
    return _day(_item(keys.JOURNAL, entry.journal.id, entry), keys.JOURNAL, fact.day, fact.at)


def receipt_item(receipt: Receipt) -> Item:
    """A numbered receipt."""
    item = _item(keys.RECEIPT, receipt.series, receipt)
    return {**item, "sk": keys.number_key(receipt.number)}


def unmatched_item(money: Unmatched) -> Item:
    """Money that names nobody."""
    return _due(_item(keys.UNMATCHED, money.receipt, money), keys.UNMATCHED, money.due_at)


def thing_item(kept: Kept[Thing]) -> Item:
    """A thing."""
    kind = kept.thing.KIND
    item = _due(_item(kind, kept.thing.name, kept.thing), kind, kept.due_at)
    return {**item, "expires_at": kept.expires_at} if kept.expires_at else item


def body_item(body: Body) -> Item:
    """A raw callback. Its version is 1 for ever."""
    item = {**_item(keys.BODY, body.id, body), "v": 1, "expires_at": body.expires_at}
    return _due(item, keys.BODY, body.due_at)


def package_item(package: Any) -> Item:
    """A version of a package."""
    return {"pk": keys.PACKAGES, "sk": package.id, "v": 1, "b": _encode(package).decode()}


def decode(item: Item, shape: type[T]) -> T:
    """The value of an item; raises Corrupt naming the item."""
    try:
        return decoder(shape).decode(str(item["b"]))
    except (KeyError, msgspec.MsgspecError) as bad:
        raise Corrupt(f"{item.get('pk')}/{item.get('sk')}: {bad}") from bad
