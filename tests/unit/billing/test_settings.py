"""The tables of the settings file that are for who sells."""

from pathlib import Path

import pytest

from billing import settings as selling
from billing.domain.money import VAT_KENYA
from billing.mail.settings import MailSettings
from billing.sms.settings import FileSettings
from billing.wiring import BillingSettings
from radius import settings as radius
from radius.settings import SettingsError

FILE = """
node_id = "shop-1"
[billing]
brand = "Kilifi WiFi"
vat_registered = false
approval_cents = 100_000
first_day = "2026-12-01"
[sms]
day_cents = 30_000
sender = { kind = "file", path = "/var/outbox" }
[mail]
host = "smtp.example.co.ke"
sender = "wifi@example.co.ke"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "settings.toml"
    made.write_text(FILE)
    return made


@pytest.mark.usefixtures("clean")
def test_what_the_file_says(path: Path) -> None:
    found = selling.load(path)
    assert found.billing == BillingSettings((), 5, 100_000, "Kilifi WiFi", "2026-12-01")
    assert found.sms
    assert found.sms.sender == FileSettings(path=Path("/var/outbox"))
    assert found.sms.day_cents == 30_000
    assert found.mail == MailSettings(host="smtp.example.co.ke", sender="wifi@example.co.ke")
    assert radius.load(path).node_id == "shop-1", "who does not sell reads the same file"


@pytest.mark.usefixtures("clean")
def test_what_nobody_says(tmp_path: Path) -> None:
    empty = tmp_path / "settings.toml"
    empty.write_text("")
    for nowhere in (empty, None):
        found = selling.load(nowhere)
        assert found == (BillingSettings(), None, None)
        assert found.billing.rates == VAT_KENYA


def test_a_variable_is_json_and_wins(path: Path, clean: pytest.MonkeyPatch) -> None:
    clean.setenv("WIFIBILLING_SMS", '{"sender": {"kind": "sns", "region": "af-south-1"}}')
    clean.setenv("WIFIBILLING_BILLING", "{}")
    found = selling.load(path)
    assert found.sms
    assert found.sms.sender.kind == "sns"
    assert found.billing == BillingSettings()
    radius.load(path)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("BILLING", "{", "billing: must be a table"),
        ("MAIL", '{"host": "smtp.example.co.ke"}', "mail.sender: "),
        ("SMS", "[1]", "sms: must be a table"),
        ("BILLING", '{"brand": ""}', "billing.brand: "),
        ("BILLING", '{"aproval_cents": 1}', "billing.aproval_cents: "),
        ("BILLING", '{"first_day": "soon"}', "billing.first_day: "),
        ("SMS", '{"sender": {"kind": "pigeon"}}', "sms.sender: "),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str, named: str, clean: pytest.MonkeyPatch) -> None:
    clean.setenv(f"WIFIBILLING_{name}", value)
    with pytest.raises(SettingsError) as refused:
        selling.load(None)
    assert named in str(refused.value)


def test_a_table_that_nobody_reads_is_refused_as_any_other_name(tmp_path: Path, clean: pytest.MonkeyPatch) -> None:
    strange = tmp_path / "settings.toml"
    strange.write_text("[biling]\n")
    with pytest.raises(SettingsError, match="did you mean billing"):
        radius.load(strange)
    clean.setenv("WIFIBILLING_SMSS", "{}")
    with pytest.raises(SettingsError, match="did you mean WIFIBILLING_SMS"):
        radius.load(None)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("WIFIBILLING_SETTINGS", "WIFIBILLING_BILLING", "WIFIBILLING_SMS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch
