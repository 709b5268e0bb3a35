"""`migrate` between two stages of the engine: copies, proves, goes on where it broke off, and finds what differs."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from billing.cli.exits import Exit
from radius.store.copying import Tally, canonical
from tests.contract.cli.isp import GATE, World
from tests.contract.values import soon
from tests.fakes.store_proxy import FaultKind, StoreProxy
from tests.fixtures_engine import new_prefix

JANE = "0712345678"
LONG = "1234567890123456789012345678901234567"  # with one more, as many digits as DynamoDB keeps


class Elsewhere:
    """Where the tables go: reached through a fault proxy."""

    def __init__(self, world: World, proxy: StoreProxy) -> None:
        self.world = world
        self.proxy = proxy
        self.prefix = new_prefix()
        self.file = world.folder / "elsewhere.toml"
        told = {
            "state_dir": str(world.folder / "elsewhere"),
            "store_kind": "dynamodb",
            "store_endpoint": f"http://127.0.0.1:{proxy.port}",
            "region": "eu-west-1",
            "table_prefix": self.prefix,
        }
        self.file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items()))

    def __call__(self, *words: str) -> tuple[int, dict[str, dict[str, Any]], str]:
        ran = self.world("migrate", "--to", str(self.file), "--json", *words)
        rows = {row["table"]: row for row in json.loads(ran.out)} if ran.out else {}
        return ran.code, rows, ran.err


@pytest.fixture
def elsewhere(world: World, proxy: StoreProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world.buys(world.registered(JANE), "daily.1", "TKP0000001")
    for number in range(30):  # more than one batch
        world.customer(f"07220000{number:02}", None)
    yield Elsewhere(world, proxy)
    proxy.heal()


def test_a_copy_is_proven_equal_and_again_sends_nothing(elsewhere: Elsewhere) -> None:
    code, rows, said = elsewhere()
    assert (code, rows["UsersTable"]["there"]) == (Exit.NOT, 0)
    assert "Nothing was copied" in said
    code, rows, said = elsewhere("--apply")
    assert code == Exit.DONE, said
    assert {name for name, row in rows.items() if row["here"]} >= {"UsersTable", "ConfigTable", "BillingTable"}
    assert all(row["sent"] == row["here"] == row["there"] and row["equal"] for row in rows.values())
    assert "same data key" in said
    code, rows, _ = elsewhere("--apply", "--reason", "once more, to be sure")
    assert (code, {name: row["sent"] for name, row in rows.items() if row["sent"]}) == (Exit.DONE, {"ConfigTable": 1})
    assert elsewhere()[0] == Exit.DONE
    to, outcome = f"eu-west-1/{elsewhere.prefix}*", "begun; compare to see how it ended"
    lines = [deed for deed in elsewhere.world.deeds() if deed[1] == "migrate"]
    assert lines == [("mary", "migrate", to, outcome)] * 2  # written before, so that both places have them


def test_what_broke_off_goes_on(elsewhere: Elsewhere) -> None:
    batches = itertools.count()
    elsewhere.proxy.inject(FaultKind.SERVER_ERROR, operation="BatchWriteItem", when=lambda _: next(batches) > 0)
    assert elsewhere("--apply")[0] == Exit.AWAY
    elsewhere.proxy.heal()
    code, rows, said = elsewhere("--apply")
    assert code == Exit.DONE, said
    assert 0 < rows["UsersTable"]["sent"] < rows["UsersTable"]["here"]


def test_what_changes_here_is_sent_and_what_went_is_pruned(elsewhere: Elsewhere) -> None:
    assert elsewhere("--apply")[0] == Exit.DONE
    elsewhere.world("customers", "block", JANE, "--reason", "asked", yes=True)
    code, rows, _ = elsewhere()
    assert (code, rows["UsersTable"]["equal"], rows["SessionsTable"]["equal"]) == (Exit.NOT, False, True)
    assert elsewhere("--apply")[0] == Exit.DONE
    table = f"{elsewhere.world.core.settings.table_prefix}ConfigTable"
    key = {"kind": {"S": "router"}, "id": {"S": GATE}}
    elsewhere.world.core.store.engine.ask(soon(), "delete_item", TableName=table, Key=key)  # type: ignore[union-attr]
    code, _, said = elsewhere("--apply")
    assert (code, "1 items that are not here" in said) == (Exit.USAGE, True)
    code, rows, _ = elsewhere("--apply", "--prune")
    assert (code, rows["ConfigTable"]["dropped"]) == (Exit.DONE, 1)


def test_the_same_place_is_refused(elsewhere: Elsewhere) -> None:
    elsewhere.file = elsewhere.world.folder / "settings.toml"
    assert elsewhere("--apply")[0] == Exit.USAGE


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": {"N": "1.50"}}, {"a": {"N": "1.5"}}, True),
        ({"a": {"SS": ["x", "y"]}}, {"a": {"SS": ["y", "x"]}}, True),
        ({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, {"a": {"L": [{"S": "y"}, {"S": "x"}]}}, False),
        ({"N": {"S": "1.50"}}, {"N": {"S": "1.5"}}, False),
        (
            {"a": {"N": LONG + "8"}},
            {"a": {"N": LONG + "9"}},
            False,
        ),
        ({"a": {"S": "1"}}, {"a": {"N": "1"}}, False),
    ],
)
def test_equal_digests_are_equal_items(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same
    tallies = Tally(), Tally()
    for tally, items in zip(tallies, ((one, {}), ({}, other)), strict=True):
        for item in items:
            tally.add(item)
    assert (tallies[0].contents() == tallies[1].contents()) is same
