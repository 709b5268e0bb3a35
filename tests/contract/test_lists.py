import pytest

from radius.ports import RECORDS_MAX, Listed, Outcome
from radius.store import keys
from radius.store.open import Store
from tests.contract.values import change, name, soon


def born(store: Store, number: int, at: int, site: str = "lodge") -> None:
    outcome = store.subscribers.create(change(name(number), 1), [f"p:{number}"], soon(), Listed(site, at))
    assert outcome is Outcome.COMMITTED


def test_customers_of_a_site_the_latest_first_page_by_page(store: Store) -> None:
    for number in range(7):
        born(store, number, 1_000 + number)
    born(store, 90, 1_003, "annex")
    born(store, 91, 1_004, "")
    first = store.lists.latest("lodge", None, 3, soon())
    assert first == [(name(number), 1_000 + number) for number in (6, 5, 4)]
    (who, at) = first[-1]
    assert store.lists.latest("lodge", (at, who), 9, soon()) == [(name(n), 1_000 + n) for n in (3, 2, 1, 0)]
    assert store.lists.latest("", None, 9, soon()) == [(name(91), 1_004)]
    assert store.lists.latest("lod", None, 9, soon()) == []


def test_many_who_came_in_one_second_are_each_on_one_page(store: Store) -> None:
    for number in range(7):
        born(store, number, 1_000)
    met = []
    page = store.lists.latest("lodge", None, 2, soon())
    while page:
        met += [who for who, _ in page]
        page = store.lists.latest("lodge", (page[-1][1], page[-1][0]), 2, soon())
    assert sorted(met) == [name(number) for number in range(7)]


def test_a_row_is_no_due_work_and_stays_where_it_is(store: Store) -> None:
    born(store, 1, 1_000)
    store.subscribers.commit(change(name(1), 2, due_at=1_010), soon())
    assert store.due_work.due(960, 1_019, 9, soon()) == [(name(1), 1_010)]
    assert store.lists.latest("lodge", None, 9, soon()) == [(name(1), 1_000)]


def test_who_could_not_be_made_is_not_listed(store: Store) -> None:
    born(store, 1, 1_000)
    taken = store.subscribers.create(change(name(2), 1), ["p:1"], soon(), Listed("lodge", 2_000))
    assert taken is Outcome.CONFLICT
    assert store.lists.latest("lodge", None, 9, soon()) == [(name(1), 1_000)]


def test_many_at_once_are_those_that_are_there(store: Store) -> None:
    for number in range(3):
        born(store, number, 1_000)
    found = store.lists.many([name(2), name(0), name(7), name(2)], soon())
    assert {who: stored.body for who, stored in found.items()} == {name(n): change(name(n), 1).body for n in (0, 2)}
    assert found[name(0)] == store.subscribers.read(name(0), soon())
    with pytest.raises(ValueError, match="at most"):
        store.lists.many([name(number) for number in range(RECORDS_MAX + 1)], soon())


def test_a_site_that_is_called_like_a_minute_is_no_minute() -> None:
    assert keys.list_key("29393939") not in keys.due_keys(29_393_939)
