"""Values that tests of selling share: a day, a rate, one sale."""

from billing.domain.journal import Fact
from billing.domain.ledger import Came, Sale, mpesa
from billing.domain.money import TaxRate

T0 = 1_795_600_800  # 2026-11-25 13:00 in Nairobi
DAY = "2026-11-25"
VAT = TaxRate("2021-01-01", 1_600)
TILL = "600999"


def fact(subject: str, at: int = T0, *, actor: str = "", reason: str = "", approved_by: str = "") -> Fact:
    return Fact(subject, at, DAY, actor, reason, approved_by)


def signed(subject: str, at: int = T0) -> Fact:
    return fact(subject, at, actor="achieng", reason="router was down", approved_by="otieno")


def sale(right: str = "right001", cents: int = 5_000, package: str = "standard.1", receipt: str = "K1-000001") -> Sale:
    return Sale(package, cents, VAT, right, receipt)


def came(cents: int = 5_000, receipt: str = "", payment: str = "") -> Came:
    return Came(mpesa(TILL), cents, receipt, payment)
