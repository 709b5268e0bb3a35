"""The accounting table: (state, event) -> what happens. Every cell is tested; `TABLE` is the documentation.

::

                 START     INTERIM    STOP
    ABSENT       open      open       open_close   (INTERIM: its Start was lost; STOP: all else was lost)
    RESERVED     open      open       open_close
    OPEN         count     count      count_close
    CLOSED       count     revive     count_stop   (revive: only if the router goes on counting after the end we saw)

Boots, silence and ends without a packet are `lifecycle`. A session's use is what its marks say, whatever was lost,
repeated or came late (`counters`); growth is charged where it belongs (`charging`).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from radius.domain import charging, counters, enforcement, lifecycle, reauth
from radius.domain.counters import Counters
from radius.domain.identity import MacAddress, NasId, ReservationId, SessionUid, SubscriberId, session_uid
from radius.domain.intent import IntentReason
from radius.domain.moment import EVENT_BEHIND_S_MAX
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Session, SessionState, Subscriber, encode
from radius.domain.wanted import Cut, Owed, answer
from radius.domain.world import LAPSE_S, World

GENERATION_SLACK_S = 300  # two packets of one session imply the same start, give or take queues and clocks
GAP_S_MAX = 3600  # a router that reports less often than hourly is not waited for


class Kind(StrEnum):
    """Acct-Status-Type of a session's packets (RFC 2866 §5.1)."""

    START = "start"
    INTERIM = "interim"
    STOP = "stop"


class Event(NamedTuple):
    """One accounting packet of a session. Bytes in RFC 2866 view; None where the packet has no counters.

    `gigawords` is proof that the counters do not wrap at 2**32. `reservation` is what our Class said, "" without it.
    `at` is the event's instant, `stamped` whether the router's own clock said so.
    """

    kind: Kind
    nas: NasId
    acct_session_id: str
    device: str
    mac: MacAddress | None
    reservation: ReservationId | str
    at: int
    stamped: bool
    in_bytes: int | None = None
    out_bytes: int | None = None
    gigawords: bool = False
    time_s: int | None = None
    cause: str = ""
    user_name: str = ""
    framed_ip: str = ""
    nas_ip: str = ""

    @property
    def uid(self) -> SessionUid:
        """The session this packet belongs to."""
        return session_uid(self.nas, self.acct_session_id, self.device, ReservationId(self.reservation))


class Move(StrEnum):
    """Cells of the table."""

    OPEN = "open"
    OPEN_CLOSE = "open_close"
    COUNT = "count"
    COUNT_CLOSE = "count_close"
    COUNT_STOP = "count_stop"
    REVIVE = "revive"


TABLE: dict[tuple[SessionState | None, Kind], Move] = {
    (None, Kind.START): Move.OPEN,
    (None, Kind.INTERIM): Move.OPEN,
    (None, Kind.STOP): Move.OPEN_CLOSE,
    (SessionState.RESERVED, Kind.START): Move.OPEN,
    (SessionState.RESERVED, Kind.INTERIM): Move.OPEN,
    (SessionState.RESERVED, Kind.STOP): Move.OPEN_CLOSE,
    (SessionState.OPEN, Kind.START): Move.COUNT,
    (SessionState.OPEN, Kind.INTERIM): Move.COUNT,
    (SessionState.OPEN, Kind.STOP): Move.COUNT_CLOSE,
    (SessionState.CLOSED, Kind.START): Move.COUNT,
    (SessionState.CLOSED, Kind.INTERIM): Move.REVIVE,
    (SessionState.CLOSED, Kind.STOP): Move.COUNT_STOP,
}


class Accounted(NamedTuple):
    """What a packet changed. `changed` False: everything in it was known already."""

    session: Session
    changed: bool
    opened: bool = False
    closed: bool = False
    delta_bytes: int = 0
    delta_s: int = 0
    over_bytes: int = 0
    intents: tuple[IntentReason, ...] = ()  # what it demands of the sender
    doubted: bool = False  # it had counters that cannot be
    wish: Cut | Owed | None = None  # what the answer tells its router, where nothing else reaches it


