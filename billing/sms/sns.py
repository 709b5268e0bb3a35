"""Amazon SNS: Publish to a phone number. Its client must not try again by itself: `new_client` sees to that."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import SnsSettings

_REFUSED = {
    "InvalidParameter": Refused(Reason.NUMBER),
    "InvalidParameterValue": Refused(Reason.NUMBER),
    "OptedOut": Refused(Reason.OPTED_OUT),
    "EndpointDisabled": Refused(Reason.NUMBER),
    "AuthorizationError": Refused(Reason.ACCOUNT),
    "AccessDenied": Refused(Reason.ACCOUNT),
    "InvalidClientTokenId": Refused(Reason.ACCOUNT),
    "SignatureDoesNotMatch": Refused(Reason.ACCOUNT),
    "ExpiredToken": Refused(Reason.ACCOUNT, retryable=True),
    "InvalidSecurity": Refused(Reason.ACCOUNT),
    "UserError": Refused(Reason.ACCOUNT),
    "Throttled": Refused(Reason.BUSY, retryable=True),
    "Throttling": Refused(Reason.BUSY, retryable=True),
    "KMSThrottling": Refused(Reason.BUSY, retryable=True),
}  # what is not here, InternalError first of all, may come after the message went out


class Publisher(Protocol):
    """The one call of boto3's SNS client that is made."""

    def publish(self, **request: Any) -> Mapping[str, Any]:
        """Publish; raises botocore's errors."""
        ...


def new_client(settings: SnsSettings) -> Publisher:
    """A client that asks once and waits as long as the settings say. Threads may share it."""
    wait_s = settings.deadline_s
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=min(5.0, wait_s), read_timeout=wait_s)
    return cast("Publisher", boto3.client("sns", region_name=settings.region, config=once))


class Sns:
    """A sender."""

    def __init__(self, settings: SnsSettings, client: Publisher) -> None:
        self._settings = settings
        self._client = client

    def send(self, message: Message) -> Outcome:
        """Send once; raises nothing."""
        kind = "Transactional" if message.critical else "Promotional"
        attributes = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": kind}}
        if self._settings.sender_id:
            attributes["AWS.SNS.SMS.SenderID"] = {"DataType": "String", "StringValue": self._settings.sender_id}
        try:
            answer = self._client.publish(
                PhoneNumber=f"+{message.to}", Message=message.text, MessageAttributes=attributes
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "")).removesuffix("Exception")
            return _REFUSED.get(code, Unknown())
        except (EndpointConnectionError, ConnectTimeoutError):
            return Refused(Reason.NETWORK, retryable=True)
        except (NoCredentialsError, ParamValidationError):
            return Refused(Reason.ACCOUNT)
        except BotoCoreError:
            return Unknown()
        return Sent(str(answer.get("MessageId", ""))[:128])
