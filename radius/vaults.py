"""Secrets that AWS keeps: ``ssm:/name`` (a SecureString) and ``secretsmanager:name``, read once when a process starts.

Rights and Region are those of the process (its role, ``AWS_REGION``). A secret is text; what was read is in no message.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from radius.domain.errors import Malformed

SCHEMES = ("ssm", "secretsmanager")
PATIENCE_S = 5.0  # for one answer, of two tries


def fetch(field: str, reference: str) -> str:
    """The text behind a reference of one of these schemes. Raises Malformed naming `field`, with what AWS said."""
    scheme, _, name = reference.partition(":")
    try:
        if scheme == "ssm":
            found = _client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        else:
            found = _client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as refused:
        raise Malformed(field, f"{reference} cannot be read: {refused.response['Error']['Code']}") from None
    except BotoCoreError as away:
        raise Malformed(field, f"{reference} cannot be read: {type(away).__name__}") from None
    return str(found)


def _client(service: str) -> Any:
    """boto3 has one for each service by its name."""
    patience = Config(
        connect_timeout=PATIENCE_S,
        read_timeout=PATIENCE_S,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )
    return boto3.client(service, config=patience)  # type: ignore[call-overload] # a name, not a literal
