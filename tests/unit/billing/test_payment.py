"""The payment table, cell by cell, and what a proof does: the oddities of Daraja one by one."""

import msgspec
import pytest

from billing.domain import daraja
from billing.domain.daraja import ErrorClass, PushOutcome
from billing.domain.draw import token_hash
from billing.domain.payment import (
    EXPIRES_S,
    PROMPT_S_MAX,
    TABLE,
    Effect,
    Payment,
    PaymentEvent,
    PaymentState,
    check_amount,
    check_phone,
    prompt_open,
)
from billing.domain.settle import CLOCKS_APART_S_MAX, Proof, Refused, Settled, Waits, Why, expire, pushed, settle
from radius.domain.errors import Malformed

S, E = PaymentState, PaymentEvent
T0 = 1_795_600_800
TOKEN = "000102030405060708090a0b0c0d0e0f"
CHECKOUT = "ws_CO_25112026130000123456789"
RECEIPT = "TKP1XYZ789"

# What a cell says: the state after it (a dash: as before) and the effect, if any.
GRID = """
                 created    pending    unknown    failed     expired    disputed   proven     paid
push_accepted    pending    -          pending    -          -          -          -          -
push_refused     failed     alarm      failed     -          failed     -          alarm      alarm
push_unknown     unknown    -          -          -          -          -          -          -
callback_paid    paid+      paid+      paid+      paid+      paid+      paid+      paid=      -
callback_failed  failed     failed     failed     -          failed     -          alarm      -
callback_open    pending    -          pending    -          -          -          -          -
query_paid       alarm      proven+    alarm      proven+    proven+    alarm      -          -
query_failed     alarm      failed     alarm      -          failed     -          alarm      alarm
query_open       -          -          -          -          -          -          -          -
receipt_found    paid+      paid+      paid+      paid+      paid+      paid+      paid=      -
c2b_notice       paid+      paid+      paid+      paid+      paid+      paid+      hold       -
wrong_amount     disputed!  disputed!  disputed!  disputed!  disputed!  alarm      alarm      alarm
expiry           expired    expired    expired    -          -          -          -          -
"""


def cells() -> list[tuple[PaymentState, PaymentEvent, PaymentState, Effect]]:
    head, *rows = [line.split() for line in GRID.strip().splitlines()]
    effects = {"+": Effect.CREDIT, "=": Effect.ATTACH, "!": Effect.ALARM}
    words = {"-": Effect.NOTHING, "alarm": Effect.ALARM, "hold": Effect.HOLD}
    found = []
    for event, *row in rows:
        for name, cell in zip(head, row, strict=True):
            state = PaymentState(name)
            to = state if cell in words else PaymentState(cell.rstrip("+=!"))
            found.append((state, PaymentEvent(event), to, words.get(cell, effects.get(cell[-1], Effect.NOTHING))))
    return found


@pytest.mark.parametrize(("state", "event", "to", "effect"), cells())
def test_every_cell(state: PaymentState, event: PaymentEvent, to: PaymentState, effect: Effect) -> None:
    assert TABLE[state, event] == (to, effect)


def test_the_table_is_whole_and_paid_is_final() -> None:
    assert set(TABLE) == {(state, event) for state in S for event in E}
    assert len(cells()) == len(TABLE)
    for event in E:
        assert TABLE[S.PAID, event].to is S.PAID
        assert TABLE[S.PROVEN, event].to in {S.PROVEN, S.PAID}
        assert Effect.CREDIT not in {TABLE[S.PAID, event].effect, TABLE[S.PROVEN, event].effect}


def payment(state: PaymentState = S.PENDING, **changes: object) -> Payment:
    known = "" if state in {S.CREATED, S.UNKNOWN} else CHECKOUT
    one = Payment("pay-7", 5_000, "600999", "W37CRTX9H", token_hash(TOKEN), T0, "cust1", "day.1", state, known)
    if state is S.PAID:
        one = msgspec.structs.replace(one, mpesa_receipt=RECEIPT, paid_at=T0 + 20, code="0")
    if state is S.PROVEN:
        one = msgspec.structs.replace(one, paid_at=T0 + 60, code="0")
    return msgspec.structs.replace(one, **changes)


