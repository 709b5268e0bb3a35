"""Values that tests of the store and the services of selling share."""

from billing.domain.agent import Agent
from billing.domain.draw import token_hash
from billing.domain.journal import Journal, Receipt
from billing.domain.ledger import sale_by_mpesa
from billing.domain.package import Package
from billing.domain.payment import Payment
from billing.domain.voucher import Voucher
from billing.ports import Claim, ClaimKind, Customer, Entry, Kept, KeptPayment, KeptVoucher, Posting, Prompt, Unmatched
from billing.ports import UnmatchedState as U
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.ports import Change
from tests.contract.values import name
from tests.unit.billing.values import T0, TILL, came, fact, sale

TOKEN = "0f" * 16


def payment(id_: str = "pay00001", **fields: object) -> Payment:
    defaults: dict[str, object] = {
        "cents": 5_000, "shortcode": TILL, "reference": "W37CRTX9H", "token_hash": token_hash(TOKEN),
        "created_at": T0, "subscriber": name(1), "package": "standard.1",
    }  # fmt: skip
    return Payment(id_, **{**defaults, **fields})  # type: ignore[arg-type]


def kept(version: int = 1, due_at: int = 0, id_: str = "pay00001", **fields: object) -> KeptPayment:
    return KeptPayment(payment(id_, **fields), version, "aabbccddeeff", due_at)


def journal(id_: str = "pay00001", receipt: str = "K1-000001", mpesa: str = "TKP0000001") -> Journal:
    return sale_by_mpesa(fact(id_), sale(id_, receipt=receipt), came(5_000, mpesa, id_))


def entry(id_: str = "pay00001", number: int = 1) -> Entry:
    receipt = Receipt("K1", number, f"sale_mpesa:{id_}", 5_000)
    return Entry(journal(id_, receipt.text), receipt, name(1))


def taken(kind: ClaimKind, key: str, owner: str = "pay00001", expires_at: int = 0) -> Claim:
    return Claim(kind, key, owner, expires_at)


def whole(id_: str = "post0001") -> Posting:
    """Every part at once."""
    return Posting(
        id_,
        kept(),
        tuple(taken(kind, f"{kind.value}-1") for kind in ClaimKind),
        (entry(),),
        (Change(name(1), 1, id_, b"{}", 0),),
        Customer(name(1), "52810476", 0, 1),
        KeptVoucher(Voucher("B1", 7), 1, "hash", "standard.1", 5_000, name(2), "b1-0007"),
        Unmatched("TKP0000009", 100, TILL, T0, U.HELD, 1),
        Prompt("phonehash", "pay00001", 1),
        (KeptVoucher(Voucher("B1", 8), 1, "hash8", "standard.1", 5_000, name(3), "b1-0008"),),
        (Kept(Agent("duka-1", {"day": 500}), 1, T0, T0 + 9),),
    )


TERMS = Terms("standard.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY))
PACKAGE = Package("standard", 1, "Standard", "Kawaida", 5_000, TERMS)
