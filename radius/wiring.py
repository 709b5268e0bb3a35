"""Where everything is put together from settings: the node inside FreeRADIUS, the worker, the operator's tools."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from radius import log as logs
from radius import metrics as measures
from radius import secrets
from radius import settings as settings_module
from radius.bell import Bell
from radius.domain.guessing import Guard
from radius.domain.request import Chap
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.domain.world import World
from radius.keeper import Keeper, KeeperFiles, Tell
from radius.meter import Meter
from radius.outlets import open_outlets
from radius.rlm import spool, vendors
from radius.rlm.clocks import system_clocks
from radius.rlm.edge import Edge
from radius.rlm.unsigned import Excepted
from radius.secrets import KeyRing
from radius.services.access import Access, Tools
from radius.services.accounting import Accounting
from radius.services.desk import MARKS, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook
from radius.services.outage import Degrade
from radius.services.provision import Provision, Stores
from radius.services.sweep import News, Sweep
from radius.services.terms import TermsBook
from radius.services.watch import Watch
from radius.settings import Settings
from radius.store.open import Store, StoreKind, StoreSettings, open_store
from radius.tracing import open_spans

MARKS_ENTRIES_MAX = 10_000  # shards of accounts with very many devices
BACKGROUND_DEADLINE_S = 5.0  # a store request that no router waits for
EMBEDDED_CREDENTIALS = ("local", "local")  # the embedded engine checks none, the client must send some


class Vault:
    """`services.access.Vault` and `services.provision.Sealer` over the key ring."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self.seal = keys.seal
        self.unseal = keys.unseal

    def hash_password(self, password: str) -> str:
        """Salted scrypt hash."""
        return secrets.hash_password(password)

    def password_matches(self, password: str, stored_hash: str) -> bool:
        """Check a password; an empty hash costs the same and never matches."""
        return secrets.verify_password(stored_hash or secrets.DUMMY_HASH, password) and bool(stored_hash)

    def any_equal(self, given: str, accepted: list[str]) -> bool:
        """Constant time over all that is accepted."""
        return secrets.pap_matches(accepted, given)

    def chap_matches(self, chap: Chap, accepted: list[str]) -> bool:
        """Constant time over all that is accepted; without a challenge nothing can match."""
        if chap.challenge is None:
            return False
        return secrets.chap_matches(accepted, chap.identifier, chap.challenge, chap.response)


class Core(NamedTuple):
    """What node, worker and operators share."""

    settings: Settings
    store: Store
    keys: KeyRing
    vault: Vault
    desk: Desk[Subscriber]
    marks: Desk[Shard]
    names: NameBook
    directory: Directory
    terms: TermsBook
    provision: Provision
    world: Callable[[int], World]
    bell: Bell

    def close(self) -> None:
        """Close what was opened for it."""
        self.store.close()
        self.bell.close()


def store_settings(settings: Settings) -> StoreSettings:
    """Where the store is, and with which credentials."""
    return StoreSettings(
        kind=StoreKind(settings.store_kind),
        region=settings.region,
        endpoint_url=settings.store_endpoint,
        credentials=EMBEDDED_CREDENTIALS if settings.store_kind == "embedded" else None,
        prefix=settings.table_prefix,
        timeout_s=settings.request_deadline_ms / 1000,
        connections=settings.store_connections_max,
        fenced=settings.store_kind == "dynamodb",
        elsewhere=settings.other_tables,
    )


def build_core(settings: Settings) -> Core:
    """Open the store and the keys. Raises Malformed for settings or a key file that cannot be used."""
    keys = KeyRing.open(settings.key_ref)
    vault = Vault(keys)
    store = open_store(store_settings(settings))
    desk: Desk[Subscriber] = Desk(
        store.subscribers, secrets.new_write_id, time.monotonic, settings.subscriber_cache_entries, time.time
    )
    marks: Desk[Shard] = Desk(store.subscribers, secrets.new_write_id, time.monotonic, MARKS_ENTRIES_MAX, codec=MARKS)
    names = NameBook(store.names, keys.alias_key, time.monotonic, settings.names_cache_entries, settings.names_cache_s)
    directory = Directory(store.routers, store.nodes, keys.unseal, vendors.capabilities_of)
    terms = TermsBook(
        store.catalogue, time.monotonic, settings.request_deadline_ms / 1000, settings.terms_cache_entries
    )
    bell = Bell(settings.state_dir)
    provision = Provision(
        Stores(store.subscribers, store.names, store.catalogue, store.routers),
        desk,
        names,
        vault,
        terms,
        secrets.new_subscriber_id,
        lambda: time.monotonic() + BACKGROUND_DEADLINE_S,
        vendors.capabilities_of,
        bell.ring,
    )

    def world(now: int) -> World:
        return World(now, terms, directory.boots, lambda nas: directory.heard_until(nas, now))

    return Core(settings, store, keys, vault, desk, marks, names, directory, terms, provision, world, bell)


