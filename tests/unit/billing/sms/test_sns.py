from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import SnsSettings
from billing.sms.sns import Sns, new_client

SETTINGS = SnsSettings(region="af-south-1", sender_id="KIJANI")
MESSAGE = Message("254712345678", "hello", critical=True)
KIND = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}
NAME = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "KIJANI"}}


@pytest.fixture
def stub() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client("sns", region_name="af-south-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def test_the_request_is_theirs(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    expected = {"PhoneNumber": "+254712345678", "Message": "hello", "MessageAttributes": {**KIND, **NAME}}
    stubber.add_response("publish", {"MessageId": "id-1"}, expected)
    assert Sns(SETTINGS, client).send(MESSAGE) == Sent("id-1", None)


def test_what_is_not_critical_goes_the_cheap_way_and_nameless_where_there_is_no_name(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    cheap = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Promotional"}}
    expected = {"PhoneNumber": "+254712345678", "Message": "hello", "MessageAttributes": cheap}
    stubber.add_response("publish", {"MessageId": "id-1"}, expected)
    assert Sns(SnsSettings(region="af-south-1"), client).send(Message("254712345678", "hello")) == Sent("id-1", None)


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("InvalidParameter", 400, Refused(Reason.NUMBER)),
        ("OptedOut", 400, Refused(Reason.OPTED_OUT)),
        ("Throttled", 429, Refused(Reason.BUSY, retryable=True)),
        ("ThrottlingException", 400, Refused(Reason.BUSY, retryable=True)),
        ("AuthorizationError", 403, Refused(Reason.ACCOUNT)),
        ("InternalError", 500, Unknown()),
        ("NeverHeardOf", 400, Unknown()),
    ],
)
def test_what_its_errors_mean(stub: tuple[Any, Stubber], code: str, status: int, outcome: Outcome) -> None:
    client, stubber = stub
    stubber.add_client_error("publish", code, "no +254712345678", status)
    assert Sns(SETTINGS, client).send(MESSAGE) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EndpointConnectionError(endpoint_url="x"), Refused(Reason.NETWORK, retryable=True)),
        (ConnectTimeoutError(endpoint_url="x"), Refused(Reason.NETWORK, retryable=True)),
        (NoCredentialsError(), Refused(Reason.ACCOUNT)),
        (ReadTimeoutError(endpoint_url="x"), Unknown()),
        (BotoCoreError(), Unknown()),
    ],
)
def test_a_request_that_left_and_was_not_answered_is_unknown(error: Exception, outcome: Outcome) -> None:
    class Broken:
        def publish(self, **request: Any) -> dict[str, Any]:
            raise error

    assert Sns(SETTINGS, Broken()).send(MESSAGE) == outcome


def test_the_client_never_tries_again_by_itself() -> None:
    config = new_client(SnsSettings(region="af-south-1", deadline_s=3)).meta.config  # type: ignore[attr-defined]
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (3, 3)
