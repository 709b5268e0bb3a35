"""What the core needs from outside. One method = one atomic store request.

`deadline` is an instant of the monotonic clock (`time.monotonic()`), shared by everything one packet needs.
Every method raises `Unavailable` when the store has not answered by then; whether a write took place is then unknown,
and the caller may ask again with the same `write_id`.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from radius.domain.attempt import Attempt
from radius.domain.deed import Deed
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.nas import Router, Site
from radius.domain.record import SessionRecord
from radius.domain.terms import Terms
from radius.domain.tunnel import Tunnel

ALIASES_MAX = 90  # one transaction takes 100 items: the aggregate, its aliases, a few records
DUE_WINDOW_S_MAX = 86_400  # the due index is walked minute by minute: 1,440 steps
RECORDS_MAX = 100  # what one BatchGetItem takes
TALLY_KEPT_S = 400 * 86_400  # a report of a year ago
UNKNOWN_KEPT_S = 30 * 86_400  # long enough to find a router that was set up wrong last month


def check_due_window(since: int, until: int) -> None:
    """Raise ValueError for a window that `DueWork.due` does not walk in one go."""
    if until - since > DUE_WINDOW_S_MAX:
        raise ValueError(f"a window of due work is at most {DUE_WINDOW_S_MAX} s wide, not {until - since}")


class Outcome(Enum):
    """Answer to a write. All four are values; only silence is an exception."""

    COMMITTED = "committed"
    ALREADY_DONE = "already_done"  # the same thing is there: by an earlier try of ours, or it was so before
    CONFLICT = "conflict"  # something else is there under this key: an alarm
    STALE = "stale"  # another writer was first: read, decide again


class Stored(NamedTuple):
    """A subscriber item as read. `due_at` 0: no due work."""

    body: bytes
    version: int
    due_at: int


class Change(NamedTuple):
    """One new state of one subscriber, with the session records that belong to it.

    Applies only if the stored version is `version - 1` (0 = the item must not exist). `write_id` is new for each
    decision and the same for each try of it. `due_at` 0 takes the item out of the due index.
    """

    subscriber: SubscriberId
    version: int
    write_id: str
    body: bytes
    due_at: int
    records: tuple[SessionRecord, ...] = ()


class Listed(NamedTuple):
    """Where a customer is listed: under a site ("": of none), by the instant at which they came."""

    site: str
    at: int


class Subscribers(Protocol):
    """The aggregates (table UsersTable)."""

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        """Strongly consistent read of one aggregate; None if there is none."""

    def commit(self, change: Change, deadline: float) -> Outcome:
        """Conditional write of the whole aggregate, then of its records.

        COMMITTED (also when a failed condition shows our own `write_id`) or STALE. COMMITTED means the records are
        stored too; `Unavailable` after the aggregate was written heals by the same call again.
        """

    def create(self, change: Change, aliases: Sequence[str], deadline: float, listed: Listed | None = None) -> Outcome:
        """New aggregate together with its aliases, all or nothing (at most `ALIASES_MAX`, else ValueError).

        `listed`: its place in the list of customers; None for who is no customer yet, such as a printed voucher.
        CONFLICT when an alias leads to another subscriber, ALREADY_DONE when the same subscriber is there (COMMITTED
        when it carries our own `write_id`).
        """

    @property
    def records_atomic(self) -> bool:
        """True where `commit` stores aggregate and records in one transaction."""


class Names(Protocol):
    """Alias items: name -> subscriber (table UsersTable)."""

    def resolve(self, alias: str, deadline: float) -> SubscriberId | None:
        """Strongly consistent look-up."""

    def bind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        """Lead a new alias to a subscriber: COMMITTED, ALREADY_DONE, or CONFLICT if it leads elsewhere."""

    def unbind(self, alias: str, subscriber: SubscriberId, deadline: float) -> Outcome:
        """Remove an alias if it leads to this subscriber: COMMITTED, ALREADY_DONE (gone), or CONFLICT."""


class Lists(Protocol):
    """Customers in numbers, for people (table UsersTable).

    A row of the list is an item of its own, written at birth: what a customer does later never touches it.
    """

    def latest(
        self, site: str, before: tuple[int, SubscriberId] | None, limit: int, deadline: float
    ) -> list[tuple[SubscriberId, int]]:
        """Customers listed under a site and when they came, the latest first; eventually consistent.

        `before`: the (instant, subscriber) after which a list goes on; None begins it.
        """

    def many(self, subscribers: Sequence[SubscriberId], deadline: float) -> dict[SubscriberId, Stored]:
        """Those that are there of up to `RECORDS_MAX` aggregates (ValueError for more); strongly consistent."""


class Where(Enum):
    """By what sessions of a day are found."""

    ROUTER = "router"
    SITE = "site"
    SUBSCRIBER = "subscriber"


class Sessions(Protocol):
    """Session records (table SessionsTable)."""

    def file(self, record: SessionRecord, deadline: float) -> Outcome:
        """Upsert, higher revision wins: COMMITTED, or ALREADY_DONE when this or a higher revision is there."""

    def find(self, uid: SessionUid, deadline: float) -> list[SessionRecord]:
        """All generations of a session, oldest first; strongly consistent."""

    def open_on(
        self, nas: NasId, before: int, limit: int, deadline: float
    ) -> list[tuple[SessionUid, int, SubscriberId]]:
        """Up to `limit` open sessions of a router that started before an instant: (uid, started_at, subscriber).

        Eventually consistent: a hint for workers, never ground for a decision.
        """

    def begun_on(self, where: Where, name: str, day: str, limit: int, deadline: float) -> list[tuple[SessionUid, int]]:
        """Up to `limit` sessions of a router, site or subscriber begun on a local day (YYYYMMDD): (uid, started_at).

        The latest first; eventually consistent.
        """

    def records(self, keys: Sequence[tuple[SessionUid, int]], deadline: float) -> list[SessionRecord]:
        """The records of up to `RECORDS_MAX` keys that are there, in any order; strongly consistent."""

    def count_open(self, nas: NasId, deadline: float) -> int:
        """How many sessions of a router are open, by the open index; eventually consistent."""


class DueWork(Protocol):
    """The due index: subscribers with something to be done at a known time."""

    def due(self, since: int, until: int, limit: int, deadline: float) -> list[tuple[SubscriberId, int]]:
        """Subscribers whose `due_at` lies in [since, until], earliest first, at most `limit`; eventually consistent.

        The window is at most `DUE_WINDOW_S_MAX` wide (ValueError): who is further behind walks in steps.
        """

    def checkpoint(self, worker: str, deadline: float) -> int:
        """The instant up to which a kind of worker has seen all due work; 0 before the first time."""

    def advance(self, worker: str, to: int, deadline: float) -> Outcome:
        """Move the checkpoint forward: COMMITTED, or ALREADY_DONE when it is already there or further."""


class Attempts(Protocol):
    """The audit of enforcement (table AttemptsTable): append-only, kept `ATTEMPT_KEPT_S`."""

    def record(self, attempt: Attempt, deadline: float) -> None:
        """Append one; the same once more comes to the same."""

    def of_session(self, uid: SessionUid, now: int, deadline: float) -> list[Attempt]:
        """All about a session, oldest first; strongly consistent."""


class Tally(NamedTuple):
    """A row of `Tallies`. `counts`: by the names of `radius.tally.series`."""

    day: str
    process: str
    counts: Mapping[str, int]


class Deeds(Protocol):
    """The audit of what people do by hand (table ConfigTable), kept `DEED_KEPT_S`."""

    def note(self, deed: Deed, deadline: float) -> None:
        """Write one down; the same `at_ms` and `id` once more says how it ended."""

    def on(self, day: str, now: int, deadline: float) -> list[Deed]:
        """All of a UTC day (ISO date), oldest first; strongly consistent."""


class Tallies(Protocol):
    """What processes measured on business days (table ConfigTable), kept `TALLY_KEPT_S`."""

    def tally(self, day: str, process: str, counts: Mapping[str, int], now: int, deadline: float) -> None:
        """Add to the row of a process and an ISO day. Not safe to repeat: a repetition counts twice."""

    def tallied(self, first: str, last: str, now: int, deadline: float) -> list[Tally]:
        """The rows of some days, both ends among them; eventually consistent."""


class Catalogue(Protocol):
    """Immutable terms by id (table ConfigTable)."""

    def terms(self, terms_id: str, deadline: float) -> Terms | None:
        """One version of terms."""

    def add(self, terms: Terms, deadline: float) -> Outcome:
        """COMMITTED; ALREADY_DONE when exactly this is there; CONFLICT when that id means something else."""


class Routers(Protocol):
    """Routers, sites and what is known of their life (table ConfigTable)."""

    def routers(self, deadline: float, broken: dict[str, str] | None = None) -> list[Router]:
        """All routers that can be read; into `broken` go the names of the others, and why."""

    def sites(self, deadline: float, broken: dict[str, str] | None = None) -> list[Site]:
        """All sites that can be read; into `broken` go the names of the others, and why."""

    def boots(self, deadline: float) -> dict[NasId, int]:
        """Latest Accounting-On/Off of every router that sent one."""

    def put_router(self, router: Router, deadline: float) -> Outcome:
        """Write a router if the stored version is `router.version - 1`: COMMITTED, ALREADY_DONE or STALE."""

    def put_site(self, site: Site, deadline: float) -> Outcome:
        """Write a site (last writer wins; operators only)."""

    def boot(self, nas: NasId, at: int, deadline: float) -> Outcome:
        """Monotone: COMMITTED, or ALREADY_DONE when a later or equal boot is known."""

    def note_unknown(self, seen: Iterable[tuple[str, int, int, str]], deadline: float) -> None:
        """Add to the list of unheard sources: (source address, packets, last instant, why). Kept `UNKNOWN_KEPT_S`.

        The one write that is not safe to repeat: a repetition counts the packets twice.
        """

    def unknown(self, now: int, deadline: float) -> list[tuple[str, int, int, str]]:
        """The list of unheard sources, latest first: (source address or router, packets, last instant, why)."""


class Tunnels(Protocol):
    """Addresses of the hub's network, each under its own key (table ConfigTable)."""

    def tunnels(self, deadline: float) -> list[Tunnel]:
        """All of them, by address as text; strongly consistent."""

    def put_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        """Write one if the stored version is `tunnel.version - 1`: COMMITTED, ALREADY_DONE or STALE."""

    def drop_tunnel(self, tunnel: Tunnel, deadline: float) -> Outcome:
        """Give an address back if it is still as it was read: COMMITTED, ALREADY_DONE (gone) or STALE."""


class Node(NamedTuple):
    """What a RADIUS node publishes of itself. `spool_oldest_at` 0: nothing waits. `routers`: names it hears.

    `heard_at` 0: it has heard them up to `at`; else only up to then, because it was down; this ends at
    `held_until`.
    """

    id: str
    at: int
    spool_oldest_at: int
    routers: tuple[NasId, ...]
    heard_at: int = 0
    held_until: int = 0


class Nodes(Protocol):
    """Heartbeats of RADIUS nodes (table ConfigTable)."""

    def publish(self, node: Node, deadline: float) -> None:
        """Replace this node's heartbeat."""

    def nodes(self, deadline: float) -> list[Node]:
        """All heartbeats, also old ones: a node that stopped publishing holds its routers back."""
