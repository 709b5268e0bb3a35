"""Items <-> values. Pure: what is written is a value that tests compare literally."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from radius.domain.attempt import ATTEMPT_KEPT_S, Attempt
from radius.domain.errors import Corrupt
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.record import SessionRecord
from radius.domain.shapes import decoder
from radius.ports import Change, Listed, Stored
from radius.store import keys

Item = dict[str, str | int]
T = TypeVar("T")

ABSENT = "attribute_not_exists(pk)"
OWN = "s = :subscriber"
ABSENT_OR_OWN = f"{ABSENT} OR {OWN}"
VERSION_IS = "v = :before"
REVISION_LOWER = "attribute_not_exists(uid) OR revision < :revision"

_encode_json = msgspec.json.Encoder().encode
_decode_record = decoder(SessionRecord).decode
_decode_attempt = decoder(Attempt).decode


def subscriber_item(change: Change) -> Item:
    """The whole aggregate item of a change. Beside the body: 27 bytes, the write_id, and 21 with due work."""
    item: Item = {
        "pk": "S#" + change.subscriber,
        "v": change.version,
        "w": change.write_id,
        "b": change.body.decode(),
    }
    if change.due_at:
        item["k"] = keys.due_key(change.subscriber, change.due_at)
        item["d"] = change.due_at
    return item


def listed_item(subscriber: SubscriberId, listed: Listed) -> Item:
    """A row of the list of customers."""
    return {"pk": keys.listed_key(subscriber), "k": keys.list_key(listed.site), "d": listed.at}


def version_condition(change: Change) -> tuple[str, dict[str, int] | None]:
    """Condition expression and its values: the stored version is one less, or there is no item."""
    if change.version == 1:
        return ABSENT, None
    return VERSION_IS, {":before": change.version - 1}


def stored_of(item: Mapping[str, Any]) -> Stored:
    """An aggregate item as read. Raises Corrupt when it has not the shape of one."""
    try:
        return Stored(item["b"].encode(), int(item["v"]), int(item.get("d", 0)))
    except (KeyError, AttributeError, ValueError) as bad:
        raise Corrupt(f"subscriber item {item.get('pk')}: {bad!r}") from bad


def local_day(record: SessionRecord) -> str:
    """The day that a record is found under, YYYYMMDD: that of its site, or of UTC where nobody knew a site."""
    return record.day or datetime.fromtimestamp(record.started_at, UTC).strftime("%Y%m%d")


def record_item(record: SessionRecord) -> Item:
    """A session record with its index keys; only an open one has the key of the open index."""
    day = local_day(record)
    item: Item = {
        "uid": record.uid,
        "started_at": record.started_at,
        "revision": record.revision,
        "subscriber": record.subscriber,
        "router_day": keys.day_key(record.nas, day, record.uid),
        "body": _encode_json(record).decode(),
    }
    if record.site:
        item["site_day"] = keys.day_key(record.site, day, record.uid)
    if record.subscriber:
        item["subscriber_day"] = keys.day_key(record.subscriber, day, record.uid)
    if not record.closed_at:
        item["open_key"] = keys.open_key(record.nas, record.uid)
    return item


def record_of(item: Mapping[str, Any]) -> SessionRecord:
    """A session record as read. Raises Corrupt when this version cannot read it."""
    try:
        return _decode_record(item["body"])
    except (KeyError, msgspec.MsgspecError) as bad:
        raise Corrupt(f"session record {item.get('uid')}/{item.get('started_at')}: {bad}") from bad


def attempt_item(attempt: Attempt) -> Item:
    """An audited step."""
    return {
        "uid": attempt.uid,
        "at": keys.attempt_key(attempt.at_ms, attempt.worker),
        "body": _encode_json(attempt).decode(),
        "expires_at": attempt.at_ms // 1000 + ATTEMPT_KEPT_S,
    }


def attempt_of(item: Mapping[str, Any]) -> Attempt:
    """An audited step as read. Raises Corrupt when this version cannot read it."""
    try:
        return _decode_attempt(item["body"])
    except (KeyError, msgspec.MsgspecError) as bad:
        raise Corrupt(f"attempt {item.get('uid')}/{item.get('at')}: {bad}") from bad


def record_key(record: SessionRecord) -> tuple[SessionUid, int]:
    """Primary key in SessionsTable."""
    return record.uid, record.started_at


def attributes(item: Mapping[str, str | int]) -> dict[str, dict[str, str]]:
    """Python values as typed attributes of the low-level API."""
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in item.items()}


def values(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """Typed attributes as Python values; raises Corrupt for a type that we never write."""
    out: Item = {}
    for name, typed in item.items():
        if "S" in typed:
            out[name] = str(typed["S"])
        elif "N" in typed:
            out[name] = int(typed["N"])
        else:
            raise Corrupt(f"attribute {name} has type {next(iter(typed), '?')}")
    return out


def body_item(kind: str, name: str, value: object) -> Item:
    """An item that keeps a value whole as JSON text."""
    return {"kind": kind, "id": name, "body": _encode_json(value).decode()}


def readable(items: Iterable[Item], shape: type[T], broken: dict[str, str] | None) -> list[T]:
    """The values of those items that can be read: one that cannot keeps the others from nobody."""
    found = []
    for item in items:
        try:
            found.append(decode_body(item, shape))
        except Corrupt as bad:
            if broken is not None:
                broken[str(item.get("id"))] = str(bad)
    return found


def decode_body(item: Item, shape: type[T]) -> T:
    """The value of an item; raises Corrupt naming the item."""
    try:
        return decoder(shape).decode(str(item["body"]))
    except (KeyError, msgspec.MsgspecError) as bad:
        raise Corrupt(f"{item.get('kind')} {item.get('id')}: {bad}") from bad
