from typing import Any

import pytest

from radius.store import keys
from radius.store.desk import make_client
from radius.store.open import StoreKind, open_store
from radius.store.records import Item, attributes, record_item, subscriber_item
from radius.store.tables import TABLES, create_tables, definition
from tests.contract.values import change, day_keys, name, record
from tests.fixtures_engine import CREDENTIALS, Engine, new_prefix, settings


@pytest.fixture
def client(engine: Engine) -> Any:
    made = make_client(engine.url, "local", CREDENTIALS, timeout_s=5, connect_timeout_s=1, connections=2)
    yield made
    made.close()


def test_tables_are_created_once_and_as_defined(client: Any) -> None:
    prefix = new_prefix()
    assert create_tables(client, prefix) == [prefix + table.name for table in TABLES]
    assert create_tables(client, prefix) == []
    for table in TABLES:
        made = client.describe_table(TableName=prefix + table.name)["Table"]
        wanted = definition(table, prefix)
        assert made["KeySchema"] == wanted["KeySchema"]
        indexes = {
            index["IndexName"]: (index["KeySchema"], index["Projection"])
            for index in made.get("GlobalSecondaryIndexes", [])
        }
        assert indexes == {
            index["IndexName"]: (index["KeySchema"], index["Projection"])
            for index in wanted.get("GlobalSecondaryIndexes", [])
        }
        ttl = client.describe_time_to_live(TableName=prefix + table.name)["TimeToLiveDescription"]
        assert ttl.get("AttributeName", "") == table.ttl


def test_no_index_has_a_key_of_several_attributes() -> None:
    for table in TABLES:
        for index in definition(table, "").get("GlobalSecondaryIndexes", []):
            assert [part["KeyType"] for part in index["KeySchema"]] == ["HASH", "RANGE"]


def test_every_index_key_is_a_defined_attribute_and_none_is_left_over() -> None:
    for table in TABLES:
        used = {table.hash_key, table.range_key} | {
            key for index in table.indexes for key in (index.hash_key, index.range_key)
        }
        assert used - {""} == set(table.types)


def test_what_writes_cost_in_tables_and_indexes(client: Any) -> None:
    """An ordinary interim (same due work, no record) writes no index; a Start writes four, an end takes one away."""
    prefix = new_prefix()
    create_tables(client, prefix)

    def cost(table: str, item: Item) -> tuple[float, dict[str, float]]:
        reply = client.put_item(TableName=prefix + table, Item=attributes(item), ReturnConsumedCapacity="INDEXES")
        consumed = reply["ConsumedCapacity"]
        indexes = consumed.get("GlobalSecondaryIndexes", {})
        return consumed["Table"]["CapacityUnits"], {index: cost["CapacityUnits"] for index, cost in indexes.items()}

    body = b'"' + b"x" * 900 + b'"'
    versions = [(1, 1_700_000_000), (2, 1_700_000_000), (3, 1_700_000_060), (4, 0)]
    assert [cost(keys.USERS, subscriber_item(change(name(1), v, body=body, due_at=due))) for v, due in versions] == [
        (1, {"due": 1}),
        (1, {}),
        (1, {"due": 2}),
        (1, {"due": 1}),
    ]
    records = [record(revision=1), record(revision=2), record(revision=3, closed_at=2_000)]
    everywhere = {keys.ROUTER_INDEX: 1, keys.SITE_INDEX: 1, keys.SUBSCRIBER_INDEX: 1, keys.OPEN_INDEX: 1}
    assert [cost(keys.SESSIONS, record_item(one)) for one in records] == [(1, everywhere), (1, {}), (1, {"open": 1})]


def test_a_session_is_found_by_router_site_and_subscriber_of_its_day(client: Any, engine: Engine) -> None:
    prefix = new_prefix()
    opened = open_store(settings(engine.url, StoreKind.EMBEDDED, prefix))
    opened.create_tables()
    filed = [record(f"u{number}", 1_000 + number, closed_at=2_000) for number in range(12)]
    for one in filed:
        client.put_item(TableName=prefix + keys.SESSIONS, Item=attributes(record_item(one)))
    for index, attribute, owner in (
        (keys.ROUTER_INDEX, "router_day", filed[0].nas),
        (keys.SITE_INDEX, "site_day", filed[0].site),
        (keys.SUBSCRIBER_INDEX, "subscriber_day", filed[0].subscriber),
        (keys.OPEN_INDEX, "open_key", None),
    ):
        names = keys.open_keys(filed[0].nas) if owner is None else day_keys(owner, "20261123")
        found = []
        for key in names:
            found += client.query(
                TableName=prefix + keys.SESSIONS,
                IndexName=index,
                KeyConditionExpression="#key = :key",
                ExpressionAttributeNames={"#key": attribute},
                ExpressionAttributeValues={":key": {"S": key}},
            )["Items"]
        assert {item["uid"]["S"] for item in found} == ({one.uid for one in filed} if owner else set())
    assert opened.close()
