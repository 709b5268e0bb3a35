import json
import logging
from typing import Any

import httpx
import pytest

from billing.sms.gateway import Gateway
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import GatewaySettings
from tests.fakes.sms_gateway import SmsGateway

TO = "254712345678"
TEXT = 'Habari & "karibu"\n100% {to} #1=?'
MESSAGE = Message(TO, TEXT)
FORM = {"mobile": "{to}", "message": "{text}", "from": "{sender}"}


def send(gateway: SmsGateway, transport: httpx.BaseTransport, behaviour: Any, **more: Any) -> Outcome:
    gateway.plan.append(behaviour)
    given = {"url": f"{gateway.url}/send", "sender_id": "KIJANI", "deadline_s": 1, **more}
    return Gateway(GatewaySettings.model_validate(given), "k/e&y", transport).send(MESSAGE)


def test_a_form_carries_any_text_and_no_field_of_its_own(gateway: SmsGateway, transport: httpx.BaseTransport) -> None:
    headers = {"Authorization": "Bearer {key}"}
    outcome = send(gateway, transport, ("raw", 200, b"OK"), form=FORM, headers=headers, key_ref="env:K")
    assert outcome == Sent("")
    assert gateway.form() == {"mobile": TO, "message": TEXT, "from": "KIJANI"}
    assert gateway.seen[0][2]["Authorization"] == "Bearer k/e&y"


def test_a_json_body_too(gateway: SmsGateway, transport: httpx.BaseTransport) -> None:
    send(gateway, transport, ("raw", 200, b"OK"), json_body={"to": "+{to}", "text": "{text}"})
    assert json.loads(gateway.seen[0][3]) == {"to": f"+{TO}", "text": TEXT}


def test_an_address_too_and_it_is_in_no_log(
    gateway: SmsGateway, transport: httpx.BaseTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"{gateway.url}/send?to={{to}}&msg={{text}}&key={{key}}"
    send(gateway, transport, ("raw", 200, b"OK"), url=url, key_ref="env:K")
    method, path, _, body = gateway.seen[0]
    assert (method, body) == ("GET", b"")
    assert dict(httpx.URL(path).params) == {"to": TO, "msg": TEXT, "key": "k/e&y"}
    assert TO not in caplog.text


JUDGED = {"form": FORM, "id_field": "data.0.id", "ok_field": "status", "ok_values": ("true", "queued", "0")}


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (("json", 200, {"status": True, "data": [{"id": 17}]}), Sent("17")),
        (("json", 200, {"status": "queued", "data": []}), Sent("")),
        (("json", 200, {"status": 0, "data": [{"id": "x" * 500}]}), Sent("x" * 128)),
        (("json", 200, {"status": False, "data": [{"id": 17}]}), Refused(Reason.REJECTED)),
        (("json", 200, {"status": "no credit"}), Refused(Reason.REJECTED)),
        (("json", 200, {"state": "queued"}), Unknown()),
        (("json", 200, {"status": ["queued"]}), Unknown()),
        (("json", 200, [1, 2]), Unknown()),
        (("raw", 200, b"<html>"), Unknown()),
        (("raw", 200, b"[" * 60_000), Unknown()),
        (("raw", 500, b""), Unknown()),
        (("raw", 403, b""), Refused(Reason.ACCOUNT)),
        ("stall", Unknown()),
        ("reset", Unknown()),
    ],
)
def test_what_its_answers_mean(
    gateway: SmsGateway, transport: httpx.BaseTransport, behaviour: Any, outcome: Outcome
) -> None:
    assert send(gateway, transport, behaviour, **JUDGED) == outcome
    assert len(gateway.seen) == 1
