"""Settings of M-Pesa: variables ``MPESA_*`` in the environment. Secrets are references to where they are.

Sandbox and production have different keys, shortcodes, passkeys and certificates, so which one it is is always said,
never guessed. A till without an interface is ``MPESA_BY_HAND`` alone.
"""

import os
import re
from base64 import b64encode
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing.mpesa import wire
from billing.mpesa.client import CONNECT_S, READ_S, Daraja, Keys, Patience
from billing.mpesa.pace import REQUESTS_PER_MINUTE, Pace
from billing.told import problem_lines, read_secret
from radius.domain.errors import Malformed
from radius.settings import AbsolutePath, Endpoint, Reference, SettingsError

PREFIX = "MPESA_"
BY_HAND = "MPESA_BY_HAND"
SHORTCODE = r"^[0-9]{5,7}$"
HOSTS = {"sandbox": "https://sandbox.safaricom.co.ke", "production": "https://api.safaricom.co.ke"}


def _lower_host(url: str) -> str:
    if urlsplit(url).netloc != urlsplit(url).netloc.lower():
        raise ValueError("must have its host in lower case: Daraja refuses others")
    return url


Shortcode = Annotated[str, StringConstraints(pattern=SHORTCODE)]


class MpesaSettings(BaseSettings):
    """What is needed to ask for money; with `initiator` also for status and reversals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    environment: Literal["sandbox", "production"]
    endpoint: Endpoint | None = None  # another host in its place: a double, a recorder
    shortcode: Shortcode  # the paybill, or the store of a till
    till: Shortcode | None = None  # Buy Goods
    passkey_ref: Reference
    consumer_key_ref: Reference
    consumer_secret_ref: Reference

    callback_base: Annotated[Endpoint, AfterValidator(_lower_host)]  # how Daraja reaches us
    callback_secret_ref: Reference  # a path segment, as `openssl rand -hex 16` makes one

    initiator: str = ""
    initiator_password_ref: Reference | None = None
    certificate: AbsolutePath | None = None  # from the portal; every environment has its own, and they expire

    pull: bool = False  # Pull Transactions were activated for the shortcode, by Safaricom and in the portal

    requests_per_minute: int = Field(default=REQUESTS_PER_MINUTE, ge=1, le=6_000)
    connect_timeout_s: float = Field(default=CONNECT_S, ge=0.1, le=10)
    read_timeout_s: float = Field(default=READ_S, ge=0.1, le=60)

    @model_validator(mode="after")
    def _agree(self) -> "MpesaSettings":
        named = [bool(self.initiator), self.initiator_password_ref is not None, self.certificate is not None]
        if any(named) and not all(named):
            raise ValueError("initiator: must be set together with initiator_password_ref and certificate")
        if self.environment == "production" and self.endpoint:
            raise ValueError("endpoint: must not be set in production")
        if self.environment == "production" and not self.callback_base.startswith("https://"):
            raise ValueError("callback_base: must be https:// in production")
        return self


def load() -> MpesaSettings:
    """Settings from the environment; raises SettingsError that names each field, and shows no value."""
    try:
        return MpesaSettings()  # type: ignore[call-arg]  # from the environment
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad)) from None  # the original would show what was in the fields


def load_by_hand() -> str | None:
    """The number of a till without an interface (``MPESA_BY_HAND``), None for none. Raises SettingsError."""
    text = os.environ.get(BY_HAND)
    if text is None:
        return None
    if any(name.startswith(PREFIX) and name != BY_HAND for name in os.environ):
        raise SettingsError(["by_hand: must be set alone: a till has an interface, or it has none"])
    if not re.fullmatch(SHORTCODE, text):
        raise SettingsError(["by_hand: must be the number of a till or a paybill, five to seven digits"])
    return text


def open_daraja(settings: MpesaSettings) -> Daraja:
    """The client of these settings. Raises Malformed, naming the field, for a secret or certificate not to be had."""
    return Daraja(
        settings.endpoint or HOSTS[settings.environment],
        Keys(read_ref("consumer_key_ref", settings), read_ref("consumer_secret_ref", settings)),
        wire.Account(settings.shortcode, read_ref("passkey_ref", settings), settings.till or ""),
        wire.Addresses(settings.callback_base, _segment(read_ref("callback_secret_ref", settings))),
        _initiator(settings),
        Pace(settings.requests_per_minute),
        Patience(settings.connect_timeout_s, settings.read_timeout_s),
    )


def read_ref(field: str, settings: MpesaSettings) -> str:
    """The secret behind a setting; raises Malformed naming it."""
    return read_secret(field, str(getattr(settings, field)))


def _segment(secret: str) -> str:
    if len(secret) < 16 or not secret.isalnum():
        raise Malformed("callback_secret_ref", "must hold 16 or more letters and digits: it is part of a path")
    return secret


def _initiator(settings: MpesaSettings) -> wire.Initiator | None:
    if settings.certificate is None:
        return None
    password = read_ref("initiator_password_ref", settings)
    try:
        certificate = settings.certificate.read_bytes()
    except OSError as refused:
        raise Malformed("certificate", f"cannot read {settings.certificate}: {refused.strerror}") from refused
    return wire.Initiator(settings.initiator, security_credential(password, certificate))


def security_credential(password: str, certificate: bytes) -> str:
    """The initiator's password as Daraja wants it: RSA PKCS#1 v1.5 under Safaricom's certificate (PEM or DER), base64.

    The password alone: libraries that add the time or encode it first are wrong. Raises Malformed.
    """
    try:
        pem = b"-----BEGIN" in certificate
        key = (x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate)(certificate).public_key()
    except ValueError as bad:
        raise Malformed("certificate", "must be an X.509 certificate, PEM or DER, as the portal gives it") from bad
    if not isinstance(key, RSAPublicKey):
        raise Malformed("certificate", "must have an RSA key")
    return b64encode(key.encrypt(password.encode(), PKCS1v15())).decode()
