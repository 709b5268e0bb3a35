import pytest

from billing.store.open import open_billing
from billing.store.ports import BillingStore
from radius.store.open import Store


@pytest.fixture
def billing(store: Store) -> BillingStore:
    """Every implementation in turn, beside the store of the core."""
    opened = open_billing(store)
    opened.create_tables()
    return opened.ports
