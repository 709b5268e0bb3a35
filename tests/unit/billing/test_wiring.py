"""What only the wiring can get wrong: that a sale over everything put together reaches the customer and the sender."""

import json
from pathlib import Path

import pytest

from billing.domain.give_back import Refund, Way
from billing.domain.ledger import Missing
from billing.domain.payment import PaymentEvent
from billing.domain.reversal import ReversalState
from billing.domain.settle import Proof, Settled
from billing.domain.statement import Row, Statement
from billing.provider import Notice, QueueTimedOut, Result, Taken
from billing.services.checkout import Buy
from billing.services.people import Verified
from billing.services.refunds import Ask, Heard
from billing.services.settle import SAME_MONEY_S, Landed
from billing.services.shown import Answer
from billing.services.word import Word
from billing.sms.port import Message
from billing.wiring import BillingSettings, build_billing
from radius import wiring
from radius.bell import Ear
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress
from radius.domain.nas import Language
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


def test_a_top_up_by_hand_buys_what_was_chosen_and_a_refund_hears_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key_file(tmp_path / "data.key")
    monkeypatch.setattr(wiring, "open_store", lambda _: memory_store(MemoryStore()))
    core, provider = wiring.build_core(Settings(state_dir=tmp_path)), Reversing()
    sent: list[Message] = []
    billing = build_billing(
        core,
        BillingSettings(),
        provider,
        read,
        lambda text: Notice("TKP0000002", 5_000, provider.shortcode, text, "", T0),
        read_result=lambda text, late: QueueTimedOut(text) if late else Result(text, "0", done=True),
        send=sent.append,
    )
    core.provision.terms(TERMS)
    billing.store.ports.add(PACKAGE, soon())
    mac = MacAddress("aabbccddeeff")
    amina = core.provision.device("aa:bb:cc:dd:ee:ff", T0)
    code = billing.desk.people.ask("0712345678", mac, T0).code
    assert billing.desk.people.verify("0712345678", mac, code, amina, Language.ENGLISH, T0) == Verified(amina, new=True)
    assert billing.desk.renew.choose(amina, "standard", T0) == Missing(5_000)

    customer = billing.store.ports.customer(amina, soon())
    assert customer
    body = billing.callbacks.take_notice(customer.number, T0)
    assert body
    billing.callbacks.finish(body, T0 + 5)
    stored = core.store.subscribers.read(amina, soon())
    assert stored
    assert [right.terms for right in aggregate.decode(stored.body).rights] == [PACKAGE.id]

    billing.cashier.buy(Buy(amina, "0712345678", PACKAGE.id, device=mac), T0)
    push = provider.pushes[0]
    paid = billing.callbacks.take(push.token, checkout_of(push), T0 + 20)
    assert paid
    settled = billing.callbacks.finish(paid, T0 + 20)
    assert isinstance(settled, Settled)
    word = Word("achieng", "asked for", "otieno")
    asked = billing.desk.refunds.ask(Ask("r1", f"sale_mpesa:{settled.payment.id}", Way.MPESA), word, T0 + 30)
    assert isinstance(asked, Refund)
    assert {name: look(T0 + 31) for name, look in billing.desk.rounds().items()} == {
        "vouchers": 0, "refunds": 1, "renewals": 0,
    }  # fmt: skip
    late = billing.callbacks.take_result("AG_TKP0000001", T0 + 35, late=True)
    assert late
    waited = billing.callbacks.finish(late, T0 + 36)
    assert isinstance(waited, Heard)
    assert waited.refund.state is ReversalState.UNKNOWN, "that nobody waits any longer is no failure"
    result = billing.callbacks.take_result("AG_TKP0000001", T0 + 40)
    assert result
    heard = billing.callbacks.finish(result, T0 + 41)
    assert isinstance(heard, Heard)
    assert heard.refund.state is ReversalState.DONE
    assert billing.check.check(DAY_BEFORE, DAY, T0 + 60) == []
    core.close()


def test_a_code_that_is_shown_is_asked_about_and_a_statement_brings_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key_file(tmp_path / "data.key")
    monkeypatch.setattr(wiring, "open_store", lambda _: memory_store(MemoryStore()))
    core, provider = wiring.build_core(Settings(state_dir=tmp_path)), Reversing()
    answer = Result("TS_TKP0000001", "0", True, "TKP0000001", 5_000, "Completed", T0, "600111")
    settings = BillingSettings(also_paid_to=("600111",))
    billing = build_billing(core, settings, provider, read, read_result=lambda _text, _late: answer)
    core.provision.terms(TERMS)
    billing.store.ports.add(PACKAGE, soon())
    mac = MacAddress("aabbccddeeff")
    amina = core.provision.device("aa:bb:cc:dd:ee:ff", T0)
    code = billing.desk.people.ask("0712345678", mac, T0).code
    billing.desk.people.verify("0712345678", mac, code, amina, Language.ENGLISH, T0)
    billing.desk.renew.choose(amina, "standard", T0)

    assert billing.shown.show("TKP0000001", amina, "", T0) is Answer.WAITS
    assert billing.shown.show("TKP0000002", amina, "", T0) is Answer.WAITS
    result = billing.callbacks.take_result("answer", T0 + 40)
    assert result
    assert billing.callbacks.finish(result, T0 + 41) == Landed(waits=True)
    assert billing.strays.round(T0 + 41 + SAME_MONEY_S) == 1
    assert billing.shown.round(T0 + 42 + SAME_MONEY_S) == 1
    stored = core.store.subscribers.read(amina, soon())
    assert stored
    assert [right.terms for right in aggregate.decode(stored.body).rights] == [PACKAGE.id]

    rows = (Row(2, "TKP0000002", T0 + 5, done=True, paid_in_cents=700),)
    assert billing.statements.take(Statement(rows, T0, T0 + 60), "achieng", T0 + 3_600).found == ("TKP0000002",)
    customer = billing.store.ports.customer(amina, soon())
    assert customer
    assert customer.balance_cents == 700
    assert billing.check.check(DAY_BEFORE, DAY, T0 + 60) == []
    core.close()


class Reversing(FakeProvider):
    """A provider that takes reversals, and questions."""

    def transaction_status(self, mpesa_receipt: str, now: int) -> Taken:  # type: ignore[override]
        return Taken(f"TS_{mpesa_receipt}")

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Taken:  # type: ignore[override]
        return Taken(f"AG_{mpesa_receipt}")
