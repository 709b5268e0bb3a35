"""Births of aggregates, names, session records, due work: boto3. The hot path is `hot`, ConfigTable is `catalog`."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from radius.domain.attempt import Attempt
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.record import SessionRecord
from radius.ports import ALIASES_MAX, Change, Listed, Outcome, Stored, Where, check_due_window
from radius.store import keys, records
from radius.store.desk import Desk
from radius.store.errors import Meaning, Refused
from radius.store.hot import HotStore
from radius.store.records import attributes, values

CHECKPOINT = "checkpoint"
_DAY_INDEXES = {
    Where.ROUTER: (keys.ROUTER_INDEX, "router_day"),
    Where.SITE: (keys.SITE_INDEX, "site_day"),
    Where.SUBSCRIBER: (keys.SUBSCRIBER_INDEX, "subscriber_day"),
}


class DynamoSubscribers:
    """`Subscribers`: the hot path plus `create`."""

    def __init__(self, hot: HotStore, desk: Desk) -> None:
        self._desk = desk
        self._hot = hot

    @property
    def records_atomic(self) -> bool:
        """See `Subscribers.records_atomic`."""
        return self._hot.records_atomic

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        """See `Subscribers.read`."""
        return self._hot.read(subscriber, deadline)

    def commit(self, change: Change, deadline: float) -> Outcome:
        """See `Subscribers.commit`."""
        return self._hot.commit(change, deadline)

    def create(self, change: Change, aliases: Sequence[str], deadline: float, listed: Listed | None = None) -> Outcome:
        """See `Subscribers.create`."""
        names = list(dict.fromkeys(aliases))
        if len(names) > ALIASES_MAX or 2 + len(names) + len(change.records) > keys.TRANSACTION_ITEMS_MAX:
            raise ValueError(f"at most {ALIASES_MAX} aliases and {keys.TRANSACTION_ITEMS_MAX} items in all")
        puts = [self._put(keys.USERS, records.subscriber_item(change), records.ABSENT)]
        puts += [self._alias(name, change.subscriber) for name in names]
        puts += [
            self._put(
                keys.SESSIONS,
                records.record_item(record),
                records.REVISION_LOWER,
                {":revision": {"N": str(record.revision)}},
            )
            for record in change.records
        ]
        if listed is not None:
            row = attributes(records.listed_item(change.subscriber, listed))
            puts.append({"Put": {"TableName": self._desk.table(keys.USERS), "Item": row}})
        try:
            self._desk.ask(deadline, "transact_write_items", TransactItems=puts)
        except Refused as refused:
            return self._judge(refused, change, len(names))
        return Outcome.COMMITTED

    @staticmethod
    def _judge(refused: Refused, change: Change, names: int) -> Outcome:
        if Meaning.CONDITION in refused.reasons[1 : 1 + names]:
            return Outcome.CONFLICT
        if refused.reasons[0] is not Meaning.CONDITION:
            raise refused.error  # only a record was there before its subscriber: never by this code
        there = values(refused.there(0))
        return Outcome.COMMITTED if there.get("w") == change.write_id else Outcome.ALREADY_DONE

    def _alias(self, alias: str, subscriber: SubscriberId) -> dict[str, Any]:
        item: records.Item = {"pk": keys.alias_key(alias), "s": subscriber}
        return self._put(keys.USERS, item, records.ABSENT_OR_OWN, {":subscriber": {"S": subscriber}})

    def _put(
        self, table: str, item: records.Item, condition: str, bound: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": self._desk.table(table),
            "Item": attributes(item),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if bound:
            put["ExpressionAttributeValues"] = bound
        return {"Put": put}


class DynamoLists:
    """`Lists`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._users = desk.table(keys.USERS)

    def latest(
        self, site: str, before: tuple[int, SubscriberId] | None, limit: int, deadline: float
    ) -> list[tuple[SubscriberId, int]]:
        """See `Lists.latest`."""
        start: dict[str, Any] = {}
        if before is not None:
            row = records.listed_item(before[1], Listed(site, before[0]))
            start = {"ExclusiveStartKey": attributes(row)}
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self._users,
            IndexName=keys.DUE_INDEX,
            KeyConditionExpression="k = :key",
            ExpressionAttributeValues={":key": {"S": keys.list_key(site)}},
            ScanIndexForward=False,
            Limit=limit,
            **start,
        )
        return [(keys.subscriber_of(str(item["pk"])), int(item["d"])) for item in map(values, reply["Items"])]

    def many(self, subscribers: Sequence[SubscriberId], deadline: float) -> dict[SubscriberId, Stored]:
        """See `Lists.many`."""
        asked = [attributes({"pk": keys.subscriber_key(each)}) for each in dict.fromkeys(subscribers)]
        items = [values(item) for item in self._desk.batch(deadline, self._users, asked)]
        return {keys.subscriber_of(str(item["pk"])): records.stored_of(item) for item in items}


