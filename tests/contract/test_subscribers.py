import threading
import time
from collections import Counter

import pytest

from radius.domain.errors import Unavailable
from radius.ports import ALIASES_MAX, Outcome, Stored
from radius.store.open import Store
from tests.contract.values import change, name, record, soon

THREADS = 16


def test_nothing_is_read_where_nothing_was_written(store: Store) -> None:
    assert store.subscribers.read(name(1), soon()) is None


def test_a_commit_is_read_back_whole(store: Store) -> None:
    body = '{"name":"Wanjikũ 🛜 \\u0000"}'.encode()
    assert store.subscribers.commit(change(name(1), 1, body=body, due_at=1_700_000_000), soon()) is Outcome.COMMITTED
    assert store.subscribers.read(name(1), soon()) == Stored(body, 1, 1_700_000_000)


def test_due_at_zero_takes_the_due_work_away(store: Store) -> None:
    store.subscribers.commit(change(name(1), 1, due_at=1_700_000_000), soon())
    store.subscribers.commit(change(name(1), 2), soon())
    assert store.subscribers.read(name(1), soon()) == Stored(b"{}", 2, 0)
    assert store.due_work.due(1_700_000_000, 1_700_000_000, 10, soon()) == []


@pytest.mark.parametrize("size", [1_000, 4_096, 300_000])
def test_bodies_of_any_size_up_to_the_item_limit(store: Store, size: int) -> None:
    body = b'"' + b"x" * size + b'"'
    assert store.subscribers.commit(change(name(1), 1, body=body), soon()) is Outcome.COMMITTED
    stored = store.subscribers.read(name(1), soon())
    assert stored is not None
    assert stored.body == body


@pytest.mark.parametrize("version", [1, 3, 4])
def test_another_version_than_the_next_is_stale(store: Store, version: int) -> None:
    store.subscribers.commit(change(name(1), 1), soon())
    store.subscribers.commit(change(name(1), 2), soon())
    if version == 3:
        assert store.subscribers.commit(change(name(1), 3, "mine"), soon()) is Outcome.COMMITTED
        return
    assert store.subscribers.commit(change(name(1), version, "mine", b'"lost"'), soon()) is Outcome.STALE
    assert store.subscribers.read(name(1), soon()) == Stored(b"{}", 2, 0)


def test_a_second_version_of_nothing_is_stale(store: Store) -> None:
    assert store.subscribers.commit(change(name(1), 2), soon()) is Outcome.STALE
    assert store.subscribers.read(name(1), soon()) is None


def test_the_same_change_again_is_committed_and_changes_nothing(store: Store) -> None:
    once = change(name(1), 1, "mine", records=(record(),))
    for _ in range(3):
        assert store.subscribers.commit(once, soon()) is Outcome.COMMITTED
    stored = store.subscribers.read(name(1), soon())
    assert stored is not None
    assert stored.version == 1


def test_an_overtaken_change_is_stale_even_if_it_was_once_committed(store: Store) -> None:
    store.subscribers.commit(change(name(1), 1, "mine"), soon())
    store.subscribers.commit(change(name(1), 2, "theirs"), soon())
    assert store.subscribers.commit(change(name(1), 1, "mine"), soon()) is Outcome.STALE


def test_records_follow_their_change_and_the_higher_revision_stays(store: Store) -> None:
    store.sessions.file(record("u2", revision=5, in_bytes=500), soon())
    records = (record("u1", revision=1), record("u2", revision=4, in_bytes=1))
    assert store.subscribers.commit(change(name(1), 1, records=records), soon()) is Outcome.COMMITTED
    assert [found.revision for found in store.sessions.find(records[0].uid, soon())] == [1]
    assert [found.in_bytes for found in store.sessions.find(records[1].uid, soon())] == [500]


def test_a_stale_change_leaves_no_records(store: Store) -> None:
    store.subscribers.commit(change(name(1), 1, "theirs"), soon())
    assert store.subscribers.commit(change(name(1), 1, "mine", records=(record(),)), soon()) is Outcome.STALE
    assert store.sessions.find(record().uid, soon()) == []


def test_more_records_than_a_transaction_takes(store: Store) -> None:
    records = tuple(record(f"u{number}") for number in range(105))
    assert store.subscribers.commit(change(name(1), 1, records=records), soon()) is Outcome.COMMITTED
    assert all(store.sessions.find(one.uid, soon()) == [one] for one in records)


def test_sixteen_writers_one_winner_for_each_version(store: Store) -> None:
    rounds = 12
    outcomes: list[Counter[Outcome]] = [Counter() for _ in range(rounds)]
    gate = threading.Barrier(THREADS)
    faults: list[BaseException] = []

    def race(number: int) -> None:
        try:
            for version in range(1, rounds + 1):
                gate.wait()
                mine = change(name(1), version, f"{number}.{version}", str(number).encode())
                outcomes[version - 1][store.subscribers.commit(mine, soon())] += 1
        except BaseException as fault:  # noqa: BLE001 - told by the main thread
            faults.append(fault)
            gate.abort()

    run_all([threading.Thread(target=race, args=(number,)) for number in range(THREADS)])
    assert not faults
    assert outcomes == [Counter({Outcome.COMMITTED: 1, Outcome.STALE: THREADS - 1})] * rounds
    stored = store.subscribers.read(name(1), soon())
    assert stored is not None
    assert stored.version == rounds


