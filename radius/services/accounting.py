"""Accounting-Request: count it, commit it, then (and only then) it may be acknowledged.

Decides on the node's last committed copy of the subscriber; only a miss or another node's write reads. The replayer of
the spool comes through here too, with the packet's receipt time as `now`.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from radius.domain import calendar, session, spill
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.domain.moment import Moment
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.request import AccountingRequest, Status
from radius.domain.session import Accounted, Event, Kind
from radius.domain.spill import Shard
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.world import World
from radius.ports import Routers, Sessions
from radius.services.desk import Decided, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook

_KINDS = {
    Status.START: Kind.START,
    Status.INTERIM: Kind.INTERIM,
    Status.STOP: Kind.STOP,
}


ROOT_COPY_S_MAX = 60.0  # another node's change of a spilled account is noticed within this


class Counted(NamedTuple):
    """An accounting packet that is durable now. `subscriber` None: nobody's session, kept as a record of its own."""

    what: str
    subscriber: SubscriberId | None = None
    accounted: Accounted | None = None


class _Wanted(Enum):
    """What a decision must know before it can be taken."""

    RECORD = "record"
    MARKS = "marks"


# Aliases: an annotation inside a function is evaluated each time it runs.
_Counting = Decided[Accounted | _Wanted]
_CountingMarks = Decided[Accounted | None]