def callback(event: PaymentEvent = E.CALLBACK_PAID, code: str = "0", **changes: object) -> Proof:
    paid = event is E.CALLBACK_PAID
    one = Proof(
        event,
        TOKEN,
        CHECKOUT,
        cents=5_000 if paid else None,
        mpesa_receipt=RECEIPT if paid else "",
        code=code,
        paid_at=T0 + 18 if paid else 0,
    )
    return msgspec.structs.replace(one, **changes)


def query(event: PaymentEvent, code: str = "0") -> Proof:
    return Proof(event, checkout_id=CHECKOUT, code=code)


def notice(**changes: object) -> Proof:
    one = Proof(
        E.C2B_NOTICE, reference="W37CRTX9H", shortcode="600999", cents=5_000, mpesa_receipt=RECEIPT, paid_at=T0 + 18
    )
    return msgspec.structs.replace(one, **changes)


@pytest.mark.parametrize("state", [S.CREATED, S.PENDING, S.UNKNOWN, S.FAILED, S.EXPIRED, S.DISPUTED])
def test_a_callback_pays_whatever_was_thought_before(state: PaymentState) -> None:
    before = payment(state, code="1037" if state is S.FAILED else "")
    answer = settle(before, callback(), T0 + 25)
    after = payment(S.PAID, paid_at=T0 + 18)
    assert answer == Settled(after, Effect.CREDIT)


def test_the_same_callback_again_credits_nothing() -> None:
    assert settle(payment(S.PAID), callback(), T0 + 26) == Settled(payment(S.PAID), Effect.NOTHING)


def test_a_query_pays_without_a_receipt_and_the_receipt_comes_later() -> None:
    proven = settle(payment(), query(E.QUERY_PAID), T0 + 60)
    assert proven == Settled(payment(S.PROVEN), Effect.CREDIT)
    named = settle(proven.payment, callback(), T0 + 90)
    assert named == Settled(payment(S.PAID, paid_at=T0 + 18), Effect.ATTACH)
    by_status = Proof(E.RECEIPT_FOUND, reference="W37CRTX9H", cents=5_000, mpesa_receipt=RECEIPT, paid_at=T0 + 18)
    assert settle(proven.payment, by_status, T0 + 90) == named
    assert settle(named.payment, query(E.QUERY_PAID), T0 + 99) == Settled(named.payment, Effect.NOTHING)


def test_a_notice_waits_while_it_may_be_the_money_that_was_credited_by_query() -> None:
    assert settle(payment(S.PROVEN), notice(), T0 + 70) == Waits(payment(S.PROVEN), Why.HELD)
    named = settle(payment(S.PROVEN), callback(), T0 + 80).payment
    assert settle(named, notice(), T0 + 90) == Settled(named, Effect.NOTHING)
    other = notice(mpesa_receipt="TKP2ABC456")
    assert settle(named, other, T0 + 90) == Refused(named, Why.OTHER_MONEY, alarm=True, unmatched=True)


def test_a_notice_of_money_that_came_after_the_query_had_its_answer_is_other_money() -> None:
    at = T0 + 60 + CLOCKS_APART_S_MAX
    assert isinstance(settle(payment(S.PROVEN), notice(paid_at=at), at), Waits)
    late = settle(payment(S.PROVEN), notice(paid_at=at + 1), at + 1)
    assert late == Refused(payment(S.PROVEN), Why.OTHER_MONEY, alarm=True, unmatched=True)


def test_a_notice_alone_pays_and_the_callback_of_the_same_money_adds_nothing() -> None:
    first = settle(payment(), notice(), T0 + 20)
    assert isinstance(first, Settled)
    assert (first.effect, first.payment.state, first.payment.mpesa_receipt) == (Effect.CREDIT, S.PAID, RECEIPT)
    assert settle(first.payment, callback(), T0 + 25) == Settled(first.payment, Effect.NOTHING)


def test_money_from_before_the_payment_is_not_its_money() -> None:
    at = T0 - CLOCKS_APART_S_MAX
    assert isinstance(settle(payment(), notice(paid_at=at), T0 + 20), Settled)
    early = settle(payment(), notice(paid_at=at - 1), T0 + 20)
    assert early == Refused(payment(), Why.EARLY, alarm=True, unmatched=True)


