"""Opens the store of selling beside `radius`': same engine, same connections, same breaker."""

from dataclasses import dataclass

from billing.store.ports import BillingStore
from billing.store.rows import DynamoRows, MemoryRows
from billing.store.tables import TABLES
from radius.store.desk import Desk
from radius.store.open import Store


@dataclass(frozen=True)
class Opened:
    """The ports, and who makes their table."""

    ports: BillingStore
    engine: object

    def create_tables(self) -> list[str]:
        """Create what is missing; the names that were created."""
        return self.engine.create_tables(TABLES) if isinstance(self.engine, Desk) else []


def open_billing(store: Store) -> Opened:
    """Over what `radius` has opened."""
    rows = DynamoRows(store.engine) if isinstance(store.engine, Desk) else MemoryRows(store.engine)
    return Opened(BillingStore(rows), store.engine)
