"""Two Regions, each with its own tables: after the epoch was raised, the old one writes nothing any more."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from billing.backup.archive import ALL_TABLES
from billing.backup.moving import Mover, Place
from billing.domain.settle import Settled
from billing.store.open import open_billing
from radius.domain.errors import Fenced, Unavailable
from radius.ports import Node
from radius.store import keys
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.copying import canonical, read_all
from radius.store.desk import Desk, make_client
from radius.store.fence import FENCE, FIRST, LEASE_S, NOBODY, RENEW_S, SHARDS, Fence, FenceTable, Mark
from radius.store.open import Store, StoreKind, StoreSettings, open_store
from tests.contract.billing.town import FakeProvider, Town
from tests.contract.values import change, name, soon
from tests.fakes.store_proxy import FaultKind, StoreProxy
from tests.fixtures_engine import CREDENTIALS, Engine, new_prefix
from tests.unit.billing.values import T0

HERE, THERE = "af-south-1", "eu-west-1"
WAIT_S = 20.0


class Region:
    """Its tables, and the processes that were started there."""

    def __init__(self, name: str, url: str, direct: str, cleanup: ExitStack) -> None:
        self.name = name
        self.prefix = new_prefix()
        self._url = url
        self._cleanup = cleanup
        self.client = make_client(
            direct, "local", CREDENTIALS, timeout_s=WAIT_S, connect_timeout_s=WAIT_S, connections=4
        )
        cleanup.callback(self.client.close)
        self.fence = FenceTable(Desk(self.client, self.prefix, Breaker(), Capacity()))

    def make_tables(self) -> None:
        store = self.process()
        store.create_tables()
        open_billing(store).create_tables()

    def process(self, clock: Callable[[], float] | None = None, other: "Region | None" = None) -> Store:
        """One that starts now. `other`: the Region that may take over."""
        chosen = StoreSettings(
            StoreKind.DYNAMODB,
            self.name,
            self._url,
            CREDENTIALS,
            self.prefix,
            WAIT_S,
            1.0,
            fenced=True,
            elsewhere=(other.name, other.prefix) if other else None,
        )
        opened = open_store(chosen, clock) if clock else open_store(chosen)
        self._cleanup.callback(opened.close)
        return opened

    def town(self, provider: FakeProvider, seed: int) -> Town:
        store = self.process()
        return Town(store, open_billing(store).ports.rows, provider, seed)

    def everything(self) -> dict[str, list[Any]]:
        """All items but the record itself."""
        found = {}
        for table in ALL_TABLES:
            items = [item for page, _ in read_all(self.client, self.prefix + table.name) for item in page]
            found[table.name] = sorted((item for item in items if item.get("kind") != {"S": FENCE}), key=canonical)
        return found


@pytest.fixture
def regions(engine: Engine, proxy: StoreProxy) -> Iterator[tuple[Region, Region]]:
    with ExitStack() as cleanup:
        urls = f"http://127.0.0.1:{proxy.port}", engine.url
        made = Region(HERE, *urls, cleanup), Region(THERE, *urls, cleanup)
        made[0].make_tables()
        yield made
        proxy.heal()


def copy(source: Region, target: Region) -> None:
    mover = Mover(Place(source.client, source.prefix), Place(target.client, target.prefix), T0, lambda *_: None)
    mover.prepare()
    for table in ALL_TABLES:
        assert mover.copy(table, prune=True).equal


def test_the_region_that_was_left_books_nothing_and_the_new_one_books_once(regions: tuple[Region, Region]) -> None:
    here, there = regions
    provider = FakeProvider()
    old = here.town(provider, 1)
    old.found()
    old.buy()
    assert here.fence.read(soon()) == Mark(FIRST, HERE), "the first that writes claims the tables"

    copy(here, there)
    new = there.town(provider, 2)
    with pytest.raises(Fenced, match=f"{HERE} writes these tables"):
        new.callback()  # a copy is nobody's to sell from before it is opened

    here.fence.raise_to(NOBODY, T0, "mary", "fail-over", soon())
    before = here.everything()
    with pytest.raises(Fenced):
        old.callback()  # its lease still holds: the check in the transaction does not
    with pytest.raises(Fenced):
        old.notice(old.account, "TKP9999999")
    assert here.everything() == before

    there.fence.raise_to(THERE, T0 + 1, "mary", "fail-over", soon())
    new = there.town(provider, 3)
    settled = new.callback()
    assert isinstance(settled, Settled)
    assert new.rights() == [settled.payment.id]
    assert new.findings() == []
    assert here.everything() == before


def test_money_is_refused_at_once_and_the_rest_when_the_lease_is_over(regions: tuple[Region, Region]) -> None:
    here, _ = regions
    now = [0.0]
    node = here.process(lambda: now[0])
    node.subscribers.commit(change(name(1), 1), WAIT_S)
    here.fence.raise_to(NOBODY, T0, "mary", "fail-over", soon())
    now[0] += RENEW_S / 2
    node.subscribers.commit(change(name(1), 2), now[0] + WAIT_S)  # read lately enough: within the bound
    now[0] += RENEW_S
    with pytest.raises(Fenced, match="nobody writes"):
        node.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)
    with pytest.raises(Fenced):
        node.nodes.publish(Node("n", 9, 0, ()), now[0] + WAIT_S)
    stored = node.subscribers.read(name(1), now[0] + WAIT_S)
    assert stored is not None
    assert stored.version == 2, "it may still be looked at"
    assert node.numbers()["fenced"] == 1


def test_who_cannot_read_the_record_stops_when_its_lease_is_over(
    regions: tuple[Region, Region], proxy: StoreProxy
) -> None:
    here, _ = regions
    now = [0.0]
    node = here.process(lambda: now[0])
    node.subscribers.commit(change(name(1), 1), WAIT_S)
    proxy.inject(FaultKind.SERVER_ERROR, operation="Query")
    now[0] = RENEW_S + 1
    node.subscribers.commit(change(name(1), 2), now[0] + WAIT_S)
    now[0] = LEASE_S + 1
    with pytest.raises(Unavailable) as refused:
        node.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)
    assert not isinstance(refused.value, Fenced), "an outage, like any other"
    proxy.heal()
    node.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)


def test_a_process_of_an_earlier_epoch_does_not_write_when_its_region_does_again(
    regions: tuple[Region, Region],
) -> None:
    """The tables may have been put back meanwhile, and it has copies."""
    here, _ = regions
    now = [0.0]
    old = here.process(lambda: now[0])
    old.subscribers.commit(change(name(1), 1), WAIT_S)
    here.fence.raise_to(NOBODY, T0, "mary", "away", soon())
    here.fence.raise_to(HERE, T0 + 60, "mary", "back", soon())
    now[0] += RENEW_S
    with pytest.raises(Fenced, match="start it again"):
        old.subscribers.commit(change(name(1), 2), now[0] + WAIT_S)
    here.process().subscribers.commit(change(name(1), 2), soon())


def test_a_process_that_waits_for_its_turn_takes_it(regions: tuple[Region, Region]) -> None:
    here, there = regions
    here.process().subscribers.commit(change(name(1), 1), soon())
    copy(here, there)
    now = [0.0]
    waiting = there.process(lambda: now[0])
    assert waiting.subscribers.read(name(1), WAIT_S)
    with pytest.raises(Fenced):
        waiting.subscribers.commit(change(name(1), 2), WAIT_S)
    there.fence.raise_to(THERE, T0, "mary", "fail-over", soon())
    now[0] += RENEW_S
    waiting.subscribers.commit(change(name(1), 2), now[0] + WAIT_S)


def test_a_claim_that_broke_off_is_ended_by_whoever_comes_next(regions: tuple[Region, Region]) -> None:
    here, _ = regions
    town = here.town(FakeProvider(), 1)
    town.found()
    for shard in range(1, SHARDS):
        here.client.delete_item(TableName=here.fence.table, Key={"kind": {"S": FENCE}, "id": {"S": str(shard)}})
    here.town(FakeProvider(), 2).buy()
    assert here.fence.copies(soon()) == [Mark(FIRST, HERE)] * SHARDS


def test_a_region_that_comes_back_looks_at_the_other_one_before_it_writes(regions: tuple[Region, Region]) -> None:
    """It was away when the other one was opened from a copy, and nobody could freeze it."""
    here, there = regions
    now = [0.0]
    old = here.process(lambda: now[0], there)
    old.subscribers.commit(change(name(1), 1), WAIT_S)  # there are no tables there yet: that stops nobody
    copy(here, there)
    assert here.process(other=there).subscribers.commit(change(name(1), 2), soon()), "a copy says the same"
    there.fence.raise_to(THERE, T0, "mary", "af-south-1 is lost", soon())
    before = here.everything()
    for _ in range(3):  # the outage, and then the lease that is asked for again and again
        now[0] += LEASE_S
        with pytest.raises(Fenced, match=f"{THERE} writes these tables"):
            old.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)
        now[0] += RENEW_S
        with pytest.raises(Fenced):
            old.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)
    with pytest.raises(Fenced):
        here.process(other=there).subscribers.commit(change(name(1), 3), soon())
    assert here.everything() == before
    there.fence.raise_to(NOBODY, T0 + 1, "mary", "back again", soon())
    here.fence.raise_to(HERE, T0 + 2, "mary", "back again", soon())
    here.process(other=there).subscribers.commit(change(name(1), 3), soon())


def test_another_region_that_does_not_answer_stops_nobody_and_opens_nobody(
    regions: tuple[Region, Region], proxy: StoreProxy
) -> None:
    here, there = regions
    now = [0.0]
    node = here.process(lambda: now[0], there)
    node.subscribers.commit(change(name(1), 1), WAIT_S)
    copy(here, there)
    away = {"operation": "Query", "when": lambda payload: payload["TableName"].startswith(there.prefix)}
    proxy.inject(FaultKind.SERVER_ERROR, **away)
    now[0] += LEASE_S
    node.subscribers.commit(change(name(1), 2), now[0] + WAIT_S)
    proxy.heal()
    there.fence.raise_to(THERE, T0, "mary", "fail-over", soon())
    now[0] += LEASE_S
    with pytest.raises(Fenced):
        node.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)
    proxy.inject(FaultKind.SERVER_ERROR, **away)
    now[0] += LEASE_S
    with pytest.raises(Fenced):
        node.subscribers.commit(change(name(1), 3), now[0] + WAIT_S)


def test_a_lease_ends_in_a_machine_that_was_frozen() -> None:
    class Table(FenceTable):
        def __init__(self) -> None:
            self.table, self.mark = "t", Mark(FIRST, HERE)

        def copies(self, _deadline: float) -> list[Mark]:
            return [self.mark] * SHARDS

    table, wall = Table(), [1_000.0]
    fence = Fence(table, HERE, lambda: 0.0, wall=lambda: wall[0])
    fence.enter(1.0)
    table.mark = Mark(2, NOBODY)
    fence.enter(1.0)
    wall[0] += LEASE_S  # the monotonic clock stood still
    with pytest.raises(Fenced):
        fence.enter(1.0)


def test_an_epoch_only_grows_and_one_of_two_raises_wins(regions: tuple[Region, Region]) -> None:
    here, _ = regions
    first = here.fence.raise_to(HERE, T0, "mary", "begin", soon())
    assert here.fence.raise_to(NOBODY, 0, "mary", "a clock that is wrong", soon()).epoch == first.epoch + 1
    other = Mark(first.epoch + 2, THERE)
    assert here.fence.write(other, soon())
    assert here.fence.write(other, soon()), "again is the same"
    assert not here.fence.write(other._replace(region=HERE), soon())
    assert here.fence.read(soon()) == other


def test_a_raise_that_broke_off_has_taken_place(regions: tuple[Region, Region], proxy: StoreProxy) -> None:
    here, _ = regions
    town = here.town(FakeProvider(), 1)
    town.found()
    key = {"kind": {"S": FENCE}, "id": {"S": "0"}}
    there = here.client.get_item(TableName=here.fence.table, Key=key)["Item"]
    here.client.put_item(TableName=here.fence.table, Item={**there, "epoch": {"N": str(T0)}, "writer": {"S": NOBODY}})
    with pytest.raises(Fenced):
        here.process().subscribers.commit(change(name(2), 1), soon())


def test_a_posting_pays_two_units_for_the_check_and_spreads_them(
    regions: tuple[Region, Region], proxy: StoreProxy
) -> None:
    here, _ = regions
    town = here.town(FakeProvider(), 1)
    town.found()
    proxy.requests.clear()
    for number in range(12):
        town.buy(f"page{number}")
    checks = [
        part["ConditionCheck"]
        for operation, payload in proxy.requests
        if operation == "TransactWriteItems"
        for part in payload["TransactItems"]
        if "ConditionCheck" in part
    ]
    transactions = [each for each in proxy.requests if each[0] == "TransactWriteItems"]
    assert len(checks) == len(transactions) > 0, "one each"
    assert {check["TableName"] for check in checks} == {here.prefix + keys.CONFIG}
    assert 1 < len({check["Key"]["id"]["S"] for check in checks}) <= SHARDS


def test_one_request_in_a_while_reads_the_record(regions: tuple[Region, Region], proxy: StoreProxy) -> None:
    here, _ = regions
    now = [0.0]
    node = here.process(lambda: now[0])
    node.subscribers.commit(change(name(1), 1), WAIT_S)
    proxy.requests.clear()
    for version in range(2, 102):
        now[0] += RENEW_S / 49
        node.subscribers.commit(change(name(1), version), now[0] + WAIT_S)
    assert sum(operation == "Query" for operation, _ in proxy.requests) == 2


def test_all_who_come_after_an_idle_hour_wait_for_one_answer() -> None:
    class Slow(FenceTable):
        def __init__(self) -> None:
            self.table, self.asked = "t", 0

        def copies(self, _deadline: float) -> list[Mark]:
            self.asked += 1
            return [Mark(FIRST, HERE)] * SHARDS

    table, now = Slow(), [0.0]
    fence = Fence(table, HERE, lambda: now[0])
    fence.see(1.0)
    fence.see(1.0)
    assert table.asked == 1
    now[0] = 3_600.0
    fence.enter(now[0] + 1)
    fence.enter(now[0] + 1)
    assert table.asked == 2
