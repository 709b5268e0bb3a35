"""What the tables [incidents] and [notices] may say."""

import json

import pytest

from billing.duty import load_duty, load_notices
from radius.settings import SettingsError

AMINA = {"name": "Amina", "phone": "0712345678"}
OTIENO = {"name": "Otieno", "email": "otieno@example.co.ke"}


def said(monkeypatch: pytest.MonkeyPatch, table: str, values: dict[str, object]) -> None:
    monkeypatch.setenv(f"WIFIBILLING_{table}", json.dumps(values))


def test_people_are_called_in_the_order_in_which_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch, "INCIDENTS", {"on_call": [AMINA, OTIENO], "senior": "Otieno", "ack_minutes": 20})
    duty = load_duty(None)
    assert (duty.names, duty.senior, duty.ack_s) == (("Amina", "Otieno"), "Otieno", 1_200)
    assert [each.phone for each in duty.on_call] == ["254712345678", None]
    monkeypatch.delenv("WIFIBILLING_INCIDENTS")
    assert load_duty(None).names == ()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"on_call": [{"name": "Amina"}]}, "phone: must be given, or an email"),
        ({"on_call": [AMINA, AMINA]}, "on_call: must name each person once"),
        ({"on_call": [AMINA], "senior": "Brian"}, "senior: must be one of on_call"),
        ({"on_call": [{"name": "Amina", "phone": "12"}]}, "phone: must be like"),
        ({"on_call": [{"name": "Amina", "email": "x"}]}, "email: must be like"),
        ({"on_call": [{"name": "1", "phone": "0712345678"}]}, "name"),
        ({"ack_minutes": 0}, "ack_minutes"),
        ({"status_page": "index.html"}, "status_page"),
        ({"status_page": "s3://pages"}, "status_page: must be an absolute path, or like s3://BUCKET/"),
    ],
)
def test_what_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, values: dict[str, object], named: str) -> None:
    said(monkeypatch, "INCIDENTS", values)
    with pytest.raises(SettingsError, match=named):
        load_duty(None)


def test_nights_and_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_notices(None).quiet == (21, 8)
    said(monkeypatch, "NOTICES", {"quiet_from": 24})
    with pytest.raises(SettingsError, match="quiet_from"):
        load_notices(None)
