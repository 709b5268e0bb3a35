"""What goes over the wire is what the access-pattern table says, and costs what the design promises."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from radius.domain.identity import NasId
from radius.domain.nas import Site
from radius.domain.tunnel import Tunnel
from radius.ports import Node, Outcome, Where
from radius.store import keys
from radius.store.open import Store, StoreKind, open_store
from tests.contract.test_config import ROUTER, TERMS
from tests.contract.values import attempt, change, deed, name, record, soon
from tests.fakes.store_proxy import StoreProxy
from tests.fixtures_engine import Engine, new_prefix, settings

GATE = NasId("gate")
CALLS: dict[str, Callable[[Store], object]] = {
    "Subscribers.read": lambda store: store.subscribers.read(name(1), soon()),
    "Subscribers.commit": lambda store: store.subscribers.commit(change(name(1), 1, records=(record(),)), soon()),
    "Subscribers.create": lambda store: store.subscribers.create(change(name(2), 1), ["n:b"], soon()),
    "Lists.latest": lambda store: store.lists.latest("lodge", (9, name(1)), 9, soon()),
    "Lists.many": lambda store: store.lists.many([name(1), name(2)], soon()),
    "Names.resolve": lambda store: store.names.resolve("n:b", soon()),
    "Names.bind": lambda store: store.names.bind("n:c", name(1), soon()),
    "Names.unbind": lambda store: store.names.unbind("n:c", name(1), soon()),
    "Sessions.file": lambda store: store.sessions.file(record(), soon()),
    "Sessions.find": lambda store: store.sessions.find(record().uid, soon()),
    "Sessions.open_on": lambda store: store.sessions.open_on(GATE, 9, 9, soon()),
    "Sessions.begun_on": lambda store: [store.sessions.begun_on(each, "x", "20251124", 9, soon()) for each in Where],
    "Sessions.records": lambda store: store.sessions.records([(record().uid, record().started_at)], soon()),
    "Sessions.count_open": lambda store: store.sessions.count_open(GATE, soon()),
    "DueWork.due": lambda store: store.due_work.due(0, 59, 9, soon()),
    "DueWork.checkpoint": lambda store: store.due_work.checkpoint("sweep", soon()),
    "DueWork.advance": lambda store: store.due_work.advance("sweep", 9, soon()),
    "Attempts.record": lambda store: store.attempts.record(attempt(), soon()),
    "Attempts.of_session": lambda store: store.attempts.of_session(attempt().uid, 0, soon()),
    "Deeds.note": lambda store: store.deeds.note(deed(), soon()),
    "Deeds.on": lambda store: store.deeds.on(deed().day, 0, soon()),
    "Tallies.tally": lambda store: store.tallies.tally("2025-11-24", "hub@a", {"AccessAccepts": 1}, 0, soon()),
    "Tallies.tallied": lambda store: store.tallies.tallied("2025-11-01", "2025-11-30", 0, soon()),
    "Catalogue.terms": lambda store: store.catalogue.terms("day.1", soon()),
    "Catalogue.add": lambda store: store.catalogue.add(TERMS, soon()),
    "Routers.routers": lambda store: store.routers.routers(soon()),
    "Routers.sites": lambda store: store.routers.sites(soon()),
    "Routers.boots": lambda store: store.routers.boots(soon()),
    "Routers.put_router": lambda store: store.routers.put_router(ROUTER, soon()),
    "Routers.put_site": lambda store: store.routers.put_site(Site("lodge"), soon()),
    "Routers.boot": lambda store: store.routers.boot(GATE, 9, soon()),
    "Routers.note_unknown": lambda store: store.routers.note_unknown([("192.0.2.1", 1, 9, "x")], soon()),
    "Routers.unknown": lambda store: store.routers.unknown(9, soon()),
    "Tunnels.tunnels": lambda store: store.tunnels.tunnels(soon()),
    "Tunnels.put_tunnel": lambda store: store.tunnels.put_tunnel(Tunnel("10.99.0.2", GATE, version=1), soon()),
    "Tunnels.drop_tunnel": lambda store: store.tunnels.drop_tunnel(Tunnel("10.99.0.2", GATE, version=1), soon()),
    "Nodes.publish": lambda store: store.nodes.publish(Node("n", 9, 0, ()), soon()),
    "Nodes.nodes": lambda store: store.nodes.nodes(soon()),
}


@pytest.fixture
def watched(engine: Engine, proxy: StoreProxy, kind: StoreKind) -> Iterator[Store]:
    opened = open_store(settings(f"http://127.0.0.1:{proxy.port}", kind, new_prefix()))
    opened.create_tables()
    proxy.requests.clear()
    yield opened
    assert opened.close()


def test_every_port_method_has_its_pattern() -> None:
    assert {access.port for access in keys.ACCESS} == set(CALLS)


@pytest.mark.parametrize("port", sorted(CALLS))
def test_requests_are_those_of_the_table(watched: Store, proxy: StoreProxy, port: str) -> None:
    CALLS[port](watched)
    allowed = {
        (access.operation, access.table, access.by_index, access.consistency == "strong")
        for access in keys.ACCESS
        if access.port == port
    }
    assert proxy.requests
    for operation, payload in proxy.requests:
        assert seen(operation, payload) in allowed
        assert operation != "Scan"


def seen(operation: str, payload: dict[str, Any]) -> tuple[str, str, str, bool]:
    if operation == "TransactWriteItems":
        table = payload["TransactItems"][0]["Put"]["TableName"]
    elif operation == "BatchGetItem":
        table = next(iter(payload["RequestItems"]))
    else:
        table = payload["TableName"]
    strong = bool(payload.get("ConsistentRead")) or operation == "BatchGetItem"
    return operation, table.partition("-")[2], payload.get("IndexName", ""), strong


def test_an_ordinary_interim_is_one_unit_and_touches_no_index(
    watched: Store, proxy: StoreProxy, kind: StoreKind
) -> None:
    body = b'"' + b"x" * 900 + b'"'
    watched.subscribers.commit(change(name(1), 1, body=body, due_at=1_700_000_000), soon())
    first = put_item(proxy.requests[-1], kind)
    before = watched.numbers()
    assert watched.subscribers.commit(change(name(1), 2, body=body, due_at=1_700_000_000), soon()) is Outcome.COMMITTED
    second = put_item(proxy.requests[-1], kind)
    index_keys = ("k", "d")
    assert [first[key] for key in index_keys] == [second[key] for key in index_keys]
    units = watched.numbers()["write_units"] - before["write_units"]
    assert units == (2 if kind is StoreKind.EMBEDDED else 1)  # a transaction costs two


def put_item(request: tuple[str, dict[str, Any]], kind: StoreKind) -> dict[str, Any]:
    payload = request[1]
    item: dict[str, Any] = (payload["TransactItems"][0]["Put"] if kind is StoreKind.EMBEDDED else payload)["Item"]
    return item


def test_a_read_is_one_unit(watched: Store) -> None:
    watched.subscribers.commit(change(name(1), 1), soon())
    before = watched.numbers()["read_half_units"]
    watched.subscribers.read(name(1), soon())
    watched.subscribers.read(name(2), soon())
    assert watched.numbers()["read_half_units"] - before == 4
