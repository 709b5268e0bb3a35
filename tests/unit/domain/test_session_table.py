"""Every cell of the accounting table: a state, a packet, and all that the packet does to the aggregate."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from radius.domain import lifecycle, session
from radius.domain.intent import IntentReason
from radius.domain.session import TABLE, Kind, Move
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from tests.unit.domain.builders import DAY_S, MIB, T0, Catalogue, day_terms, live, nas, packet, right, subscriber, world

Cell = tuple[SessionState | None, Kind]
TERMS = Catalogue(day_terms(quota_bytes=100 * MIB))
PACKETS = {
    Kind.START: packet(Kind.START, T0),
    Kind.INTERIM: packet(Kind.INTERIM, T0 + 600, 20 * MIB, 60 * MIB, 600),
    Kind.STOP: packet(Kind.STOP, T0 + 600, 20 * MIB, 60 * MIB, 600, cause="User-Request"),
}
NOW = T0 + 1500  # when all of them are heard


class After(NamedTuple):
    """What there is after the packet. `right`: what it was charged (bytes, seconds); `lease`: bytes still promised."""

    move: Move
    state: SessionState
    changed: bool
    opened: bool
    closed: bool
    delta: tuple[int, int]
    total: tuple[int, int]
    right: tuple[int, int]
    lease: int | None
    intents: list[IntentReason]
    revision: int
    cause: str
    closed_at: int
    last_at: int
    interim_seen: bool
    filed: bool
    clean_stop: bool


def absent() -> Subscriber:
    return subscriber(right())


def reserved() -> Subscriber:
    one = live(state=SessionState.RESERVED, at=T0 - 10, leases=[Lease("right001", 100 * MIB, -1)])
    return subscriber(right(), sessions=[one])


def begun(state: SessionState) -> Session:
    """After one interim update of 40 MiB."""
    one = live(state=state, leases=[Lease("right001", 60 * MIB, -1)] if state is SessionState.OPEN else [])
    one.in_bytes, one.out_bytes, one.time_s = 10 * MIB, 30 * MIB, 300
    one.last_at, one.interim_seen, one.revision = T0 + 300, True, 2
    return one


def with_use(one: Session) -> Subscriber:
    home = subscriber(right(), sessions=[one])
    home.rights[0].used_bytes, home.rights[0].used_s = 40 * MIB, 300
    return home


def opened() -> Subscriber:
    one = begun(SessionState.OPEN)
    home = with_use(one)
    lifecycle.add_intent(home, one.uid, IntentReason.TERMS, T0 + 200)
    return home


def closed() -> Subscriber:
    """Silent since its interim update, and filed."""
    one = begun(SessionState.CLOSED)
    one.cause, one.closed_at, one.filed, one.revision = "silent", T0 + 1260, True, 3
    return with_use(one)


BEFORE: dict[SessionState | None, Callable[[], Subscriber]] = {
    None: absent,
    SessionState.RESERVED: reserved,
    SessionState.OPEN: opened,
    SessionState.CLOSED: closed,
}

OPEN, CLOSED = SessionState.OPEN, SessionState.CLOSED
FIRST, REST, NOTHING = (80 * MIB, 600), (40 * MIB, 300), (0, 0)
BEGUN = (40 * MIB, 300)

# fmt: off
CELLS: dict[Cell, After] = {
    (None, Kind.START): After(
        Move.OPEN, OPEN, True, True, False, NOTHING, NOTHING, NOTHING, 100 * MIB, [], 1, "", 0, T0, False, False,
        False),
    (None, Kind.INTERIM): After(
        Move.OPEN, OPEN, True, True, False, FIRST, FIRST, FIRST, 20 * MIB, [], 1, "", 0, T0 + 600, True, False, False),
    (None, Kind.STOP): After(
        Move.OPEN_CLOSE, CLOSED, True, True, True, FIRST, FIRST, FIRST, None, [], 2, "User-Request", NOW, T0 + 600,
        False, False, True),
    (SessionState.RESERVED, Kind.START): After(
        Move.OPEN, OPEN, True, True, False, NOTHING, NOTHING, NOTHING, 100 * MIB, [], 1, "", 0, T0, False, False,
        False),
    (SessionState.RESERVED, Kind.INTERIM): After(
        Move.OPEN, OPEN, True, True, False, FIRST, FIRST, FIRST, 20 * MIB, [], 1, "", 0, T0 + 600, True, False, False),
    (SessionState.RESERVED, Kind.STOP): After(
        Move.OPEN_CLOSE, CLOSED, True, True, True, FIRST, FIRST, FIRST, None, [], 2, "User-Request", NOW, T0 + 600,
        False, False, True),
    (OPEN, Kind.START): After(
        Move.COUNT, OPEN, False, False, False, NOTHING, BEGUN, BEGUN, 60 * MIB, [IntentReason.TERMS], 2, "", 0,
        T0 + 300, True, False, False),
    (OPEN, Kind.INTERIM): After(
        Move.COUNT, OPEN, True, False, False, REST, FIRST, FIRST, 20 * MIB, [IntentReason.TERMS], 3, "", 0, T0 + 600,
        True, False, False),
    (OPEN, Kind.STOP): After(
        Move.COUNT_CLOSE, CLOSED, True, False, True, REST, FIRST, FIRST, None, [], 4, "User-Request", NOW, T0 + 600,
        True, False, True),
    (CLOSED, Kind.START): After(
        Move.COUNT, CLOSED, False, False, False, NOTHING, BEGUN, BEGUN, None, [], 3, "silent", T0 + 1260, T0 + 300,
        True, True, False),
    (CLOSED, Kind.INTERIM): After(
        Move.REVIVE, OPEN, True, True, False, REST, FIRST, FIRST, 20 * MIB, [], 4, "", 0, T0 + 600, True, False, False),
    (CLOSED, Kind.STOP): After(
        Move.COUNT_STOP, CLOSED, True, False, False, REST, FIRST, FIRST, None, [], 4, "User-Request", T0 + 1260,
        T0 + 600, True, False, True),
}
# fmt: on


def test_every_cell_has_a_test() -> None:
    assert set(CELLS) == set(TABLE)
    assert set(TABLE) == {(state, kind) for state in (None, *SessionState) for kind in Kind}
    assert {after.move for after in CELLS.values()} == set(Move)


@pytest.mark.parametrize("cell", TABLE, ids=lambda cell: f"{cell[0].name if cell[0] else 'ABSENT'}-{cell[1].name}")
def test_cell(cell: Cell) -> None:
    home, event = BEFORE[cell[0]](), PACKETS[cell[1]]
    there = world(NOW, TERMS)
    done = session.account(home, event, nas(), there)
    one = done.session
    record = session.record_of(home.id, one, event, nas(), "20251124")
    assert (
        After(
            TABLE[cell],
            one.state,
            done.changed,
            done.opened,
            done.closed,
            (done.delta_bytes, done.delta_s),
            (one.total_bytes, one.total_s),
            (home.rights[0].used_bytes, home.rights[0].used_s),
            one.leases[0].bytes if one.leases else None,
            [intent.reason for intent in home.intents],
            one.revision,
            one.cause,
            one.closed_at,
            one.last_at,
            one.interim_seen,
            one.filed,
            record.clean_stop,
        )
        == CELLS[cell]
    )
    assert home.sessions == [one]
    assert (one.opened_at, one.right, done.over_bytes) == (T0, "right001", 0)
    assert record.closed_at == (one.last_at if one.state is CLOSED else 0)


@pytest.mark.parametrize("cell", TABLE, ids=lambda cell: f"{cell[0].name if cell[0] else 'ABSENT'}-{cell[1].name}")
def test_the_same_packet_again_changes_nothing(cell: Cell) -> None:
    home, event = BEFORE[cell[0]](), PACKETS[cell[1]]
    first = session.account(home, event, nas(), world(NOW, TERMS))
    revision, state = first.session.revision, first.session.state
    again = session.account(home, event, nas(), world(NOW + 5, TERMS))
    assert (again.changed, again.opened, again.closed) == (False, False, False)
    assert (again.delta_bytes, again.delta_s, again.session.revision) == (0, 0, revision)
    assert again.session is first.session
    assert again.session.state is state


def test_the_record_has_the_marks_and_the_names_of_the_packet() -> None:
    home = subscriber(right())
    event = PACKETS[Kind.STOP]._replace(framed_ip="10.5.0.7", nas_ip="10.8.0.2")
    one = session.account(home, event, nas(), world(NOW, TERMS)).session
    one.base_in, one.base_s, one.over_bytes = 5, 7, 3
    record = session.record_of(home.id, one, event, nas(), "20251124")
    assert {name: getattr(record, name) for name in record.__struct_fields__} == {
        "uid": one.uid,
        "started_at": T0,
        "revision": 2,
        "subscriber": "abcdefghijklmnop",
        "nas": "kilimani-03",
        "site": "kilimani",
        "acct_session_id": "81c00001",
        "user_name": "0712345678",
        "device": "aabbccddee01",
        "right": "right001",
        "in_bytes": 20 * MIB + 5,
        "out_bytes": 60 * MIB,
        "time_s": 607,
        "last_at": T0 + 600,
        "framed_ip": "10.5.0.7",
        "nas_ip": "10.8.0.2",
        "reservation": "res0000001",
        "closed_at": T0 + 600,
        "cause": "User-Request",
        "overspend_bytes": 3,
        "clean_stop": True,
        "day": "20251124",
    }


def test_what_a_missing_start_gets_is_what_a_log_in_would_get() -> None:
    home = absent()
    one = session.account(home, PACKETS[Kind.INTERIM], nas(), world(NOW, TERMS)).session
    assert (one.ends_at, one.cap_bytes, one.interim_s) == (T0 + DAY_S, 100 * MIB, 300)
