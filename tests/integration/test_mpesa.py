"""The client against a Daraja that misbehaves, over real HTTP; what comes back goes through settlement."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from billing.domain.draw import token_hash
from billing.domain.payment import Effect, Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof, Refused, Settled, Waits, Why, expire, pushed, settle
from billing.domain.statement import Page, Row
from billing.mpesa import client, wire
from billing.mpesa.callbacks import parse_callback, parse_notice, parse_result
from billing.mpesa.pace import Pace
from billing.provider import Accepted, Already, Local, PushRequest, Taken, TooMany, Trouble, Unknown
from billing.provider import Refused as NotSent
from tests.fakes.daraja import Daraja, Plan, post, stk_callback
from tests.fakes.shelf import OneShelf

NOW = 1_795_600_000
PHONE = "254708374149"
REQUEST = PushRequest(PHONE, 5_000, "W37CRTX9H", "tok")
EVENT = PaymentEvent


class Inbox:
    """Where Daraja calls us: keeps paths and bodies."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def proofs(self) -> list[Proof]:
        return [parse_callback(body, path.rsplit("/", 1)[1]) for path, body in self.heard if "/stk/" in path]


@pytest.fixture
def daraja() -> Iterator[Daraja]:
    with Daraja(clock=lambda: NOW) as double:
        yield double


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.server.shutdown()
    box.server.server_close()


@pytest.fixture
def ours(daraja: Daraja, inbox: Inbox) -> Iterator[client.Daraja]:
    found = connect(daraja.url, inbox.url)
    yield found
    found.close()


def connect(url: str, inbox: str) -> client.Daraja:
    return client.Daraja(
        url,
        client.Keys("key", "hush"),
        wire.Account("174379", "passkey"),
        wire.Addresses(inbox, "s3cret"),
        wire.Initiator("ops", "c2VjcmV0"),
        Pace(6_000),
        client.Patience(connect_s=2, read_s=1),
    )


def payment(state: PaymentState = PaymentState.CREATED, checkout_id: str = "") -> Payment:
    return Payment(
        "p1", 5_000, "174379", "W37CRTX9H", token_hash("tok"), NOW, "s1", state=state, checkout_id=checkout_id
    )


def pay(ours: client.Daraja) -> Payment:
    accepted = ours.push(REQUEST, NOW)
    assert isinstance(accepted, Accepted)
    return payment(PaymentState.PENDING, accepted.checkout_id)


def credits_of(start: Payment, proofs: list[Proof]) -> tuple[Payment, int]:
    credited = 0
    for proof in proofs:
        outcome = settle(start, proof, NOW)
        start = outcome.payment
        credited += isinstance(outcome, Settled) and outcome.effect is Effect.CREDIT
    return start, credited


@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        Plan(phone="masked"),
        Plan(phone="absent"),
        Plan(text=True),
        Plan(callbacks=2),
        Plan(codes=("1037", "0")),
        Plan(codes=("1037", "0"), backwards=True),
        Plan(codes=("0", "1032"), callbacks=2),
    ],
    ids=["plain", "masked", "absent", "strings", "twice", "late success", "backwards", "late failure"],
)
def test_who_pays_is_credited_once(daraja: Daraja, inbox: Inbox, ours: client.Daraja, plan: Plan) -> None:
    daraja.plans[PHONE] = plan
    start = pay(ours)
    for _ in plan.codes:
        daraja.step()
    end, credited = credits_of(start, inbox.proofs())
    assert (end.state, credited, end.mpesa_receipt) == (PaymentState.PAID, 1, "S000000000")
    assert set(daraja.answers) == {200}


