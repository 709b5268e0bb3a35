"""Reading Daraja's JSON.

Numbers stay text (an amount never becomes a float, and ``0`` is ``"0"``); one object where a list belongs is a list of
one; what is missing raises Malformed with the path of the field, never with what was in it.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.domain.money import parse
from radius.domain.errors import Malformed

BODY_BYTES_MAX = 1_048_576  # a page of pulled transactions may be long; all else has 2 KB
EAT = timedelta(hours=3)  # East Africa Time has no summer time
TEXT_CHARS_MAX = 200
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_STAMP = re.compile(r"[0-9]{14}", re.ASCII)


def read(body: bytes) -> dict[str, Any]:
    """A JSON object out of `body`. Its numbers are strings as they were written."""
    if len(body) > BODY_BYTES_MAX:
        raise Malformed("body", f"must have at most {BODY_BYTES_MAX:,} bytes")
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):  # not `from`: the original would show what was sent
        raise Malformed("body", "must be JSON in UTF-8") from None
    return obj(value, "body")


def obj(value: Any, path: str) -> dict[str, Any]:
    """An object, also where it came as a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise Malformed(path, "must be an object")
    return value


def child(parent: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    """The object `name` in `parent`, which is at `path`."""
    return obj(parent.get(name), f"{path}.{name}" if path else name)


def items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, of one object that stands for it, or none."""
    found = value if isinstance(value, list) else [value]
    return [item for item in found if isinstance(item, dict)]


def pairs(value: Any, name: str) -> dict[str, Any]:
    """A list of ``{name: .., "Value": ..}`` by name, in any order; the first of two with one name counts."""
    found: dict[str, Any] = {}
    for item in items(value):
        if isinstance(item.get(name), str):
            found.setdefault(item[name], item.get("Value"))
    return found


def identifier(parent: dict[str, Any], name: str, path: str) -> str:
    """An id or a code that must be there."""
    found = optional(parent.get(name))
    if not found:
        raise Malformed(f"{path}.{name}" if path else name, "must be an id or a code")
    return found


def optional(value: Any) -> str:
    """An id or a code, empty if it is none."""
    text = value.strip() if isinstance(value, str) else ""
    return text if _ID.fullmatch(text) else ""


def shown(value: Any) -> str:
    """A text of theirs for a log line: short, and on one line."""
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else " " for c in text[:TEXT_CHARS_MAX])


def cents(value: Any) -> int | None:
    """Cents of an amount, None where there is none that can be read (settlement then asks, it does not credit)."""
    try:
        return parse(value, "Amount") if isinstance(value, str) else None
    except Malformed:
        return None


def instant(value: Any) -> int:
    """UTC seconds of a 14-digit time in EAT (``YYYYMMDDHHmmss``), 0 if it is none."""
    if not isinstance(value, str) or not _STAMP.fullmatch(value):
        return 0
    try:
        return int((datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=UTC) - EAT).timestamp())
    except (ValueError, OverflowError):
        return 0


def stamp(now: int) -> str:
    """`now` (UTC seconds) as Daraja wants it: 14 digits in EAT."""
    return (datetime.fromtimestamp(now, UTC) + EAT).strftime("%Y%m%d%H%M%S")
