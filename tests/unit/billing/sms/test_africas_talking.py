import logging
import socket
from typing import Any

import httpx
import pytest

from billing.sms.africas_talking import AfricasTalking, cost_cents
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import AfricasTalkingSettings
from tests.fakes.sms_gateway import SmsGateway, answer, recipient

TO = "254712345678"
MESSAGE = Message(TO, "Namba yako ni 123456", critical=True)
OURS = f"+{TO}"
SENT = Sent("ATXid_1", 80)


def settings(url: str, **more: Any) -> AfricasTalkingSettings:
    return AfricasTalkingSettings(username="kijani", key_ref="env:SMS_KEY", endpoint=url, deadline_s=1, **more)


def send(gateway: SmsGateway, transport: httpx.BaseTransport, behaviour: Any, **more: Any) -> Outcome:
    gateway.plan.append(behaviour)
    return AfricasTalking(settings(gateway.url, **more), "the-key", transport).send(MESSAGE)


def test_the_request_is_theirs(gateway: SmsGateway, transport: httpx.BaseTransport) -> None:
    assert send(gateway, transport, ("json", 201, answer(recipient(OURS))), sender_id="KIJANI") == SENT
    [(method, path, headers, _)] = gateway.seen
    assert (method, path) == ("POST", "/version1/messaging")
    headers = {name.lower(): value for name, value in headers.items()}
    assert (headers["apikey"], headers["accept"]) == ("the-key", "application/json")
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert gateway.form() == {"username": "kijani", "to": OURS, "message": MESSAGE.text, "from": "KIJANI"}


def test_without_a_sender_name_none_is_said(gateway: SmsGateway, transport: httpx.BaseTransport) -> None:
    send(gateway, transport, ("json", 201, answer(recipient(OURS))))
    assert "from" not in gateway.form()


@pytest.mark.parametrize("code", [100, 101, 102])
def test_what_it_took_is_sent(gateway: SmsGateway, transport: httpx.BaseTransport, code: int) -> None:
    assert send(gateway, transport, ("json", 200, answer(recipient(OURS, code)))) == SENT


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (401, Refused(Reason.REJECTED)),
        (402, Refused(Reason.ACCOUNT)),
        (403, Refused(Reason.NUMBER)),
        (404, Refused(Reason.NUMBER)),
        (405, Refused(Reason.ACCOUNT, retryable=True)),
        (406, Refused(Reason.OPTED_OUT)),
        (407, Refused(Reason.NUMBER)),
        (409, Refused(Reason.OPTED_OUT)),
        (500, Unknown()),
        (501, Unknown()),
        (502, Refused(Reason.REJECTED)),
        (999, Unknown()),
    ],
)
def test_a_recipient_that_failed_within_a_201_was_not_sent(
    gateway: SmsGateway, transport: httpx.BaseTransport, code: int, outcome: Outcome
) -> None:
    assert send(gateway, transport, ("json", 201, answer(recipient(OURS, code, "x", "0", "None")))) == outcome


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (("json", 201, answer(message="InvalidSenderId")), Refused(Reason.ACCOUNT)),
        (("json", 201, answer(message="InvalidPhoneNumber")), Refused(Reason.NUMBER)),
        (("json", 201, answer(message="never heard of")), Refused(Reason.REJECTED)),
        (("json", 201, answer(recipient("+254700000000"))), Unknown()),
        (("json", 201, answer(recipient(OURS, name="None"))), Sent("", 80)),
        (("json", 201, answer(recipient(OURS, cost="UGX 30"))), Sent("ATXid_1", None)),
        (("json", 201, answer(recipient(OURS, 403), recipient(OURS))), SENT),
        (("json", 201, answer(recipient(OURS, 500), recipient(OURS, 403))), Unknown()),
        (("json", 201, {"SMSMessageData": {"Message": "x", "Recipients": None}}), Unknown()),
        (("json", 201, {"SMSMessageData": {"Message": "x", "Recipients": ["+254712345678"]}}), Unknown()),
        (("json", 201, {"SMSMessageData": []}), Unknown()),
        (("json", 201, []), Unknown()),
        (("raw", 201, b'{"SMSMessageData": {"Mess'), Unknown()),
        (("raw", 201, b"\xff\xfe"), Unknown()),
        (("raw", 201, b"[" * 60_000), Unknown()),
        (("raw", 200, b""), Unknown()),
        (("raw", 401, b"The supplied authentication is invalid"), Refused(Reason.ACCOUNT)),
        (("raw", 400, b"Must have required parameter"), Refused(Reason.REJECTED)),
        (("raw", 302, b""), Refused(Reason.REJECTED)),
        (("raw", 429, b""), Refused(Reason.BUSY, retryable=True)),
        (("raw", 500, b"oops"), Unknown()),
        (("raw", 503, b""), Unknown()),
        ("stall", Unknown()),
        ("reset", Unknown()),
        ("half", Unknown()),
        (("trickle", 201, answer(recipient(OURS))), Unknown()),
        (("flood", 201, answer(recipient(OURS))), Unknown()),
    ],
)
def test_what_its_misbehaviour_means(
    gateway: SmsGateway, transport: httpx.BaseTransport, behaviour: Any, outcome: Outcome
) -> None:
    assert send(gateway, transport, behaviour) == outcome
    assert len(gateway.seen) == 1  # never again by itself


def test_ids_may_come_twice(gateway: SmsGateway, transport: httpx.BaseTransport) -> None:
    assert [send(gateway, transport, ("json", 201, answer(recipient(OURS)))) for _ in range(2)] == [SENT, SENT]


def test_nobody_there_is_a_refusal_that_may_be_tried_again(transport: httpx.BaseTransport) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    sender = AfricasTalking(settings(f"http://127.0.0.1:{port}"), "k", transport)
    assert sender.send(MESSAGE) == Refused(Reason.NETWORK, retryable=True)


def test_nothing_is_logged(
    gateway: SmsGateway, transport: httpx.BaseTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    send(gateway, transport, ("json", 201, answer(recipient(OURS))))
    assert TO not in caplog.text
    assert "123456" not in caplog.text
    assert "the-key" not in caplog.text


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("KES 0.8000", 80),
        ("KES 0.8001", 81),
        ("KES 1", 100),
        ("KES 12.5", 1_250),
        ("0", None),
        ("USD 0.02", None),
        ("", None),
    ],
)
def test_a_price_in_shillings_is_rounded_up_to_cents(text: str, cents: int | None) -> None:
    assert cost_cents(text) == cents


@pytest.mark.parametrize(
    ("behaviour", "cents"),
    [
        (("json", 200, {"UserData": {"balance": "KES 1,785.5067"}}), 178_550),
        (("json", 200, {"UserData": {"balance": "KES 12"}}), 1_200),
        (("json", 200, {"UserData": {"balance": "UGX 12.00"}}), None),
        (("json", 200, {"UserData": None}), None),
        (("json", 401, {"UserData": {"balance": "KES 12"}}), None),
        (("json", 500, {}), None),
    ],
)
def test_what_is_left_is_asked_for(
    gateway: SmsGateway, transport: httpx.BaseTransport, behaviour: Any, cents: int | None
) -> None:
    gateway.plan.append(behaviour)
    assert AfricasTalking(settings(gateway.url), "the-key", transport).balance_cents() == cents
    assert gateway.seen[0][:2] == ("GET", "/version1/user?username=kijani")
