"""What is deleted by its age where the engine does not do it: all that has expired, and nothing else."""

from typing import Any

import pytest

from radius.store import expiry
from radius.store.desk import Desk
from radius.store.expiry import REST_S, Expiry
from radius.store.open import StoreKind, open_store
from radius.store.tables import TABLES
from tests.contract.values import soon
from tests.fixtures_engine import Engine, new_prefix, settings

NOW = 1_800_000_000
CONFIG = next(table for table in TABLES if table.name == "ConfigTable")


@pytest.fixture
def desk(engine: Engine) -> Any:
    opened = open_store(settings(engine.url, StoreKind.DYNAMODB, new_prefix()))
    opened.create_tables()
    yield opened.engine
    assert opened.close()


def put(desk: Desk, number: int, expires_at: int | None) -> None:
    item = {"kind": {"S": "expiry"}, "id": {"S": f"{number:04}"}}
    if expires_at is not None:
        item["expires_at"] = {"N": str(expires_at)}
    desk.ask(soon(), "put_item", TableName=desk.table(CONFIG.name), Item=item)


def left(desk: Desk) -> set[int]:
    found = desk.items(
        soon(),
        TableName=desk.table(CONFIG.name),
        KeyConditionExpression="kind = :kind",
        ExpressionAttributeValues={":kind": {"S": "expiry"}},
    )
    return {int(item["id"]["S"]) for item in found}


def turn(way: Expiry, now: int = NOW) -> int:
    """Pages until it rests; how many items were deleted."""
    deleted = pages = 0
    while way._rests_until <= now:
        deleted += way.round(now, soon())
        pages += 1
        assert pages < 100
    return deleted


def test_what_has_expired_goes_page_by_page_and_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "PAGE_ITEMS", 7)
    for number in range(40):
        put(desk, number, {0: NOW - 1, 1: NOW, 2: NOW + 1, 3: None}[number % 4])
    assert turn(Expiry(desk, TABLES)) == 20
    assert left(desk) == {number for number in range(40) if number % 4 in (2, 3)}


def test_it_rests_between_turns_and_finds_then_what_expired_meanwhile(desk: Desk) -> None:
    way = Expiry(desk, (CONFIG,))
    put(desk, 1, NOW + 60)
    assert turn(way) == 0
    assert way.round(NOW + 61, soon()) == 0
    assert left(desk) == {1}
    assert turn(way, NOW + REST_S) == 1
    assert left(desk) == set()


def test_what_was_written_anew_since_it_was_read_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(desk, 1, NOW - 1)
    ask = desk.ask

    def renewed(deadline: float, operation: str, **request: Any) -> dict[str, Any]:
        if operation == "delete_item":
            monkeypatch.setattr(desk, "ask", ask)
            put(desk, 1, NOW + 60)
        return ask(deadline, operation, **request)

    monkeypatch.setattr(desk, "ask", renewed)
    assert turn(Expiry(desk, (CONFIG,))) == 0
    assert left(desk) == {1}


def test_tables_without_an_age_are_never_read(desk: Desk) -> None:
    way = Expiry(desk, [table for table in TABLES if not table.ttl])
    assert way.round(NOW, 0.0) == 0
