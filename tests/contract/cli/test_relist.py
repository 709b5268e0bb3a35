"""`relist` over a store as an earlier version left it: without a row of any list."""

from typing import Any

from billing.cli.exits import Exit
from billing.cli.frame import client_of
from billing.domain.agent import AgentRoll
from billing.store import keys as money
from radius.domain import spill
from radius.ports import Change
from radius.store import keys
from radius.store.copying import drop_all, read_all
from tests.contract.cli.isp import World
from tests.contract.values import soon

JANE, OTIENO = "0712345678", "0722000111"
LISTS = (("customers", "--site", "kilimani"), ("customers", "--site", "lodge"), ("payments", "--site", "kilimani"),
         ("payments", "--user", JANE), ("payments", "--site", "kilimani", "--day", "2026-11-25"),
         ("agents",))  # fmt: skip


def listed(world: World) -> list[Any]:
    return [world(group, "list", *options, "--json").json() for group, *options in LISTS]


def as_it_was(world: World) -> None:
    """Take every row away."""
    client = client_of(world.core.settings)
    for table, hash_key, prefix in (
        (keys.USERS, "pk", "L#"),
        (money.BILLING, "pk", f"{money.PAYMENT_LIST}#"),
        (money.BILLING, "pk", f"{AgentRoll.KIND}#"),
    ):
        name = world.core.settings.table_prefix + table
        rows = [item for page, _ in read_all(client, name) for item in page if item[hash_key]["S"].startswith(prefix)]
        drop_all(client, name, [{each: item[each] for each in ("pk", "sk") if each in item} for item in rows])
    client.close()


def test_what_is_old_is_in_the_lists_afterwards_and_nothing_else(world: World) -> None:
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    jane, _ = world.registered(JANE), world.registered(OTIENO, site="lodge")
    world.buys(jane, "daily.1", "TKP0000001")
    world.clock.now += 86_400
    world.buys(jane, "daily.1", "TKP0000002")
    world("vouchers", "batch", "B1", "--package", "daily", "--count", "1", "--holder", "mary", "--site", "kilimani")
    for agent, again in (("duka-1", "k1"), ("duka-1", "k2"), ("abel", "k3")):
        world("agents", "put", agent)
        assert world("agents", "pay-in", agent, "500", "--key", again, yes=True).code == Exit.DONE
    shard = spill.shard_ids(jane)[0]  # of an account of very many devices: no customer
    world.core.store.subscribers.commit(Change(shard, 1, "w", b"{}", 0), soon())
    before = listed(world)
    assert [len(rows) for rows in before] == [1, 1, 1, 2, 1, 2]
    as_it_was(world)
    assert [len(rows) for rows in listed(world)] == [0] * len(LISTS)
    ran = world("relist", "--json")
    assert (ran.code, ran.json(), ran.err) == (Exit.DONE, {"customers": 2, "payments": 2, "agents": 2}, "")
    assert listed(world) == before
    world("agents", "put", "baraka")  # whom no money names: known by the list alone, and stays
    before = listed(world)
    assert world("relist").out == "CUSTOMERS LISTED  2\nPAYMENTS LISTED   2\nAGENTS LISTED     2\n"
    assert listed(world) == before
