"""The marks of an account with very many devices, for workers that must see all of them (`radius.domain.spill`)."""

from collections import defaultdict
from collections.abc import Callable

from radius.domain import spill
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.domain.world import World
from radius.services.desk import Desk

Shards = dict[SubscriberId, Shard]


def shards_of(
    desk: Desk[Subscriber], marks: Desk[Shard], subscriber: SubscriberId, deadline: Callable[[], float]
) -> Shards | None:
    """All marks of an account, its root freshly read; None for an ordinary one."""
    stored = desk.read(subscriber, deadline())
    if stored is None or not aggregate.decode(stored.body).spilled:
        return None
    found: Shards = defaultdict(Shard)
    for key in spill.shard_ids(subscriber):
        shard = marks.read(key, deadline())
        if shard is not None:
            found[key] = spill.decode(shard.body)
    return found


def lay_all_over(present: Subscriber, shards: Shards | None, world: World) -> None:
    """Bring every session of the root up to its marks."""
    if shards is not None:
        for session in present.sessions:
            spill.lay_over(present, session, shards[spill.shard_id(present.id, session.uid)], world)
