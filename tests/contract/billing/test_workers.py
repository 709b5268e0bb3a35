"""What runs by itself: callbacks that were left, payments without one, money that names nobody. And vouchers."""

import contextlib
import json
from typing import Any

import pytest

from billing.domain.journal import Account, AccountKind, Cause, Journal, Receipt
from billing.domain.ledger import purchase
from billing.domain.payment import EXPIRES_S, Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof, Refused, Settled, Waits
from billing.domain.trade import Paper, batch_made
from billing.domain.voucher import Voucher, VoucherRefusal, VoucherState
from billing.ports import Claim, ClaimKind, Customer, Entry, KeptPayment, KeptVoucher, Posting, UnmatchedState
from billing.provider import Notice, TooMany
from billing.provider import Unknown as PushUnknown
from billing.services.arrivals import Seen
from billing.services.callbacks import SWEEP_AFTER_S, Callbacks, Seals, Unread
from billing.services.checkout import Checkout
from billing.services.reconcile import RARE_UNTIL_S, Reconciler, Round
from billing.services.redeem import Redeem, Redeemed
from billing.services.settle import FAILED_ASKED_AFTER_S, FAILED_UNTIL_S, SAME_MONEY_S, Landed
from billing.services.strays import AHEAD_S, CALLBACK_S_MAX, Claimed, Strays
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import Right
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.ports import Outcome
from radius.store.open import Store
from tests.contract.billing.town import DEVICE, DyingRows, Killed, Town
from tests.contract.values import change, name, soon
from tests.fakes.bucket import Bucket
from tests.unit.billing.values import T0, TILL, fact, sale

# -- callbacks ---------------------------------------------------------------------------------------------------------


def read(text: str) -> Proof | None:
    """A wire of our own: receipt and cents."""
    try:
        receipt, cents, checkout = json.loads(text)
    except ValueError:
        return None
    return Proof(PaymentEvent.CALLBACK_PAID, checkout_id=checkout, cents=cents, mpesa_receipt=receipt, paid_at=T0 + 9)


def seals() -> Seals:
    return Seals(lambda text, owner: f"{owner} {text[::-1]}", lambda text, owner: text.removeprefix(f"{owner} ")[::-1])


def callbacks(town: Town) -> Callbacks:
    return Callbacks(town.book, town.settle, read, seals())


def body(town: Town, checkout: str) -> str:
    return json.dumps([town.receipt, 5_000, checkout])


def test_a_callback_is_stored_then_settled(town: Town) -> None:
    begun, taker = town.buy(), callbacks(town)
    push = town.provider.pushes[0]
    text = body(town, begun.payment.checkout_id)
    taken = taker.take(push.token, text, T0 + 20)
    assert taken
    stored = town.billing.body(taken, soon())
    assert stored
    assert stored.text == text
    assert push.token not in stored.token
    assert isinstance(taker.finish(taken, T0 + 20), Settled)
    assert taker.take(push.token, text, T0 + 21) == taken
    assert taker.sweep(T0 + 10**6) == []
    assert town.rights() == [begun.payment.id]


def test_a_callback_that_was_left_is_settled_by_the_sweep(town: Town) -> None:
    begun, taker = town.buy(), callbacks(town)
    push = town.provider.pushes[0]
    assert taker.take(push.token, body(town, begun.payment.checkout_id), T0 + 20)
    assert taker.sweep(T0 + 20 + SWEEP_AFTER_S - 1) == []
    assert isinstance(taker.sweep(T0 + 20 + SWEEP_AFTER_S)[0], Settled)
    assert town.rights() == [begun.payment.id]
    assert town.findings() == []


def test_noise_is_not_stored(town: Town) -> None:
    town.buy()
    push, taker = town.provider.pushes[0], callbacks(town)
    assert taker.take("ff" * 16, "[]", T0) is None
    assert taker.take(push.token, "x" * 20_000, T0) is None
    assert taker.finish("nobody", T0) is None
    taken = taker.take(push.token, "<html>", T0)
    assert taken
    assert taker.finish(taken, T0) is Unread.UNREADABLE
    assert taker.sweep(T0 + 10**6) == []


