"""One box's tables to another DynamoDB endpoint, and the proof that they are equal.

What the target has already is compared and not sent again, so a copy that was interrupted goes on where it was, and one
that is repeated sends what changed since. Memory: some 150 bytes an item of the largest table.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from billing.backup.archive import ALL_TABLES
from radius.domain.errors import Malformed
from radius.store.copying import Contents, NoTable, Raw, Tally, canonical, drop_all, read_all, write_all
from radius.store.tables import Table, create_tables


class Place(NamedTuple):
    """Tables of one stage. `client`: boto3's low-level one."""

    client: Any
    prefix: str


class Moved(NamedTuple):
    """Of one table: what the two places hold, and what was done. `strange`: in the target only."""

    table: str
    here: Contents
    there: Contents
    sent: int
    strange: int

    @property
    def equal(self) -> bool:
        """Whether the target holds the same items, and no others."""
        return self.here == self.there


class Mover:
    """Compares, and copies where it is told to. What has expired at `now` counts nowhere: the store may drop it."""

    def __init__(self, source: Place, target: Place, now: int, tell: Callable[[str, int], None]) -> None:
        """`tell` hears a table's name and how many items of it were looked at."""
        self._source = source
        self._target = target
        self._now = now
        self._tell = tell

    def prepare(self) -> None:
        """Make the target's tables where they are missing."""
        create_tables(self._target.client, self._target.prefix, ALL_TABLES)

    def copy(self, table: Table, *, prune: bool) -> Moved:
        """Send what the target lacks or has otherwise, then read both again. Raises Unavailable.

        Raises Malformed where the target holds items that are not here, unless it is to `prune` them.
        """
        name = self._target.prefix + table.name
        there = {key: digest for _, key, digest in self._items(self._target, table)}
        here = {key for _, key, _ in self._items(self._source, table)}
        strange = [key for key in there if key not in here]
        if strange and not prune:
            raise Malformed("to", f"{name} holds {len(strange)} items that are not here: another box's? (--prune)")
        sent = 0
        for page in self._pages(self._source, table):
            wanted = [item for item in page if there.get(_key(table, item)) != _digest(item)]
            write_all(self._target.client, name, wanted)
            sent += len(wanted)
        gone = [item for item, key, _ in self._items(self._target, table) if key not in here] if strange else []
        drop_all(self._target.client, name, [_key_of(table, item) for item in gone])
        return self.compare(table)._replace(sent=sent, strange=len(strange))

    def compare(self, table: Table) -> Moved:
        """Read both; a table that the target has not is empty there. Raises Unavailable."""
        try:
            there = self._contents(self._target, table)
        except NoTable:
            there = Tally().contents()
        return Moved(table.name, self._contents(self._source, table), there, 0, 0)

    def _contents(self, place: Place, table: Table) -> Contents:
        tally = Tally()
        for page in self._pages(place, table):
            for item in page:
                tally.add(item)
        return tally.contents()

    def _items(self, place: Place, table: Table) -> Iterator[tuple[Raw, bytes, bytes]]:
        return ((item, _key(table, item), _digest(item)) for page in self._pages(place, table) for item in page)

    def _pages(self, place: Place, table: Table) -> Iterator[list[Raw]]:
        looked = 0
        for page, _ in read_all(place.client, place.prefix + table.name):
            looked += len(page)
            self._tell(table.name, looked)
            yield [item for item in page if not self._expired(table, item)]

    def _expired(self, table: Table, item: Raw) -> bool:
        at = item.get(table.ttl, {}).get("N") if table.ttl else None
        return at is not None and float(at) <= self._now


def _key_of(table: Table, item: Raw) -> dict[str, Any]:
    return {name: item[name] for name in (table.hash_key, table.range_key) if name}


def _key(table: Table, item: Raw) -> bytes:
    return sha256(canonical(_key_of(table, item))).digest()


def _digest(item: Raw) -> bytes:
    return sha256(canonical(item)).digest()