def needs_record(subscriber: Subscriber, event: Event) -> bool:
    """True when the packet's session is not in the aggregate and may have been filed: read its record first."""
    return find(subscriber, event) is None


def find(subscriber: Subscriber, event: Event) -> Session | None:
    """The session of a packet: by our Class, else by router + Acct-Session-Id + device of the same generation.

    What is known to have begun goes before what waits for its Start: late news of a device's last session is none of
    its new one.
    """
    for belongs in (_same, _same_without_class, _waits_for):
        for session in reversed(subscriber.sessions):
            if belongs(session, event):
                return session
    return None


def _same(session: Session, event: Event) -> bool:
    # The same uid, without the hash.
    if (session.acct_session_id, session.nas, session.device, session.reservation) != (
        event.acct_session_id,
        event.nas,
        event.device,
        event.reservation,
    ):
        return False
    return bool(event.reservation) or _same_generation(session, event)


def _same_without_class(session: Session, event: Event) -> bool:
    """Some packets of a session may lack the Class that others have."""
    if event.reservation and session.reservation:
        return False
    if session.state is SessionState.RESERVED:
        return False
    names = (session.nas, session.acct_session_id, session.device)
    return names == (event.nas, event.acct_session_id, event.device) and _same_generation(session, event)


def _waits_for(session: Session, event: Event) -> bool:
    if session.state is not SessionState.RESERVED or session.nas != event.nas:
        return False
    if event.reservation:
        return session.reservation == event.reservation
    if session.device != event.device:
        return False
    # Without a Class the instant must do: a session does not begin before its log-in, give or take the router's clock.
    return event.at - (event.time_s or 0) >= session.opened_at - EVENT_BEHIND_S_MAX


def _same_generation(session: Session | SessionRecord, event: Event) -> bool:
    """A router that reuses an Acct-Session-Id after a reboot counts from a new start, after all that was heard before.

    One that gives neither Class nor session time leaves this open where packets overtake each other by minutes.
    """
    if event.time_s is None:
        return event.kind is not Kind.START or event.at <= session.last_at + GENERATION_SLACK_S
    started_at = session.opened_at if isinstance(session, Session) else session.started_at
    implied_start = event.at - event.time_s
    overlaps = implied_start < session.last_at and started_at <= event.at
    return overlaps or abs(implied_start - started_at) <= GENERATION_SLACK_S + event.time_s // 100


def account(
    subscriber: Subscriber, event: Event, nas: Nas, world: World, filed: Sequence[SessionRecord] = ()
) -> Accounted:
    """Count one packet. `filed` are the records of its uid, given when `needs_record` asked for them."""
    session = find(subscriber, event) or _restore(subscriber, event, filed)
    begins = session is None or session.state is SessionState.RESERVED
    before = _carried_on(subscriber, event) if begins else None
    said, event = event, _believed(event, before or session, subscriber)
    move = TABLE[(session.state if session else None, event.kind)]
    opened = closed = False
    pending = tuple(subscriber.intents)
    if session is None or session.state is SessionState.RESERVED:
        session = _open(subscriber, session, before, event, nas, world)
        opened = True
    if opened:
        lifecycle.arrived(subscriber, session.device, world.now)
        lifecycle.thin(subscriber)
    was = _state_of(subscriber, session)
    delta_bytes, delta_s, over = _count(subscriber, session, event, nas, world, opened=opened)
    if move in (Move.OPEN_CLOSE, Move.COUNT_CLOSE):
        lifecycle.close(subscriber, session, event.cause or "stop", world.now)
        closed = True
    elif move is Move.COUNT_STOP:
        _stopped_late(subscriber, session, event)
    elif opened and _superseded(subscriber, session, event):
        _end_superseded(subscriber, session, event, world)
        closed = True
    elif move is Move.REVIVE and (delta_s > 0 or (delta_bytes > 0 and event.time_s is None)):
        opened = _revive(subscriber, session, event, nas, world)
    changed = opened or closed or delta_bytes > 0 or delta_s > 0 or was != _state_of(subscriber, session)
    if changed:
        session.revision += 1
        session.filed = False
    if session.state is SessionState.OPEN:
        enforcement.after_use(subscriber, session, event.at, nas, world)
    wish = None
    if nas.capabilities.by_answer and event.kind is not Kind.STOP:
        known = encode(subscriber)
        wish = answer(subscriber, session, nas, world)
        changed = changed or encode(subscriber) != known
    intents = lifecycle.added(subscriber, pending)
    return Accounted(session, changed, opened, closed, delta_bytes, delta_s, over, intents, event is not said, wish)


