"""BillingTable as data."""

from billing.store import keys
from radius.store.tables import Index, Table

TABLES = (
    Table(
        keys.BILLING,
        "pk",
        "sk",
        {"pk": "S", "sk": "S", "k": "S", "d": "N", "y": "S", "a": "N"},
        (Index(keys.DUE_INDEX, "k", "d"), Index(keys.DAY_INDEX, "y", "a")),
        "expires_at",
    ),
)
