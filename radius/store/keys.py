"""The access-pattern table: every request to the store, its key, index, consistency and price; and the keys themselves.

Four tables. A stage sets a prefix before their names (`demo-UsersTable`).

UsersTable (hash `pk`), short attribute names because they count against the write unit of 1,024 bytes:

    S#<subscriber>  v version · w write_id · b body (JSON text) · if there is due work: k, d its key and instant
    A#<alias>       s subscriber
    L#<subscriber>  a row of the list of customers: k, d its site and the instant of coming; written once

SessionsTable (hash `uid`, range `started_at`): revision, subscriber, body and the keys of four indexes.

ConfigTable (hash `kind`, range `id`): terms, routers, sites, boots, nodes, tunnels, checkpoints, unheard sources, who
may write (`fence`), what processes measured by the day, and what people did by hand, a kind for each day. Small lists
that are read with one Query; `expires_at` is its TTL attribute and collects garbage only.

AttemptsTable (hash `uid`, range `at`: milliseconds, worker): the audit of enforcement; body, and `expires_at`, its TTL.

An index entry is rewritten only when one of its own attributes changes. An ordinary interim update keeps `k` and `d`
and writes no record, so it costs one write unit and touches no index.
"""

from typing import NamedTuple
from zlib import crc32

from radius.domain.identity import NasId, SessionUid, SubscriberId

USERS = "UsersTable"
SESSIONS = "SessionsTable"
CONFIG = "ConfigTable"
ATTEMPTS = "AttemptsTable"

DUE_INDEX = "due"
ROUTER_INDEX = "by_router"
SITE_INDEX = "by_site"
SUBSCRIBER_INDEX = "by_subscriber"
OPEN_INDEX = "open"

# Shards of index keys: one index partition takes 1,000 writes a second, and a hot one throttles the table behind it.
# Readers ask every shard, so a number may grow only after the entries of old keys are gone.
DUE_SHARDS = 4  # 4,000 changes of due work a second inside one minute
DAY_SHARDS = 4  # sessions of one router or one site begun on one day
OPEN_SHARDS = 4  # open sessions of one router (2,000 end at once after a power cut)

BATCH_GET_KEYS_MAX = 100  # API limit of BatchGetItem
TRANSACTION_ITEMS_MAX = 100  # API limit of TransactWriteItems
READ_UNIT_BYTES = 4096  # one strongly consistent read unit; an eventually consistent read costs half
WRITE_UNIT_BYTES = 1024  # one write unit; a transaction costs two


class Access(NamedTuple):
    """One access pattern. `consistency`: strong, eventual, or the condition of a write. `units`: price of one call."""

    port: str
    operation: str
    table: str
    key: str
    by_index: str
    consistency: str
    units: str


