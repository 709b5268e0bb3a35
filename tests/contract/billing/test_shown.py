"""Customers who say "I have paid": over memory and the engine, whoever shows a code has its money once it is known."""

import contextlib

import pytest

from billing.domain.journal import Account, AccountKind
from billing.domain.payment import BY_HAND, EXPIRES_S, PaymentEvent, PaymentState
from billing.domain.settle import Proof
from billing.domain.shown import KEPT_S, OPEN_MAX, parse_shown
from billing.mpesa.statement import read_statement
from billing.provider import Notice, PayByHand, QueueTimedOut, Refused, Requested, Result, Taken, Unknown
from billing.services.checkout import Begun
from billing.services.reconcile import Reconciler, Round
from billing.services.refunds import Refunds
from billing.services.settle import SAME_MONEY_S, Landed
from billing.services.shown import SOON_S, Answer, ShownCodes
from billing.services.statements import Statements
from billing.services.strays import Strays
from billing.store.ports import BillingStore
from radius.domain.errors import Malformed
from radius.store.open import Store
from tests.contract.billing.test_refunds import Bank
from tests.contract.billing.test_statements import HEAD, row
from tests.contract.billing.town import DyingRows, Killed, Town
from tests.contract.values import soon
from tests.fakes.bucket import Bucket
from tests.unit.billing.values import T0, TILL

CODE = "TKP0000001"
BOOKED = T0 + 2 * SAME_MONEY_S


class Knows:
    """A provider that is asked for codes. None: it takes no such question."""

    def __init__(self, answer: Requested | None = None) -> None:
        self.answer = answer or Refused("no_provider")
        self.asked: list[str] = []

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        self.asked.append(mpesa_receipt)
        return self.answer


def shown(town: Town, knows: Knows | None = None) -> ShownCodes:
    return ShownCodes(town.book, town.settle, Strays(town.book), knows or Knows(), (TILL, "600111"))


def result(**fields: object) -> Result:
    said: dict[str, object] = {
        "mpesa_receipt": CODE, "cents": 5_000, "status": "Completed", "paid_at": T0 + 15, "paid_to": TILL,
    }  # fmt: skip
    return Result("TS_1", "0", done=True, **{**said, **fields})  # type: ignore[arg-type]


def by_hand(town: Town, receipt: str = CODE, cents: int = 5_000, at: int = T0 + 15) -> None:
    """Money that names nobody, booked as such."""
    town.settle.notice(Notice(receipt, cents, TILL, "", "", at), at + 1)
    Strays(town.book).round(at + 1 + SAME_MONEY_S)


def failed(town: Town) -> str:
    """A payment whose prompt failed: nothing says that it was paid."""
    begun = town.buy()
    proof = Proof(PaymentEvent.QUERY_FAILED, checkout_id=f"ws_CO_{begun.payment.reference}", code="1037")
    town.settle.prove(begun.payment.id, proof, T0 + 10)
    return begun.payment.id


def test_money_that_is_held_buys_what_it_was_for(town: Town) -> None:
    payment, service = failed(town), shown(town)
    by_hand(town)
    assert service.show(f" {CODE[:3].lower()} {CODE[3:]} ", town.customer, payment, BOOKED) is Answer.DONE
    assert service.show(CODE, town.customer, payment, BOOKED + 1) is Answer.DONE
    assert service.show(CODE, town.customer, "", BOOKED + 1) is Answer.DONE
    paid = town.payment(payment)
    assert (paid.state, paid.mpesa_receipt) == (PaymentState.PAID, CODE)
    assert (town.rights(), town.balance(), town.mpesa_cents()) == ([payment], 0, 5_000)
    assert town.findings() == []


@pytest.mark.parametrize("why", ["no payment", "amount", "paid", "anothers"])
def test_money_that_buys_nothing_is_on_the_balance(store: Store, billing: BillingStore, why: str) -> None:
    town, other = Town(store, billing.rows), Town(store, billing.rows, who=2, seed=2)
    town.found()
    other.found()
    payment = "" if why == "no payment" else failed(other if why == "anothers" else town)
    if why == "paid":
        town.callback(mpesa_receipt="TKP0000055")
    by_hand(town, cents=4_900 if why == "amount" else 5_000)
    told: list[str] = []
    strays = Strays(town.book, lambda subscriber, _: told.append(subscriber))
    service = ShownCodes(town.book, town.settle, strays, Knows(), (TILL,))
    assert service.show(CODE, town.customer, payment, BOOKED) is Answer.DONE
    assert (town.balance(), told) == (4_900 if why == "amount" else 5_000, [town.customer])
    assert service.show(CODE, other.customer, "", BOOKED) is Answer.TAKEN
    assert service.show(CODE, town.customer, "", BOOKED) is Answer.DONE
    assert (other.balance(), town.findings()) == (0, [])


