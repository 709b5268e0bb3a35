import pytest

from radius.ports import Outcome
from radius.store.open import Store
from tests.contract.values import name, soon


@pytest.mark.parametrize("alias", ["p:254712000001", "n:wanjikũ", "n:S#x", "m:aabbccddeeff"])
def test_an_alias_leads_to_one_subscriber(store: Store, alias: str) -> None:
    assert store.names.resolve(alias, soon()) is None
    assert store.names.bind(alias, name(1), soon()) is Outcome.COMMITTED
    assert store.names.bind(alias, name(1), soon()) is Outcome.ALREADY_DONE
    assert store.names.bind(alias, name(2), soon()) is Outcome.CONFLICT
    assert store.names.resolve(alias, soon()) == name(1)


def test_an_alias_is_removed_only_by_its_own_subscriber(store: Store) -> None:
    store.names.bind("n:a", name(1), soon())
    assert store.names.unbind("n:a", name(2), soon()) is Outcome.CONFLICT
    assert store.names.resolve("n:a", soon()) == name(1)
    assert store.names.unbind("n:a", name(1), soon()) is Outcome.COMMITTED
    assert store.names.unbind("n:a", name(1), soon()) is Outcome.ALREADY_DONE
    assert store.names.resolve("n:a", soon()) is None
    assert store.names.bind("n:a", name(2), soon()) is Outcome.COMMITTED


def test_an_alias_and_a_subscriber_of_the_same_spelling_do_not_meet(store: Store) -> None:
    store.names.bind(name(1), name(2), soon())
    assert store.subscribers.read(name(1), soon()) is None
