"""One table from the faults of the two clients to what they mean here. Unknown errors pass through it."""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

from botocore import exceptions as botocore_errors
from pydynox import pydynox_core as pydynox_errors

AWAY = "the store does not answer"


class Meaning(Enum):
    """What a fault of the store means to the caller."""

    UNANSWERED = "unanswered"  # nothing is known, also not whether a write took place
    THROTTLED = "throttled"  # refused for load: nothing was done
    CONFLICT = "conflict"  # another transaction holds the item: nothing was done
    CONDITION = "condition"  # the condition is false: nothing was done
    CANCELED = "canceled"  # a transaction, for reasons of its items: nothing was done
    INVALID = "invalid"  # the request itself is wrong: nothing was done
    UNKNOWN = "unknown"  # not in the table


class Refused(Exception):
    """The store answered, and did nothing. `reasons`: item by item, for a cancelled transaction; None: not this one."""

    def __init__(self, meaning: Meaning, error: Exception, reasons: list[Meaning | None]) -> None:
        super().__init__(f"{meaning.value}: {error}")
        self.meaning = meaning
        self.error = error
        self.reasons = reasons

    def there(self, position: int = 0) -> dict[str, Any]:
        """The item that a condition met (typed attributes), where boto3 was asked for it; empty: there is none."""
        response: Any = getattr(self.error, "response", {})
        told = response.get("CancellationReasons") or [response]
        item: dict[str, Any] = told[position].get("Item") or {}
        return item


CODES = {
    "ConditionalCheckFailedException": Meaning.CONDITION,
    "TransactionCanceledException": Meaning.CANCELED,
    "TransactionConflictException": Meaning.CONFLICT,
    "TransactionInProgressException": Meaning.CONFLICT,
    "ProvisionedThroughputExceededException": Meaning.THROTTLED,
    "ThrottlingException": Meaning.THROTTLED,
    "RequestLimitExceeded": Meaning.THROTTLED,
    "ReplicatedWriteConflictException": Meaning.CONFLICT,
    "InternalServerError": Meaning.UNANSWERED,
    "InternalServerErrorException": Meaning.UNANSWERED,
    "InternalFailure": Meaning.UNANSWERED,
    "ServiceUnavailable": Meaning.UNANSWERED,
    "ServiceUnavailableException": Meaning.UNANSWERED,
    "ValidationException": Meaning.INVALID,
}

# Codes of single items in a cancelled transaction.
REASONS = {
    "None": None,
    "ConditionalCheckFailed": Meaning.CONDITION,
    "TransactionConflict": Meaning.CONFLICT,
    "ProvisionedThroughputExceeded": Meaning.THROTTLED,
    "ThrottlingError": Meaning.THROTTLED,
    "ItemCollectionSizeLimitExceeded": Meaning.INVALID,
    "ValidationError": Meaning.INVALID,
}

# pydynox has an exception class for few codes and keeps only the message of the others. The order matters: the last
# line is the root of its exceptions, which it uses for HTTP 500 and for every code it does not know.
_PYDYNOX: tuple[tuple[type[Exception], Meaning], ...] = (
    (pydynox_errors.ConditionalCheckFailedException, Meaning.CONDITION),
    (pydynox_errors.TransactionCanceledException, Meaning.CANCELED),
    (pydynox_errors.ProvisionedThroughputExceededException, Meaning.THROTTLED),
    (pydynox_errors.ConnectionException, Meaning.UNANSWERED),
    (pydynox_errors.CredentialsException, Meaning.UNANSWERED),  # the role's next key is late
    (pydynox_errors.ValidationException, Meaning.INVALID),
    (pydynox_errors.ResourceNotFoundException, Meaning.UNKNOWN),
    (pydynox_errors.AccessDeniedException, Meaning.UNKNOWN),
    (pydynox_errors.SerializationException, Meaning.UNKNOWN),
    (pydynox_errors.IdempotentParameterMismatchException, Meaning.UNKNOWN),
    (pydynox_errors.PydynoxException, Meaning.UNANSWERED),
)
# The two that only their text tells apart.
_TEXTS = (
    ("Transaction is ongoing", Meaning.CONFLICT),  # TransactionConflictException (API reference, PutItem)
    ("Failed to get", Meaning.THROTTLED),  # UnprocessedKeys to the end of its own five tries, which last 3.1 s
)
_REASON_LIST = re.compile(r"\[([^\]]*)\]\s*$")
CONNECTION_LOST = "Connection failed"  # pydynox: refused or cut; a time-out says "Connection timed out"


def of_boto(error: Exception) -> Meaning:
    """Meaning of an exception of a boto3 client."""
    if isinstance(error, botocore_errors.ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return CODES.get(code, Meaning.UNANSWERED if status >= 500 else Meaning.UNKNOWN)
    if isinstance(error, (botocore_errors.HTTPClientError, botocore_errors.ConnectionError)):
        return Meaning.UNANSWERED
    return Meaning.UNKNOWN


def of_pydynox(error: Exception) -> Meaning:
    """Meaning of an exception of the pydynox core client."""
    for kind, meaning in _PYDYNOX:
        if isinstance(error, kind):
            if kind is pydynox_errors.PydynoxException:
                return next((special for text, special in _TEXTS if text in str(error)), meaning)
            return meaning
    return Meaning.UNKNOWN


def boto_reasons(error: Exception) -> list[Meaning | None]:
    """What each item of a cancelled transaction met; None: it was not the cause."""
    response: Any = getattr(error, "response", {})
    reasons: list[Any] = response.get("CancellationReasons", [])
    return _meanings(reason.get("Code", "None") for reason in reasons)


def pydynox_reasons(error: Exception) -> list[Meaning | None]:
    """The same from pydynox, which keeps the reasons only as a list at the end of the message."""
    found = _REASON_LIST.search(str(error))
    return _meanings(code.strip() for code in found.group(1).split(",")) if found else []


def _meanings(codes: Iterable[str]) -> list[Meaning | None]:
    return [REASONS.get(code, Meaning.UNKNOWN) for code in codes]
