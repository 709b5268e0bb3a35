"""Due work without a packet: sessions that ended silently are closed, final records are filed, boots are worked off.

Any number of workers may run it: every step is one conditional change, and doing it twice comes to the same. The poll
goes from a stored checkpoint, so a worker that stood still skips nothing.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from radius.domain import enforcement, lifecycle
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import Unavailable
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.spill import Shard
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.world import World
from radius.ports import DueWork, Sessions
from radius.services.accounting import day_at
from radius.services.desk import Decided, Desk
from radius.services.directory import Directory
from radius.services.due import BATCH_MAX, LOOK_AGAIN_S, DueWalk
from radius.services.marks import lay_all_over, shards_of

INTENT_PAUSE_S_MAX = 300  # an intent that nobody works on comes up again at least this often
WORKER = "sweep"


class Swept(NamedTuple):
    """What one poll did."""

    visited: int
    closed: int
    filed: int
    more: bool = False
    stays: bool = False  # still due at the instant it was due: another kind of worker must do it


class News(Protocol):
    """Who is told what a sweep found."""

    def ended(self, subscriber: SubscriberId, session: Session, site: str) -> None:
        """A session without a last packet was ended and filed."""

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        """A subscriber that cannot be worked on: an alarm, and no reason to leave the others alone."""


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
        news: News | None = None,
    ) -> None:
        self._news = news
        self._boots: dict[NasId, tuple[int, set[tuple[SessionUid, int]]]] = {}
        self._desk = desk
        self._marks = marks
        self._walk = DueWalk(due, WORKER, self._deadline)
        self._sessions = sessions
        self._directory = directory
        self._world = world
        self._monotonic = monotonic
        self._deadline_s = deadline_s

    def poll(self, now: int) -> Swept:
        """Look at what is due up to `now`, at most `BATCH_MAX` subscribers and `WINDOW_S_MAX` of the index at once."""
        look = self._walk.look(now)
        closed = filed = 0
        for entry in look.fresh:
            one = self._try(entry[0], now, overdue=entry[1] <= now - LOOK_AGAIN_S)
            closed, filed = closed + one.closed, filed + one.filed
            if one.stays:
                self._walk.stays(entry, now)
        self._walk.done(look)
        return Swept(len(look.fresh), closed, filed, more=look.more)

    def boots(self, nas: NasId, now: int) -> int:
        """Close a batch of the sessions that a reboot of `nas` ended; returns how many were looked at, 0: all done.

        What the reboot did not end (there is later evidence) stays in the index and is not looked at twice.
        """
        at = self._directory.boots.get(nas, 0)
        if not at:
            return 0
        known_at, passed = self._boots.get(nas, (at, set()))
        passed = passed if known_at == at else set()
        found = self._sessions.open_on(nas, at, BATCH_MAX + len(passed), self._deadline())
        fresh = [entry for entry in found if entry[:2] not in passed]
        for subscriber in dict.fromkeys(entry[2] for entry in fresh if entry[2]):
            self._try(subscriber, now)
        self._boots[nas] = (at, passed | {entry[:2] for entry in fresh})
        return len(fresh)

    def _try(self, subscriber: SubscriberId, now: int, *, overdue: bool = False) -> Swept:
        try:
            return self.visit(subscriber, now, overdue=overdue)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken record must not keep all others from being swept
            if self._news is not None:
                self._news.broken(subscriber, error)
            return Swept(1, 0, 0, stays=True)

    def visit(self, subscriber: SubscriberId, now: int, *, overdue: bool = False) -> Swept:
        """Settle one subscriber and file what is not filed yet.

        `overdue`: due for `LOOK_AGAIN_S` already. What stays due (an intent that came meanwhile) is due anew from now
        on then: else it would fall behind the window of the polls and stay there.
        """
        world = self._world(now)
        shards = shards_of(self._desk, self._marks, subscriber, self._deadline)

        def settle(present: Subscriber) -> Decided[list[Session]]:
            lay_all_over(present, shards, world)
            settled = lifecycle.settle(present, world, marks_whole=shards is not None)
            unfiled = [s for s in present.sessions if s.state is SessionState.CLOSED and not s.filed]
            # A pending intent keeps its place in the index for the sender; to write that again would change nothing.
            settled |= _put_off(present, now)
            next_look = enforcement.due_at(present, 0, looked_at=now)
            return Decided(unfiled, changed=settled or overdue or not 0 < next_look <= now, looked_at=now)

        unfiled = self._desk.change(subscriber, settle, self._deadline())
        for session in unfiled or []:
            self._file(subscriber, session)
        if not unfiled:
            return Swept(1, 0, 0, stays=True)
        done = {(session.uid, session.opened_at, session.revision) for session in unfiled}

        def mark(present: Subscriber) -> Decided[int]:
            marked = 0
            for session in present.sessions:
                if (session.uid, session.opened_at, session.revision) in done:
                    session.filed = True
                    marked += 1
            return Decided(marked, changed=marked > 0, looked_at=now)

        filed = self._desk.change(subscriber, mark, self._deadline()) or 0
        return Swept(1, len(unfiled), filed)

    def _file(self, subscriber: SubscriberId, session: Session) -> None:
        """Write the final record of a session; names that only packets carry are taken from its earlier record."""
        known = [r for r in self._sessions.find(session.uid, self._deadline()) if r.started_at == session.opened_at]
        nas = self._directory.nas(session.nas)
        self._sessions.file(_final(subscriber, session, known[-1] if known else None, nas), self._deadline())
        told = bool(known) and bool(known[-1].closed_at)  # the edge told of the end that a packet brought
        if self._news is not None and not told:
            self._news.ended(subscriber, session, nas.site.id if nas is not None else "")

    def _deadline(self) -> float:
        return self._monotonic() + self._deadline_s


def _put_off(present: Subscriber, now: int) -> bool:
    """Bring an intent that nobody works on up again later; else it would hide all that falls due after it."""
    moved = False
    for intent in present.intents:
        if intent.due_at <= now - LOOK_AGAIN_S:
            intent.due_at = now + min(max(now - intent.created_at, LOOK_AGAIN_S), INTENT_PAUSE_S_MAX)
            moved = True
    return moved


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
        day=known.day if known else day_at(session.opened_at, nas.site.zone if nas is not None else ZONE_DEFAULT),
    )
