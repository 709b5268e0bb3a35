from radius.domain.deed import DEED_KEPT_S
from radius.store.open import Store
from tests.contract.values import deed, soon

AT = 1_764_000_000
DAY = "2025-11-24"


def test_deeds_of_a_day_come_back_whole_and_in_order(store: Store) -> None:
    late, next_day = deed(AT * 1000 + 900), deed((AT + 86_400) * 1000)
    for one in (late, deed(), next_day, deed(id_="ff")):
        store.deeds.note(one, soon())
    assert store.deeds.on(DAY, AT, soon()) == [deed(), deed(id_="ff"), late]
    assert store.deeds.on(next_day.day, AT, soon()) == [next_day]
    assert store.deeds.on("2025-11-23", AT, soon()) == []


def test_a_deed_that_ended_says_how(store: Store) -> None:
    store.deeds.note(deed(), soon())
    store.deeds.note(deed().ended("done"), soon())
    assert [one.outcome for one in store.deeds.on(DAY, AT, soon())] == ["done"]


def test_deeds_are_kept_for_two_years(store: Store) -> None:
    store.deeds.note(deed(), soon())
    assert store.deeds.on(DAY, AT + DEED_KEPT_S - 1, soon())
    assert store.deeds.on(DAY, AT + DEED_KEPT_S, soon()) == []
