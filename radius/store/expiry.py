"""Deletes by age where the engine does not: the embedded one takes the setting for TTL and deletes nothing.

DynamoDB does it by itself within days of `expires_at`, and this never runs there. A turn goes over each table with a
TTL once, a page at a time, and deletes under the condition that the item still has expired; then it rests.
"""

from collections.abc import Sequence
from typing import Any

from radius.store.desk import Desk
from radius.store.errors import Refused
from radius.store.tables import Table

PAGE_ITEMS = 500  # read at once: some 25 ms of the engine
REST_S = 6 * 3_600  # between turns: what is kept for 90 days may be six hours late


class Expiry:
    """One worker's way over the tables. Two at once do each other no harm."""

    def __init__(self, desk: Desk, tables: Sequence[Table]) -> None:
        self._desk = desk
        self._tables = tuple(table for table in tables if table.ttl)
        self._at = 0
        self._after: dict[str, Any] | None = None
        self._rests_until = 0

    def round(self, now: int, deadline: float) -> int:
        """Look at one page (UTC seconds); how many items were deleted. Raises Unavailable: the page is read again."""
        if now < self._rests_until or not self._tables:
            return 0
        table = self._tables[self._at]
        names = {"#ttl": table.ttl, "#hash": table.hash_key} | ({"#range": table.range_key} if table.range_key else {})
        reply = self._desk.ask(
            deadline,
            "scan",
            TableName=self._desk.table(table.name),
            Limit=PAGE_ITEMS,
            FilterExpression="#ttl <= :now",
            ProjectionExpression="#hash, #range" if table.range_key else "#hash",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":now": {"N": str(now)}},
            **({"ExclusiveStartKey": self._after} if self._after else {}),
        )
        deleted = sum(self._delete(table, item, now, deadline) for item in reply["Items"])
        self._go_on(reply.get("LastEvaluatedKey"), now)
        return deleted

    def _delete(self, table: Table, key: dict[str, Any], now: int, deadline: float) -> bool:
        try:
            self._desk.ask(
                deadline,
                "delete_item",
                TableName=self._desk.table(table.name),
                Key=key,
                ConditionExpression="#ttl <= :now",
                ExpressionAttributeNames={"#ttl": table.ttl},
                ExpressionAttributeValues={":now": {"N": str(now)}},
            )
        except Refused:  # it was written anew meanwhile, or another worker was here
            return False
        return True

    def _go_on(self, after: dict[str, Any] | None, now: int) -> None:
        self._after = after
        if after is None:
            self._at = (self._at + 1) % len(self._tables)
            if self._at == 0:
                self._rests_until = now + REST_S
