import pytest

from radius.domain.identity import NasId, SessionUid
from radius.ports import Outcome, Where
from radius.store.open import Store
from tests.contract.values import name, record, soon


def test_a_record_comes_back_whole(store: Store) -> None:
    filed = record(closed_at=2_000, cause="User-Request", overspend_bytes=2**41, clean_stop=True, site="", day="")
    assert store.sessions.file(filed, soon()) is Outcome.COMMITTED
    assert store.sessions.find(filed.uid, soon()) == [filed]


def test_the_higher_revision_wins(store: Store) -> None:
    assert store.sessions.file(record(revision=2, time_s=200), soon()) is Outcome.COMMITTED
    assert store.sessions.file(record(revision=2, time_s=999), soon()) is Outcome.ALREADY_DONE
    assert store.sessions.file(record(revision=1, time_s=100), soon()) is Outcome.ALREADY_DONE
    assert [found.time_s for found in store.sessions.find(record().uid, soon())] == [200]
    assert store.sessions.file(record(revision=10, time_s=1_000), soon()) is Outcome.COMMITTED
    assert [found.time_s for found in store.sessions.find(record().uid, soon())] == [1_000]


def test_generations_of_a_reused_session_id_oldest_first(store: Store) -> None:
    for started_at in (3_000, 1_000, 2_000):
        store.sessions.file(record(started_at=started_at), soon())
    store.sessions.file(record("u2"), soon())
    assert [found.started_at for found in store.sessions.find(record().uid, soon())] == [1_000, 2_000, 3_000]


def test_open_sessions_of_a_router_are_those_not_closed_that_began_before(store: Store) -> None:
    for number in range(30):
        store.sessions.file(record(f"u{number}", 1_000 + number, subscriber=name(number)), soon())
    store.sessions.file(record("u3", 1_003, revision=2, closed_at=5_000), soon())
    store.sessions.file(record("elsewhere", 1_000, nas=NasId("gate2")), soon())
    gate = NasId("gate")
    found = store.sessions.open_on(gate, 1_010, 100, soon())
    assert found == [(f"u{number}", 1_000 + number, name(number)) for number in range(10) if number != 3]
    assert store.sessions.open_on(gate, 9_999, 4, soon()) == found[:4]
    assert store.sessions.open_on(NasId("gat"), 9_999, 100, soon()) == []
    assert store.sessions.count_open(gate, soon()) == 29
    assert store.sessions.count_open(NasId("gat"), soon()) == 0


def test_a_session_that_opens_again_is_open_again(store: Store) -> None:
    store.sessions.file(record(revision=1, closed_at=2_000), soon())
    assert store.sessions.open_on(NasId("gate"), 9_999, 10, soon()) == []
    store.sessions.file(record(revision=2), soon())
    assert store.sessions.open_on(NasId("gate"), 9_999, 10, soon()) == [("u1", 1_000, name(1))]


def test_sessions_of_a_day_the_latest_first(store: Store) -> None:
    for number in range(30):
        store.sessions.file(record(f"u{number:02}", 1_000 + number), soon())
    store.sessions.file(record("late", 9_000, day="20261124"), soon())
    store.sessions.file(record("annex", 1_500, nas=NasId("gate2"), site="annex", subscriber=name(2)), soon())
    store.sessions.file(record("nobody", 1_600, subscriber="", site=""), soon())
    day = "20261123"
    latest = [(f"u{number:02}", 1_000 + number) for number in reversed(range(30))]
    assert store.sessions.begun_on(Where.SITE, "lodge", day, 100, soon()) == latest
    assert store.sessions.begun_on(Where.SITE, "lodge", day, 5, soon()) == latest[:5]
    assert store.sessions.begun_on(Where.SUBSCRIBER, name(2), day, 9, soon()) == [("annex", 1_500)]
    assert store.sessions.begun_on(Where.ROUTER, "gate", day, 2, soon()) == [("nobody", 1_600), latest[0]]
    assert store.sessions.begun_on(Where.SITE, "lodge", "20261124", 9, soon()) == [("late", 9_000)]
    assert store.sessions.begun_on(Where.ROUTER, "lodge", day, 9, soon()) == []


def test_records_by_their_keys(store: Store) -> None:
    filed = [record(f"u{number}", 1_000 + number) for number in range(3)]
    for one in filed:
        store.sessions.file(one, soon())
    keys = [(one.uid, one.started_at) for one in filed]
    found = store.sessions.records([*keys[1:], (keys[0][0], 7), keys[1]], soon())
    assert sorted(found, key=lambda one: one.uid) == filed[1:]
    assert store.sessions.records([], soon()) == []
    with pytest.raises(ValueError, match="100"):
        store.sessions.records([(SessionUid(f"u{number}"), 1) for number in range(101)], soon())
