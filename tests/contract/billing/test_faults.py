"""The store says "not now", or does it and does not say so: the sale goes through once all the same."""

from collections.abc import Iterator

import pytest

from billing.domain.settle import Settled
from billing.store.open import open_billing
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import Right
from radius.domain.errors import Unavailable
from radius.ports import Change
from radius.store.open import Store, StoreKind, open_store
from tests.contract.billing.town import Town
from tests.contract.values import soon
from tests.fakes.store_proxy import FaultKind, StoreProxy
from tests.fixtures_engine import Engine, new_prefix, settings
from tests.unit.billing.values import T0


@pytest.fixture
def shaky(engine: Engine, proxy: StoreProxy) -> Iterator[Town]:
    """A town behind the fault proxy."""
    prefix = new_prefix()
    opened = open_store(settings(f"http://127.0.0.1:{proxy.port}", StoreKind.DYNAMODB, prefix, 0.8))
    opened.create_tables()
    billing = open_billing(opened)
    billing.create_tables()
    town = Town(opened, billing.ports.rows)
    town.found()
    town.buy()
    yield town
    proxy.heal()
    assert opened.close()


@pytest.mark.parametrize(
    "fault", [FaultKind.CONFLICT, FaultKind.THROTTLE, FaultKind.SERVER_ERROR, FaultKind.CUT_AFTER, FaultKind.SWALLOW]
)
def test_a_settlement_outlives_a_fault_or_two(shaky: Town, proxy: StoreProxy, fault: FaultKind) -> None:
    proxy.inject(fault, operation="TransactWriteItems", count=2)
    settled = shaky.callback()
    assert isinstance(settled, Settled)
    assert shaky.rights() == [settled.payment.id]
    assert shaky.rung == [shaky.customer]
    assert shaky.findings() == []


def test_conflicts_without_end_are_an_answer_and_nothing_is_done(shaky: Town, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.CONFLICT, operation="TransactWriteItems")
    with pytest.raises(Unavailable):
        shaky.callback()
    proxy.heal()
    assert shaky.rights() == []
    assert isinstance(shaky.callback(), Settled)
    assert shaky.findings() == []


def test_a_right_that_is_there_already_is_not_there_twice(store: Store, town: Town) -> None:
    """Somebody mended by hand what seemed lost, under the payment's own name."""
    begun = town.buy()
    stored = store.subscribers.read(town.customer, soon())
    assert stored
    present = aggregate.decode(stored.body)
    present.rights.append(Right(begun.payment.id, "standard.1", T0, T0, T0 + 86_400))
    store.subscribers.commit(Change(town.customer, stored.version + 1, "by hand", aggregate.encode(present), 0), soon())
    assert isinstance(town.callback(), Settled)
    assert town.rights() == [begun.payment.id]
