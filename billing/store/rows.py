"""The few requests that BillingTable takes, as a Protocol with two implementations; everything else is written once."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple, Protocol

from billing.ports import Posted
from billing.store import keys
from billing.store.records import Write
from radius.domain.identity import SubscriberId
from radius.ports import Change, Outcome
from radius.store.desk import Desk
from radius.store.errors import Meaning, Refused
from radius.store.keys import BATCH_GET_KEYS_MAX, TRANSACTION_ITEMS_MAX, USERS
from radius.store.records import Item, attributes, values

Key = dict[str, str]
POSTING_ITEMS_MAX = TRANSACTION_ITEMS_MAX - 1  # the fence's check is one more
_INDEXES = frozenset({"k", "y"})  # hash keys of `keys.DUE_INDEX` and `keys.DAY_INDEX`


class Found(NamedTuple):
    """An entry of the index of days: its place in the order, and the item."""

    at: int
    pk: str


class Rows(Protocol):
    """One method = one atomic request."""

    def get(self, key: Key, deadline: float) -> Item | None:
        """One item; strongly consistent."""

    def many(self, wanted: Sequence[Key], deadline: float) -> list[Item]:
        """Up to 100 items; strongly consistent."""

    def partition(self, pk: str, after: str, limit: int, deadline: float, *, newest: bool = False) -> list[Item]:
        """Items of a hash key beyond the range key `after` ("": from the end); `newest`: from the other end on."""

    def due(self, k: str, until: int, limit: int, deadline: float) -> list[tuple[int, str]]:
        """Entries of the due index: (instant, pk), earliest first."""

    def day(self, y: str, after: Found | None, limit: int, deadline: float, *, newest: bool = False) -> list[Found]:
        """Entries of the index of days, earliest first; `newest`: from the other end, without `after`."""

    def put_new(self, item: Item, deadline: float) -> Item | None:
        """Write an item that is not there; else the one that is."""

    def no_longer_due(self, key: Key, deadline: float) -> None:
        """Take an item out of the due index."""

    def release(self, key: Key, owner: str, deadline: float) -> None:
        """Delete an item whose owner (`o`) is this one, if it is there."""

    def transact(self, id_: str, wanted: list[Write], deadline: float) -> Posted:
        """All writes or none."""


def judge(id_: str, wanted: Sequence[Write], met: Sequence[Item | None]) -> Posted:
    """What a transaction came to whose conditions met these items (None: that condition was true).

    One that carries the transaction's own id proves that it took place before: all of it, or that item would not be.
    """
    if any(item is not None and item.get("w") == id_ for item in met):
        return Posted(Outcome.COMMITTED)
    parts = frozenset(write.part for write, item in zip(wanted, met, strict=True) if item is not None)
    return Posted(Outcome.STALE, parts)


class DynamoRows:
    """`Rows` over boto3. Conflicts with other transactions and throttling are tried again by `Desk.ask`, bounded."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._table = desk.table(keys.BILLING)

    def get(self, key: Key, deadline: float) -> Item | None:
        """See `Rows.get`."""
        reply = self._desk.ask(deadline, "get_item", TableName=self._table, Key=attributes(key), ConsistentRead=True)
        return values(reply["Item"]) if "Item" in reply else None

    def many(self, wanted: Sequence[Key], deadline: float) -> list[Item]:
        """See `Rows.many`."""
        asked = [attributes(key) for key in wanted]
        return [values(item) for item in self._desk.batch(deadline, self._table, asked)]

    def partition(self, pk: str, after: str, limit: int, deadline: float, *, newest: bool = False) -> list[Item]:
        """See `Rows.partition`."""
        bound = {":pk": {"S": pk}, **({":after": {"S": after}} if after else {})}
        beyond = f" AND sk {'<' if newest else '>'} :after" if after else ""
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self._table,
            KeyConditionExpression=f"pk = :pk{beyond}",
            ExpressionAttributeValues=bound,
            ConsistentRead=True,
            ScanIndexForward=not newest,
            Limit=limit,
        )
        return [values(item) for item in reply["Items"]]

    def due(self, k: str, until: int, limit: int, deadline: float) -> list[tuple[int, str]]:
        """See `Rows.due`."""
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self._table,
            IndexName=keys.DUE_INDEX,
            KeyConditionExpression="k = :k AND d <= :until",
            ExpressionAttributeValues={":k": {"S": k}, ":until": {"N": str(until)}},
            Limit=limit,
        )
        return [(int(item["d"]), str(item["pk"])) for item in map(values, reply["Items"])]

    def day(self, y: str, after: Found | None, limit: int, deadline: float, *, newest: bool = False) -> list[Found]:
        """See `Rows.day`."""
        start: Item = {"y": y, "a": after.at, "pk": after.pk, "sk": keys.NONE} if after else {}
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self._table,
            IndexName=keys.DAY_INDEX,
            KeyConditionExpression="y = :y",
            ExpressionAttributeValues={":y": {"S": y}},
            ScanIndexForward=not newest,
            Limit=limit,
            **({"ExclusiveStartKey": attributes(start)} if start else {}),
        )
        return [Found(int(item["a"]), str(item["pk"])) for item in map(values, reply["Items"])]

    def put_new(self, item: Item, deadline: float) -> Item | None:
        """See `Rows.put_new`."""
        try:
            self._desk.ask(
                deadline,
                "put_item",
                TableName=self._table,
                Item=attributes(item),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            return values(refused.there())
        return None

    def no_longer_due(self, key: Key, deadline: float) -> None:
        """See `Rows.no_longer_due`."""
        self._desk.ask(
            deadline, "update_item", TableName=self._table, Key=attributes(key), UpdateExpression="REMOVE k, d"
        )

    def release(self, key: Key, owner: str, deadline: float) -> None:
        """See `Rows.release`."""
        with suppress(Refused):  # it is not there, or another's
            self._desk.ask(
                deadline,
                "delete_item",
                TableName=self._table,
                Key=attributes(key),
                ConditionExpression="o = :owner",
                ExpressionAttributeValues={":owner": {"S": owner}},
            )

    def transact(self, id_: str, wanted: list[Write], deadline: float) -> Posted:
        """See `Rows.transact`."""
        check_size(wanted)
        actions = [{"Put": self._put(write)} for write in wanted]
        fence = self._desk.fence
        if fence is not None:
            actions.append(fence.check(id_, deadline))
        try:
            self._desk.ask(deadline, "transact_write_items", TransactItems=actions)
        except Refused as refused:
            if refused.meaning is not Meaning.CANCELED or Meaning.INVALID in refused.reasons:
                raise refused.error from None
            met = [
                values(refused.there(position)) if reason is Meaning.CONDITION else None
                for position, reason in enumerate(refused.reasons[: len(wanted)])
            ]
            judged = judge(id_, wanted, met)
            if fence is not None and refused.reasons[-1] is Meaning.CONDITION and judged.outcome is Outcome.STALE:
                raise fence.fell() from refused.error
            return judged
        return Posted(Outcome.COMMITTED)

    def _put(self, write: Write) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": self._desk.table(write.table),
            "Item": attributes(write.item),
            "ConditionExpression": "v = :before" if write.before else "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if write.before:
            put["ExpressionAttributeValues"] = {":before": {"N": str(write.before)}}
        return put


def check_size(wanted: Sequence[Write]) -> None:
    """Raise ValueError for more than one transaction takes, or an item twice."""
    names = {(write.table, write.item["pk"], write.item.get("sk")) for write in wanted}
    if len(wanted) > POSTING_ITEMS_MAX or len(names) != len(wanted):
        raise ValueError(f"a posting has at most {POSTING_ITEMS_MAX} items, each once")


class Room(Protocol):
    """The aggregates in memory (`radius.store.memory.MemoryStore`)."""

    def exclusive(self, method: str, deadline: float) -> AbstractContextManager[dict[SubscriberId, Change]]:
        """One atomic request over them."""


class MemoryRows:
    """`Rows` in memory, beside the aggregates of a `MemoryStore`: its lock, its faults."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._items: dict[tuple[str, str], Item] = {}
        self._indexes: defaultdict[tuple[str, str], dict[tuple[str, str], Item]] = defaultdict(dict)

    def get(self, key: Key, deadline: float) -> Item | None:
        """See `Rows.get`."""
        with self._room.exclusive("get", deadline):
            return self._items.get((key["pk"], key["sk"]))

    def many(self, wanted: Sequence[Key], deadline: float) -> list[Item]:
        """See `Rows.many`."""
        if len(wanted) > BATCH_GET_KEYS_MAX:
            raise ValueError(f"at most {BATCH_GET_KEYS_MAX} items at once")
        with self._room.exclusive("many", deadline):
            return [self._items[key["pk"], key["sk"]] for key in wanted if (key["pk"], key["sk"]) in self._items]

    def partition(self, pk: str, after: str, limit: int, deadline: float, *, newest: bool = False) -> list[Item]:
        """See `Rows.partition`."""
        with self._room.exclusive("partition", deadline):
            names = sorted((name for name in self._items if name[0] == pk), reverse=newest)
            beyond = [name for name in names if not after or (name[1] < after if newest else name[1] > after)]
            return [self._items[name] for name in beyond[:limit]]

    def due(self, k: str, until: int, limit: int, deadline: float) -> list[tuple[int, str]]:
        """See `Rows.due`."""
        with self._room.exclusive("due", deadline):
            due = self._indexes["k", k].values()
            found = [(int(item["d"]), str(item["pk"])) for item in due if int(item["d"]) <= until]
        return sorted(found)[:limit]

    def day(self, y: str, after: Found | None, limit: int, deadline: float, *, newest: bool = False) -> list[Found]:
        """See `Rows.day`."""
        with self._room.exclusive("day", deadline):
            found = sorted(
                (Found(int(item["a"]), str(item["pk"])) for item in self._indexes["y", y].values()), reverse=newest
            )
        return [each for each in found if after is None or each > after][:limit]

    def put_new(self, item: Item, deadline: float) -> Item | None:
        """See `Rows.put_new`."""
        with self._room.exclusive("put_new", deadline):
            there = self._items.get(_name(item))
            if there is None:
                self._write(item)
            return there

    def no_longer_due(self, key: Key, deadline: float) -> None:
        """See `Rows.no_longer_due`."""
        with self._room.exclusive("no_longer_due", deadline):
            item = self._items[key["pk"], key["sk"]]
            self._write({name: value for name, value in item.items() if name not in {"k", "d"}})

    def release(self, key: Key, owner: str, deadline: float) -> None:
        """See `Rows.release`."""
        with self._room.exclusive("release", deadline):
            item = self._items.get((key["pk"], key["sk"]))
            if item is not None and item.get("o") == owner:
                self._forget(_name(item))

    def transact(self, id_: str, wanted: list[Write], deadline: float) -> Posted:
        """See `Rows.transact`."""
        check_size(wanted)
        with self._room.exclusive("post", deadline) as aggregates:
            met = [self._met(write, aggregates) for write in wanted]
            if any(item is not None for item in met):
                return judge(id_, wanted, met)
            for write in wanted:
                if write.table == USERS:
                    change = _change(write.item)
                    aggregates[change.subscriber] = change
                else:
                    self._write(write.item)
        return Posted(Outcome.COMMITTED)

    def _met(self, write: Write, aggregates: dict[SubscriberId, Change]) -> Item | None:
        """The item that makes the condition false ({} where there is none), or None."""
        there: Item | None
        if write.table == USERS:
            change = aggregates.get(_change(write.item).subscriber)
            there = None if change is None else {"v": change.version, "w": change.write_id}
        else:
            there = self._items.get(_name(write.item))
        version = int(there["v"]) if there else 0
        return None if version == write.before else there or {}

    def _write(self, item: Item) -> None:
        name = _name(item)
        self._forget(name)
        self._items[name] = item
        for index in _INDEXES & item.keys():
            self._indexes[index, str(item[index])][name] = item

    def _forget(self, name: tuple[str, str]) -> None:
        before = self._items.pop(name, {})
        for index in _INDEXES & before.keys():
            del self._indexes[index, str(before[index])][name]


def _name(item: Item) -> tuple[str, str]:
    return str(item["pk"]), str(item["sk"])


def _change(item: Item) -> Change:
    """The change that an item of UsersTable was made from."""
    subscriber = SubscriberId(str(item["pk"])[2:])
    return Change(subscriber, int(item["v"]), str(item["w"]), str(item["b"]).encode(), int(item.get("d", 0)))
