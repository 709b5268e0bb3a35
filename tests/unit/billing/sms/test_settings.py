import json
from pathlib import Path
from typing import Any

import pytest

from billing.sms.budget import OwnPurse
from billing.sms.outbox import OUTBOX_BYTES_MAX, Outbox
from billing.sms.port import Message, Reason, Refused, Sent
from billing.sms.settings import load
from billing.sms.wiring import open_sender
from radius.domain.errors import Malformed
from radius.settings import SettingsError

AT = {"kind": "africas_talking", "username": "kijani", "key_ref": "env:SMS_KEY"}
FORM = {"to": "{to}", "text": "{text}"}
GATEWAY = {"kind": "gateway", "url": "https://sms.example.co.ke/send", "form": FORM}
SNS = {"kind": "sns", "region": "eu-west-1"}
FILE = {"kind": "file", "path": "/var/lib/wifibilling/sms"}


@pytest.mark.parametrize("sender", [AT, GATEWAY, SNS, FILE])
def test_each_kind_is_settings_enough(sender: dict[str, Any]) -> None:
    assert load({"sender": sender}).sender.kind == sender["kind"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "sms.sender"),
        ({"sender": {"kind": "pigeon"}}, "sms.sender"),
        ({"sender": {**AT, "key_ref": "s3cr3t"}}, "sms.sender.key_ref"),
        ({"sender": {**AT, "key": "s3cr3t"}}, "sms.sender.key"),
        ({"sender": {**AT, "username": ""}}, "sms.sender.username"),
        ({"sender": {**AT, "sender_id": "far too long a name"}}, "sms.sender.sender_id"),
        ({"sender": {**AT, "sandbox": True, "sender_id": "KIJANI"}}, "sms.sender.sender_id"),
        ({"sender": {**AT, "endpoint": "http://example.com"}}, "sms.sender.endpoint"),
        ({"sender": {**AT, "deadline_s": 0}}, "sms.sender.deadline_s"),
        ({"sender": {**GATEWAY, "url": "http://sms.example.co.ke/"}}, "sms.sender.url"),
        ({"sender": {**GATEWAY, "url": "https://{to}.example.co.ke/"}}, "sms.sender.url"),
        ({"sender": {**GATEWAY, "form": {"to": "{to}"}}}, "sms.sender.url"),
        ({"sender": {**GATEWAY, "form": {**FORM, "x": "{to.__class__}"}}}, "sms.sender.form.x"),
        ({"sender": {**GATEWAY, "form": {**FORM, "x": "{to!r}"}}}, "sms.sender.form.x"),
        ({"sender": {**GATEWAY, "form": {**FORM, "x": "{}"}}}, "sms.sender.form.x"),
        ({"sender": {**GATEWAY, "form": {**FORM, "x": "{to"}}}, "sms.sender.form.x"),
        ({"sender": {**GATEWAY, "form": {**FORM, "x": "{password}"}}}, "sms.sender.form.x"),
        ({"sender": {**GATEWAY, "headers": {"X-Text": "{text}"}}}, "sms.sender.headers.X-Text"),
        ({"sender": {**GATEWAY, "headers": {"X-Key": "{key}"}}}, "sms.sender.key_ref"),
        ({"sender": {**GATEWAY, "form": {**FORM, "from": "{sender}"}}}, "sms.sender.sender_id"),
        ({"sender": {**GATEWAY, "json_body": {"a": "b"}}}, "sms.sender.json_body"),
        ({"sender": {**GATEWAY, "ok_field": "status"}}, "sms.sender.ok_values"),
        ({"sender": {**SNS, "region": "nairobi"}}, "sms.sender.region"),
        ({"sender": {**FILE, "path": "sms"}}, "sms.sender.path"),
        ({"sender": FILE, "day_cents": 100, "reserve_cents": 200}, "sms.reserve_cents"),
        ({"sender": FILE, "day_cents": -1}, "sms.day_cents"),
    ],
)
def test_what_cannot_be_used_is_named_and_its_value_not_shown(values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(values)
    assert any(problem.startswith(f"{field}: ") for problem in refused.value.problems)
    assert "s3cr3t" not in str(refused.value)


def test_the_demo_box_writes_messages_to_a_file_of_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    purse = OwnPurse()
    sender = open_sender(load({"sender": {**FILE, "path": str(path)}}), lambda: "2026-11-25", purse)
    outcomes = [sender.send(Message("254712345678", text, critical=True)) for text in ("moja", "mbili")]
    lines = path.read_text().splitlines()
    assert outcomes == [Sent("file-0", 0), Sent(f"file-{len(lines[0]) + 1}", 0)]
    assert [json.loads(line)["text"] for line in lines] == ["moja", "mbili"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert purse.spent.cents == 0


def test_the_file_does_not_grow_for_ever_and_one_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(b"x" * (OUTBOX_BYTES_MAX + 1))
    assert Outbox(path).send(Message("254712345678", "moja")) == Sent("file-0", 0)
    assert path.stat().st_size < 200
    missing = Outbox(tmp_path / "no" / "outbox")
    assert missing.send(Message("254712345678", "moja")) == Refused(Reason.NETWORK, retryable=True)


def test_the_wiring_reads_the_key_it_is_pointed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMS_KEY", raising=False)
    with pytest.raises(Malformed, match="env:SMS_KEY"):
        open_sender(load({"sender": AT}), lambda: "2026-11-25", OwnPurse())