def test_a_second_receipt_for_a_paid_payment_is_money_to_be_kept() -> None:
    again = settle(payment(S.PAID), callback(mpesa_receipt="TKP2ABC456"), T0 + 99)
    assert again == Refused(payment(S.PAID), Why.OTHER_MONEY, alarm=True, unmatched=True)


@pytest.mark.parametrize("cents", [4_999, 5_001, 0])
def test_another_amount_is_never_credited_nor_lost(cents: int) -> None:
    answer = settle(payment(), callback(cents=cents), T0 + 25)
    assert answer == Refused(payment(S.DISPUTED), Why.AMOUNT, alarm=True, unmatched=True)
    # Nor by the query that follows, which names no amount.
    follows = settle(answer.payment, query(E.QUERY_PAID), T0 + 60)
    assert follows == Refused(payment(S.DISPUTED), Why.IMPOSSIBLE, alarm=True)


def test_another_amount_by_hand_is_other_money_and_the_payment_goes_on() -> None:
    assert settle(payment(), notice(cents=4_000), T0 + 25) == Refused(payment(), Why.AMOUNT, unmatched=True)


def test_another_amount_after_the_query_alarms_and_is_not_counted_twice() -> None:
    answer = settle(payment(S.PROVEN), callback(cents=4_000), T0 + 70)
    assert answer == Refused(payment(S.PROVEN), Why.AMOUNT, alarm=True, unmatched=False)
    same = settle(payment(S.PAID), callback(cents=4_000), T0 + 70)
    assert same == Settled(payment(S.PAID), Effect.NOTHING, alarm=True)


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        (callback(token=""), Why.FORGED),
        (callback(token=TOKEN[:-1] + "e"), Why.FORGED),
        (callback(E.CALLBACK_FAILED, "1032", token="guess"), Why.FORGED),
        (callback(E.CALLBACK_OPEN, "26", token="\udcfc"), Why.FORGED),
        (callback(checkout_id="ws_CO_other"), Why.OTHER_PAYMENT),
        (callback(checkout_id=""), Why.OTHER_PAYMENT),
        (Proof(E.QUERY_PAID, checkout_id="ws_CO_other", code="0"), Why.OTHER_PAYMENT),
        (Proof(E.QUERY_PAID, code="0"), Why.OTHER_PAYMENT),
        (notice(reference="W37CRTX9J"), Why.OTHER_PAYMENT),
        (notice(reference=""), Why.OTHER_PAYMENT),
        (Proof(E.RECEIPT_FOUND, cents=5_000, mpesa_receipt=RECEIPT), Why.OTHER_PAYMENT),
        (notice(shortcode="600998"), Why.SHORTCODE),
        (notice(shortcode=""), Why.SHORTCODE),
        (callback(shortcode="600998"), Why.SHORTCODE),
    ],
)
def test_what_is_not_of_this_payment_changes_nothing(proof: Proof, why: Why) -> None:
    assert settle(payment(), proof, T0 + 25) == Refused(payment(), why, alarm=True)


@pytest.mark.parametrize("event", [E.PUSH_ACCEPTED, E.PUSH_REFUSED, E.PUSH_UNKNOWN, E.WRONG_AMOUNT, E.EXPIRY])
def test_what_is_no_proof_cannot_be_handed_in_as_one(event: PaymentEvent) -> None:
    with pytest.raises(ValueError, match="is no proof"):
        settle(payment(), Proof(event), T0 + 25)


def test_a_token_of_nothing_opens_nothing() -> None:
    for kept in ("", TOKEN):  # nor does what is kept
        answer = settle(payment(token_hash=kept), callback(token=kept), T0 + 25)
        assert answer == Refused(payment(token_hash=kept), Why.FORGED, alarm=True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (0, T0 + 25),
        (T0 - CLOCKS_APART_S_MAX - 1, T0 + 25),
        (T0 - CLOCKS_APART_S_MAX, T0 - CLOCKS_APART_S_MAX),
        (T0 + 25 + CLOCKS_APART_S_MAX, T0 + 25 + CLOCKS_APART_S_MAX),
        (T0 + 26 + CLOCKS_APART_S_MAX, T0 + 25),
    ],
)
def test_the_time_of_the_transaction_is_believed_where_it_can_be(said: int, kept: int) -> None:
    assert settle(payment(), callback(paid_at=said), T0 + 25).payment.paid_at == kept