ACCESS = (
    Access("Subscribers.read", "GetItem", USERS, "S#id", "", "strong", "1 RU per 4 KB"),
    Access("Subscribers.read", "BatchGetItem", USERS, "S#id, up to 100", "", "strong", "1 RU per 4 KB and item"),
    Access("Subscribers.commit", "PutItem", USERS, "S#id", "", "v = version - 1", "1 WU per KB (dynamodb)"),
    Access("Subscribers.commit", "PutItem", SESSIONS, "uid, started_at", "", "revision lower", "1 WU per KB + indexes"),
    Access(
        "Subscribers.commit",
        "TransactWriteItems",
        USERS,
        "S#id and records, up to 100",
        "",
        "as above",
        "2 WU (embedded)",
    ),
    Access(
        "Subscribers.create", "TransactWriteItems", USERS, "S#id, A#alias each", "", "absent or same", "2 WU an item"
    ),
    Access("Lists.latest", "Query", USERS, "site#id, latest first", DUE_INDEX, "eventual", "0.5 RU per 4 KB"),
    Access("Lists.many", "BatchGetItem", USERS, "S#id, up to 100", "", "strong", "1 RU per 4 KB and item"),
    Access("Names.resolve", "GetItem", USERS, "A#alias", "", "strong", "1 RU"),
    Access("Names.resolve", "BatchGetItem", USERS, "A#alias, with reads", "", "strong", "1 RU"),
    Access("Names.bind", "PutItem", USERS, "A#alias", "", "absent or same", "1 WU"),
    Access("Names.unbind", "DeleteItem", USERS, "A#alias", "", "leads to subscriber", "1 WU"),
    Access("Sessions.file", "PutItem", SESSIONS, "uid, started_at", "", "revision lower", "1 WU per KB + indexes"),
    Access("Sessions.find", "Query", SESSIONS, "uid", "", "strong", "1 RU per 4 KB"),
    Access("Sessions.open_on", "Query", SESSIONS, "nas#shard, started_at <", OPEN_INDEX, "eventual", "0.5 RU a shard"),
    Access("Sessions.begun_on", "Query", SESSIONS, "id#day#shard", ROUTER_INDEX, "eventual", "0.5 RU a shard"),
    Access("Sessions.begun_on", "Query", SESSIONS, "id#day#shard", SITE_INDEX, "eventual", "0.5 RU a shard"),
    Access("Sessions.begun_on", "Query", SESSIONS, "id#day#shard", SUBSCRIBER_INDEX, "eventual", "0.5 RU a shard"),
    Access("Sessions.records", "BatchGetItem", SESSIONS, "uid, started_at", "", "strong", "1 RU an item"),
    Access("Sessions.count_open", "Query", SESSIONS, "nas#shard", OPEN_INDEX, "eventual", "0.5 RU per 4 KB"),
    Access("DueWork.due", "Query", USERS, "minute#shard, due_at between", DUE_INDEX, "eventual", "0.5 RU a shard"),
    Access("DueWork.checkpoint", "GetItem", CONFIG, "checkpoint, worker", "", "strong", "1 RU"),
    Access("DueWork.advance", "UpdateItem", CONFIG, "checkpoint, worker", "", "forward only", "1 WU"),
    Access("Attempts.record", "PutItem", ATTEMPTS, "uid, at", "", "none", "1 WU"),
    Access("Attempts.of_session", "Query", ATTEMPTS, "uid", "", "strong", "1 RU per 4 KB"),
    Access("Deeds.note", "PutItem", CONFIG, "deed#day, at", "", "none", "1 WU"),
    Access("Deeds.on", "Query", CONFIG, "deed#day", "", "strong", "1 RU per 4 KB"),
    Access("Tallies.tally", "UpdateItem", CONFIG, "tally, day#process", "", "none", "1 WU per KB"),
    Access("Tallies.tallied", "Query", CONFIG, "tally, day# from and to", "", "eventual", "0.5 RU per 4 KB"),
    Access("Catalogue.terms", "GetItem", CONFIG, "terms, id", "", "strong", "1 RU"),
    Access("Catalogue.add", "PutItem", CONFIG, "terms, id", "", "absent", "1 WU"),
    Access("Routers.routers", "Query", CONFIG, "router", "", "strong", "1 RU per 4 KB"),
    Access("Routers.sites", "Query", CONFIG, "site", "", "strong", "1 RU per 4 KB"),
    Access("Routers.boots", "Query", CONFIG, "boot", "", "strong", "1 RU per 4 KB"),
    Access("Routers.put_router", "PutItem", CONFIG, "router, id", "", "version = version - 1", "1 WU"),
    Access("Routers.put_site", "PutItem", CONFIG, "site, id", "", "none", "1 WU"),
    Access("Routers.boot", "UpdateItem", CONFIG, "boot, nas", "", "forward only", "1 WU"),
    Access("Routers.note_unknown", "UpdateItem", CONFIG, "unknown, address", "", "latest wins", "1-2 WU a source"),
    Access("Routers.unknown", "Query", CONFIG, "unknown", "", "eventual", "0.5 RU per 4 KB"),
    Access("Tunnels.tunnels", "Query", CONFIG, "tunnel", "", "strong", "1 RU per 4 KB"),
    Access("Tunnels.put_tunnel", "PutItem", CONFIG, "tunnel, address", "", "version = version - 1", "1 WU"),
    Access("Tunnels.drop_tunnel", "DeleteItem", CONFIG, "tunnel, address", "", "version", "1 WU"),
    Access("Nodes.publish", "PutItem", CONFIG, "node, id", "", "none", "1 WU"),
    Access("Nodes.nodes", "Query", CONFIG, "node", "", "strong", "1 RU per 4 KB"),
)