def test_many_callers_at_once_each_get_their_own(store: Store) -> None:
    """More keys than a batch takes, some absent, several readers of the same key."""
    threads, each = 40, 8
    answers: dict[int, list[Stored | None]] = {}

    def work(number: int) -> None:
        mine = []
        for step in range(each):
            who = name(number * each + step)
            if step % 2 == 0:
                store.subscribers.commit(change(who, 1, body=str(who).encode()), soon())
            mine += [store.subscribers.read(who, soon()), store.subscribers.read(name(0), soon())]
        answers[number] = mine

    store.subscribers.commit(change(name(0), 1, "w1", str(name(0)).encode()), soon())
    run_all([threading.Thread(target=work, args=(number,)) for number in range(threads)])
    first = Stored(str(name(0)).encode(), 1, 0)
    for number in range(threads):
        for step in range(each):
            who = name(number * each + step)
            expected = Stored(str(who).encode(), 1, 0) if step % 2 == 0 else None
            assert answers[number][2 * step : 2 * step + 2] == [expected, first]


def test_writers_see_their_own_write(store: Store) -> None:
    lost: list[int] = []

    def work(number: int) -> None:
        for version in range(1, 20):
            assert store.subscribers.commit(change(name(number), version), soon()) is Outcome.COMMITTED
            stored = store.subscribers.read(name(number), soon())
            if stored is None or stored.version != version:
                lost.append(number)

    run_all([threading.Thread(target=work, args=(number,)) for number in range(THREADS)])
    assert lost == []


def test_creation_is_all_or_nothing(store: Store) -> None:
    aliases = ["p:254712000001", "m:aabbccddeeff"]
    new = change(name(1), 1, records=(record(),))
    assert store.subscribers.create(new, aliases, soon()) is Outcome.COMMITTED
    assert [store.names.resolve(alias, soon()) for alias in aliases] == [name(1)] * 2
    assert store.sessions.find(record().uid, soon()) == [record()]
    other = change(name(2), 1, "w2")
    assert store.subscribers.create(other, ["n:free", aliases[0]], soon()) is Outcome.CONFLICT
    assert store.subscribers.read(name(2), soon()) is None
    assert store.names.resolve("n:free", soon()) is None


def test_creation_again_is_told_apart(store: Store) -> None:
    new = change(name(1), 1, "mine")
    assert store.subscribers.create(new, ["n:a"], soon()) is Outcome.COMMITTED
    assert store.subscribers.create(new, ["n:a"], soon()) is Outcome.COMMITTED
    assert store.subscribers.create(new._replace(write_id="later"), ["n:a"], soon()) is Outcome.ALREADY_DONE
    assert store.subscribers.create(change(name(2), 1), ["n:a"], soon()) is Outcome.CONFLICT


def test_creation_takes_over_an_alias_that_already_leads_here(store: Store) -> None:
    store.names.bind("n:early", name(1), soon())
    assert store.subscribers.create(change(name(1), 1), ["n:early", "n:early"], soon()) is Outcome.COMMITTED


def test_creation_with_as_many_aliases_as_allowed(store: Store) -> None:
    aliases = [f"n:{number}" for number in range(ALIASES_MAX)]
    assert store.subscribers.create(change(name(1), 1), aliases, soon()) is Outcome.COMMITTED
    assert store.names.resolve(aliases[-1], soon()) == name(1)
    with pytest.raises(ValueError, match="aliases"):
        store.subscribers.create(change(name(2), 1), [*aliases, "n:more"], soon())


def test_one_winner_for_an_alias(store: Store) -> None:
    outcomes: list[Outcome] = []
    gate = threading.Barrier(THREADS)

    def race(number: int) -> None:
        gate.wait()
        outcomes.append(store.subscribers.create(change(name(number), 1), ["n:wanted"], soon()))

    run_all([threading.Thread(target=race, args=(number,)) for number in range(THREADS)])
    assert Counter(outcomes) == Counter({Outcome.COMMITTED: 1, Outcome.CONFLICT: THREADS - 1})


def test_no_time_left_is_unavailable_and_does_nothing(store: Store) -> None:
    past = time.monotonic() - 1.0
    with pytest.raises(Unavailable):
        store.subscribers.commit(change(name(1), 1), past)
    with pytest.raises(Unavailable):
        store.subscribers.create(change(name(1), 1), [], past)
    with pytest.raises(Unavailable):
        store.subscribers.read(name(1), past)
    assert store.subscribers.read(name(1), soon()) is None


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
