"""What only the wiring can get wrong: that a sale over everything put together reaches the customer and the sender."""

import json
from pathlib import Path

import pytest

from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof, Settled
from billing.services.checkout import Buy
from billing.wiring import BillingSettings, build_billing
from radius import wiring
from radius.bell import Ear
from radius.domain import subscriber as aggregate
from radius.secrets import create_key_file
from radius.settings import Settings
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.contract.billing.town import DAY_BEFORE, FakeProvider, checkout_of
from tests.contract.billing.values import PACKAGE, TERMS
from tests.contract.values import soon
from tests.unit.billing.values import DAY, T0


def read(text: str) -> Proof | None:
    return Proof(PaymentEvent.CALLBACK_PAID, checkout_id=text, cents=5_000, mpesa_receipt="TKP0000001", paid_at=T0)


def test_a_sale_from_checkout_to_the_senders_bell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key_file(tmp_path / "data.key")
    monkeypatch.setattr(wiring, "open_store", lambda _: memory_store(MemoryStore()))
    core, provider, ear = wiring.build_core(Settings(state_dir=tmp_path)), FakeProvider(), Ear(tmp_path)
    billing = build_billing(core, BillingSettings(), provider, read)
    assert billing.store.create_tables() == []
    core.provision.terms(TERMS)
    billing.store.ports.add(PACKAGE, soon())
    jane = core.provision.customer(["0712345678"], "karibu", T0)

    begun = billing.cashier.buy(Buy(jane, "0712345678", PACKAGE.id, key="page1", device="aabbccddeeff"), T0)
    push = provider.pushes[0]
    body = billing.callbacks.take(push.token, checkout_of(push), T0 + 20)
    assert body
    assert isinstance(billing.callbacks.finish(body, T0 + 20), Settled)

    stored = core.store.subscribers.read(jane, soon())
    assert stored
    assert [right.id for right in aggregate.decode(stored.body).rights] == [begun.payment.id]
    rung = ear.hear(1)
    assert rung
    assert rung.subscriber == jane
    assert billing.check.check(DAY_BEFORE, DAY, T0 + 60) == []
    kept = billing.store.ports.body(body, soon())
    assert kept
    assert push.token not in json.dumps(kept)
    ear.close()
    core.close()
