import threading

import pytest

from radius.ports import DUE_WINDOW_S_MAX, Outcome
from radius.store.open import Store
from tests.contract.values import change, name, soon

MINUTE = 1_700_000_040  # begins a minute
assert MINUTE % 60 == 0


def test_due_work_comes_earliest_first_across_minutes_and_shards(store: Store) -> None:
    instants = [MINUTE + 7 * number for number in range(40)]
    for number, instant in enumerate(reversed(instants)):
        store.subscribers.commit(change(name(number), 1, due_at=instant), soon())
    found = store.due_work.due(MINUTE, MINUTE + 600, 100, soon())
    assert [due_at for _, due_at in found] == instants
    assert found == [(name(39 - place), due_at) for place, due_at in enumerate(instants)]


def test_the_window_includes_both_ends(store: Store) -> None:
    for number, instant in enumerate([MINUTE - 1, MINUTE, MINUTE + 59, MINUTE + 60]):
        store.subscribers.commit(change(name(number), 1, due_at=instant), soon())
    assert [due_at for _, due_at in store.due_work.due(MINUTE, MINUTE + 59, 9, soon())] == [MINUTE, MINUTE + 59]
    assert store.due_work.due(MINUTE + 1, MINUTE + 58, 9, soon()) == []


def test_a_limit_gives_the_earliest_and_the_rest_follows(store: Store) -> None:
    for number in range(25):
        store.subscribers.commit(change(name(number), 1, due_at=MINUTE + number * 5), soon())
    seen: list[str] = []
    since = MINUTE
    while page := store.due_work.due(since, MINUTE + 600, 10, soon()):
        assert len(page) <= 10
        seen += [subscriber for subscriber, _ in page]
        since = page[-1][1] + 1
    assert seen == [name(number) for number in range(25)]


def test_moved_work_is_found_at_its_new_instant_only(store: Store) -> None:
    store.subscribers.commit(change(name(1), 1, due_at=MINUTE), soon())
    store.subscribers.commit(change(name(1), 2, due_at=MINUTE + 3_600), soon())
    assert store.due_work.due(MINUTE, MINUTE + 60, 9, soon()) == []
    assert store.due_work.due(MINUTE + 3_600, MINUTE + 3_600, 9, soon()) == [(name(1), MINUTE + 3_600)]


def test_a_window_too_wide_is_refused_loudly(store: Store) -> None:
    with pytest.raises(ValueError, match="window"):
        store.due_work.due(0, MINUTE, 9, soon())
    assert store.due_work.due(MINUTE, MINUTE + DUE_WINDOW_S_MAX // 24, 9, soon()) == []


def test_a_checkpoint_only_moves_forward(store: Store) -> None:
    assert store.due_work.checkpoint("sweep", soon()) == 0
    assert store.due_work.advance("sweep", 100, soon()) is Outcome.COMMITTED
    assert store.due_work.advance("sweep", 100, soon()) is Outcome.ALREADY_DONE
    assert store.due_work.advance("sweep", 99, soon()) is Outcome.ALREADY_DONE
    assert store.due_work.advance("sweep", 101, soon()) is Outcome.COMMITTED
    assert store.due_work.checkpoint("sweep", soon()) == 101
    assert store.due_work.checkpoint("coa", soon()) == 0


def test_a_checkpoint_moved_by_many_ends_at_the_furthest(store: Store) -> None:
    threads = [threading.Thread(target=store.due_work.advance, args=("sweep", to, soon())) for to in range(1, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.due_work.checkpoint("sweep", soon()) == 16
