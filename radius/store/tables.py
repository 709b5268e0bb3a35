"""Table definitions as data: what `create_tables` makes and what a template must say."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from radius.domain.errors import Unavailable
from radius.store import keys

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ACTIVE = "ACTIVE"
ACTIVE_TIMEOUT_S = 120.0  # DynamoDB needs about ten seconds, with indexes up to a minute
ACTIVE_POLL_S = 0.25


class Index(NamedTuple):
    """A global secondary index. `include` empty: KEYS_ONLY, else INCLUDE these attributes."""

    name: str
    hash_key: str
    range_key: str
    include: tuple[str, ...] = ()


class Table(NamedTuple):
    """A table, on demand. `types`: type letter of each key attribute."""

    name: str
    hash_key: str
    range_key: str
    types: dict[str, str]
    indexes: tuple[Index, ...] = ()
    ttl: str = ""


TABLES = (
    Table(keys.USERS, "pk", "", {"pk": "S", "k": "S", "d": "N"}, (Index(keys.DUE_INDEX, "k", "d"),)),
    Table(
        keys.SESSIONS,
        "uid",
        "started_at",
        {
            "uid": "S",
            "started_at": "N",
            "router_day": "S",
            "site_day": "S",
            "subscriber_day": "S",
            "open_key": "S",
        },
        (
            Index(keys.ROUTER_INDEX, "router_day", "started_at"),
            Index(keys.SITE_INDEX, "site_day", "started_at"),
            Index(keys.SUBSCRIBER_INDEX, "subscriber_day", "started_at"),
            Index(keys.OPEN_INDEX, "open_key", "started_at", ("subscriber",)),
        ),
    ),
    Table(keys.CONFIG, "kind", "id", {"kind": "S", "id": "S"}, (), "expires_at"),
    Table(keys.ATTEMPTS, "uid", "at", {"uid": "S", "at": "S"}, (), "expires_at"),
)


def definition(table: Table, prefix: str) -> dict[str, Any]:
    """The CreateTable request of one table; the same words as AWS::DynamoDB::Table properties."""
    request: dict[str, Any] = {
        "TableName": prefix + table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in table.types.items()],
        "KeySchema": _schema(table.hash_key, table.range_key),
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [_index(index) for index in table.indexes]
    return request


def create_tables(
    client: "DynamoDBClient",
    prefix: str,
    wanted: Sequence[Table] = TABLES,
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Create what is missing, wait until all is ACTIVE, switch TTL on. Returns the names it created.

    Safe to call again and from two places at once. Raises Unavailable if a table does not become ACTIVE.
    """
    created = []
    for table in wanted:
        try:
            client.create_table(**definition(table, prefix))
            created.append(prefix + table.name)
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] != "ResourceInUseException":
                raise
    for table in wanted:
        _wait_active(client, prefix + table.name, pause)
        if table.ttl:
            _expire(client, prefix + table.name, table.ttl)
    return created


def _schema(hash_key: str, range_key: str) -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    if range_key:
        schema.append({"AttributeName": range_key, "KeyType": "RANGE"})
    return schema


def _index(index: Index) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": "KEYS_ONLY"}
    if index.include:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.include)}
    return {
        "IndexName": index.name,
        "KeySchema": _schema(index.hash_key, index.range_key),
        "Projection": projection,
    }


def described(client: "DynamoDBClient", name: str) -> str:
    """`ACTIVE` for a table whose indexes are, too; else the status of the first that is not."""
    table = client.describe_table(TableName=name)["Table"]
    states = [table["TableStatus"], *(index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", []))]
    return next((state for state in states if state != ACTIVE), ACTIVE)


def _wait_active(client: "DynamoDBClient", name: str, pause: Callable[[float], None]) -> None:
    for _ in range(int(ACTIVE_TIMEOUT_S / ACTIVE_POLL_S)):
        if described(client, name) == ACTIVE:
            return
        pause(ACTIVE_POLL_S)
    raise Unavailable(f"table {name} did not become ACTIVE within {ACTIVE_TIMEOUT_S:.0f} s")


def _expire(client: "DynamoDBClient", name: str, attribute: str) -> None:
    described = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        return
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute})
