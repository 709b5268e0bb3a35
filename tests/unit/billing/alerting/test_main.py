"""`python -m billing.alerting --test`: each road is tried, and the log says who did it and what came of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.alerting import __main__ as alerting
from radius.secrets import create_key_file
from tests.fakes.sms_gateway import SmsGateway


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    made = SmsGateway()
    yield made
    made.close()


def sent_by_amina(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and what the log has."""
    create_key_file(folder / "data.key")
    settings, log = folder / "settings.toml", folder / "alerts.log"
    settings.write_text("\n".join([f'state_dir = "{folder}"', f'log_path = "{log}"', 'log_level = "WARN"', *lines]))
    monkeypatch.setattr(alerting.signal, "signal", lambda *_: None)
    monkeypatch.setenv("SUDO_USER", "amina")
    code = alerting.main(["--settings", str(settings), "--test"])
    return code, [json.loads(line) for line in log.read_text().splitlines()]


def test_who_tested_and_what_came_of_it_is_in_the_log_and_no_phone_is(
    tmp_path: Path, gateway: SmsGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.plan.extend([("json", 200, {"id": "x"}), ("raw", 429, b"")])
    phones = '["0700000091", "0700000092"]'
    code, logged = sent_by_amina(
        tmp_path, monkeypatch, "[sms]", "[sms.sender]", 'kind = "gateway"', f'url = "{gateway.url}/send"',
        "[sms.sender.form]", 'to = "{to}"', 'text = "{text}"', "[alerts]", f"sms = {phones}",
    )  # fmt: skip
    assert (code, capsys.readouterr().out) == (1, "sms 0: taken\nsms 1: NOT taken\n")
    (line,) = logged
    assert line["message"] == "Alerts tested"
    assert line["details"] == {"reason": "by amina; sms 0: taken, sms 1: NOT taken"}
    assert line["timestamp"].endswith("Z")
    assert "700000091" not in json.dumps(logged)


def test_without_any_road_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, (line,) = sent_by_amina(tmp_path, monkeypatch)
    assert (code, line["details"]["reason"]) == (1, "by amina; no road is set")
