"""The rules of money, over memory and the engine: one payment, one credit, whatever comes in what order."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import permutations

import pytest

from billing.domain.payment import PaymentEvent, PaymentState
from billing.domain.settle import Proof, Refused, Settled, Why
from billing.ports import ClaimKind, UnmatchedState
from billing.provider import Accepted
from billing.provider import Refused as PushRefused
from billing.provider import Unknown as PushUnknown
from billing.services.arrivals import ONLINE_AFTER_S
from billing.services.checkout import Begun
from billing.services.settle import Landed
from billing.store.ports import BillingStore
from radius.domain.errors import Malformed, Unavailable
from radius.domain.intent import IntentReason
from radius.store.open import Store
from tests.contract.billing.town import DEVICE, DyingRows, FakeProvider, Killed, Town
from tests.contract.values import soon
from tests.unit.billing.values import T0

RACES = 50
STEPS_MAX = 100  # more than the story has requests


def test_a_payment_becomes_a_right_a_journal_a_number_and_an_intent(town: Town) -> None:
    begun = town.buy()
    assert begun.begun is Begun.ACCEPTED
    assert begun.payment.state is PaymentState.PENDING
    assert town.rights() == []
    settled = town.callback()
    assert isinstance(settled, Settled)
    assert town.payment(begun.payment.id) == settled.payment
    assert (settled.payment.state, settled.payment.mpesa_receipt) == (PaymentState.PAID, town.receipt)
    assert town.rights() == [begun.payment.id]
    assert [(i.session, i.reason) for i in town.aggregate().intents] == [(DEVICE, IntentReason.REAUTHORIZE)]
    assert town.rung == [town.customer]
    assert town.billing.owner(ClaimKind.MPESA, town.receipt, soon()) == begun.payment.id
    assert town.billing.due(T0 + 10**6, 9, soon()) == [(begun.payment.id, T0 + 20 + ONLINE_AFTER_S)]  # is it online?
    assert town.findings() == []


def test_every_order_of_every_door_is_one_credit(store: Store, billing: BillingStore) -> None:
    """Callback, query, C2B notice by reference, in every order, each order twice over."""
    for who, order in enumerate(permutations(("callback", "query", "notice")), 1):
        town = Town(store, billing.rows, who=who)
        town.found()
        begun = town.buy()
        doors = {
            "callback": town.callback,
            "query": partial(town.query, begun.payment.id),
            "notice": partial(town.notice, begun.payment.reference),
        }
        for door in order * 2:
            doors[door]()
        assert town.rights() == [begun.payment.id]
        assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert town.mpesa_cents() == who * 5_000
    assert town.findings() == []


def test_who_pays_by_hand_races_the_prompt_and_there_is_one_credit(store: Store, billing: BillingStore) -> None:
    """STK callback and C2B notice of one receipt at the same instant, `RACES` times."""
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, RACES + 1):
            town = Town(store, billing.rows, who=who)
            town.found()
            begun = town.buy()
            one, two = pool.submit(town.callback), pool.submit(town.notice, begun.payment.reference)
            assert isinstance(one.result(), Settled)
            assert two.result() in (Landed(begun.payment.id), Landed(known=True))
            assert town.rights() == [begun.payment.id]
    assert town.mpesa_cents() == RACES * 5_000
    assert town.findings() == []


def test_two_settlers_of_one_payment_credit_once(store: Store, billing: BillingStore) -> None:
    towns = [Town(store, billing.rows, seed=seed) for seed in (1, 2)]
    towns[0].found()
    begun = towns[0].buy()
    towns[1].provider = towns[0].provider
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: towns[n % 2].callback(), range(16)))
    assert all(isinstance(answer, Settled) for answer in answers)
    assert towns[0].rights() == [begun.payment.id]
    assert towns[0].findings() == []


def test_many_settle_at_once_and_every_number_is_there(store: Store, billing: BillingStore) -> None:
    """Sixteen settlers, each with its own customer, take numbers of eight series."""
    towns = [Town(store, billing.rows, who=who) for who in range(1, 49)]
    for town in towns:
        town.found()
        town.buy()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda town: town.callback(), towns))
    assert all(isinstance(answer, Settled) for answer in answers)
    assert towns[0].findings() == []


def test_proven_by_query_the_receipt_comes_later_and_is_unique_from_then_on(town: Town) -> None:
    begun = town.buy()
    proven = town.query(begun.payment.id)
    assert isinstance(proven, Settled)
    assert proven.payment.state is PaymentState.PROVEN
    assert town.rights() == [begun.payment.id]
    assert town.billing.due(T0 + 10**6, 9, soon())  # its receipt is asked for
    assert town.notice(begun.payment.reference) == Landed(begun.payment.id, waits=True)
    money = town.billing.unmatched(town.receipt, soon())
    assert money
    assert (money.state, money.payment) == (UnmatchedState.WAITS, begun.payment.id)
    assert isinstance(town.callback(), Settled)
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert town.notice(begun.payment.reference) == Landed(known=True)
    assert town.rights() == [begun.payment.id]
    assert town.findings() == []


def test_a_forged_callback_changes_nothing(town: Town) -> None:
    begun = town.buy()
    proof = Proof(
        PaymentEvent.CALLBACK_PAID,
        "ff" * 16,
        f"ws_CO_{begun.payment.reference}",
        cents=5_000,
        mpesa_receipt=town.receipt,
    )
    assert town.settle.prove(begun.payment.id, proof, T0 + 20) == Refused(begun.payment, Why.FORGED, alarm=True)
    assert town.settle.prove("nobody", proof, T0 + 20) is None
    assert town.rights() == []
    assert town.findings() == []


def test_another_amount_is_disputed_and_its_money_kept(town: Town) -> None:
    begun = town.buy()
    refused = town.callback(cents=100)
    assert isinstance(refused, Refused)
    assert town.payment(begun.payment.id).state is PaymentState.DISPUTED
    money = town.billing.unmatched(town.receipt, soon())
    assert money
    assert money.cents == 100
    assert town.callback(cents=100) == refused
    assert isinstance(town.query(begun.payment.id), Refused)
    assert town.rights() == []
    assert town.findings() == []


def test_failed_then_paid_after_all(town: Town) -> None:
    begun = town.buy()
    proof = Proof(PaymentEvent.QUERY_FAILED, checkout_id=f"ws_CO_{begun.payment.reference}", code="1037")
    assert isinstance(town.settle.prove(begun.payment.id, proof, T0 + 25), Refused)
    assert town.payment(begun.payment.id).state is PaymentState.FAILED
    assert isinstance(town.callback(), Settled)
    assert isinstance(town.settle.prove(begun.payment.id, proof, T0 + 40), Settled)
    assert town.rights() == [begun.payment.id]
    assert town.findings() == []


def test_an_account_number_fills_the_balance_once(town: Town) -> None:
    assert town.notice(town.account) == Landed(subscriber=town.customer)
    assert town.notice(town.account) == Landed(known=True)
    assert town.notice(f"{town.account[:4]} {town.account[4:]}", "TKP0000002", 150) == Landed(subscriber=town.customer)
    assert town.balance() == 5_150
    assert town.findings() == []


def test_a_top_up_by_prompt_fills_the_balance(town: Town) -> None:
    begun = town.buy(package="", cents=2_000)
    assert isinstance(town.callback(), Settled)
    assert isinstance(town.callback(), Settled)
    assert (town.balance(), town.rights()) == (2_000, [])
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert town.findings() == []


def test_money_that_names_nobody_waits(town: Town) -> None:
    assert town.notice("rent november") == Landed(waits=True)
    assert town.billing.waiting_money(T0 + 10**6, 9, soon()) == [town.receipt]
    assert town.findings() == []


def test_a_receipt_that_is_somebody_elses_is_no_second_credit(town: Town) -> None:
    """Booked to the balance first (typed by hand), then named by a callback: nobody knows whose error it is."""
    begun = town.buy()
    town.notice(town.account)
    refused = town.callback()
    assert refused == Refused(town.payment(begun.payment.id), Why.OTHER_MONEY, alarm=True)
    assert isinstance(town.query(begun.payment.id), Refused)
    assert (town.balance(), town.rights()) == (5_000, [])
    assert town.findings() == []


def test_paid_and_nobody_there_the_money_is_kept(town: Town) -> None:
    """The terms have vanished: no right, but a person finds payment and money."""
    begun = town.buy()
    town.book._terms = broken
    refused = town.callback()
    assert refused == Refused(begun.payment, Why.IMPOSSIBLE, alarm=True, unmatched=True)
    assert town.billing.waiting_money(T0 + 10**6, 9, soon()) == [town.receipt]


def broken(_terms: str) -> "object":
    from radius.domain.errors import Corrupt  # noqa: PLC0415

    raise Corrupt("terms standard.1")


# -- checkout ----------------------------------------------------------------------------------------------------------


def test_a_key_that_comes_again_pushes_nothing(town: Town) -> None:
    begun = town.buy()
    again = town.buy()
    assert (again.begun, again.payment) == (Begun.REPEATED, town.payment(begun.payment.id))
    assert len(town.provider.pushes) == 1


def test_a_phone_has_one_prompt_at_a_time(town: Town) -> None:
    begun = town.buy("page1")
    busy = town.buy("page2", now=T0 + 5)
    assert (busy.begun, busy.payment.id) == (Begun.BUSY, begun.payment.id)
    assert len(town.provider.pushes) == 1
    town.callback()
    assert town.buy("page2", now=T0 + 30).begun is Begun.ACCEPTED


def test_of_many_taps_at_once_one_pushes(store: Store, billing: BillingStore) -> None:
    provider = FakeProvider()
    towns = [Town(store, billing.rows, provider, seed) for seed in range(4)]
    towns[0].found()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: towns[n % 4].buy(f"page{n % 2}").begun, range(8)))
    assert len(provider.pushes) == 1
    assert answers.count(Begun.ACCEPTED) == 1
    assert set(answers) <= {Begun.ACCEPTED, Begun.BUSY, Begun.REPEATED}


@pytest.mark.parametrize(
    ("answer", "begun", "state"),
    [
        (Accepted("ws_CO_9"), Begun.ACCEPTED, PaymentState.PENDING),
        (PushRefused("400.002.02"), Begun.REFUSED, PaymentState.FAILED),
        (PushUnknown("500.001.1001"), Begun.UNKNOWN, PaymentState.UNKNOWN),
    ],
)
def test_the_replies_to_a_push(town: Town, answer: object, begun: Begun, state: PaymentState) -> None:
    town.provider.answer = answer  # type: ignore[assignment]
    made = town.buy()
    assert (made.begun, made.payment.state) == (begun, state)
    assert town.payment(made.payment.id) == made.payment


def test_a_lost_reply_is_paid_by_its_callback(town: Town) -> None:
    town.provider.answer = PushUnknown("lost")
    made = town.buy()
    assert isinstance(town.callback(), Settled)
    assert town.billing.owner(ClaimKind.CHECKOUT, f"ws_CO_{made.payment.reference}", soon()) == made.payment.id
    assert town.findings() == []


@pytest.mark.parametrize("package", ["standard.2", "nothing"])
def test_what_is_not_sold_is_not_asked_for(town: Town, package: str) -> None:
    with pytest.raises(Malformed, match="package"):
        town.buy(package=package)
    assert not town.provider.pushes


# -- the process ends between any two steps ----------------------------------------------------------------------------


def story(town: Town) -> None:
    """Buy, pay by the prompt, be told of it by three doors."""
    begun = town.buy()
    town.query(begun.payment.id, now=T0 + 18)
    town.notice(begun.payment.reference)
    town.callback()


def again(town: Town) -> str | None:
    """What the world outside repeats after a crash: the page its key, M-Pesa its news, if there was a prompt."""
    begun = town.buy()
    assert begun.begun in {Begun.ACCEPTED, Begun.REPEATED}
    if not town.provider.pushes:
        return None
    for _ in range(2):
        town.callback()
        town.notice(begun.payment.reference)
        town.query(begun.payment.id)
    return begun.payment.id


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [Killed, Unavailable])
def test_a_process_may_end_at_any_step(
    store: Store, billing: BillingStore, error: type[BaseException], after: bool
) -> None:
    """For all n: the nth request is lost, or done and its answer lost. Then everything is told again."""
    for n in range(1, STEPS_MAX):
        rows = DyingRows(billing.rows, n, after=after, error=error)
        victim = Town(store, rows, who=n)  # type: ignore[arg-type]
        survivor = Town(store, billing.rows, victim.provider, seed=2, who=n)
        survivor.found()
        with suppress(error):
            story(victim)
        paid = again(survivor)
        assert len(survivor.provider.pushes) <= 1
        assert survivor.rights() == ([paid] if paid else [])
        if rows.count < n:
            break
    assert rows.count < n
    assert survivor.findings() == []
