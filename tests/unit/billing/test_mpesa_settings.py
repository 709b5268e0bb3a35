from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from billing.mpesa.pace import Pace
from billing.mpesa.settings import load, open_daraja, security_credential
from billing.mpesa.tokens import Tokens
from billing.mpesa.wire import Token
from billing.provider import Local, Refused
from radius.domain.errors import Malformed
from radius.settings import SettingsError
from tests.fakes.shelf import OneShelf

NOW = 1_795_600_000


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    values = {"ENVIRONMENT": "sandbox", "SHORTCODE": "174379", "CALLBACK_BASE": "https://pay.example"}
    references = ("PASSKEY_REF", "CONSUMER_KEY_REF", "CONSUMER_SECRET_REF", "CALLBACK_SECRET_REF")
    for name, value in (values | dict.fromkeys(references, f"file:{secret}")).items():
        monkeypatch.setenv(f"MPESA_{name}", value)
    return secret


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: Encoding) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apicrypt")])
    start = datetime(2016, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=300))
    return built.sign(key, SHA256()).public_bytes(form)


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_the_credential_is_the_password_alone_under_the_certificate(form: Encoding) -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    credential = security_credential("Safaricom999!", certificate(key, form))
    assert key.decrypt(b64decode(credential), PKCS1v15()) == b"Safaricom999!"


@pytest.mark.parametrize(
    "data", [b"", b"-----BEGIN CERTIFICATE-----", certificate(ec.generate_private_key(ec.SECP256R1()), Encoding.PEM)]
)
def test_what_is_no_rsa_certificate_names_the_setting(data: bytes) -> None:
    with pytest.raises(Malformed) as bad:
        security_credential("x", data)
    assert bad.value.field == "certificate"


def test_settings_open_a_client(environment: Path) -> None:
    daraja = open_daraja(load())
    assert daraja.shortcode == "174379"
    assert daraja.reverse("NLJ7RT61SV", 100, NOW) == daraja.transaction_status("NLJ7RT61SV", NOW)
    assert daraja.reverse("NLJ7RT61SV", 100, NOW) == Refused(Local.NO_INITIATOR, "MPESA_INITIATOR is not set")
    daraja.close()


def test_money_for_a_till_goes_to_the_till(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPESA_TILL", "5551234")
    daraja = open_daraja(load())
    assert daraja.shortcode == "5551234"
    daraja.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ENVIRONMENT", "live", "environment"),
        ("SHORTCODE", "12a", "shortcode"),
        ("PASSKEY_REF", "bfb279f9c919", "passkey_ref"),
        ("CALLBACK_BASE", "https://Pay.Example", "callback_base"),
        ("CALLBACK_BASE", "http://pay.example", "callback_base"),
        ("INITIATOR", "ops", "initiator: must be set together"),
        ("REQUESTS_PER_MINUTE", "0", "requests_per_minute"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_not_shown(
    environment: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"MPESA_{name}", value)
    with pytest.raises(SettingsError) as bad:
        load()
    assert said in str(bad.value)
    assert "bfb279f9c919" not in str(bad.value)


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "https://pay.example"])
def test_production_is_production_only(environment: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("MPESA_ENVIRONMENT", "production")
    monkeypatch.setenv("MPESA_CALLBACK_BASE", base)
    if base.startswith("https"):
        monkeypatch.setenv("MPESA_ENDPOINT", "https://elsewhere.example")
    with pytest.raises(SettingsError, match="in production"):
        load()


@pytest.mark.parametrize(("text", "mode"), [("0123456789abcdef", 0o644), ("", 0o600), ("two\nlines", 0o600)])
def test_a_secret_that_is_open_or_none_is_refused(environment: Path, text: str, mode: int) -> None:
    environment.write_text(text)
    environment.chmod(mode)
    with pytest.raises(Malformed) as bad:
        open_daraja(load())
    assert bad.value.field == "consumer_key_ref"


def test_a_callback_secret_that_is_easily_guessed_is_refused(environment: Path) -> None:
    environment.write_text("pay")
    with pytest.raises(Malformed) as bad:
        open_daraja(load())
    assert bad.value.field == "callback_secret_ref"


def test_turns_are_evenly_apart_and_a_clock_set_back_stops_nobody() -> None:
    pace = Pace(5)
    assert [pace.take(NOW), pace.take(NOW), pace.take(NOW + 11), pace.take(NOW + 12)] == [0, 12, 1, 0]
    assert pace.take(NOW - 3_600) == 0
    pace.silence(NOW)
    assert pace.take(NOW + 30) == 30


def test_oauth_that_fails_is_not_asked_by_everybody_at_once() -> None:
    answers: list[Token | Refused] = [Refused("no_token"), Token("a", 3_599)]
    tokens = Tokens(lambda: answers.pop(0))
    assert [tokens.get(NOW), tokens.get(NOW + 4)] == [Refused("no_token")] * 2
    assert tokens.get(NOW + 5) == "a"


def test_only_the_token_that_was_refused_is_dropped() -> None:
    answers = [Token("a", 3_599), Token("b", 3_599)]
    tokens = Tokens(lambda: answers.pop(0))
    tokens.get(NOW)
    tokens.drop("a")
    assert tokens.get(NOW) == "b"
    tokens.drop("a")  # by a thread that came late
    assert tokens.get(NOW) == "b"


def test_processes_share_a_token_and_one_that_was_refused_takes_the_newer_one() -> None:
    shelf, answers = OneShelf(), [Token("a", 3_599), Token("b", 3_599), Token("c", 3_599)]
    one, other = Tokens(lambda: answers.pop(0)), Tokens(lambda: answers.pop(0))
    one.shelf = other.shelf = shelf
    assert [one.get(NOW), other.get(NOW)] == ["a", "a"]
    one.drop("a")
    assert one.get(NOW) == "b", "the one on the shelf is the one that was refused"
    assert other.get(NOW) == "a"
    other.drop("a")
    assert other.get(NOW) == "b", "no third is asked for"
    assert one.get(NOW + 3_539) == "c"
    assert repr(shelf.token) == f"Shared(renew_at={NOW + 3_539 + 3_539})"
