"""The hot path: reading and committing aggregates, resolving names. pydynox, because it lets go of the GIL.

Reads of all callers coalesce into BatchGetItem (a single one goes by GetItem, which says at once when it is throttled).
Commits group by the property of the engine, see `commits`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId
from radius.ports import Change, Outcome, Stored
from radius.store import keys, records
from radius.store.batch import Coalescer, Ticket
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.commits import Commits, take_changes
from radius.store.fence import Fence
from radius.store.wire import Wire

Item = dict[str, Any]
ReadTicket = Ticket[str, Item | None]


class HotStore:
    """`Subscribers` without `create`, and `Names.resolve`. Thread-safe; has no thread of its own.

    `grouped`: commits of several callers become one transaction (embedded engine). `timeout_s`: longest answer that
    the clients of `wire` wait for.
    """

    def __init__(
        self,
        wire: Wire,
        prefix: str,
        *,
        grouped: bool,
        breaker: Breaker,
        capacity: Capacity,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        fence: Fence | None = None,
    ) -> None:
        self._fence = fence
        self._wire = wire
        self._users = prefix + keys.USERS
        self._grouped = grouped
        self._breaker = breaker
        self._capacity = capacity
        self._commits = Commits(wire, self._users, prefix + keys.SESSIONS, capacity, clock)
        self._reads: Coalescer[str, Item | None] = Coalescer(self._fetch, take_reads, stuck_s=timeout_s, clock=clock)
        self._writes: Coalescer[Change, Outcome] = Coalescer(
            self._commits.together, take_changes, stuck_s=timeout_s, clock=clock
        )

    @property
    def records_atomic(self) -> bool:
        """True on the embedded engine, where aggregate and records are in one transaction."""
        return self._grouped

    def read(self, subscriber: SubscriberId, deadline: float) -> Stored | None:
        """See `Subscribers.read`."""
        self._breaker.enter()
        if self._fence is not None:
            self._fence.see(deadline)
        item = self._reads.call("S#" + subscriber, deadline)
        return None if item is None else records.stored_of(item)

    def resolve(self, alias: str, deadline: float) -> SubscriberId | None:
        """See `Names.resolve`."""
        self._breaker.enter()
        if self._fence is not None:
            self._fence.see(deadline)
        item = self._reads.call(keys.alias_key(alias), deadline)
        return None if item is None else SubscriberId(item["s"])

    def commit(self, change: Change, deadline: float) -> Outcome:
        """See `Subscribers.commit`. More than 99 records do not fit into one transaction and follow singly."""
        self._breaker.enter()
        if self._fence is not None:
            self._fence.enter(deadline)
        if self._grouped and len(change.records) < keys.TRANSACTION_ITEMS_MAX:
            return self._writes.call(change, deadline)
        return self._commits.alone(change, deadline)

    def gauges(self) -> dict[str, int]:
        """Groups in flight allowed now, groups and requests sent so far, for reads and writes."""
        return {
            "read_slots": self._reads.slots.limit,
            "read_groups": self._reads.groups,
            "read_requests": self._reads.requests,
            "write_slots": self._writes.slots.limit,
            "write_groups": self._writes.groups,
            "write_requests": self._writes.requests,
        }

    def close(self, timeout_s: float) -> bool:
        """Refuse new requests, wait for those under way. False if some are still out after `timeout_s`."""
        return all([self._reads.close(timeout_s), self._writes.close(timeout_s)])

    def _fetch(self, group: Sequence[ReadTicket], deadline: float) -> None:
        try:
            found = self._get(list({ticket.request: None for ticket in group}), deadline)
        except Unavailable as silence:
            for ticket in group:
                ticket.error = silence
            return
        for ticket in group:
            ticket.value = found.get(ticket.request)

    def _get(self, wanted: list[str], deadline: float) -> dict[str, Item]:
        """Strongly consistent items by key."""
        if len(wanted) == 1:
            item, metrics = self._wire.read(deadline, "sync_get_item", self._users, {"pk": wanted[0]}, True)
            self._capacity.add(reads=1, requests=1, read_half_units=int(2 * (metrics.consumed_rcu or 1)))
            return {wanted[0]: item} if item else {}
        items: list[Item] = self._wire.read(
            deadline, "sync_batch_get", self._users, [{"pk": key} for key in wanted], True
        )
        self._capacity.add_reads(items, len(wanted))
        return {item["pk"]: item for item in items}


def take_reads(waiting: deque[ReadTicket]) -> list[ReadTicket]:
    """Up to 100 different keys; readers of the same key join without a place of their own."""
    group: list[ReadTicket] = []
    wanted: set[str] = set()
    while waiting:
        ticket = waiting[0]
        if ticket.abandoned:
            waiting.popleft()
            continue
        if ticket.request not in wanted:
            if len(wanted) == keys.BATCH_GET_KEYS_MAX:
                break
            wanted.add(ticket.request)
        group.append(waiting.popleft())
    return group