def _state_of(subscriber: Subscriber, session: Session) -> tuple[object, ...]:
    awaited = session.interim_seen and session.state is SessionState.OPEN  # nobody waits for a closed session's updates
    return session.last_at, session.state, session.cause, awaited, len(subscriber.intents)


def _carried_on(subscriber: Subscriber, event: Event) -> Session | None:
    return reauth.predecessor(subscriber, (event.nas, event.acct_session_id, event.device), _report(event))


def _believed(event: Event, session: Session | None, subscriber: Subscriber) -> Event:
    began_at = min(session.opened_at, session.epoch_at or session.opened_at) if session else subscriber.created_at
    report = _report(event)
    sane = counters.believed(report, began_at)
    if sane is report:
        return event
    return event._replace(in_bytes=sane.in_bytes, out_bytes=sane.out_bytes, time_s=sane.time_s)


def _open(
    subscriber: Subscriber, session: Session | None, before: Session | None, event: Event, nas: Nas, world: World
) -> Session:
    started_at = event.at - (event.time_s or 0)
    if session is None:
        session = Session(
            reservation=ReservationId(event.reservation),
            nas=event.nas,
            device=event.device,
            state=SessionState.OPEN,
            opened_at=started_at,
            last_at=started_at,
            ends_at=world.now + LAPSE_S,  # nobody granted more; with its grace this leaves time for a first update
        )
        subscriber.sessions.append(session)
        _take_place(subscriber, session, event, nas, world)
    session.state = SessionState.OPEN
    session.reservation = ReservationId(event.reservation)  # the uid must be computable from packets, with or without
    session.acct_session_id = event.acct_session_id
    session.device = event.device
    session.opened_at = session.last_at = started_at
    if before is not None:
        reauth.begin_after(session, before, event.at)
    return session


def _report(event: Event) -> Counters:
    return Counters(event.in_bytes, event.out_bytes, event.time_s, event.at, event.stamped)


def _take_place(subscriber: Subscriber, session: Session, event: Event, nas: Nas, world: World) -> None:
    """Slot and leases of a session that no log-in announced. Old news takes nothing from what the device has now."""
    lifecycle.lapse(subscriber, world)
    if event.kind is Kind.STOP or _superseded(subscriber, session, event):
        enforcement.blame(subscriber, session)
        return
    lifecycle.release_device(subscriber, event.device, event.nas, world.now, but=session)
    enforcement.lease_again(subscriber, session, nas, world)


def _superseded(subscriber: Subscriber, session: Session, event: Event) -> bool:
    """True when the device has begun (or, after this packet, been granted) another session since this one began."""
    return any(
        other.opened_at > (event.at if other.state is SessionState.RESERVED else session.opened_at)
        for other in lifecycle.others_of_device(subscriber, session)
    )


def _count(
    subscriber: Subscriber, session: Session, event: Event, nas: Nas, world: World, *, opened: bool
) -> tuple[int, int, int]:
    gigawords = event.gigawords or nas.capabilities.acct_gigawords
    delta_bytes, delta_s = counters.advance(session, _report(event), gigawords=gigawords)
    if event.kind is Kind.INTERIM:
        gap = event.at - session.last_at
        # The router reports at a pace of its own; silence is measured by that. A lost Start leaves its first gap open.
        if not opened and session.interim_s < gap <= GAP_S_MAX:
            session.interim_s = gap
        session.interim_seen = True
    since, over = session.last_at, 0
    # A receipt says when a packet came, not when it was made: over is over, unless it proves more use.
    if event.stamped or delta_bytes or delta_s or session.state is not SessionState.CLOSED:
        session.last_at = max(since, event.at)
    if delta_bytes or delta_s:
        enforcement.reach_further(subscriber, session, delta_bytes, delta_s, nas, world)
        slows = nas.capabilities.rate
        over = charging.charge(subscriber, session, delta_bytes, delta_s, since, event.at, world, slows=slows)
    if session.state is SessionState.CLOSED:
        session.leases = []
    session.over_bytes += over
    return delta_bytes, delta_s, over


