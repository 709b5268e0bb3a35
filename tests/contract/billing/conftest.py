import pytest

from billing.store.open import open_billing
from billing.store.ports import BillingStore
from radius.store.open import Store
from tests.contract.billing.town import Town


@pytest.fixture
def billing(store: Store) -> BillingStore:
    """Every implementation in turn, beside the store of the core."""
    opened = open_billing(store)
    opened.create_tables()
    return opened.ports


@pytest.fixture
def town(store: Store, billing: BillingStore) -> Town:
    made = Town(store, billing.rows)
    made.found()
    return made
