"""Whole tables, for offline work: read all, write all, and say in one number what is in them.

The digest does not depend on the order in which a table is read, nor on how a number or a set is spelt: equal digests
are equal items. Reading a table while it is written gives each item as of some instant, not all as of one.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from radius.domain.errors import Unavailable

Raw = Mapping[str, Any]  # an item as boto3's low-level client has it
BATCH_ITEMS_MAX = 25  # API limit of BatchWriteItem
TRIES_MAX = 8  # of what DynamoDB had no capacity for
PAUSE_S = 0.05  # before the first of them; doubled
_DIGITS = 2**256
_NUMBERS = Context(prec=38)  # as many digits as DynamoDB keeps
_SETS = frozenset({"SS", "NS", "BS"})


class NoTable(Unavailable):
    """There is no such table."""


class Contents(NamedTuple):
    """Items of a table: how many, and a number that only these give."""

    items: int
    digest: str


class Tally:
    """Adds items up to their `Contents`."""

    def __init__(self) -> None:
        self._items = 0
        self._sum = 0

    def add(self, item: Raw) -> None:
        """One more."""
        self._items += 1
        self._sum += int.from_bytes(sha256(canonical(item)).digest(), "big")

    def contents(self) -> Contents:
        """Of all that were added."""
        return Contents(self._items, f"{self._sum % _DIGITS:064x}")


def canonical(item: Raw) -> bytes:
    """One spelling for one item."""
    return json.dumps(_plain(item), sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _typed(name, inner) for name, inner in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _typed(name: str, value: Any) -> Any:
    """A number is spelt in many ways and a set in any order; an attribute that is named like a type holds a mapping."""
    if name == "N" and isinstance(value, str):
        return _number(value)
    if name in _SETS and isinstance(value, list):
        return sorted(_number(each) if name == "NS" else _plain(each) for each in value)
    return _plain(value)


def _number(text: str) -> str:
    return format(Decimal(text).normalize(_NUMBERS), "f")


def read_all(client: Any, table: str, after: Raw | None = None) -> Iterator[tuple[list[Raw], Raw | None]]:
    """Pages of a table, consistent item by item, and the key to go on after. Raises Unavailable."""
    while True:
        start = {"ExclusiveStartKey": after} if after else {}
        reply = _ask(client, "scan", TableName=table, ConsistentRead=True, **start)
        after = reply.get("LastEvaluatedKey")
        yield reply["Items"], after
        if not after:
            return


def write_all(client: Any, table: str, items: Sequence[Raw]) -> None:
    """Put items; what is there under the same key is replaced. Raises Unavailable."""
    _batches(client, table, [{"PutRequest": {"Item": item}} for item in items])


def drop_all(client: Any, table: str, keys: Sequence[Raw]) -> None:
    """Delete items by their keys. Raises Unavailable."""
    _batches(client, table, [{"DeleteRequest": {"Key": key}} for key in keys])


def _batches(client: Any, table: str, requests: Sequence[Raw]) -> None:
    for start in range(0, len(requests), BATCH_ITEMS_MAX):
        asked: Any = {table: requests[start : start + BATCH_ITEMS_MAX]}
        for tried in range(TRIES_MAX):
            asked = _ask(client, "batch_write_item", RequestItems=asked).get("UnprocessedItems")
            if not asked:
                break
            time.sleep(PAUSE_S * 2**tried)
        else:
            raise Unavailable(f"{table} took less than it was given, again and again")


def _ask(client: Any, operation: str, **request: Any) -> Any:
    try:
        return getattr(client, operation)(**request)
    except ClientError as refused:
        kind = NoTable if refused.response["Error"]["Code"] == "ResourceNotFoundException" else Unavailable
        raise kind(f"{operation} of the tables failed: {refused}") from refused
    except BotoCoreError as failed:
        raise Unavailable(f"{operation} of the tables failed: {failed}") from failed