class DynamoNames:
    """`Names`."""

    def __init__(self, hot: HotStore, desk: Desk) -> None:
        self._hot = hot
        self._desk = desk

    def resolve(self, alias: str, deadline: float) -> SubscriberId | None:
        """See `Names.resolve`."""
        return self._hot.resolve(alias, deadline)

    def bind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        """See `Names.bind`."""
        try:
            self._desk.ask(
                deadline,
                "put_item",
                TableName=self._desk.table(keys.USERS),
                Item=attributes({"pk": keys.alias_key(alias), "s": subscriber}),
                ConditionExpression=records.ABSENT,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            same = values(refused.there()).get("s") == subscriber
            return Outcome.ALREADY_DONE if same else Outcome.CONFLICT
        return Outcome.COMMITTED

    def unbind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        """See `Names.unbind`."""
        try:
            self._desk.ask(
                deadline,
                "delete_item",
                TableName=self._desk.table(keys.USERS),
                Key=attributes({"pk": keys.alias_key(alias)}),
                ConditionExpression=records.OWN,
                ExpressionAttributeValues={":subscriber": {"S": subscriber}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            return Outcome.CONFLICT if refused.there() else Outcome.ALREADY_DONE
        return Outcome.COMMITTED


class DynamoSessions:
    """`Sessions`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def file(self, record: SessionRecord, deadline: float) -> Outcome:
        """See `Sessions.file`."""
        try:
            self._desk.ask(
                deadline,
                "put_item",
                TableName=self._desk.table(keys.SESSIONS),
                Item=attributes(records.record_item(record)),
                ConditionExpression=records.REVISION_LOWER,
                ExpressionAttributeValues={":revision": {"N": str(record.revision)}},
            )
        except Refused:
            return Outcome.ALREADY_DONE
        return Outcome.COMMITTED

    def find(self, uid: SessionUid, deadline: float) -> list[SessionRecord]:
        """See `Sessions.find`."""
        items = self._desk.items(
            deadline,
            TableName=self._desk.table(keys.SESSIONS),
            KeyConditionExpression="uid = :uid",
            ExpressionAttributeValues={":uid": {"S": uid}},
            ConsistentRead=True,
        )
        return [records.record_of(values(item)) for item in items]

    def open_on(
        self, nas: NasId, before: int, limit: int, deadline: float
    ) -> list[tuple[SessionUid, int, SubscriberId]]:
        """See `Sessions.open_on`; oldest first."""
        found: list[tuple[int, SessionUid, SubscriberId]] = []
        for key in keys.open_keys(nas):
            reply = self._desk.ask(
                deadline,
                "query",
                TableName=self._desk.table(keys.SESSIONS),
                IndexName=keys.OPEN_INDEX,
                KeyConditionExpression="open_key = :key AND started_at < :before",
                ExpressionAttributeValues={":key": {"S": key}, ":before": {"N": str(before)}},
                Limit=limit,
            )
            found += [
                (int(item["started_at"]), SessionUid(str(item["uid"])), SubscriberId(str(item["subscriber"])))
                for item in map(values, reply["Items"])
            ]
        return [(uid, started_at, subscriber) for started_at, uid, subscriber in sorted(found)[:limit]]

    def begun_on(self, where: Where, name: str, day: str, limit: int, deadline: float) -> list[tuple[SessionUid, int]]:
        """See `Sessions.begun_on`."""
        index, attribute = _DAY_INDEXES[where]
        found: list[tuple[int, SessionUid]] = []
        for key in keys.day_keys(name, day):
            items = self._desk.items(
                deadline,
                TableName=self._desk.table(keys.SESSIONS),
                IndexName=index,
                KeyConditionExpression=f"{attribute} = :key",
                ExpressionAttributeValues={":key": {"S": key}},
                ScanIndexForward=False,
                Limit=limit,  # of a page: one ends at 1 MB, whatever is asked for
            )
            first = map(values, islice(items, limit))
            found += [(int(item["started_at"]), SessionUid(str(item["uid"]))) for item in first]
        return [(uid, started_at) for started_at, uid in sorted(found, reverse=True)[:limit]]

    def records(self, wanted: Sequence[tuple[SessionUid, int]], deadline: float) -> list[SessionRecord]:
        """See `Sessions.records`."""
        table = self._desk.table(keys.SESSIONS)
        asked = [attributes({"uid": uid, "started_at": started_at}) for uid, started_at in dict.fromkeys(wanted)]
        return [records.record_of(values(item)) for item in self._desk.batch(deadline, table, asked)]

    def count_open(self, nas: NasId, deadline: float) -> int:
        """See `Sessions.count_open`: reads the index entries of the router, page by page."""
        count = 0
        for key in keys.open_keys(nas):
            request: dict[str, Any] = {
                "TableName": self._desk.table(keys.SESSIONS),
                "IndexName": keys.OPEN_INDEX,
                "KeyConditionExpression": "open_key = :key",
                "ExpressionAttributeValues": {":key": {"S": key}},
                "Select": "COUNT",
            }
            count += sum(int(page["Count"]) for page in self._desk.pages(deadline, **request))
        return count


class DynamoAttempts:
    """`Attempts`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def record(self, attempt: Attempt, deadline: float) -> None:
        """See `Attempts.record`."""
        item = attributes(records.attempt_item(attempt))
        self._desk.ask(deadline, "put_item", TableName=self._desk.table(keys.ATTEMPTS), Item=item)

    def of_session(self, uid: SessionUid, now: int, deadline: float) -> list[Attempt]:
        """See `Attempts.of_session`."""
        items = self._desk.items(
            deadline,
            TableName=self._desk.table(keys.ATTEMPTS),
            KeyConditionExpression="uid = :uid",
            ExpressionAttributeValues={":uid": {"S": uid}},
            ConsistentRead=True,
        )
        return [records.attempt_of(item) for item in map(values, items) if int(item["expires_at"]) > now]


class DynamoDueWork:
    """`DueWork`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def due(self, since: int, until: int, limit: int, deadline: float) -> list[tuple[SubscriberId, int]]:
        """See `DueWork.due`. Walks the minutes of the window and stops at `limit`."""
        check_due_window(since, until)
        found: list[tuple[SubscriberId, int]] = []
        for minute in range(since // 60, until // 60 + 1):
            if len(found) >= limit:
                break
            of_minute: list[tuple[int, SubscriberId]] = []
            for key in keys.due_keys(minute):
                of_minute += self._due_shard(key, since, until, limit, deadline)
            found += [(subscriber, due_at) for due_at, subscriber in sorted(of_minute)]
        return found[:limit]

    def _due_shard(
        self, key: str, since: int, until: int, limit: int, deadline: float
    ) -> list[tuple[int, SubscriberId]]:
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self._desk.table(keys.USERS),
            IndexName=keys.DUE_INDEX,
            KeyConditionExpression="k = :key AND d BETWEEN :since AND :until",
            ExpressionAttributeValues={":key": {"S": key}, ":since": {"N": str(since)}, ":until": {"N": str(until)}},
            Limit=limit,
        )
        return [(int(item["d"]), keys.subscriber_of(str(item["pk"]))) for item in map(values, reply["Items"])]

    def checkpoint(self, worker: str, deadline: float) -> int:
        """See `DueWork.checkpoint`."""
        reply = self._desk.ask(
            deadline,
            "get_item",
            TableName=self._desk.table(keys.CONFIG),
            Key=attributes({"kind": CHECKPOINT, "id": worker}),
            ConsistentRead=True,
        )
        return int(values(reply["Item"])["at"]) if "Item" in reply else 0

    def advance(self, worker: str, to: int, deadline: float) -> Outcome:
        """See `DueWork.advance`."""
        return move_forward(self._desk, CHECKPOINT, worker, to, deadline)


def move_forward(desk: Desk, kind: str, name: str, to: int, deadline: float) -> Outcome:
    """Raise the instant `at` of a ConfigTable item; ALREADY_DONE when it is there or further."""
    try:
        desk.ask(
            deadline,
            "update_item",
            TableName=desk.table(keys.CONFIG),
            Key=attributes({"kind": kind, "id": name}),
            UpdateExpression="SET #at = :to",
            ConditionExpression="attribute_not_exists(#at) OR #at < :to",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues={":to": {"N": str(to)}},
        )
    except Refused:
        return Outcome.ALREADY_DONE
    return Outcome.COMMITTED
