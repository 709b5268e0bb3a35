"""How commits reach the engine: as one transaction per group (embedded), or singly (DynamoDB). DESIGN §5.

On the embedded engine one transaction is one fsync, so a group costs as much as one commit. On DynamoDB a transaction
costs two write units per KB instead of one. Both give the same answers.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from radius.domain.errors import Unavailable
from radius.domain.record import SessionRecord
from radius.ports import Change, Outcome
from radius.store import keys, records
from radius.store.batch import Ticket
from radius.store.capacity import Capacity
from radius.store.errors import Meaning, Refused
from radius.store.patience import Patience
from radius.store.wire import Wire

Item = dict[str, Any]
WriteTicket = Ticket[Change, Outcome]


class Commits:
    """Writes aggregates with their records. `users` and `sessions` are the full table names."""

    def __init__(
        self,
        wire: Wire,
        users: str,
        sessions: str,
        capacity: Capacity,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wire = wire
        self._users = users
        self._sessions = sessions
        self._capacity = capacity
        self._patience = Patience(capacity, clock, pause)

    # -- singly --------------------------------------------------------------------------------------------------

    def alone(self, change: Change, deadline: float) -> Outcome:
        """One conditional PutItem, then its records (also when a failed condition shows our own write_id)."""
        condition, values = records.version_condition(change)
        outcome = self._put(self._users, records.subscriber_item(change), condition, values, deadline)
        if isinstance(outcome, dict):
            outcome = Outcome.COMMITTED if outcome.get("w") == change.write_id else Outcome.STALE
        if outcome is Outcome.COMMITTED:
            for record in change.records:
                self._file(record, deadline)
        return outcome

    def _file(self, record: SessionRecord, deadline: float) -> None:
        values = {":revision": record.revision}
        item = records.record_item(record)
        if self._put(self._sessions, item, records.REVISION_LOWER, values, deadline) is Outcome.STALE:
            raise Unavailable("a session record is held by another transaction")

    def _put(
        self, table: str, item: Item, condition: str, values: dict[str, int] | None, deadline: float
    ) -> Outcome | Item:
        """COMMITTED, STALE when another transaction kept the item too long, or the item that the condition met."""
        conflicts = 0
        while True:
            try:
                _, metrics = self._wire.ask(
                    deadline,
                    "sync_put_item",
                    table,
                    item,
                    condition,
                    None,
                    values,
                    return_values_on_condition_check_failure=True,
                )
            except Refused as refused:
                self._count([{"item": item}], transaction=False)
                if refused.meaning is Meaning.CONDITION:
                    there: Item = getattr(refused.error, "item", None) or {}
                    return there
                if refused.meaning is not Meaning.CONFLICT:
                    raise refused.error from None
                conflicts += 1
                if not self._patience.again(conflicts, deadline):
                    return Outcome.STALE
            else:
                units = int(metrics.consumed_wcu or 1)
                self._capacity.add(writes=1, requests=1, write_units=units)
                return Outcome.COMMITTED

    # -- in groups -----------------------------------------------------------------------------------------------

    def together(self, group: Sequence[WriteTicket], deadline: float) -> None:
        """Commit a group. Whoever's condition fails leaves the group; the others go again at once."""
        parts = [Part(ticket) for ticket in group]
        try:
            self._rounds(parts, deadline)
        except Unavailable as silence:
            for ticket in group:
                if not isinstance(ticket.value, Outcome):
                    ticket.error = silence

    def _rounds(self, parts: "list[Part]", deadline: float) -> None:
        """Each round answers somebody, drops a record, or is one of few conflicts: it ends."""
        conflicts = 0
        while parts:
            actions = [action for part in parts for action in part.actions(self._users, self._sessions)]
            refused = self._transact(actions, deadline)
            if refused is None:
                settle(parts, Outcome.COMMITTED)
                return
            if refused.meaning is Meaning.INVALID or Meaning.INVALID in refused.reasons:
                self._each_alone(parts, refused.error, deadline)
                return
            conflict = refused.meaning is Meaning.CONFLICT or Meaning.CONFLICT in refused.reasons
            if Meaning.CONDITION in refused.reasons:
                parts = self._drop_losers(parts, refused.reasons, deadline)
            elif not conflict:
                raise Unavailable(str(refused.error)) from refused.error
            conflicts += conflict
            if conflict and not self._patience.again(conflicts, deadline):
                settle(parts, Outcome.STALE)  # somebody else is writing one of these items, and nothing of ours is done
                return

    def _transact(self, actions: list[Item], deadline: float) -> Refused | None:
        try:
            self._wire.ask(deadline, "sync_transact_write", actions)
        except Refused as refused:
            return refused
        finally:
            self._count(actions, transaction=True)
        return None

    def _each_alone(self, parts: "list[Part]", error: Exception, deadline: float) -> None:
        """A request that the engine cannot accept hurts only its own caller."""
        if len(parts) == 1:
            parts[0].ticket.error = error
            return
        for part in parts:
            self.together([part.ticket], deadline)

    def _drop_losers(self, parts: "list[Part]", reasons: list[Meaning | None], deadline: float) -> "list[Part]":
        """Answer those whose version was overtaken, drop records that are already there, keep the rest."""
        losers: list[Part] = []
        position = 0
        for part in parts:
            size = 1 + len(part.records)
            if reasons[position] is Meaning.CONDITION:
                losers.append(part)
            part.drop_records(reasons[position + 1 : position + size])
            position += size
        if losers:
            self._judge(losers, deadline)
        return [part for part in parts if part not in losers]

    def _judge(self, losers: "list[Part]", deadline: float) -> None:
        """A failed condition that shows our own write_id is a success whose answer was lost."""
        wanted = [{"pk": keys.subscriber_key(part.ticket.request.subscriber)} for part in losers]
        items: list[Item] = self._wire.read(deadline, "sync_batch_get", self._users, wanted, True)
        self._capacity.add_reads(items, len(wanted))
        written = {item["pk"]: item.get("w") for item in items}
        for part in losers:
            change = part.ticket.request
            own = written.get(keys.subscriber_key(change.subscriber)) == change.write_id
            part.ticket.value = Outcome.COMMITTED if own else Outcome.STALE

    def _count(self, actions: Sequence[Item], *, transaction: bool) -> None:
        units = sum(keys.write_units(keys.item_bytes(action["item"]), transaction=transaction) for action in actions)
        self._capacity.add(writes=len(actions), requests=1, write_units=units)


