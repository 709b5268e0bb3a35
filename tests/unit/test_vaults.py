"""Secrets that AWS keeps, read through boto3's own client against a stub of the service."""

from base64 import b64encode
from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber

from billing.told import read_secret
from radius import vaults
from radius.domain.errors import Malformed
from radius.secrets import KEY_BYTES, resolve

KEY = bytes(range(KEY_BYTES))


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("ssm", region_name="af-south-1", aws_access_key_id="k", aws_secret_access_key="s")
    monkeypatch.setattr(vaults, "_client", {"ssm": client}.__getitem__)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("secretsmanager", region_name="af-south-1", aws_access_key_id="k", aws_secret_access_key="s")
    monkeypatch.setattr(vaults, "_client", {"secretsmanager": client}.__getitem__)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_a_data_key_is_decrypted_by_the_parameter_store(ssm: Stubber) -> None:
    told = {"Parameter": {"Value": b64encode(KEY).decode()}}
    ssm.add_response("get_parameter", told, {"Name": "/wifi/key", "WithDecryption": True})
    assert resolve("ssm:/wifi/key") == KEY


def test_a_secret_of_the_secrets_manager(manager: Stubber) -> None:
    manager.add_response("get_secret_value", {"SecretString": " hush\n"}, {"SecretId": "wifi/mpesa-passkey"})
    assert read_secret("passkey_ref", "secretsmanager:wifi/mpesa-passkey") == "hush"


def test_what_is_no_key_or_not_there_is_said_without_what_was_read(ssm: Stubber, manager: Stubber) -> None:
    manager.add_client_error("get_secret_value", "AccessDeniedException", "not for you")
    with pytest.raises(Malformed, match="passkey_ref: secretsmanager:x cannot be read: AccessDeniedException"):
        read_secret("passkey_ref", "secretsmanager:x")
    manager.add_response("get_secret_value", {"SecretBinary": b"hush"})
    with pytest.raises(Malformed, match="must hold one line"):
        read_secret("passkey_ref", "secretsmanager:x")


def test_a_key_of_another_length_is_refused(ssm: Stubber) -> None:
    ssm.add_response("get_parameter", {"Parameter": {"Value": "aHVzaA=="}})
    with pytest.raises(Malformed, match="key_ref: ssm:/k must hold 32 bytes in base64") as refused:
        resolve("ssm:/k")
    assert "aHVzaA" not in str(refused.value)


def test_without_a_region_or_credentials_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(Malformed, match="key_ref: ssm:/k cannot be read: NoRegionError"):
        resolve("ssm:/k")