def test_a_query_of_a_payment_whose_checkout_is_not_known_proves_nothing() -> None:
    assert settle(payment(S.UNKNOWN), query(E.QUERY_PAID), T0 + 25) == Refused(
        payment(S.UNKNOWN), Why.OTHER_PAYMENT, alarm=True
    )


@pytest.mark.parametrize(
    "changes", [{"cents": None}, {"mpesa_receipt": ""}, {"mpesa_receipt": "TKP 1"}, {"mpesa_receipt": "abc123"}]
)
def test_success_without_amount_or_receipt_is_asked_about(changes: dict[str, object]) -> None:
    for state in (S.UNKNOWN, S.PENDING):  # it names the checkout that is to be asked about
        answer = settle(payment(state), callback(**changes), T0 + 25)
        assert answer == Waits(payment(S.PENDING, code="0"), Why.NO_RECEIPT, alarm=True)
    assert settle(payment(), notice(**changes), T0 + 25) == Waits(payment(), Why.NO_RECEIPT, alarm=True)


@pytest.mark.parametrize("code", ["1", "1032", "1037", "1019", "2001", "E3008"])
@pytest.mark.parametrize("event", [E.CALLBACK_FAILED, E.QUERY_FAILED])
def test_known_terminal_codes_fail_quietly(code: str, event: PaymentEvent) -> None:
    proof = callback(event, code) if event is E.CALLBACK_FAILED else query(event, code)
    assert settle(payment(), proof, T0 + 30) == Refused(payment(S.FAILED, code=code), Why.FAILED)


@pytest.mark.parametrize("code", ["2002", "2028", "2029", "8006"])
def test_a_configuration_that_fails_everybody_fails_and_alarms(code: str) -> None:
    answer = settle(payment(), callback(E.CALLBACK_FAILED, code), T0 + 30)
    assert answer == Refused(payment(S.FAILED, code=code), Why.FAILED, alarm=True)


@pytest.mark.parametrize(
    ("code", "alarm"), [("4999", False), ("500.001.1001", False), ("400.002.02", False), ("17", False), ("777", True)]
)
def test_what_proves_nothing_leaves_it_pending_and_an_unknown_code_alarms(code: str, alarm: bool) -> None:
    assert settle(payment(), query(E.QUERY_OPEN, code), T0 + 30) == Waits(payment(code=code), Why.OPEN, alarm)
    assert settle(payment(), callback(E.CALLBACK_OPEN, code), T0 + 30) == Waits(payment(code=code), Why.OPEN, alarm)


def test_a_failure_that_comes_late_does_not_unpay() -> None:
    failed = callback(E.CALLBACK_FAILED, "1037")
    assert settle(payment(S.PAID), failed, T0 + 99) == Settled(payment(S.PAID), Effect.NOTHING)
    assert settle(payment(S.PROVEN), failed, T0 + 99) == Settled(payment(S.PROVEN), Effect.NOTHING, alarm=True)


def test_a_callback_before_the_reply_to_the_push_names_the_checkout() -> None:
    early = settle(payment(S.CREATED), callback(E.CALLBACK_FAILED, "1032"), T0 + 5)
    assert early.payment == payment(S.FAILED, code="1032")
    late_reply = pushed(early.payment, E.PUSH_ACCEPTED, T0 + 30, CHECKOUT)
    assert late_reply == Refused(early.payment, Why.FAILED)


def test_the_reply_to_a_push() -> None:
    fresh = payment(S.CREATED)
    assert pushed(fresh, E.PUSH_ACCEPTED, T0 + 1, CHECKOUT) == Waits(payment(), Why.OPEN)
    assert pushed(fresh, E.PUSH_UNKNOWN, T0 + 30) == Waits(payment(S.UNKNOWN), Why.OPEN)
    busy = pushed(fresh, E.PUSH_REFUSED, T0 + 1, code="500.003.02")
    assert busy == Refused(payment(S.FAILED, checkout_id="", code="500.003.02"), Why.FAILED)
    assert pushed(fresh, E.PUSH_REFUSED, T0 + 1, code="400.002.02").alarm
    assert pushed(payment(S.PAID), E.PUSH_ACCEPTED, T0 + 30, CHECKOUT) == Settled(payment(S.PAID), Effect.NOTHING)