def test_success_after_we_gave_up_is_credited(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    late = NOW + 86_400
    given_up = expire(pay(ours), late).payment
    assert given_up.state is PaymentState.EXPIRED
    daraja.step()
    assert isinstance(settle(given_up, inbox.proofs()[0], late), Settled)


@pytest.mark.parametrize(
    "plan", [Plan(submit="lost"), Plan(submit="stall"), Plan(submit="502")], ids=lambda p: p.submit
)
def test_a_push_whose_reply_is_lost_is_unknown_and_goes_out_once(
    daraja: Daraja, inbox: Inbox, ours: client.Daraja, plan: Plan
) -> None:
    daraja.plans[PHONE] = plan
    assert isinstance(ours.push(REQUEST, NOW), Unknown)
    assert len(daraja.pushes()) == 1
    daraja.step()  # the callback's token says whose money it is
    unknown = pushed(payment(), EVENT.PUSH_UNKNOWN, NOW).payment
    end, credited = credits_of(unknown, inbox.proofs())
    assert (end.state, credited) == (PaymentState.PAID, 1)


@pytest.mark.parametrize("submit", ["busy", "spike"])
def test_a_push_refused_before_processing_may_be_sent_again(daraja: Daraja, ours: client.Daraja, submit: str) -> None:
    daraja.plans[PHONE] = Plan(submit=submit)
    refused = ours.push(REQUEST, NOW)
    assert isinstance(refused, NotSent)
    assert refused.again
    assert ours.query("ws_CO_1", NOW + 30) == TooMany(30, refused=False)  # both are silent for a minute


def test_a_second_push_to_a_phone_with_an_open_prompt_is_unknown(daraja: Daraja, ours: client.Daraja) -> None:
    pay(ours)
    assert isinstance(ours.push(REQUEST, NOW), Unknown)
    assert len(daraja.prompts) == 1


def test_without_a_connection_nothing_was_sent(inbox: Inbox) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = connect(f"http://127.0.0.1:{closed.getsockname()[1]}", inbox.url)
        refused = nobody.push(REQUEST, NOW)
    assert isinstance(refused, NotSent)
    assert (refused.code, refused.again) == (Local.NO_TOKEN, True)
    nobody.close()


def test_connection_lost_between_token_and_push_is_refused(daraja: Daraja, ours: client.Daraja) -> None:
    pay(ours)
    ours.close()
    again = connect("http://127.0.0.1:1", "http://127.0.0.1:1")
    again._tokens = ours._tokens
    assert again.push(REQUEST, NOW) == NotSent(Local.NO_CONNECTION, "ConnectError", again=True)
    again.close()


def test_queries_that_prove_nothing_leave_it_open_until_one_does(daraja: Daraja, ours: client.Daraja) -> None:
    odd = ("4999", "500", "500-as-200", "empty", "early")
    daraja.plans[PHONE] = Plan(callbacks=0, queries=odd)
    start = pay(ours)
    daraja.step()
    for turn in range(len(odd)):
        proof = ours.query(start.checkout_id, NOW + 1 + turn)
        assert isinstance(proof, Proof)
        assert isinstance(settle(start, proof, NOW), Waits)
    proof = ours.query(start.checkout_id, NOW + 60)
    assert isinstance(proof, Proof)
    end, credited = credits_of(start, [proof, proof])
    assert (end.state, credited) == (PaymentState.PROVEN, 1)


def test_after_a_429_nothing_is_asked_for_a_minute(daraja: Daraja, ours: client.Daraja) -> None:
    daraja.plans[PHONE] = Plan(queries=("spike",))
    checkout_id = pay(ours).checkout_id
    assert ours.query(checkout_id, NOW + 1) == TooMany(60)
    sent = len(daraja.requests)
    assert ours.query(checkout_id, NOW + 30) == TooMany(31, refused=False)
    assert len(daraja.requests) == sent
    assert isinstance(ours.query(checkout_id, NOW + 61), Proof)


def test_another_amount_is_held_and_never_credited(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    daraja.plans[PHONE] = Plan(shillings=1)
    start = pay(ours)
    daraja.step()
    outcome = settle(start, inbox.proofs()[0], NOW)
    assert isinstance(outcome, Refused)
    assert (outcome.why, outcome.unmatched) == (Why.AMOUNT, True)


def test_one_object_instead_of_a_list_waits_for_the_amount(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    daraja.plans[PHONE] = Plan(single=True)
    start = pay(ours)
    daraja.step()
    assert inbox.proofs()[0].mpesa_receipt == "S000000000"
    outcome = settle(start, inbox.proofs()[0], NOW)
    assert isinstance(outcome, Waits)
    assert outcome.why is Why.NO_RECEIPT


@pytest.mark.parametrize("guessed", [True, False])
def test_a_forged_callback_is_nobodys(daraja: Daraja, inbox: Inbox, ours: client.Daraja, *, guessed: bool) -> None:
    start = pay(ours)
    items = [{"Name": "Amount", "Value": 50}, {"Name": "MpesaReceiptNumber", "Value": "FORGED0001"}]
    checkout_id = start.checkout_id if guessed else "ws_CO_1"
    assert post(f"{inbox.url}/pay/stk/guess", stk_callback(checkout_id, 0, items)) == 200
    outcome = settle(start, inbox.proofs()[0], NOW)
    assert isinstance(outcome, Refused)
    assert (outcome.why, outcome.payment) == (Why.FORGED, start)


def test_the_same_money_by_both_doors_has_one_receipt(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    assert ours.register_urls(NOW) is None
    daraja.plans[PHONE] = Plan(c2b=True)
    start = pay(ours)
    daraja.step()
    notices = [parse_notice(body) for path, body in inbox.heard if path == "/pay/c2b/s3cret/confirm"]
    assert len(notices) == 1
    end, credited = credits_of(start, [notices[0].proof("W37CRTX9H"), *inbox.proofs()])
    assert (credited, end.mpesa_receipt) == (1, notices[0].mpesa_receipt)
    assert ours.register_urls(NOW) == Already()  # once
    assert ours.doors.base == inbox.url
    assert "s3cret" not in str(ours.doors)


def test_status_and_reversal_answer_later(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    money = daraja.pay_by_hand(PHONE, 50, "52810476")
    asked = [
        ours.transaction_status(money.receipt, NOW),
        ours.reverse(money.receipt, 5_000, NOW),
        ours.reverse(money.receipt, 5_000, NOW),
    ]
    daraja.step()
    results = [parse_result(body) for path, body in inbox.heard if path == "/pay/result/s3cret"]
    assert [Taken(result.conversation_id) for result in results] == asked
    assert [result.code for result in results] == ["0", "0", "R000001"]
    status = results[0]
    assert (status.mpesa_receipt, status.cents, status.status) == (money.receipt, 5_000, "Completed")
    assert (status.paid_to, status.paid_at) == ("174379", NOW)


@pytest.mark.parametrize("utc", [True, False])
def test_what_came_is_listed_a_page_at_a_time_whoevers_time_it_shows(
    daraja: Daraja, ours: client.Daraja, utc: bool
) -> None:
    first, second = (daraja.pay_by_hand(PHONE, shillings, "52810476") for shillings in (50, 70))
    assert isinstance(ours.pull(NOW - 60, NOW + 60, 0, NOW), Unknown)
    daraja.pull_page, daraja.pull_utc = 1, utc
    pages = [ours.pull(NOW - 60, NOW + 60, offset, NOW + 120 * (offset + 1)) for offset in range(3)]
    assert pages == [
        Page((Row(1, money.receipt, NOW, done=True, paid_in_cents=money.shillings * 100, account="52810476"),))
        for money in (first, second)
    ] + [Page(())]
    with pytest.raises(ValueError, match="period"):
        ours.pull(NOW - 3 * 3_600, NOW, 0, NOW + 900)


def test_threads_share_one_token_and_renew_it_early(daraja: Daraja, ours: client.Daraja) -> None:
    with ThreadPoolExecutor(8) as threads:
        pushes = [REQUEST._replace(phone=f"25470000000{digit}") for digit in range(8)]
        assert all(isinstance(found, Accepted) for found in threads.map(lambda one: ours.push(one, NOW), pushes))
    assert daraja.tokens == 1
    ours.query("ws_CO_1", NOW + 3_538)
    assert daraja.tokens == 1
    ours.query("ws_CO_1", NOW + 3_540)
    assert daraja.tokens == 2


def test_a_refused_token_is_renewed_once_and_the_push_goes_through(daraja: Daraja, ours: client.Daraja) -> None:
    pay(ours)
    daraja.expire_token()
    assert isinstance(ours.push(REQUEST._replace(phone="254700000001"), NOW), Accepted)
    assert (daraja.tokens, len(daraja.pushes())) == (2, 2)


def test_two_processes_use_one_token_and_one_renews_it_for_both(daraja: Daraja, inbox: Inbox) -> None:
    shelf, processes = OneShelf(), [connect(daraja.url, inbox.url) for _ in range(2)]
    for process in processes:
        process.share(shelf)
    for number, process in enumerate(processes * 2):
        if number == 2:
            daraja.expire_token()
        assert isinstance(process.push(REQUEST._replace(phone=f"25470000000{number}"), NOW), Accepted)
    assert (daraja.tokens, len(daraja.pushes())) == (2, 4)
    for process in processes:
        process.close()


def test_tokens_that_are_always_refused_end(daraja: Daraja, ours: client.Daraja) -> None:
    daraja.broken.set()
    refused = ours.push(REQUEST, NOW)
    assert isinstance(refused, NotSent)
    assert (refused.code, daraja.tokens, daraja.pushes()) == ("404.001.03", 2, [])


def test_each_request_is_heard_of_and_what_was_wrong_with_it(daraja: Daraja, inbox: Inbox, ours: client.Daraja) -> None:
    heard: list[Trouble | None] = []
    ours.heard = heard.append
    daraja.plans[PHONE] = Plan(queries=("spike",))
    checkout_id = pay(ours).checkout_id
    assert heard == [None, None], "the token and the push"
    ours.query(checkout_id, NOW + 1)
    assert heard[2:] == [Trouble.TOO_MANY]
    ours.query(checkout_id, NOW + 2)
    assert len(heard) == 3, "what was not sent is no request"
    nobody = connect("http://127.0.0.1:1", inbox.url)
    nobody.heard = heard.append
    nobody.push(REQUEST, NOW)
    nobody.close()
    assert heard[3:] == [Trouble.SILENT]


def test_nothing_private_shows_in_what_is_printed(ours: client.Daraja) -> None:
    shown = f"{REQUEST!r} {ours._account!r} {ours._addresses!r} {ours._initiator!r} {ours._keys!r}"
    assert not [word for word in (PHONE, "tok", "passkey", "s3cret", "c2VjcmV0", "hush") if word in shown]


def test_the_books_say_who_paid(daraja: Daraja, ours: client.Daraja) -> None:
    daraja.plans["254700000001"] = Plan(codes=("1032",))
    pay(ours)
    ours.push(REQUEST._replace(phone="254700000001"), NOW)
    daraja.step()
    assert [(m.phone, m.shillings) for m in daraja.money.values()] == [(PHONE, 50)]
    assert json.dumps([p.code for p in daraja.prompts.values()]) == '["0", "1032"]'