def test_the_code_of_another_payment_of_ones_own_pays_nothing_twice(town: Town) -> None:
    first, second = town.buy(), town.buy("page2", now=T0 + 100)
    town.callback(1)
    service = shown(town)
    assert service.show(town.receipt, town.customer, first.payment.id, BOOKED) is Answer.DONE
    assert service.show(town.receipt, town.customer, second.payment.id, BOOKED) is Answer.TAKEN
    assert town.rights() == [first.payment.id]
    assert town.findings() == []


def test_a_till_without_an_interface_the_statement_brings_what_was_shown(town: Town) -> None:
    payment, service = failed(town), shown(town)
    assert service.show(CODE, town.customer, payment, T0 + 60) is Answer.WAITS
    assert service.show(CODE, town.customer, payment, T0 + 61) is Answer.WAITS
    assert service.round(T0 + 60 + SOON_S) == 0
    refunds = Refunds(town.book, Bank(), 0)
    statements = Statements(town.book, town.settle, Strays(town.book), refunds, (TILL,), seen=service.look)
    for _ in range(2):
        statements.take(read_statement((HEAD + row(CODE)).encode()), "achieng", T0 + 3_600)
    assert (town.rights(), town.mpesa_cents()) == ([payment], 5_000)
    assert service.show(CODE, town.customer, payment, T0 + 3_601) is Answer.DONE
    assert service.round(T0 + KEPT_S) == 0
    assert town.findings() == []


def test_at_such_a_till_nothing_is_pushed_and_who_does_not_pay_is_no_alarm(town: Town) -> None:
    town.provider.answer = PayByHand(TILL)
    begun = town.buy()
    assert (begun.begun, begun.payment.code) == (Begun.BY_HAND, BY_HAND)
    assert town.buy().payment == town.payment(begun.payment.id)
    assert town.buy(key="page2", now=T0 + 1).begun is Begun.BY_HAND  # no prompt is open that another would end
    worker = Reconciler(town.book, town.settle, town.provider, Bucket(), lambda: 0.0)
    assert worker.round(T0 + 600) == Round()
    assert worker.round(T0 + EXPIRES_S + 1) == Round(expired=2)
    assert worker.round(T0 + 10 * EXPIRES_S) == Round()
    by_hand(town)
    assert shown(town).show(CODE, town.customer, begun.payment.id, T0 + 3_600) is Answer.DONE
    assert (town.payment(begun.payment.id).state, town.payment(begun.payment.id).code) == (PaymentState.PAID, "0")
    assert (town.rights(), town.findings()) == ([begun.payment.id], [])


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("at", [9, 10, 11])
def test_a_payment_by_hand_may_be_cut_off_where_it_is_marked(town: Town, at: int, after: bool) -> None:
    """A payment that was only created expires as one whose push nobody knows of."""
    town.provider.answer = PayByHand(TILL)
    mortal = Town(town.core, DyingRows(town.rows, at, after=after), town.provider, seed=2)
    with contextlib.suppress(Killed):
        mortal.buy()
    begun = town.buy()
    assert begun.payment.state is PaymentState.CREATED
    by_hand(town)
    assert shown(town).show(CODE, town.customer, begun.payment.id, BOOKED) is Answer.DONE
    assert (town.rights(), town.findings()) == ([begun.payment.id], [])


def test_the_notice_brings_what_was_shown_before_it(town: Town) -> None:
    service = shown(town)
    assert service.show(CODE, town.customer, "", T0 + 20) is Answer.WAITS
    by_hand(town)
    assert service.round(BOOKED) == 1
    assert service.round(BOOKED + KEPT_S) == 0
    assert (town.balance(), town.findings()) == (5_000, [])


def test_the_provider_is_asked_and_its_answer_pays_at_once(town: Town) -> None:
    payment, knows = failed(town), Knows(Taken("TS_1"))
    service = shown(town, knows)
    assert service.show(CODE, town.customer, payment, T0 + 60) is Answer.WAITS
    assert service.result(Result("TS_9", "0", done=True), T0 + 61) is None
    for _ in range(2):
        assert service.result(result(), T0 + 62) in {Landed(waits=True), Landed(known=True)}
    assert (town.payment(payment).state, town.rights()) == (PaymentState.PAID, [payment])
    assert (knows.asked, town.mpesa_cents(), town.findings()) == ([CODE], 5_000, [])


@pytest.mark.parametrize(
    "said",
    [
        QueueTimedOut("TS_1"),
        result(status="Reversed"),
        result(status="Failed"),
        result(paid_to="600998"),
        result(paid_to=""),
        result(mpesa_receipt="TKP0000002"),
        result(cents=None),
        Result("TS_1", "2032", done=False),
    ],
)
def test_an_answer_that_is_no_money_of_ours_credits_nothing(town: Town, said: Result | QueueTimedOut) -> None:
    service = shown(town, Knows(Taken("TS_1")))
    service.show(CODE, town.customer, "", T0 + 60)
    assert service.result(said, T0 + 62) == Landed(waits=True)
    assert town.billing.unmatched(CODE, soon()) is None
    assert service.round(T0 + 60 + KEPT_S) == 0
    assert town.billing.due_things(type(service._kept(CODE).thing), T0 + 10**8, 9, soon()) == []