# -- payments that nobody told us of -----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def reconciler(town: Town, clock: Clock, arrivals: Any = None) -> Reconciler:
    return Reconciler(town.book, town.settle, town.provider, Bucket(per_minute=6), clock, arrivals)


def test_a_lost_callback_is_found_by_asking(town: Town) -> None:
    begun, clock = town.buy(), Clock()
    worker = reconciler(town, clock)
    assert worker.round(T0 + 10) == Round(0, 0, 0, ())  # nobody has typed a PIN yet
    town.provider.says(begun.payment.checkout_id, PaymentEvent.QUERY_OPEN, "4999")
    assert worker.round(T0 + 20) == Round(1, 0, 0, ())
    clock.at += 10
    assert worker.round(T0 + 30) == Round(0, 0, 0, ())  # asked just now
    town.provider.says(begun.payment.checkout_id, PaymentEvent.QUERY_PAID, "0")
    assert worker.round(T0 + 60) == Round(1, 1, 0, ())
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert town.rights() == [begun.payment.id]
    assert town.findings() == []


def test_a_code_fails_it_and_silence_changes_nothing(town: Town) -> None:
    begun, clock = town.buy(), Clock()
    worker = reconciler(town, clock)
    worker.round(T0 + 20)
    assert town.payment(begun.payment.id).state is PaymentState.PENDING
    town.provider.says(begun.payment.checkout_id, PaymentEvent.QUERY_FAILED, "1032")
    clock.at += 60
    worker.round(T0 + 80)
    assert town.payment(begun.payment.id).state is PaymentState.FAILED
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []


def test_too_many_queries_wait_as_long_as_they_are_told(town: Town) -> None:
    begun, clock = town.buy(), Clock()
    worker = reconciler(town, clock)
    town.provider.said[begun.payment.checkout_id] = TooMany(90)
    assert worker.round(T0 + 20).asked == 1
    clock.at = 89
    assert worker.round(T0 + 109).asked == 0
    clock.at = 90
    assert worker.round(T0 + 110).asked == 1


def test_who_was_not_asked_for_our_own_pace_did_not_refuse(town: Town) -> None:
    """The next turn comes as usual: nobody said that it was too much."""
    begun, clock = town.buy(), Clock()
    worker = reconciler(town, clock)
    town.provider.said[begun.payment.checkout_id] = TooMany(1, refused=False)
    assert worker.round(T0 + 20).asked == 1
    town.provider.says(begun.payment.checkout_id, PaymentEvent.QUERY_PAID, "0")
    clock.at = 10
    assert worker.round(T0 + 45).settled == 1


def towns_of(count: int, store: Store, billing: BillingStore) -> list[Town]:
    """So many customers of one provider."""
    towns = [Town(store, billing.rows, who=who + 1) for who in range(count)]
    for town in towns:
        town.found()
        town.provider = town.cashier._provider = towns[0].provider
    return towns


def test_questions_go_in_turns_to_who_looks_and_to_who_waits_longest(store: Store, billing: BillingStore) -> None:
    towns = towns_of(4, store, billing)
    old = [town.buy(now=T0 + who).payment.checkout_id for who, town in enumerate(towns[:2])]
    young = [town.buy(now=T0 + 300 + who).payment.checkout_id for who, town in enumerate(towns[2:])]
    clock = Clock()
    worker = reconciler(towns[0], clock)
    for _ in range(4):
        assert worker.round(T0 + 330).asked == 1
        assert worker.round(T0 + 330).asked == 0
        clock.at += 10
    assert towns[0].provider.queries == [young[0], old[0], young[1], old[1]]


def test_of_many_that_nobody_looks_at_each_has_its_turn(store: Store, billing: BillingStore) -> None:
    """They are put off together, and come together again: the same one must not win each time."""
    towns = towns_of(3, store, billing)
    asked = {town.buy().payment.checkout_id for town in towns}
    clock = Clock()
    worker = reconciler(towns[0], clock)
    for _ in range(3):
        clock.at += 600
        assert worker.round(T0 + EXPIRES_S + int(clock.at)).asked == 1
    assert set(towns[0].provider.queries) == asked