class NodeApp:
    """The node inside FreeRADIUS: the edge, its keeper thread and its metrics endpoint."""

    def __init__(self, core: Core, edge: Edge, keeper: Keeper, logger: logs.Log, metrics: measures.InProcess) -> None:
        self.edge = edge
        self._core = core
        self._keeper = keeper
        self._log = logger
        self._metrics = metrics
        settings = core.settings
        self._outlets = open_outlets(metrics, settings, settings.metrics_port, "radius", core.store.tallies)
        keeper.start()

    def close(self) -> None:
        """Stop and join everything this app started."""
        self._keeper.close()
        self._outlets.close()
        self._core.close()
        self._log.sink.close()


def build_node(settings_path: Path) -> NodeApp:
    """Wire the node; called once in the FreeRADIUS process. Raises Malformed with what to mend."""
    settings = settings_module.load(settings_path)
    core = build_core(settings)
    metrics = measures.InProcess(settings.environment)
    spans = open_spans(tracing=settings.tracing, process="radius")
    logger = logs.open_log(
        settings.log_path,
        settings.log_format,
        settings.log_level,
        metrics=metrics,
        trace_id=spans.trace_id,
    )
    deadline_s = settings.request_deadline_ms / 1000
    guard = Guard()
    tools = Tools(core.vault, guard, core.terms, time.monotonic, secrets.new_subscriber_id)
    degrade = Degrade(settings.degraded_known_s, settings.degraded_session_s, settings.degraded_lease_bytes)
    post_auth_s = settings.post_auth_share_ms / 1000
    access = Access(core.desk, core.names, core.directory, tools, deadline_s, post_auth_s, degrade)
    accounting = build_accounting(core)
    watch = Watch(time.time)
    clocks = system_clocks(KeeperFiles(settings.state_dir).last_good(), settings.clock_floor_at)
    edge = Edge(
        access,
        accounting,
        core.directory,
        watch,
        clocks,
        metrics,
        logger.logger,
        logs.Pseudonyms(core.keys.subkey("pseudonym")),
        deadline_s,
        lambda: spool.has_room(settings.spool_dir),
        core.bell.ring,
    )
    if settings.tracing:  # else the hooks are called as they are
        for hook in ("authorize", "authenticate", "post_auth", "accounting"):
            setattr(edge, hook, spans.around(f"hook {hook}", getattr(edge, hook)))
    meter, excepted = build_meter(core, metrics, guard), Excepted(metrics, logger.logger)

    def measure() -> None:
        meter.round()
        excepted.look(core.directory.all_routers())

    keeper = Keeper(
        core.directory,
        core.store.routers,
        core.store.nodes,
        core.provision,
        watch,
        clocks,
        metrics,
        settings,
        measure,
        Tell(
            lambda error: logger.logger.error("Keeper round failed", exc_info=error),
            lambda router, why: logger.logger.error("Router record cannot be used", nas=router, reason=why),
        ),
    )
    return NodeApp(core, edge, keeper, logger, metrics)


def build_meter(core: Core, metrics: measures.Metrics, guard: Guard | None = None) -> Meter:
    """The meter of a node or a worker."""
    return Meter(metrics, core.store.numbers, core.desk, core.names, guard)


def build_accounting(core: Core) -> Accounting:
    """The accounting service of a node or a worker."""
    sessions, routers = core.store.sessions, core.store.routers
    return Accounting(core.desk, core.marks, core.names, core.directory, sessions, routers, core.world)


def build_sweep(core: Core, news: News) -> Sweep:
    """The sweeper of a worker."""
    return Sweep(
        core.desk,
        core.marks,
        core.store.due_work,
        core.store.sessions,
        core.directory,
        core.world,
        time.monotonic,
        BACKGROUND_DEADLINE_S,
        news,
    )
