"""Any order, any repetition, any forgery of what may be heard of a payment: credited once, or not at all."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from billing.domain import ledger
from billing.domain.audit import check
from billing.domain.books import Books, PaymentRow, RightRow
from billing.domain.draw import token_hash
from billing.domain.journal import Fact, Journal, Receipt, business_day
from billing.domain.ledger import Came, Sale, mpesa
from billing.domain.money import NO_TAX
from billing.domain.payment import EXPIRES_S, PAID_STATES, Effect, Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof, Refused, Settled, Settlement, Why, expire, pushed, settle

E = PaymentEvent
T0 = 1_795_600_800
TOKEN, CHECKOUT, RECEIPT, REFERENCE, TILL = "0a" * 16, "ws_CO_1", "TKP1XYZ789", "W37CRTX9H", "600999"
PAYMENT = Payment("pay-7", 5_000, TILL, REFERENCE, token_hash(TOKEN), T0, "cust1", "day.1")

HONEST = (
    Proof(E.CALLBACK_PAID, TOKEN, CHECKOUT, cents=5_000, mpesa_receipt=RECEIPT, code="0", paid_at=T0 + 18),
    Proof(E.QUERY_PAID, checkout_id=CHECKOUT, code="0"),
    Proof(E.RECEIPT_FOUND, reference=REFERENCE, cents=5_000, mpesa_receipt=RECEIPT, paid_at=T0 + 18),
    Proof(E.C2B_NOTICE, reference=REFERENCE, shortcode=TILL, cents=5_000, mpesa_receipt=RECEIPT, paid_at=T0 + 18),
)
IDLE = (
    Proof(E.QUERY_OPEN, checkout_id=CHECKOUT, code="4999"),
    Proof(E.QUERY_OPEN, checkout_id=CHECKOUT, code="500.001.1001"),
    Proof(E.CALLBACK_OPEN, TOKEN, CHECKOUT, code="777"),
    Proof(E.CALLBACK_FAILED, TOKEN, CHECKOUT, code="1037"),
    Proof(E.QUERY_FAILED, checkout_id=CHECKOUT, code="1032"),
)
OTHERS = (
    Proof(E.CALLBACK_PAID, "", CHECKOUT, cents=5_000, mpesa_receipt="FORGED0001", code="0"),
    Proof(E.CALLBACK_PAID, "0b" * 16, CHECKOUT, cents=5_000, mpesa_receipt="FORGED0002", code="0"),
    Proof(E.QUERY_PAID, checkout_id="ws_CO_2", code="0"),
    Proof(E.C2B_NOTICE, reference="W37CRTX9J", shortcode=TILL, cents=5_000, mpesa_receipt="OTHER00001", paid_at=T0),
    Proof(E.C2B_NOTICE, reference=REFERENCE, shortcode="600998", cents=5_000, mpesa_receipt="OTHER00002", paid_at=T0),
    Proof(E.C2B_NOTICE, reference=REFERENCE, shortcode=TILL, cents=4_000, mpesa_receipt="OTHER00003", paid_at=T0),
)
PUSHES = ("accepted", "unknown", "expire")
HEARD = st.lists(st.sampled_from((*HONEST, *IDLE, *OTHERS, *PUSHES)), max_size=14)


def hear(payment: Payment, heard: Proof | str, now: int) -> Settlement:
    if heard == "accepted":
        return pushed(payment, E.PUSH_ACCEPTED, now, CHECKOUT)
    if heard == "unknown":
        return pushed(payment, E.PUSH_UNKNOWN, now)
    if isinstance(heard, str):
        return expire(payment, now + EXPIRES_S)
    return settle(payment, heard, now)


def play(heard: list[Proof | str]) -> tuple[Payment, list[Settlement]]:
    payment, answers = PAYMENT, []
    for number, each in enumerate(heard):
        # M-Pesa's answer to a query is of money that has come; clocks go on by a second.
        answers.append(hear(payment, each, T0 + 30 + number))
        payment = answers[-1].payment
    return payment, answers


@given(HEARD)
def test_one_credit_at_most_and_paid_is_final(heard: list[Proof | str]) -> None:
    payment, answers = play(heard)
    credits_ = [answer for answer in answers if isinstance(answer, Settled) and answer.effect is Effect.CREDIT]
    assert len(credits_) == (1 if payment.state in PAID_STATES else 0)
    states = [answer.payment.state for answer in answers]
    first = next((at for at, state in enumerate(states) if state in PAID_STATES), len(states))
    assert all(state in PAID_STATES for state in states[first:])
    receipts = [answer.payment.mpesa_receipt for answer in answers]
    assert set(receipts) <= {"", RECEIPT}
    assert receipts == sorted(receipts)  # never taken away again


@given(HEARD, st.sampled_from([HONEST[0], HONEST[2]]))
def test_no_credit_is_lost(heard: list[Proof | str], last: Proof) -> None:
    payment, _ = play([*heard, "accepted", last])
    assert payment.state is PaymentState.PAID
    assert payment.mpesa_receipt == RECEIPT


@given(st.lists(st.sampled_from((*IDLE, *OTHERS, *PUSHES)), max_size=14))
def test_nothing_but_proof_of_this_payment_pays_it(heard: list[Proof | str]) -> None:
    payment, answers = play(heard)
    assert payment.state not in PAID_STATES
    assert not any(isinstance(answer, Settled) for answer in answers)


@given(HEARD)
def test_other_peoples_money_is_kept_and_never_ours(heard: list[Proof | str]) -> None:
    _, answers = play(heard)
    for each, answer in zip(heard, answers, strict=True):
        if isinstance(each, Proof) and each.mpesa_receipt == "OTHER00003":
            assert isinstance(answer, Refused)
            assert answer.unmatched
        elif isinstance(each, Proof) and each in OTHERS:
            assert isinstance(answer, Refused)
            assert answer.why in {Why.FORGED, Why.OTHER_PAYMENT, Why.SHORTCODE}
            assert not answer.unmatched


@given(HEARD, st.integers(1, 10_000).filter(lambda cents: cents != 5_000))
def test_a_wrong_amount_under_its_own_token_is_held_once_and_stops_queries(
    heard: list[Proof | str], cents: int
) -> None:
    payment, _ = play(heard)
    wrong = msgspec.structs.replace(HONEST[0], cents=cents, mpesa_receipt="TKWRONG123", checkout_id=CHECKOUT)
    answer = settle(payment, wrong, T0 + 99)
    assert isinstance(answer, Refused)
    # Money of its own, unless the query credited it already: then a person looks, and nothing is counted twice.
    assert answer.unmatched is (payment.state is not PaymentState.PROVEN)
    assert answer.alarm
    if payment.state not in PAID_STATES:
        assert not isinstance(settle(answer.payment, HONEST[1], T0 + 100), Settled)


def book(heard: list[Proof | str], extra: Proof | None) -> Books:
    """What a caller does with each answer: one journal for a credit, one for money to be held, each receipt once."""
    payment, taken = PAYMENT, {""}
    journals: dict[str, Journal] = {}
    for number, each in enumerate([*heard, *([extra] if extra else [])]):
        answer = hear(payment, each, T0 + 30 + number)
        receipt = each.mpesa_receipt if isinstance(each, Proof) else ""
        if isinstance(answer, Settled) and answer.effect in {Effect.CREDIT, Effect.ATTACH}:
            if answer.payment.mpesa_receipt in taken - {""}:
                continue  # the store refuses a receipt that was used: nothing of this is committed
            taken.add(answer.payment.mpesa_receipt)
        if isinstance(answer, Settled) and answer.effect is Effect.CREDIT:
            fact = Fact("pay-7", answer.payment.paid_at, business_day(answer.payment.paid_at))
            sale = Sale("day.1", 5_000, NO_TAX, "right001", "K1-000001")
            came = Came(mpesa(TILL), 5_000, answer.payment.mpesa_receipt, "pay-7")
            entry = ledger.sale_by_mpesa(fact, sale, came)
            assert entry.id not in journals
            journals[entry.id] = entry
        elif isinstance(answer, Refused) and answer.unmatched and isinstance(each, Proof) and receipt not in taken:
            assert each.cents is not None
            taken.add(receipt)
            entry = ledger.unmatched_in(Fact(receipt, T0, business_day(T0)), Came(mpesa(TILL), each.cents, receipt))
            journals[entry.id] = entry
        payment = answer.payment
    paid = payment.state in PAID_STATES
    receipts = (Receipt("K1", 1, "sale_mpesa:pay-7", 5_000),) if paid else ()
    rights = (RightRow("right001"),) if paid else ()
    row = PaymentRow("pay-7", paid, 5_000, payment.mpesa_receipt)
    return Books(tuple(journals.values()), receipts, (row,), rights)


@given(HEARD, st.sampled_from([None, 1, 4_999, 5_000]), st.sampled_from([RECEIPT, "TKAGAIN123"]))
def test_what_is_booked_by_any_of_it_is_right(heard: list[Proof | str], cents: int | None, receipt: str) -> None:
    extra = msgspec.structs.replace(HONEST[0], cents=cents, mpesa_receipt=receipt) if cents else None
    assert check(book(heard, extra)) == []
