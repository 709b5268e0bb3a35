"""The walk over the due index: each kind of worker from a checkpoint of its own, so that one that stood skips nothing.

Every kind sees all due work and does its own; the rest stays for the others and must not fill every page.
"""

from collections.abc import Callable
from typing import NamedTuple

from radius.domain.identity import SubscriberId
from radius.ports import DueWork

BATCH_MAX = 100  # subscribers looked at in one poll
OVERLAP_S = 120  # the due index is eventually consistent: look back this far behind the checkpoint
FIRST_LOOK_S = 86_400  # where no worker ever was; what was due before is settled when its subscriber is next read
# One poll walks this much of the index, a query a minute and shard: 60 of them take 5 s, its deadline, at 80 ms each.
WINDOW_S_MAX = 900
LOOK_AGAIN_S = 60  # work that a look did not move (another kind of worker must do it) is looked at again after this

Entry = tuple[SubscriberId, int]


class Look(NamedTuple):
    """One page: what is to be looked at now, and whether there is more behind it. `to` is where it ends."""

    fresh: list[Entry]
    to: int
    more: bool


class DueWalk:
    """Not thread-safe: one poll at a time."""

    def __init__(
        self, due: DueWork, worker: str, deadline: Callable[[], float], first_look_s: int = FIRST_LOOK_S
    ) -> None:
        self._due = due
        self._worker = worker
        self._deadline = deadline
        self._first_look_s = first_look_s
        self._looked: dict[Entry, int] = {}  # due work that a look did not move, and when that was

    def look(self, now: int) -> Look:
        """What is due up to `now`, at most `BATCH_MAX` subscribers and `WINDOW_S_MAX` of the index at once."""
        checkpoint = self._due.checkpoint(self._worker, self._deadline()) or now - self._first_look_s
        since, until = max(0, checkpoint - OVERLAP_S), min(now, checkpoint + WINDOW_S_MAX - OVERLAP_S)
        self._looked = {
            entry: at for entry, at in self._looked.items() if entry[1] >= since and now - at < LOOK_AGAIN_S
        }
        limit = BATCH_MAX + len(self._looked)
        found = self._due.due(since, until, limit, self._deadline())
        full = len(found) >= limit
        last = (found[-1][1], found[-1][0]) if full else (until, "\x7f")
        shown = set(found)
        fresh = [entry for entry in found if entry not in self._looked]
        # What this page would have shown and did not has moved; counted on, it would make page after page longer.
        self._looked = {entry: at for entry, at in self._looked.items() if entry in shown or entry[::-1] > last}
        if len(fresh) > BATCH_MAX:
            return Look(fresh[:BATCH_MAX], fresh[BATCH_MAX - 1][1], more=True)
        return Look(fresh, last[0], more=full or until < now)

    def stays(self, entry: Entry, now: int) -> None:
        """A look did not move it; others come first for a while."""
        self._looked[entry] = now

    def done(self, look: Look) -> None:
        """Everything of that page was looked at."""
        self._due.advance(self._worker, look.to, self._deadline())