def _end_superseded(subscriber: Subscriber, session: Session, event: Event, world: World) -> None:
    """The device has a later session. Only evidence from after that one's start proves that both are served."""
    lifecycle.close(subscriber, session, "replaced", world.now)
    if any(event.at > other.opened_at for other in lifecycle.others_of_device(subscriber, session)):
        lifecycle.add_intent(subscriber, session.uid, IntentReason.REPLACED, world.now)


def _stopped_late(subscriber: Subscriber, session: Session, event: Event) -> None:
    """A Stop for a session that we had ended ourselves tells how it really ended, and that nothing is to be cut."""
    if event.cause or session.cause in _REAPED:
        session.cause = event.cause or "stop"
    lifecycle.drop_intents(subscriber, session)


def _revive(subscriber: Subscriber, session: Session, event: Event, nas: Nas, world: World) -> bool:
    """An interim update after the end that counts further: late news, or proof that the router still serves it."""
    after_end = event.at > session.closed_at
    if event.at < world.boots.get(session.nas, 0) or not (after_end or session.cause in _REAPED):
        return False
    lifecycle.lapse(subscriber, world)
    if after_end and session.cause in _REAPED:
        reauth.drop_waiting(subscriber, session)
    if lifecycle.others_of_device(subscriber, session):
        if after_end:
            lifecycle.add_intent(subscriber, session.uid, IntentReason.REPLACED, world.now)
        return False
    session.state = SessionState.OPEN
    session.cause = ""
    session.closed_at = 0
    enforcement.lease_again(subscriber, session, nas, world)
    return True


_REAPED = frozenset({"silent", "timeout", "nas-reboot", "replaced", "lapsed", "gone"})


def _restore(subscriber: Subscriber, event: Event, filed: Sequence[SessionRecord]) -> Session | None:
    """Take a filed session back into the aggregate, with the marks its record kept."""
    for record in reversed(filed):
        if not event.reservation and not _same_generation(record, event):
            continue
        session = Session(
            reservation=ReservationId(record.reservation),
            nas=record.nas,
            device=record.device,
            state=SessionState.CLOSED,
            opened_at=record.started_at,
            last_at=record.last_at,
            ends_at=record.last_at,
            right=record.right,
            acct_session_id=record.acct_session_id,
            in_bytes=record.in_bytes,
            out_bytes=record.out_bytes,
            time_s=record.time_s,
            revision=record.revision,
            cause=record.cause,
            closed_at=record.closed_at or record.last_at,
            over_bytes=record.overspend_bytes,
            loose=True,  # the record's totals may be of several counts
        )
        subscriber.sessions.append(session)
        return session
    return None


def record_of(subscriber: SubscriberId, session: Session, event: Event, nas: Nas, day: str) -> SessionRecord:
    """The record that a packet of `session` leaves: the session's marks with the names this packet gave."""
    return SessionRecord(
        uid=session.uid,
        started_at=session.opened_at,
        revision=session.revision,
        subscriber=subscriber,
        nas=session.nas,
        site=nas.site.id,
        acct_session_id=session.acct_session_id,
        user_name=event.user_name,
        device=session.device,
        right=session.right,
        in_bytes=session.base_in + session.in_bytes,
        out_bytes=session.base_out + session.out_bytes,
        time_s=session.total_s,
        last_at=session.last_at,
        framed_ip=event.framed_ip,
        nas_ip=event.nas_ip,
        reservation=session.reservation,
        closed_at=session.last_at if session.state is SessionState.CLOSED else 0,
        cause=session.cause,
        overspend_bytes=session.over_bytes,
        clean_stop=session.state is SessionState.CLOSED and session.cause not in _REAPED,
        day=day,
    )