def test_two_pushes_for_one_payment_are_an_alarm() -> None:
    assert pushed(payment(), E.PUSH_ACCEPTED, T0 + 1, "ws_CO_other") == Refused(
        payment(), Why.OTHER_PAYMENT, alarm=True
    )


@pytest.mark.parametrize("state", [S.CREATED, S.PENDING, S.UNKNOWN])
def test_what_is_open_expires_in_time_and_is_revived_by_a_proof(state: PaymentState) -> None:
    assert expire(payment(state), T0 + EXPIRES_S - 1) == Waits(payment(state), Why.OPEN)
    gone = expire(payment(state), T0 + EXPIRES_S)
    assert gone == Waits(msgspec.structs.replace(payment(state), state=S.EXPIRED), Why.EXPIRED)
    assert isinstance(settle(gone.payment, callback(), T0 + 9_000), Settled)


def test_what_is_decided_does_not_expire() -> None:
    assert expire(payment(S.FAILED), T0 + EXPIRES_S) == Refused(payment(S.FAILED), Why.FAILED)
    assert expire(payment(S.PAID), T0 + EXPIRES_S) == Settled(payment(S.PAID), Effect.NOTHING)


def test_one_prompt_is_open_at_a_time() -> None:
    for state in S:
        is_open = state in {S.CREATED, S.PENDING, S.UNKNOWN}
        assert prompt_open(payment(state), T0 + PROMPT_S_MAX - 1) is is_open
        assert not prompt_open(payment(state), T0 + PROMPT_S_MAX)


def test_codes_are_numbers_or_strings_and_only_known_ones_fail() -> None:
    assert daraja.normal_code(1032) == daraja.normal_code(" 1032 ") == "1032"
    assert daraja.normal_code("e3008") == "E3008"
    failing = {code for code in daraja.RESULTS if daraja.fails(code)}
    assert failing == {
        "1",
        "2",
        "3",
        "4",
        "8",
        "1019",
        "1031",
        "1032",
        "1037",
        "2001",
        "2002",
        "2028",
        "2029",
        "8006",
        "E3008",
    }
    for open_code in ("0", "17", "26", "1001", "1025", "9999", "4999", "500.001.1001", "", "777", "-1"):
        assert not daraja.fails(open_code)


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        ("1032", ErrorClass.CUSTOMER),
        ("1037", ErrorClass.CUSTOMER),
        ("1019", ErrorClass.NETWORK),
        ("26", ErrorClass.SYSTEM),
        ("2028", ErrorClass.CONFIGURATION),
        ("777", ErrorClass.UNKNOWN),
    ],
)
def test_codes_have_a_class(code: str, error_class: ErrorClass) -> None:
    assert daraja.error_class(code) is error_class


def test_a_push_is_sent_again_only_where_nothing_was_done() -> None:
    again = {code for code, error in daraja.PUSH_ERRORS.items() if error.again}
    assert again == {"400.003.01", "401.002.01", "404.001.03", "500.003.02", "500.003.03"}
    assert all(daraja.PUSH_ERRORS[code].outcome is PushOutcome.REFUSED for code in again)
    for code in ("500.001.1001", "500.002.1001", ""):
        assert daraja.push_error(code).outcome is PushOutcome.UNKNOWN
        assert not daraja.push_error(code).again


def test_mpesa_moves_whole_shillings_up_to_its_ceiling() -> None:
    assert check_amount(25_000_000) == 250_000
    for cents, words in ((25_000_100, "at most 250,000"), (150, "whole shillings"), (0, "whole shillings")):
        with pytest.raises(Malformed, match=words):
            check_amount(cents)


def test_a_phone_is_judged_by_its_format_and_never_repeated() -> None:
    assert check_phone("0712 345 678") == check_phone("+254712345678") == "254712345678"
    assert check_phone("0112-345-678") == "254112345678"
    for typed in ("0812345678", "071234567", "25471234567890", ""):
        with pytest.raises(Malformed) as refused:
            check_phone(typed)
        assert not typed or typed not in str(refused.value)