@pytest.mark.parametrize("answer", [Refused("no_initiator"), Unknown("ReadTimeout")])
def test_who_cannot_be_asked_is_no_error(town: Town, answer: Requested) -> None:
    service = shown(town, Knows(answer))
    assert service.show(CODE, town.customer, "", T0 + 60) is Answer.WAITS
    assert service.round(T0 + 3_700) == 0


def test_money_that_may_be_anothers_prompt_waits(store: Store, billing: BillingStore) -> None:
    """A till: another customer's query has proven a payment of that amount, whose receipt nobody knows yet."""
    town, other = Town(store, billing.rows), Town(store, billing.rows, who=2, seed=2)
    town.found()
    other.found()
    payment, service = failed(town), shown(town)
    proven = other.buy()
    other.query(proven.payment.id)
    town.settle.notice(Notice(CODE, 5_000, TILL, "", "", T0 + 15), T0 + 16)
    assert service.show(CODE, town.customer, payment, T0 + 60) is Answer.WAITS
    assert service.round(T0 + 60 + SOON_S) == 0
    other.callback(mpesa_receipt="TKP0000066")
    assert service.round(T0 + 2 * 86_400) == 1
    assert (town.rights(), other.rights()) == ([payment], [proven.payment.id])
    assert town.findings() == []


def test_ones_own_open_prompt_is_no_reason_to_wait(town: Town) -> None:
    begun, service = town.buy(), shown(town)
    town.settle.notice(Notice(CODE, 5_000, TILL, "", "", T0 + 15), T0 + 16)
    assert service.show(CODE, town.customer, begun.payment.id, T0 + 60) is Answer.DONE
    assert (town.rights(), town.findings()) == ([begun.payment.id], [])


def test_guesses_get_nothing(store: Store, billing: BillingStore) -> None:
    """What was shown before its money moved; what two show; more codes than anybody pays at once."""
    town, other = Town(store, billing.rows), Town(store, billing.rows, who=2, seed=2)
    town.found()
    other.found()
    service = shown(town)
    assert service.show(CODE, other.customer, "", T0 - 3_600) is Answer.WAITS
    assert service.show("TKP0000002", other.customer, "", T0 + 60) is Answer.WAITS
    assert service.show("TKP0000002", town.customer, "", T0 + 60) is Answer.WAITS
    by_hand(town)
    by_hand(town, "TKP0000002")
    assert service.round(BOOKED) == 0
    assert service.show("TKP0000002", other.customer, "", BOOKED) is Answer.WAITS
    assert service.show(CODE, town.customer, "", BOOKED) is Answer.WAITS  # who guessed does not stop the payer for long
    assert service.round(BOOKED + SOON_S) == 1
    assert (town.balance(), other.balance()) == (5_000, 0)
    codes = [f"TKQ{number:07}" for number in range(OPEN_MAX + 1)]
    answers = [service.show(code, other.customer, "", BOOKED) for code in codes]
    assert answers[-2:] == [Answer.TOO_MANY] * 2
    assert service.round(BOOKED + KEPT_S) == 0
    assert service.show("TKQ0000009", other.customer, "", BOOKED + KEPT_S) is Answer.WAITS


@pytest.mark.parametrize("text", ["", "TKP000001", "TKP00000011", "TKP-000001", "TKP000000ö", "0712345678x"])
def test_what_is_no_code_is_refused_by_its_form(text: str) -> None:
    with pytest.raises(Malformed) as bad:
        parse_shown(text)
    assert bad.value.field == "code"
    assert not text or text not in str(bad.value)


@pytest.mark.parametrize("after", [True, False])
def test_showing_may_end_at_any_step(store: Store, billing: BillingStore, after: bool) -> None:
    """Every 3rd request, so that the file stays quick over the engine."""
    for who, at in enumerate(range(1, 120, 3), 1):
        town = Town(store, billing.rows, who=who)
        town.found()
        payment, code = failed(town), f"TKP{who:07}"
        town.settle.notice(Notice(code, 5_000, TILL, "", "", T0 + 15), T0 + 16)
        dying = DyingRows(billing.rows, at, after=after)
        mortal = shown(Town(store, dying, town.provider, seed=2, who=who))
        with contextlib.suppress(Killed):
            mortal.show(code, town.customer, payment, T0 + 60)
            mortal.round(T0 + 60 + SOON_S)
        shown(town).show(code, town.customer, payment, BOOKED)
        shown(town).round(BOOKED + SOON_S)
        assert (town.rights(), town.balance()) == ([payment], 0)
        if dying.count < at:
            break
    else:
        raise AssertionError("it never ended by itself")
    assert town.cents(Account(AccountKind.UNMATCHED, CODE)) == 0
    assert town.findings() == []
