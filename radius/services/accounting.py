"""Accounting-Request: count it, commit it, then (and only then) it may be acknowledged.

Decides on the node's last committed copy of the subscriber; only a miss or another node's write reads. The replayer of
the spool comes through here too, with the packet's receipt time as `now`.
"""

from collections.abc import Callable
from typing import NamedTuple

from radius.domain import calendar, session
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.moment import Moment
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.request import AccountingRequest, Status
from radius.domain.session import Accounted, Event, Kind
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


class Counted(NamedTuple):
    """An accounting packet that is durable now. `subscriber` None: nobody's session, kept as a record of its own."""

    what: str
    subscriber: SubscriberId | None = None
    accounted: Accounted | None = None


class _RecordWanted(NamedTuple):
    uid: SessionUid


class Accounting:
    """The service behind the accounting hook and the replayer. Raises Unavailable when nothing durable came of it."""

    def __init__(
        self,
        desk: Desk,
        names: NameBook,
        directory: Directory,
        sessions: Sessions,
        routers: Routers,
        world: Callable[[int], World],
    ) -> None:
        self._desk = desk
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
        if kind is None or nas is None:
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

        def decide(present: Subscriber) -> Decided[Accounted | _RecordWanted]:
            if filed is None and session.needs_record(present, event):
                return Decided(_RecordWanted(event.uid), changed=False)
            accounted = session.account(present, event, nas, world, filed or ())
            return Decided(accounted, accounted.changed, self._records(present, accounted, event, nas))

        result = self._desk.change(subscriber, decide, deadline)
        if isinstance(result, _RecordWanted):
            filed = self._sessions.find(result.uid, deadline)
            result = self._desk.change(subscriber, decide, deadline)
        if result is None:
            return self._orphan(event, nas, deadline)
        assert isinstance(result, Accounted)
        self._file_again(subscriber, result, event, nas, deadline)
        return Counted("counted" if result.changed else "known", subscriber, result)

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
        """A repeated last packet: perhaps its first try stopped between the aggregate and the record."""
        late = accounted.session.state is SessionState.CLOSED and not accounted.session.filed
        if late and not accounted.changed:
            self._sessions.file(_record(subscriber, accounted, event, nas), deadline)

    def _orphan(self, event: Event, nas: Nas, deadline: float) -> Counted:
        """Nobody's session: evidence all the same (a name that was erased, a router with local users)."""
        record = SessionRecord(
            uid=event.uid,
            started_at=event.at - (event.time_s or 0),
            revision=max(1, event.at),
            subscriber="",
            nas=nas.id,
            site=nas.site.id,
            acct_session_id=event.acct_session_id,
            user_name=event.user_name,
            device=event.device,
            right="",
            in_bytes=event.in_bytes or 0,
            out_bytes=event.out_bytes or 0,
            time_s=event.time_s or 0,
            last_at=event.at,
            framed_ip=event.framed_ip,
            nas_ip=event.nas_ip,
            closed_at=event.at if event.kind is Kind.STOP else 0,
            cause=event.cause,
            clean_stop=event.kind is Kind.STOP,
            day=_day(event.at - (event.time_s or 0), nas),
        )
        self._sessions.file(record, deadline)
        return Counted("orphan")


def _record(subscriber: SubscriberId, accounted: Accounted, event: Event, nas: Nas) -> SessionRecord:
    return session.record_of(subscriber, accounted.session, event, nas, _day(accounted.session.opened_at, nas))


def _day(at: int, nas: Nas) -> str:
    return calendar.local(at, nas.site.zone).strftime("%Y%m%d")


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
