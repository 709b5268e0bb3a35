from typing import Any

import pytest

from billing.mail.settings import load
from radius.settings import SettingsError

GOOD = {"host": "smtp.example.co.ke", "sender": "wifi@example.co.ke", "user": "wifi", "password_ref": "env:MAIL"}


def test_a_host_and_a_sender_are_settings_enough() -> None:
    found = load({"host": "smtp.example.co.ke", "sender": "wifi@example.co.ke"})
    assert (found.port, found.security, found.user) == (587, "starttls", "")
    assert load(GOOD).password_ref == "env:MAIL"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"host": ""}, "mail.host"),
        ({"host": "-oProxy"}, "mail.host"),
        ({"port": 0}, "mail.port"),
        ({"security": "none"}, "mail.security"),
        ({"security": "ssl"}, "mail.security"),
        ({"user": ""}, "mail.user"),
        ({"password_ref": None}, "mail.user"),
        ({"password_ref": "s3cr3t"}, "mail.password_ref"),
        ({"sender": "wifi"}, "mail.sender"),
        ({"password": "s3cr3t"}, "mail.password"),
    ],
)
def test_what_cannot_be_used_is_named_and_its_value_not_shown(values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as bad:
        load(GOOD | values)
    assert any(problem.startswith(f"{field}: ") for problem in bad.value.problems)
    assert "s3cr3t" not in str(bad.value)