def test_what_needs_no_question_waits_for_none(
    store: Store, billing: BillingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evening without callbacks leaves more to ask than may be asked: it is put off, and others have their turn."""
    monkeypatch.setattr("billing.services.reconcile.ROUND_MAX", 3)
    towns = towns_of(5, store, billing)
    for town in towns[:4]:
        town.buy()
    looked: list[str] = []

    class Looks:
        def look(self, kept: KeptPayment, now: int) -> Seen:
            looked.append(kept.payment.id)
            return Seen()

    clock = Clock()
    worker = reconciler(towns[0], clock, Looks())
    assert sum(worker.round(T0 + EXPIRES_S).expired for _ in range(2)) == 4
    paid = towns[4].buy(now=T0 + EXPIRES_S + 520)
    assert isinstance(towns[4].callback(5, now=T0 + EXPIRES_S + 545), Settled)
    clock.at += 10
    assert sum(worker.round(T0 + EXPIRES_S + 605).asked for _ in range(2)) == 1
    assert looked == [paid.payment.id]


def test_a_refusal_slows_the_bucket_down() -> None:
    bucket = Bucket(per_minute=6, slowed_s=60)
    assert [at for at in range(40) if bucket.take(at)] == [0, 10, 20, 30]
    bucket.refused(40, 1)
    assert [at for at in range(40, 150) if bucket.take(at)] == [60, 80, 100, 110, 120, 130, 140]


def test_two_reconcilers_ask_once(store: Store, billing: BillingStore) -> None:
    one, two = Town(store, billing.rows), Town(store, billing.rows, seed=2)
    one.found()
    one.buy()
    two.provider = one.provider
    reconciler(one, Clock()).round(T0 + 20)
    reconciler(two, Clock()).round(T0 + 20)
    assert len(one.provider.queries) == 1


def test_what_nobody_answers_expires_and_is_given_up_at_last(town: Town) -> None:
    begun, clock = town.buy(), Clock()
    worker = reconciler(town, clock)
    rounds = []
    for at in range(0, RARE_UNTIL_S + 1_200, 600):
        clock.at = at
        rounds.append(worker.round(T0 + at))
    assert sum(each.expired for each in rounds) == 1
    assert [each.by_hand for each in rounds if each.by_hand] == [(begun.payment.id,)]
    assert town.payment(begun.payment.id).state is PaymentState.EXPIRED
    assert isinstance(town.callback(now=T0 + RARE_UNTIL_S + 9_000), Settled)
    assert town.findings() == []


def test_a_push_whose_reply_was_lost_expires_without_a_query(town: Town) -> None:
    town.provider.answer = PushUnknown("lost")
    begun = town.buy()
    worker = reconciler(town, Clock())
    worker.round(T0 + 30)
    assert worker.round(T0 + EXPIRES_S + 60).expired == 1
    assert town.provider.queries == []
    assert town.payment(begun.payment.id).state is PaymentState.EXPIRED


def nameless(town: Town, now: int) -> None:
    """A callback that says paid, and neither how much nor by which receipt."""
    assert isinstance(town.callback(now=now, cents=None, mpesa_receipt=""), Waits)


def test_a_late_word_of_a_payment_that_was_given_up_asks_nobody(town: Town) -> None:
    """Its money may be booked for its payer by now, and a query, which names no receipt, would credit it again."""
    town.provider.answer = PushUnknown("lost")
    town.buy()
    worker = reconciler(town, Clock())
    assert worker.round(T0 + EXPIRES_S).expired == 1
    found = town.callback(now=T0 + 2_000, cents=None, mpesa_receipt="")
    assert isinstance(found, Waits)
    assert found.alarm
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []


def failed(town: Town, code: str, now: int = T0 + 20) -> Payment:
    begun = town.buy().payment
    town.callback(now=now, event=PaymentEvent.CALLBACK_FAILED, code=code, cents=None, mpesa_receipt="")
    assert town.payment(begun.id).state is PaymentState.FAILED
    return town.payment(begun.id)


@pytest.mark.parametrize(("code", "asked"), [("1037", 1), ("1019", 1), ("1032", 0), ("1", 0)])
def test_no_answer_in_time_is_asked_about_once_more(town: Town, code: str, asked: int) -> None:
    payment, clock = failed(town, code), Clock()
    town.provider.says(payment.checkout_id, PaymentEvent.QUERY_FAILED, code)
    worker = reconciler(town, clock)
    rounds = []
    for at in range(0, 3_600, 10):
        clock.at += 10
        rounds.append(worker.round(T0 + at))
    assert [sum(each.asked for each in rounds), sum(len(each.by_hand) for each in rounds)] == [asked, 0]
    assert town.provider.queries == [payment.checkout_id] * asked
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []


def test_success_after_no_answer_is_found_though_its_callback_was_lost(town: Town) -> None:
    payment = failed(town, "1037")
    town.provider.says(payment.checkout_id, PaymentEvent.QUERY_PAID, "0")
    assert reconciler(town, Clock()).round(T0 + FAILED_ASKED_AFTER_S).settled == 1
    assert town.rights() == [payment.id]
    assert town.findings() == []


def test_without_a_turn_in_time_a_failed_payment_is_let_go(town: Town) -> None:
    """From then on its money may be its payer's."""
    failed(town, "1037")
    clock = Clock()
    worker = reconciler(town, clock)
    worker._turns.refused(0, 1_000)
    assert worker.round(T0 + FAILED_ASKED_AFTER_S) == Round()
    clock.at = 2_000
    assert worker.round(T0 + FAILED_UNTIL_S) == Round()
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []


def test_with_no_worker_for_long_a_failed_payment_keeps_no_money_waiting(town: Town) -> None:
    payment = failed(town, "1037")
    town.notice("")
    strays = Strays(town.book)
    assert strays.round(T0 + 16 + SAME_MONEY_S) == 1
    town.provider.says(payment.checkout_id, PaymentEvent.QUERY_PAID, "0")
    assert reconciler(town, Clock()).round(T0 + 3_600).asked == 0
    assert town.findings() == []


def test_paid_without_an_amount_is_asked_about_at_once_even_after_it_had_failed(town: Town) -> None:
    begun = failed(town, "1032")
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []
    for _ in range(2):
        nameless(town, T0 + 60)
    town.provider.says(begun.checkout_id, PaymentEvent.QUERY_PAID, "0")
    assert reconciler(town, Clock()).round(T0 + 60) == Round(1, 1)
    assert town.rights() == [begun.id]
    assert town.findings() == []


def test_what_will_be_asked_about_soon_or_is_decided_stays_as_it_is(town: Town) -> None:
    begun = town.buy().payment
    before = town.billing.payment(begun.id, soon())
    nameless(town, T0 + 5)
    assert before
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == [(begun.id, before.due_at)]
    town.callback(cents=1, now=T0 + 9)
    assert town.payment(begun.id).state is PaymentState.DISPUTED
    nameless(town, T0 + 60)
    assert town.billing.due(T0 + AHEAD_S, 9, soon()) == []


# -- money without a name ----------------------------------------------------------------------------------------------


def test_money_that_is_nobodys_is_booked_and_claimed_once(town: Town) -> None:
    strays = Strays(town.book)
    town.notice("rent november")
    assert strays.claim(town.receipt, town.customer, T0 + 60) is Claimed.WAITS
    assert strays.round(T0 + 16 + SAME_MONEY_S - 1) == 0
    assert strays.round(T0 + 16 + SAME_MONEY_S) == 1
    assert town.findings() == []
    assert strays.round(T0 + AHEAD_S) == 0
    assert strays.claim(town.receipt, town.customer, T0 + 800) is Claimed.CLAIMED
    assert strays.claim(town.receipt, town.customer, T0 + 801) is Claimed.GONE
    assert strays.claim("TKP9999999", town.customer, T0 + 801) is Claimed.UNKNOWN
    assert town.balance() == 5_000
    assert town.findings() == []


def test_a_round_compares_with_what_is_open_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pays by hand on an evening without callbacks must not wait for a thousand other prompts to be read."""
    town.buy(package="", cents=2_000)
    reads: list[int] = []
    due = BillingStore.due
    monkeypatch.setattr(BillingStore, "due", lambda *given: reads.append(1) or due(*given))
    for number in range(3):
        town.notice("rent", f"TKP00000{number:02}")
    assert Strays(town.book).round(T0 + 16 + SAME_MONEY_S) == 3
    assert len(reads) == 1


def test_with_too_much_open_to_compare_money_waits(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.services.strays.RIVALS_MAX", 1)
    town.buy(package="", cents=2_000)
    town.notice("rent")
    assert Strays(town.book).round(T0 + 16 + SAME_MONEY_S) == 0


def test_the_same_money_by_callback_is_not_booked_again(town: Town) -> None:
    """A till: the C2B notice names nothing, and comes before the callback."""
    begun, strays = town.buy(), Strays(town.book)
    town.notice("")
    town.callback()
    assert strays.round(T0 + AHEAD_S) == 0
    money = town.billing.unmatched(town.receipt, soon())
    assert money
    assert money.state is UnmatchedState.SAME
    assert (town.rights(), town.mpesa_cents()) == ([begun.payment.id], 5_000)
    assert town.findings() == []


def test_it_waits_while_a_proven_payment_of_that_amount_has_no_receipt(town: Town) -> None:
    begun, strays = town.buy(), Strays(town.book)
    town.query(begun.payment.id)
    town.notice("")
    assert strays.round(T0 + 86_400) == 0
    assert strays.claim(town.receipt, town.customer, T0 + 86_401) is Claimed.WAITS
    town.callback()
    assert strays.round(T0 + 2 * 86_400) == 0
    assert town.mpesa_cents() == 5_000
    assert town.findings() == []


def test_a_proven_payment_is_due_until_it_has_its_receipt(town: Town) -> None:
    """However late: else its own money, told by a notice that names nothing, could be claimed besides."""
    begun, clock = town.buy(), Clock()
    town.query(begun.payment.id)
    town.notice("")
    worker, strays = reconciler(town, clock), Strays(town.book)
    rounds = [worker.round(T0 + day * 86_400) for day in range(1, 30)]
    assert [bool(each.by_hand) for each in rounds] == [day > 3 for day in range(1, 30)]
    assert strays.round(T0 + 30 * 86_400) == 0
    assert strays.claim(town.receipt, town.customer, T0 + 30 * 86_400) is Claimed.WAITS
    town.callback(now=T0 + 31 * 86_400)
    assert town.billing.due(T0 + 2 * AHEAD_S, 9, soon()) == []


@pytest.mark.parametrize("proven_first", [True, False])
def test_it_waits_for_a_payment_that_was_paid_after_it_had_expired(town: Town, proven_first: bool) -> None:
    """A till: M-Pesa says 0 an hour later, and the notice names nothing; the query may prove it before or after."""
    begun, strays = town.buy(), Strays(town.book)
    late = T0 + 3_600
    if proven_first:
        town.query(begun.payment.id, now=late + 60)
    town.settle.notice(Notice(town.receipt, 5_000, TILL, "", "", late), late + 1)
    assert strays.round(late + 1 + SAME_MONEY_S) == 0
    town.query(begun.payment.id, now=late + 2 * SAME_MONEY_S)
    assert strays.round(late + AHEAD_S) == 0
    town.callback(now=late + 3 * SAME_MONEY_S, paid_at=late)
    assert strays.round(late + 2 * AHEAD_S) == 0
    assert (town.rights(), town.mpesa_cents()) == ([begun.payment.id], 5_000)
    assert town.findings() == []


def known_payer(town: Town) -> str:
    """The customer has given us the number that pays."""
    payer = "ab" * 32
    town.billing.post(Posting("payer", claims=(Claim(ClaimKind.PAYER, payer, town.customer),)), soon())
    return payer


def test_a_known_telephones_prompt_is_no_money_for_the_balance(town: Town) -> None:
    """A till: the notice shows whose telephone paid, and the query has credited that money already."""
    payer, begun, strays = known_payer(town), town.buy(), Strays(town.book)
    town.query(begun.payment.id)
    assert town.settle.notice(Notice(town.receipt, 5_000, TILL, "", payer, T0 + 15), T0 + 31) == Landed(waits=True)
    assert strays.round(T0 + 86_400) == 0
    town.callback()
    assert strays.round(T0 + 2 * 86_400) == 0
    assert (town.rights(), town.balance(), town.mpesa_cents()) == ([begun.payment.id], 0, 5_000)
    assert town.findings() == []


def test_a_known_telephones_money_is_on_its_balance_after_a_while(town: Town) -> None:
    payer, strays = known_payer(town), Strays(town.book)
    notice = Notice(town.receipt, 5_000, TILL, "", payer, T0 + 15)
    town.settle.notice(notice, T0 + 16)
    assert strays.round(T0 + 16 + SAME_MONEY_S) == 1
    assert strays.round(T0 + AHEAD_S) == 0
    assert town.settle.notice(notice, T0 + 900) == Landed(known=True)
    assert strays.claim(town.receipt, town.customer, T0 + 901) is Claimed.GONE
    assert town.balance() == 5_000
    assert town.findings() == []


def test_a_notice_that_names_a_proven_payment_is_its_receipt_when_no_callback_came(town: Town) -> None:
    """A paybill whose callback was lost; the customer paid once more by hand, and named the same."""
    begun, strays = town.buy(), Strays(town.book)
    town.query(begun.payment.id)
    town.notice(begun.payment.reference)
    town.notice(begun.payment.reference, "TKP0000077")
    assert strays.round(T0 + 30 + CALLBACK_S_MAX - 1) == 0
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert strays.round(T0 + 30 + 2 * CALLBACK_S_MAX) == 1
    strays.round(T0 + 30 + 3 * CALLBACK_S_MAX)
    paid = town.payment(begun.payment.id)
    assert (paid.state, paid.mpesa_receipt in {town.receipt, "TKP0000077"}) == (PaymentState.PAID, True)
    states = {
        money.state for receipt in (town.receipt, "TKP0000077") if (money := town.billing.unmatched(receipt, soon()))
    }
    assert states == {UnmatchedState.SAME, UnmatchedState.HELD}
    assert (town.rights(), town.mpesa_cents(), town.findings()) == ([begun.payment.id], 10_000, [])
    town.callback(now=T0 + 4 * CALLBACK_S_MAX)  # of the one or the other: no second credit
    assert (town.rights(), town.mpesa_cents(), town.findings()) == ([begun.payment.id], 10_000, [])


LATE = 2 * SAME_MONEY_S + 60


def failed_then_told_without_a_name(town: Town, payer: str = "") -> Checkout:
    """A till: the prompt failed, the money came after all, and nothing but a nameless notice says so for long."""
    begun = town.buy()
    failed = Proof(
        PaymentEvent.QUERY_FAILED, checkout_id=f"ws_CO_{begun.payment.reference}", code="1032"
    )  # after no answer it would be asked about once more
    town.settle.prove(begun.payment.id, failed, T0 + 25)
    town.settle.notice(Notice(town.receipt, 5_000, TILL, "", payer, T0 + 40), T0 + 41)
    assert Strays(town.book).round(T0 + 41 + SAME_MONEY_S) == 1
    return begun


def test_a_late_proof_takes_its_money_out_of_what_was_booked_as_unmatched(town: Town) -> None:
    begun, strays = failed_then_told_without_a_name(town), Strays(town.book)
    assert town.cents(Account(AccountKind.UNMATCHED, town.receipt)) == -5_000
    for _ in range(2):
        assert isinstance(town.callback(now=T0 + LATE, paid_at=T0 + 40), Settled)
    paid = town.payment(begun.payment.id)
    assert (paid.state, paid.mpesa_receipt) == (PaymentState.PAID, town.receipt)
    assert (town.rights(), town.mpesa_cents()) == ([begun.payment.id], 5_000)
    assert town.cents(Account(AccountKind.UNMATCHED, town.receipt)) == 0
    assert strays.claim(town.receipt, town.customer, T0 + LATE) is Claimed.GONE
    assert (town.balance(), town.findings()) == (0, [])


@pytest.mark.parametrize("by_telephone", [True, False])
def test_a_late_proof_takes_its_money_out_of_the_payers_own_balance(town: Town, by_telephone: bool) -> None:
    begun = failed_then_told_without_a_name(town, known_payer(town) if by_telephone else "")
    if not by_telephone:
        assert Strays(town.book).claim(town.receipt, town.customer, T0 + LATE - 1) is Claimed.CLAIMED
    assert town.balance() == 5_000
    for _ in range(2):
        assert isinstance(town.callback(now=T0 + LATE, paid_at=T0 + 40), Settled)
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert (town.rights(), town.balance(), town.mpesa_cents()) == ([begun.payment.id], 0, 5_000)
    assert town.findings() == []


@pytest.mark.parametrize("cents", [5_000, 4_900])
def test_a_late_proof_of_money_that_another_has_or_that_differs_is_for_a_person(
    store: Store, billing: BillingStore, cents: int
) -> None:
    town, other = Town(store, billing.rows), Town(store, billing.rows, who=2, seed=2)
    town.found()
    other.found()
    begun = failed_then_told_without_a_name(town)
    if cents == 5_000:
        assert Strays(town.book).claim(town.receipt, other.customer, T0 + LATE - 1) is Claimed.CLAIMED
    refused = town.callback(now=T0 + LATE, paid_at=T0 + 40, cents=cents)
    assert isinstance(refused, Refused)
    assert refused.alarm
    assert town.payment(begun.payment.id).state is PaymentState.DISPUTED
    assert (town.rights(), town.mpesa_cents()) == ([], 5_000)
    assert town.findings() == []


def test_a_late_proof_whose_money_was_spent_meanwhile_is_for_a_person(town: Town) -> None:
    begun = failed_then_told_without_a_name(town, known_payer(town))
    town.billing.post(
        Posting(
            "spent",
            entries=(Entry(spent(town.customer), Receipt("K9", 1, "purchase:right9", 5_000), town.customer),),
            customer=Customer(town.customer, town.account, 0, 3),
        ),
        soon(),
    )
    assert isinstance(town.callback(now=T0 + LATE, paid_at=T0 + 40), Refused)
    assert town.payment(begun.payment.id).state is PaymentState.DISPUTED
    assert (town.rights(), town.balance()) == ([], 0)


def spent(subscriber: str) -> Journal:
    entry = purchase(fact("right9"), sale("right9", receipt="K9-000001"), subscriber, 5_000)
    assert isinstance(entry, Journal)
    return entry


@pytest.mark.parametrize("after", [True, False])
def test_taking_money_out_of_what_was_booked_may_end_at_any_step(
    store: Store, billing: BillingStore, after: bool
) -> None:
    for at in range(1, 60):
        town = Town(store, billing.rows, who=at)
        town.found()
        begun = failed_then_told_without_a_name(town)
        dying = DyingRows(billing.rows, at, after=after)
        mortal = Town(store, dying, town.provider, seed=2, who=at)
        with contextlib.suppress(Killed):
            mortal.callback(now=T0 + LATE, paid_at=T0 + 40)
        assert isinstance(town.callback(now=T0 + LATE + 1, paid_at=T0 + 40), Settled)
        assert town.rights() == [begun.payment.id]
        if dying.count < at:
            break
    else:
        raise AssertionError("it never ended by itself")
    assert town.findings() == []


def test_another_amount_than_the_payments_is_booked(town: Town) -> None:
    begun, strays = town.buy(), Strays(town.book)
    town.query(begun.payment.id)
    town.notice("", "TKP0000077", 4_900)
    assert strays.round(T0 + 86_400) == 1
    assert town.findings() == []


# -- vouchers ----------------------------------------------------------------------------------------------------------

PRINTED = name(900)


def printed(town: Town, state: VoucherState = VoucherState.STOCK, starts_at: int = 0) -> str:
    """A voucher with its own subscriber; its code's hash."""
    right = Right("b1-0007", "standard.1", T0, starts_at, starts_at and starts_at + 86_400)
    rights = [right]
    body = aggregate.encode(Subscriber(PRINTED, Credential(SecretKind.CODE), T0, rights=rights))
    town.core.subscribers.create(change(PRINTED, 1, body=body), ["c:code"], soon())
    kept = KeptVoucher(Voucher("B1", 7, state), 1, "code", "standard.1", 5_000, PRINTED, right.id, "achieng")
    claim = Claim(ClaimKind.CODE, "code", kept.voucher.serial)
    made = Entry(batch_made(fact("B1"), Paper("B1", "standard.1", 5_000)))
    posted = town.billing.post(Posting("printed", claims=(claim,), entries=(made,), voucher=kept), soon())
    assert posted.outcome is Outcome.COMMITTED
    return claim.key


def test_a_voucher_becomes_a_right_once(town: Town) -> None:
    code, redeem = printed(town), Redeem(town.book)
    assert redeem.by_code(code, town.customer, DEVICE, T0 + 9) == Redeemed("b1-0007", "standard.1")
    assert redeem.by_code(code, town.customer, DEVICE, T0 + 10) == Redeemed("b1-0007", "standard.1", again=True)
    other = Town(town.core, town.rows, who=2)
    other.found()
    assert Redeem(other.book).by_code(code, other.customer, DEVICE, T0 + 11) is VoucherRefusal.USED
    assert redeem.by_code("no such code", town.customer, DEVICE, T0) is None
    assert town.rights() == ["b1-0007"]
    entry = town.billing.entry(f"{Cause.VOUCHER_REDEEMED.value}:B1-0007", soon())
    assert entry
    assert {leg.account.text: leg.cents for leg in entry.journal.legs if leg.account.kind.value != "tax"} == {
        "cash_in_hand:achieng": 5_000,
        "vouchers_outstanding:B1": 5_000,
        "voucher_stock:B1": -5_000,
        "revenue:standard": -4_310,
    }
    stored = town.core.subscribers.read(PRINTED, soon())
    assert stored
    assert aggregate.decode(stored.body).rights[0].revoked_at == T0 + 9
    assert town.findings() == []


def test_a_code_that_logged_in_by_itself_is_booked_and_not_redeemed(town: Town) -> None:
    code, redeem = printed(town, VoucherState.SOLD, T0 + 5), Redeem(town.book)
    assert redeem.by_code(code, town.customer, DEVICE, T0 + 9) is VoucherRefusal.USED
    assert redeem.by_itself("B1-0007", T0 + 20)
    assert not redeem.by_itself("B1-0007", T0 + 21)
    assert not redeem.by_itself("B1-0008", T0 + 21)
    assert town.rights() == []
    assert town.findings() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_redeeming_may_end_at_any_step(town: Town, after: bool) -> None:
    code = printed(town)
    for n in range(1, 20):
        rows = DyingRows(town.billing.rows, n, after=after)
        victim = Town(town.core, rows, seed=10 + n)  # type: ignore[arg-type]
        try:
            answer = Redeem(victim.book).by_code(code, town.customer, DEVICE, T0 + n)
        except Killed:
            continue
        break
    assert isinstance(answer, Redeemed)
    assert answer.again is after
    assert town.rights() == ["b1-0007"]
    assert town.findings() == []


def test_a_balance_that_is_not_what_was_booked_is_found(town: Town) -> None:
    customer = town.billing.customer(town.customer, soon())
    assert customer
    town.billing.post(Posting("theft", customer=customer._replace(balance_cents=99, version=2)), soon())
    town.notice(town.account)
    assert [finding.rule.value for finding in town.findings()] == ["balance"]  # type: ignore[attr-defined]