class Part:
    """One change inside a group, with those of its records that are still to be written."""

    __slots__ = ("_put", "records", "ticket")

    def __init__(self, ticket: WriteTicket) -> None:
        self.ticket = ticket
        self.records = list(ticket.request.records)
        condition, values = records.version_condition(ticket.request)
        self._put: Item = {"item": records.subscriber_item(ticket.request), "condition_expression": condition}
        if values:
            self._put["expression_attribute_values"] = values

    def actions(self, users: str, sessions: str) -> list[Item]:
        """Actions of a transaction: the aggregate, then its records."""
        put = {"type": "put", "table": users, **self._put}
        return [put, *(_record_action(sessions, record) for record in self.records)] if self.records else [put]

    def drop_records(self, reasons: list[Meaning | None]) -> None:
        """Forget records of which this or a higher revision is there."""
        if Meaning.CONDITION in reasons:
            pairs = zip(self.records, reasons, strict=True)
            self.records = [record for record, met in pairs if met is not Meaning.CONDITION]


def _record_action(sessions: str, record: SessionRecord) -> Item:
    return {
        "type": "put",
        "table": sessions,
        "item": records.record_item(record),
        "condition_expression": records.REVISION_LOWER,
        "expression_attribute_values": {":revision": record.revision},
    }


def settle(parts: list[Part], outcome: Outcome) -> None:
    """Give all of them the same answer."""
    for part in parts:
        part.ticket.value = outcome


def take_changes(waiting: deque[WriteTicket]) -> list[WriteTicket]:
    """Up to 100 items, each at most once; a second change of the same item waits for the next group."""
    group: list[WriteTicket] = []
    taken: set[object] = set()
    postponed: list[WriteTicket] = []
    room = keys.TRANSACTION_ITEMS_MAX
    while waiting and room:
        ticket = waiting.popleft()
        if ticket.abandoned:
            continue
        change = ticket.request
        items: set[object] = {change.subscriber, *map(records.record_key, change.records)}
        if len(items) > room or not taken.isdisjoint(items):
            postponed.append(ticket)
            continue
        taken |= items
        room -= len(items)
        group.append(ticket)
    waiting.extendleft(reversed(postponed))
    return group
