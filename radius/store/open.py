"""Opens the store: from settings to ports. Nothing here runs at import time."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from radius.ports import (
    Attempts,
    Catalogue,
    Deeds,
    DueWork,
    Lists,
    Names,
    Nodes,
    Routers,
    Sessions,
    Subscribers,
    Tallies,
    Tunnels,
)
from radius.store import desk as desks
from radius.store import tables, wire
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.catalog import (
    ConfigTable,
    DynamoCatalogue,
    DynamoDeeds,
    DynamoNodes,
    DynamoRouters,
    DynamoTallies,
    DynamoTunnels,
)
from radius.store.dynamo import (
    DynamoAttempts,
    DynamoDueWork,
    DynamoLists,
    DynamoNames,
    DynamoSessions,
    DynamoSubscribers,
)
from radius.store.fence import ELSEWHERE_S, Fence, FenceTable
from radius.store.hot import HotStore
from radius.store.memory import MemoryStore


class StoreKind(StrEnum):
    """The engine: decides how commits travel (`radius.store.commits`)."""

    EMBEDDED = "embedded"
    DYNAMODB = "dynamodb"


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is and how long we wait for it.

    `credentials` None: the usual AWS chain. `endpoint_url` None: DynamoDB of the region. `timeout_s` is the deadline of
    one packet; no request waits longer. `connections`: as many as threads use boto3 at once. `fenced`: see
    `radius.store.fence`; `elsewhere`: Region and prefix of the other tables.
    """

    kind: StoreKind
    region: str
    endpoint_url: str | None = None
    credentials: tuple[str, str] | None = None
    prefix: str = ""
    timeout_s: float = 0.5
    connect_timeout_s: float = 0.3
    connections: int = 32
    fenced: bool = False
    elsewhere: tuple[str, str] | None = None


@dataclass(frozen=True)
class Store:
    """All ports, and what the process needs beside them."""

    subscribers: Subscribers
    lists: Lists
    names: Names
    sessions: Sessions
    due_work: DueWork
    attempts: Attempts
    deeds: Deeds
    tallies: Tallies
    catalogue: Catalogue
    routers: Routers
    nodes: Nodes
    tunnels: Tunnels
    breaker: Breaker
    engine: desks.Desk | MemoryStore  # on which a room builds that keeps tables of its own
    numbers: Callable[[], dict[str, int]]
    create_tables: Callable[[], list[str]]
    close: Callable[[], bool]


def open_store(settings: StoreSettings, clock: Callable[[], float] = time.monotonic) -> Store:
    """Connect (lazily: nothing is sent yet). `close` ends it: False if a request is still out after `timeout_s`."""
    breaker = Breaker(clock=clock)
    capacity = Capacity()
    where = (settings.endpoint_url, settings.region, settings.credentials)
    clients = wire.make_clients(*where, timeout_s=settings.timeout_s, connect_timeout_s=settings.connect_timeout_s)
    client = desks.make_client(
        *where,
        timeout_s=settings.timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        connections=settings.connections,
    )
    fence = None
    other = _elsewhere(settings, clock)
    if settings.fenced:
        plain = desks.Desk(client, settings.prefix, breaker, capacity, clock)
        fence = Fence(FenceTable(plain), settings.region, clock, FenceTable(other) if other else None)
    hot = HotStore(
        wire.Wire(clients, breaker, capacity, clock),
        settings.prefix,
        grouped=settings.kind is StoreKind.EMBEDDED,
        breaker=breaker,
        capacity=capacity,
        timeout_s=settings.timeout_s,
        clock=clock,
        fence=fence,
    )
    desk = desks.Desk(client, settings.prefix, breaker, capacity, clock, fence=fence)
    table = ConfigTable(desk)

    def numbers() -> dict[str, int]:
        state = {"breaker_open": int(breaker.is_open), "breaker_opened": breaker.times_opened}
        state["fenced"] = int(fence is not None and fence.is_shut)
        return {**capacity.snapshot(), **hot.gauges(), **state}

    def close() -> bool:
        drained = hot.close(2 * settings.timeout_s)
        desk.close()
        if other:
            other.close()
        return drained

    return Store(
        subscribers=DynamoSubscribers(hot, desk),
        lists=DynamoLists(desk),
        names=DynamoNames(hot, desk),
        sessions=DynamoSessions(desk),
        due_work=DynamoDueWork(desk),
        attempts=DynamoAttempts(desk),
        deeds=DynamoDeeds(table),
        tallies=DynamoTallies(table),
        catalogue=DynamoCatalogue(table),
        routers=DynamoRouters(table),
        nodes=DynamoNodes(table),
        tunnels=DynamoTunnels(table),
        breaker=breaker,
        engine=desk,
        numbers=numbers,
        create_tables=lambda: desk.create_tables(tables.TABLES),
        close=close,
    )


def _elsewhere(settings: StoreSettings, clock: Callable[[], float]) -> desks.Desk | None:
    """The tables of the other Region: only their fence is looked at, seldom, and nothing here depends on it."""
    if settings.elsewhere is None:
        return None
    region, prefix = settings.elsewhere
    where = (settings.endpoint_url, region, settings.credentials)
    client = desks.make_client(*where, timeout_s=ELSEWHERE_S, connect_timeout_s=ELSEWHERE_S, connections=1)
    return desks.Desk(client, prefix, Breaker(clock=clock), Capacity(), clock)


def memory_store(memory: MemoryStore) -> Store:
    """The same shape over memory."""
    return Store(
        subscribers=memory,
        lists=memory,
        names=memory,
        sessions=memory,
        due_work=memory,
        attempts=memory,
        deeds=memory,
        tallies=memory,
        catalogue=memory,
        routers=memory,
        nodes=memory,
        tunnels=memory,
        breaker=Breaker(),
        engine=memory,
        numbers=Counter,  # nothing is counted: 0, whatever is asked for
        create_tables=list,
        close=lambda: True,
    )
