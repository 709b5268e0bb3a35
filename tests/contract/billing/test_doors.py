"""What comes by a path of the deployment, and who hears of what became of a payment."""

from typing import Any

from billing.domain.payment import Payment, PaymentEvent, PaymentState
from billing.ports import BODY_BYTES_MAX, UnmatchedState
from billing.provider import Notice
from billing.provider import Refused as PushRefused
from billing.services.callbacks import RESULT_WAITS_S, SWEEP_AFTER_S, Callbacks, Seals, Unread
from billing.services.reconcile import Reconciler
from billing.services.settle import Landed
from tests.contract.billing.town import Town
from tests.contract.values import soon
from tests.fakes.bucket import Bucket
from tests.unit.billing.values import T0, TILL

Heard = list[tuple[str, str]]


def doors(town: Town, **hooks: Any) -> Callbacks:
    """A confirmation is its receipt and what was typed."""

    def read_notice(text: str) -> Notice | None:
        receipt, blank, reference = text.partition(" ")
        return Notice(receipt, 5_000, TILL, reference, "", T0) if blank else None

    seals = Seals(lambda token, _: token, lambda sealed, _: sealed)
    return Callbacks(town.book, town.settle, lambda _: None, seals, read_notice, **hooks)


def listen(town: Town) -> Heard:
    heard: Heard = []

    def told(before: Payment | None, after: Payment) -> None:
        heard.append(("" if before is None else before.state.value, after.state.value))

    town.book.told = told
    return heard


def test_money_paid_by_hand_is_written_down_answered_and_settled_once(town: Town) -> None:
    door, begun = doors(town), town.buy()
    body = door.take_notice(f"{town.receipt} {begun.payment.reference}", T0)
    assert body
    assert door.finish(body, T0 + 1) == Landed(begun.payment.id)
    assert door.take_notice(f"{town.receipt} {begun.payment.reference}", T0 + 2) == body
    assert door.finish(body, T0 + 2) == Landed(known=True)
    assert town.rights() == [begun.payment.id]
    assert town.findings() == []


def test_a_notice_whose_taker_ended_is_settled_by_the_sweep(town: Town) -> None:
    door = doors(town)
    assert door.take_notice(f"{town.receipt} jirani", T0)
    assert door.take_notice("nonsense", T0)
    assert door.sweep(T0 + SWEEP_AFTER_S - 1) == []
    found = door.sweep(T0 + SWEEP_AFTER_S)
    assert set(found) == {Unread.UNREADABLE, Landed(waits=True)}
    money = town.billing.unmatched(town.receipt, soon())
    assert money
    assert money.state is UnmatchedState.WAITS
    assert door.sweep(T0 + 10**6) == []


def test_a_result_is_kept_for_whoever_asked_and_is_nobodys_work(town: Town) -> None:
    door = doors(town)
    body = door.take_result("a result", T0)
    assert body
    kept = town.billing.body(body, soon())
    assert kept
    assert (kept.text, kept.payment) == ("a result", "")
    assert door.sweep(T0 + 10**6) == []


def test_what_is_too_long_is_not_kept(town: Town) -> None:
    door = doors(town)
    assert door.take_notice("x" * (BODY_BYTES_MAX + 1), T0) is None
    assert door.take_result("ö" * (BODY_BYTES_MAX // 2 + 1), T0) is None


def test_every_change_of_a_payment_is_told_once(town: Town) -> None:
    heard = listen(town)
    begun = town.buy()
    for _ in range(2):
        town.callback()
        town.notice(begun.payment.reference)
        town.query(begun.payment.id)
    assert heard == [("", "created"), ("created", "pending"), ("pending", "paid")]


def test_refusal_and_expiry_are_told(town: Town) -> None:
    heard = listen(town)
    town.provider.answer = PushRefused("400.002.02")
    town.buy("page1")
    town.provider.answer = None
    town.buy("page2", now=T0 + 200)
    reconciler = Reconciler(town.book, town.settle, town.provider, Bucket(), lambda: 0.0)
    reconciler.round(T0 + 10_000)
    assert heard == [
        ("", "created"), ("created", "failed"),
        ("", "created"), ("created", "pending"), ("pending", "expired"),
    ]  # fmt: skip


def test_another_amount_is_told_as_a_dispute(town: Town) -> None:
    heard = listen(town)
    town.buy()
    town.callback(event=PaymentEvent.CALLBACK_PAID, cents=100)
    assert heard[-1] == ("pending", PaymentState.DISPUTED.value)


def test_money_for_a_balance_is_told_of_once_it_is_there(town: Town) -> None:
    told: list[tuple[str, int, int]] = []
    door = doors(town, topped_up=lambda subscriber, now: told.append((subscriber, now, town.balance())))
    for text in (f"{town.receipt} {town.account}", "TKP0000077 jirani"):
        body = door.take_notice(text, T0 + 20)
        assert body
        door.finish(body, T0 + 21)
        door.finish(body, T0 + 22)
    assert told == [(town.customer, T0 + 21, 5_000)]


def test_a_result_that_overtook_its_reply_waits_for_it_and_not_for_ever(town: Town) -> None:
    answers: list[Unread | None] = [None, None, Unread.UNREADABLE]
    door = doors(town, hear=lambda _text, _late, _now: answers.pop(0))
    assert door.take_result("a result", T0)
    assert door.sweep(T0 + SWEEP_AFTER_S) == [None]
    assert door.sweep(T0 + RESULT_WAITS_S) == [None]
    assert door.sweep(T0 + RESULT_WAITS_S + 1) == []
    assert door.take_result("another", T0)
    assert door.sweep(T0 + SWEEP_AFTER_S) == [Unread.UNREADABLE]
    assert door.sweep(T0 + SWEEP_AFTER_S + 1) == []
