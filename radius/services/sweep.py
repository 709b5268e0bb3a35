"""Due work without a packet: sessions that ended silently are closed, final records are filed, boots are worked off.

Any number of workers may run it: every step is one conditional change, and doing it twice comes to the same. The poll
goes from a stored checkpoint, so a worker that stood still skips nothing.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from radius.domain import enforcement, lifecycle, spill
from radius.domain import subscriber as aggregate
from radius.domain.identity import NasId, SubscriberId
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.spill import Shard
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.world import World
from radius.ports import DUE_WINDOW_S_MAX, DueWork, Sessions
from radius.services.desk import Decided, Desk
from radius.services.directory import Directory

BATCH_MAX = 100  # subscribers looked at in one poll
OVERLAP_S = 120  # the due index is eventually consistent: look back this far behind the checkpoint
FIRST_LOOK_S = 7 * 86_400  # where no worker ever was: as far back as anything can be due that still matters
WORKER = "sweep"


class Swept(NamedTuple):
    """What one poll did."""

    visited: int
    closed: int
    filed: int
    more: bool = False


class Sweep:
    """The sweeper. `deadline_s` bounds each store request; errors of the store end the poll, the next one goes on."""

    def __init__(
        self,
        desk: Desk[Subscriber],
        marks: Desk[Shard],
        due: DueWork,
        sessions: Sessions,
        directory: Directory,
        world: Callable[[int], World],
        monotonic: Callable[[], float],
        deadline_s: float,
    ) -> None:
        self._desk = desk
        self._marks = marks
        self._due = due
        self._sessions = sessions
        self._directory = directory
        self._world = world
        self._monotonic = monotonic
        self._deadline_s = deadline_s

    def poll(self, now: int) -> Swept:
        """Look at what is due up to `now`, at most `BATCH_MAX` subscribers and a day of the index at once."""
        checkpoint = self._due.checkpoint(WORKER, self._deadline()) or now - FIRST_LOOK_S
        until = min(now, checkpoint + DUE_WINDOW_S_MAX - OVERLAP_S)
        found = self._due.due(max(0, checkpoint - OVERLAP_S), until, BATCH_MAX, self._deadline())
        closed = filed = 0
        for subscriber, _ in found:
            one = self.visit(subscriber, now)
            closed, filed = closed + one.closed, filed + one.filed
        full = len(found) >= BATCH_MAX
        self._due.advance(WORKER, found[-1][1] if full else until, self._deadline())
        return Swept(len(found), closed, filed, more=full or until < now)

    def boots(self, nas: NasId, now: int) -> int:
        """Close a batch of the sessions that a reboot of `nas` ended; returns how many subscribers were visited."""
        at = self._directory.boots.get(nas, 0)
        if not at:
            return 0
        found = self._sessions.open_on(nas, at, BATCH_MAX, self._deadline())
        for subscriber in {entry[2] for entry in found if entry[2]}:
            self.visit(subscriber, now)
        return len(found)

    def visit(self, subscriber: SubscriberId, now: int) -> Swept:
        """Settle one subscriber and file what is not filed yet."""
        world = self._world(now)
        shards = self._shards(subscriber)

        def settle(present: Subscriber) -> Decided[list[Session]]:
            if shards is not None:
                for session in present.sessions:
                    spill.lay_over(present, session, shards[spill.shard_id(subscriber, session.uid)], world)
            settled = lifecycle.settle(present, world, marks_whole=shards is not None)
            unfiled = [s for s in present.sessions if s.state is SessionState.CLOSED and not s.filed]
            # A pending intent keeps its place in the index for the sender; to write that again would change nothing.
            next_look = enforcement.due_at(present, 0, visited=True)
            return Decided(unfiled, changed=settled or not 0 < next_look <= now, visited=True)

        unfiled = self._desk.change(subscriber, settle, self._deadline()) or []
        for session in unfiled:
            self._file(subscriber, session)
        if not unfiled:
            return Swept(1, 0, 0)
        done = {(session.uid, session.opened_at, session.revision) for session in unfiled}

        def mark(present: Subscriber) -> Decided[int]:
            marked = 0
            for session in present.sessions:
                if (session.uid, session.opened_at, session.revision) in done:
                    session.filed = True
                    marked += 1
            return Decided(marked, changed=marked > 0, visited=True)

        filed = self._desk.change(subscriber, mark, self._deadline()) or 0
        return Swept(1, len(unfiled), filed)

    def _shards(self, subscriber: SubscriberId) -> dict[SubscriberId, Shard] | None:
        """The marks of an account with very many devices; None for an ordinary one."""
        stored = self._desk.read(subscriber, self._deadline())
        if stored is None or not aggregate.decode(stored.body).spilled:
            return None
        found: dict[SubscriberId, Shard] = defaultdict(Shard)
        for key in spill.shard_ids(subscriber):
            shard = self._marks.read(key, self._deadline())
            if shard is not None:
                found[key] = spill.decode(shard.body)
        return found

    def _file(self, subscriber: SubscriberId, session: Session) -> None:
        """Write the final record of a session; names that only packets carry are taken from its earlier record."""
        known = [r for r in self._sessions.find(session.uid, self._deadline()) if r.started_at == session.opened_at]
        nas = self._directory.nas(session.nas)
        self._sessions.file(_final(subscriber, session, known[-1] if known else None, nas), self._deadline())

    def _deadline(self) -> float:
        return self._monotonic() + self._deadline_s


def _final(subscriber: SubscriberId, session: Session, known: SessionRecord | None, nas: Nas | None) -> SessionRecord:
    return SessionRecord(
        uid=session.uid,
        started_at=session.opened_at,
        revision=session.revision,
        subscriber=subscriber,
        nas=session.nas,
        site=known.site if known else (nas.site.id if nas else ""),
        acct_session_id=session.acct_session_id,
        user_name=known.user_name if known else "",
        device=session.device,
        right=session.right,
        in_bytes=session.base_in + session.in_bytes,
        out_bytes=session.base_out + session.out_bytes,
        time_s=session.total_s,
        last_at=session.last_at,
        framed_ip=known.framed_ip if known else "",
        nas_ip=known.nas_ip if known else "",
        reservation=session.reservation,
        closed_at=session.last_at,
        cause=session.cause,
        overspend_bytes=session.over_bytes,
        clean_stop=known.clean_stop if known else False,
        day=known.day if known else "",
    )