def subscriber_key(subscriber: SubscriberId) -> str:
    """Key of the aggregate in UsersTable."""
    return "S#" + subscriber


def alias_key(alias: str) -> str:
    """Key of an alias item in UsersTable."""
    return "A#" + alias


def listed_key(subscriber: SubscriberId) -> str:
    """Key of a row of the list of customers in UsersTable."""
    return "L#" + subscriber


def list_key(site: str) -> str:
    """Hash key of a site's list in the index of due work, where a minute is a number. One: births are few."""
    return f"site#{site}"


def subscriber_of(key: str) -> SubscriberId:
    """The subscriber of an aggregate's key, or of a row's."""
    return SubscriberId(key[2:])


def shard_of(name: str, shards: int) -> int:
    """A stable shard number: the same in every process and version (unlike `hash`)."""
    return crc32(name.encode()) % shards


def due_key(subscriber: SubscriberId, due_at: int) -> str:
    """Hash key in the due index: the minute in which the work is due, and a shard."""
    return f"{due_at // 60}#{shard_of(subscriber, DUE_SHARDS)}"


def due_keys(minute: int) -> list[str]:
    """All hash keys of one minute (`due_at // 60`)."""
    return [f"{minute}#{shard}" for shard in range(DUE_SHARDS)]


def day_key(name: str, day: str, uid: SessionUid) -> str:
    """Hash key of a session in an index by router, site or subscriber and local day (YYYYMMDD)."""
    return f"{name}#{day}#{shard_of(uid, DAY_SHARDS)}"


def day_keys(name: str, day: str) -> list[str]:
    """All hash keys of a router, site or subscriber on a local day."""
    return [f"{name}#{day}#{shard}" for shard in range(DAY_SHARDS)]


def open_key(nas: NasId, uid: SessionUid) -> str:
    """Hash key of an open session in the index of open sessions."""
    return f"{nas}#{shard_of(uid, OPEN_SHARDS)}"


def open_keys(nas: NasId) -> list[str]:
    """All hash keys of one router's open sessions."""
    return [f"{nas}#{shard}" for shard in range(OPEN_SHARDS)]


def attempt_key(at_ms: int, worker: str) -> str:
    """Range key of an attempt: sorts by time."""
    return f"{at_ms:014d}#{worker}"


def item_bytes(item: dict[str, str | int]) -> int:
    """Size of an item as DynamoDB counts it: names and texts in UTF-8; a number one byte per two digits, plus 1."""
    total = 0
    for name, value in item.items():
        total += len(name)
        if isinstance(value, str):
            total += len(value) if value.isascii() else len(value.encode())
        else:
            total += len(str(value)) // 2 + 2
    return total


def read_half_units(size_bytes: int, *, strong: bool) -> int:
    """Price of reading `size_bytes` (0: a key that is not there) in halves of a read unit."""
    return max(1, -(-size_bytes // READ_UNIT_BYTES)) * (2 if strong else 1)


def write_units(size_bytes: int, *, transaction: bool) -> int:
    """Price of writing one item of `size_bytes`, without indexes."""
    return max(1, -(-size_bytes // WRITE_UNIT_BYTES)) * (2 if transaction else 1)
