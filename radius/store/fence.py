"""Who may write these tables: a record that names the Region and the epoch, and a lease on having read it lately.

Two Regions must never both sell. The tables of each say in ConfigTable who writes them: an epoch, which only grows, and
a Region, or nobody. A process writes while the record names its own Region, under the first epoch that let it write;
under another one its copies may come from tables that have since been replaced, so it writes no more until it is
started again. A raise never goes below the wall clock's seconds, so that epochs of tables that were copied from each
other can be compared.

Two things make it true, each where it is cheap:

- money: every posting carries a ConditionCheck on the record, so none is booked after the raise (two write units; the
  record stands `SHARDS` times, because two transactions that check the same item at once hinder each other);
- everything else: a write goes only while the record was read in the last `LEASE_S`. One request in `RENEW_S` reads it
  (a read unit). `SETTLED_S` after the raise nothing is on its way any more.

A store that cannot be read ends the lease like any outage: `Unavailable`. Tables without a record are claimed by the
first that writes to them.

A Region that was away knows nothing of what happened meanwhile. Where the tables of the other one are named, whoever
starts or had lost its lease looks at their record too, before it writes; with a higher epoch there, it does not. Tables
there that do not answer in `ELSEWHERE_S` stop nobody: one Region must not need the other to serve.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from radius.domain.errors import Fenced, Unavailable
from radius.store import keys
from radius.store.errors import Refused
from radius.store.records import attributes, values

FENCE = "fence"  # the kind in ConfigTable
SHARDS = 8  # at 10 postings a second of 20 ms each, two in a hundred would meet at one of one, two in a thousand of 8
RENEW_S = 5.0
LEASE_S = 15.0
# After a raise: the lease of whoever read just before it, and the longest request (`wiring.BACKGROUND_DEADLINE_S`): its
# last try begins before its deadline and ends by the client's own time-out, which is at most as long.
SETTLED_S = LEASE_S + 10.0
ELSEWHERE_S = 2.0  # a connection to another continent takes half a second
NOBODY = ""
FIRST = 1  # epoch of the first claim

Item = dict[str, Any]


class Mark(NamedTuple):
    """What the record says. `epoch` 0: nobody has claimed these tables. `why` and `by`: of whoever raised it."""

    epoch: int
    region: str
    at: int = 0
    by: str = ""
    why: str = ""


class Asker(Protocol):
    """What is needed of `radius.store.desk.Desk`."""

    def table(self, name: str) -> str:
        """Full name of a table."""

    def ask(self, deadline: float, operation: str, **request: Any) -> dict[str, Any]:
        """One request."""


class FenceTable:
    """The record itself. Its desk must not be a fenced one."""

    def __init__(self, desk: Asker) -> None:
        self._desk = desk
        self.table = desk.table(keys.CONFIG)

    def read(self, deadline: float) -> Mark:
        """The highest epoch of all copies: a raise that broke off has taken place. Raises Unavailable."""
        return max(self.copies(deadline), default=Mark(0, NOBODY))

    def copies(self, deadline: float) -> list[Mark]:
        """What each copy says that is there. Raises Unavailable."""
        reply = self._desk.ask(
            deadline,
            "query",
            TableName=self.table,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": FENCE}},
            ConsistentRead=True,
        )
        return [_mark(values(item)) for item in reply["Items"]]

    def write(self, mark: Mark, deadline: float) -> bool:
        """Put it into every copy that has a lower epoch; False if another one with as high an epoch is there."""
        item: Item = {"kind": FENCE, "epoch": mark.epoch, "writer": mark.region}
        item |= {"at": mark.at, "by": mark.by, "why": mark.why}
        for shard in range(SHARDS):
            try:
                self._desk.ask(
                    deadline,
                    "put_item",
                    TableName=self.table,
                    Item=attributes({**item, "id": str(shard)}),
                    ConditionExpression="attribute_not_exists(#epoch) OR #epoch < :epoch",
                    ExpressionAttributeNames={"#epoch": "epoch"},
                    ExpressionAttributeValues={":epoch": {"N": str(mark.epoch)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except Refused as refused:
                if _mark(values(refused.there())) != mark:
                    return False
        return True

    def raise_to(self, region: str, now: int, by: str, why: str, deadline: float) -> Mark:
        """A new epoch, for a Region or for nobody. Raises Unavailable, also where somebody else raised it just now."""
        mark = Mark(max(self.read(deadline).epoch + 1, now), region, now, by, why)
        if not self.write(mark, deadline):
            raise Unavailable("somebody else raised the epoch just now: look again")
        return mark

    def check(self, mark: Mark, name: str) -> Item:
        """The part of a transaction that fails once the epoch was raised; `name` spreads them over the copies."""
        shard = keys.shard_of(name, SHARDS)
        return {
            "ConditionCheck": {
                "TableName": self.table,
                "Key": attributes({"kind": FENCE, "id": str(shard)}),
                "ConditionExpression": "#epoch = :epoch AND #writer = :writer",
                "ExpressionAttributeNames": {"#epoch": "epoch", "#writer": "writer"},
                "ExpressionAttributeValues": {":epoch": {"N": str(mark.epoch)}, ":writer": {"S": mark.region}},
            }
        }


def _mark(item: Item) -> Mark:
    return Mark(
        int(item["epoch"]), str(item["writer"]), int(item.get("at", 0)), str(item.get("by", "")), str(item["why"])
    )


class Fence:
    """The lease of one process. Thread-safe; has no thread of its own. `elsewhere`: the record of the other Region.

    The lease is counted by both clocks: the monotonic one may stand still in a machine that is frozen between runs.
    """

    def __init__(
        self,
        table: FenceTable,
        region: str,
        clock: Callable[[], float] = time.monotonic,
        elsewhere: FenceTable | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._elsewhere = elsewhere
        self._region = region
        self._clock = clock
        self._wall = wall
        self._lock = Lock()
        self._read_at = self._read_wall = float("-inf")
        self._beyond = Mark(0, NOBODY)  # what was read elsewhere last
        self._mine: Mark | None = None  # under which this process was let to write
        self._shut = ""  # why it may not

    @property
    def is_shut(self) -> bool:
        """Whether the record, as it was read last, keeps this process from writing."""
        return bool(self._shut)

    def see(self, deadline: float) -> None:
        """Before the first read: what is read from now on belongs to the epoch that is known. Raises Unavailable."""
        if self._read_at == float("-inf"):
            self._renew(deadline, lapsed=True)

    def enter(self, deadline: float) -> None:
        """Return if a write may go. Raises Fenced, or Unavailable for a record that cannot be read for too long."""
        age_s = self._age_s()
        if age_s >= RENEW_S:
            self._renew(deadline, lapsed=age_s >= LEASE_S)
        if self._shut:
            raise Fenced(self._shut)

    def check(self, name: str, deadline: float) -> Item:
        """`FenceTable.check` for this process. Raises as `enter`."""
        self.enter(deadline)
        assert self._mine is not None
        return self._table.check(self._mine, name)

    def fell(self) -> Fenced:
        """A check failed: nothing more is written. What to raise."""
        self._shut = self._shut or f"the epoch was raised above {self._mine.epoch if self._mine else 0}"
        return Fenced(self._shut)

    def _renew(self, deadline: float, *, lapsed: bool) -> None:
        """One thread asks; the others go on meanwhile, unless the lease is over."""
        if not (
            self._lock.acquire(timeout=max(0.0, deadline - self._clock()))
            if lapsed
            else self._lock.acquire(blocking=False)
        ):
            if lapsed:
                raise Unavailable("who may write these tables is not known in time")
            return
        try:
            if self._age_s() >= RENEW_S:
                began = self._clock(), self._wall()
                mark = self._read(deadline)
                if self._elsewhere is not None and (lapsed or self._shut):
                    self._look(self._elsewhere)
                self._take(max(mark, self._beyond) if self._beyond.region not in (NOBODY, self._region) else mark)
                self._read_at, self._read_wall = began
        except Unavailable:
            if lapsed:
                raise
        finally:
            self._lock.release()

    def _read(self, deadline: float) -> Mark:
        copies = self._table.copies(deadline)
        mark = max(copies, default=Mark(0, NOBODY))
        if mark.epoch > FIRST or len(copies) == SHARDS:
            return mark
        self._table.write(Mark(FIRST, mark.region or self._region), deadline)  # or helps whoever is at it
        return self._table.read(deadline)

    def _look(self, elsewhere: FenceTable) -> None:
        try:
            self._beyond = elsewhere.read(self._clock() + ELSEWHERE_S)
        except (Unavailable, ClientError, BotoCoreError):
            return  # not there, or no table of ours: what was known stands

    def _age_s(self) -> float:
        return max(self._clock() - self._read_at, self._wall() - self._read_wall)

    def _take(self, mark: Mark) -> None:
        if mark.region != self._region:
            self._shut = f"{mark.region or 'nobody'} writes these tables since epoch {mark.epoch}, not {self._region}"
        elif self._mine is not None and self._mine.epoch != mark.epoch:
            self._shut = f"epoch {mark.epoch} began after this process did: start it again"
        else:
            self._mine, self._shut = mark, ""
