"""Every customer there is, by a walk over their whole table: for what no list has."""

from collections.abc import Iterator

from billing.cli import progress
from billing.cli.frame import Frame
from radius.domain import subscriber as aggregate
from radius.domain.subscriber import Subscriber
from radius.store.copying import read_all
from radius.store.keys import USERS
from radius.store.records import stored_of, values


def pages(frame: Frame) -> Iterator[list[Subscriber]]:
    """Pages of them, printed vouchers among them, with a bar: no alias, no row of a list, no shard of marks."""
    looked_at = 0
    with progress.bar(frame, "Customers looked at") as at:
        for page, _ in read_all(frame.raw_client, frame.settings.table_prefix + USERS):
            roots = [item for item in map(values, page) if _is_root(str(item["pk"]))]
            looked_at += len(roots)
            yield [aggregate.decode(stored_of(item).body) for item in roots]
            at(looked_at)


def _is_root(key: str) -> bool:
    kind, _, name = key.partition("#")
    return kind == "S" and "#" not in name