class Accounting:
    """The service behind the accounting hook and the replayer. Raises Unavailable when nothing durable came of it."""

    def __init__(
        self,
        desk: Desk[Subscriber],
        marks: Desk[Shard],
        names: NameBook,
        directory: Directory,
        sessions: Sessions,
        routers: Routers,
        world: Callable[[int], World],
    ) -> None:
        self._desk = desk
        self._marks = marks
        self._names = names
        self._directory = directory
        self._sessions = sessions
        self._routers = routers
        self._world = world

    def account(self, request: AccountingRequest, now: int, deadline: float) -> Counted:
        """Make one packet durable. Any repetition of it comes to the same. Raises Malformed for an impossible name."""
        moment = request.happened(now)
        if request.status in (Status.ON, Status.OFF):
            self._routers.boot(request.router, moment.at, deadline)
            self._directory.booted(request.router, moment.at)
            return Counted("boot")
        kind = _KINDS.get(request.status)
        nas = self._directory.nas(request.router)
        if nas is None:
            # Never acknowledged uncounted.
            raise Malformed("router", f"{request.router or 'no name'} is not registered")
        if kind is None:
            return Counted("ignored")
        event = _event(kind, request, moment)
        if request.class_of is not None:
            subscriber: SubscriberId | None = request.class_of[0]
        else:
            subscriber = self._resolve(request, deadline)
        if subscriber is None:
            return self._orphan(event, nas, deadline)
        return self._count(subscriber, event, nas, now, deadline)

    def _resolve(self, request: AccountingRequest, deadline: float) -> SubscriberId | None:
        username = request.username()
        return self._names.resolve(self._names.alias(username), deadline) if username is not None else None

    def _count(self, subscriber: SubscriberId, event: Event, nas: Nas, now: int, deadline: float) -> Counted:
        world = self._world(now)
        filed: list[SessionRecord] | None = None
        shard: Shard | None = None

        def decide(present: Subscriber) -> _Counting:
            if present.spilled and shard is None:
                return Decided(_Wanted.MARKS, changed=False)
            if filed is None and session.needs_record(present, event):
                return Decided(_Wanted.RECORD, changed=False)
            self._lay_over(present, event, shard, world)
            accounted = session.account(present, event, nas, world, filed or ())
            spill.note(present)
            return Decided(accounted, accounted.changed, self._records(present, accounted, event, nas))

        result = self._desk.change(subscriber, decide, deadline)
        if result is _Wanted.MARKS:
            counted = self._count_marks(subscriber, event, nas, world, deadline)
            if counted is not None:
                return counted
            shard = self._shard(subscriber, event, deadline)
            result = self._desk.change(subscriber, decide, deadline)
        if result is _Wanted.RECORD:
            filed = self._sessions.find(event.uid, deadline)
            result = self._desk.change(subscriber, decide, deadline)
        if result is None:
            return self._orphan(event, nas, deadline)
        assert isinstance(result, Accounted)
        self._file_again(subscriber, result, event, nas, deadline)
        return Counted("counted" if result.changed else "known", subscriber, result)

    # -- accounts with very many devices (`spill`) -------------------------------------------------------------

    def _count_marks(
        self, subscriber: SubscriberId, event: Event, nas: Nas, world: World, deadline: float
    ) -> Counted | None:
        """Count an ordinary interim update in its shard; None when the root must be written."""
        root = self._desk.fresh(subscriber, ROOT_COPY_S_MAX, deadline)
        if root is None or event.kind is not Kind.INTERIM:
            return None

        def decide(shard: Shard) -> _CountingMarks:
            present = aggregate.decode(root.body)
            found = session.find(present, event)
            if found is None or found.state is not SessionState.OPEN:
                return Decided(None, changed=False)
            spill.lay_over(present, found, shard, world)
            before = spill.promises(present, found)
            accounted = session.account(present, event, nas, world)
            if accounted.session is not found or spill.promises(present, found) != before:
                return Decided(None, changed=False)
            spill.keep(shard, found, {s.uid for s in present.sessions})
            return Decided(accounted, accounted.changed)

        accounted = self._marks.change(spill.shard_id(subscriber, event.uid), decide, deadline)
        if accounted is None:
            return None
        return Counted("counted" if accounted.changed else "known", subscriber, accounted)

    def _shard(self, subscriber: SubscriberId, event: Event, deadline: float) -> Shard:
        stored = self._marks.read(spill.shard_id(subscriber, event.uid), deadline)
        return spill.decode(stored.body if stored is not None else b"")

    def _lay_over(self, present: Subscriber, event: Event, shard: Shard | None, world: World) -> None:
        found = session.find(present, event) if shard is not None else None
        if found is not None and shard is not None:
            spill.lay_over(present, found, shard, world)

    def _records(
        self, subscriber: Subscriber, accounted: Accounted, event: Event, nas: Nas
    ) -> tuple[SessionRecord, ...]:
        """A session's own record follows where it starts or ends, or changes after its end."""
        ended = accounted.session.state is SessionState.CLOSED
        if not accounted.changed or not (accounted.opened or ended):
            return ()
        accounted.session.filed = ended and self._desk.records_atomic
        return (_record(subscriber.id, accounted, event, nas),)

    def _file_again(
        self, subscriber: SubscriberId, accounted: Accounted, event: Event, nas: Nas, deadline: float
    ) -> None:
        """A repeated first or last packet: perhaps its first try stopped between the aggregate and the record."""
        ended = accounted.session.state is SessionState.CLOSED and not accounted.session.filed
        begun = event.kind is Kind.START and not self._desk.records_atomic
        if (ended or begun) and not accounted.changed:
            self._sessions.file(_record(subscriber, accounted, event, nas), deadline)

    def _orphan(self, event: Event, nas: Nas, deadline: float) -> Counted:
        """Nobody's session: evidence all the same (a name that was erased, a router with local users).

        Its record is never open: nobody would close it. Later evidence has a higher revision, a Stop the last word.
        """
        started_at = event.at - (event.time_s or 0)
        near = [
            known
            for known in self._sessions.find(event.uid, deadline)
            if abs(known.started_at - started_at) <= session.GENERATION_SLACK_S
        ]
        known = near[-1] if near else None
        started_at = known.started_at if known else started_at
        record = SessionRecord(
            uid=event.uid,
            started_at=started_at,
            revision=2 * max(1, event.at) + (event.kind is Kind.STOP),
            subscriber=known.subscriber if known else "",
            nas=nas.id,
            site=nas.site.id,
            acct_session_id=event.acct_session_id,
            user_name=event.user_name,
            device=event.device,
            right=known.right if known else "",
            in_bytes=max(event.in_bytes or 0, known.in_bytes if known else 0),
            out_bytes=max(event.out_bytes or 0, known.out_bytes if known else 0),
            time_s=max(event.time_s or 0, known.time_s if known else 0),
            last_at=event.at,
            framed_ip=event.framed_ip,
            nas_ip=event.nas_ip,
            closed_at=event.at,
            cause=event.cause or "orphan",
            clean_stop=event.kind is Kind.STOP,
            day=day_at(started_at, nas.site.zone),
        )
        self._sessions.file(record, deadline)
        return Counted("orphan")


def _record(subscriber: SubscriberId, accounted: Accounted, event: Event, nas: Nas) -> SessionRecord:
    return session.record_of(
        subscriber, accounted.session, event, nas, day_at(accounted.session.opened_at, nas.site.zone)
    )


def day_at(at: int, zone: str) -> str:
    """Local day, YYYYMMDD, under which a session that began then is listed."""
    return calendar.local(at, zone).strftime("%Y%m%d")


def _event(kind: Kind, request: AccountingRequest, moment: Moment) -> Event:
    return Event(
        kind=kind,
        nas=request.router,
        acct_session_id=request.acct_session_id,
        device=request.device,
        mac=request.mac,
        reservation=request.class_of[1] if request.class_of is not None else "",
        at=moment.at,
        stamped=moment.stamped,
        in_bytes=request.in_bytes,
        out_bytes=request.out_bytes,
        gigawords=request.gigawords,
        time_s=request.time_s,
        cause=request.cause,
        user_name=request.user_name,
        framed_ip=request.framed_ip,
        nas_ip=request.nas_ip,
    )
