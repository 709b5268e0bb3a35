from typing import Any

import pytest
from botocore import exceptions as boto
from pydynox import pydynox_core as pydynox

from radius.domain.errors import Unavailable
from radius.store import errors
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.errors import Meaning, Refused
from radius.store.wire import RUNGS, Wire


def client_error(code: str, status: int = 400, **more: Any) -> boto.ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return boto.ClientError(response, "PutItem")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (client_error("ThrottlingException"), Meaning.THROTTLED),
        (client_error("ConditionalCheckFailedException"), Meaning.CONDITION),
        (client_error("TransactionConflictException"), Meaning.CONFLICT),
        (client_error("InternalServerError", 500), Meaning.UNANSWERED),
        (client_error("SomethingNew", 503), Meaning.UNANSWERED),
        (client_error("AccessDeniedException"), Meaning.UNKNOWN),
        (client_error("ResourceNotFoundException"), Meaning.UNKNOWN),
        (boto.ReadTimeoutError(endpoint_url="x"), Meaning.UNANSWERED),
        (boto.ConnectTimeoutError(endpoint_url="x"), Meaning.UNANSWERED),
        (boto.EndpointConnectionError(endpoint_url="x"), Meaning.UNANSWERED),
        (boto.ConnectionClosedError(endpoint_url="x"), Meaning.UNANSWERED),
        (boto.ParamValidationError(report="x"), Meaning.UNKNOWN),
        (KeyError("x"), Meaning.UNKNOWN),
    ],
)
def test_boto_table(error: Exception, meaning: Meaning) -> None:
    assert errors.of_boto(error) is meaning


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (pydynox.ConnectionException("Connection timed out to DynamoDB."), Meaning.UNANSWERED),
        (pydynox.ProvisionedThroughputExceededException("x"), Meaning.THROTTLED),
        (pydynox.ConditionalCheckFailedException("x"), Meaning.CONDITION),
        (pydynox.PydynoxException("Transaction is ongoing for the item"), Meaning.CONFLICT),
        (pydynox.PydynoxException('ConstructionFailure { source: "Failed to get 3 keys" }'), Meaning.THROTTLED),
        (pydynox.PydynoxException("Internal server error"), Meaning.UNANSWERED),
        (pydynox.AccessDeniedException("x"), Meaning.UNKNOWN),
        (pydynox.ResourceNotFoundException("x"), Meaning.UNKNOWN),
        (pydynox.ValidationException("x"), Meaning.INVALID),
        (TypeError("x"), Meaning.UNKNOWN),
    ],
)
def test_pydynox_table(error: Exception, meaning: Meaning) -> None:
    assert errors.of_pydynox(error) is meaning


def test_reasons_of_a_cancelled_transaction() -> None:
    text = "Transaction cancelled, see reasons [ConditionalCheckFailed, None, TransactionConflict, New]"
    expected = [Meaning.CONDITION, None, Meaning.CONFLICT, Meaning.UNKNOWN]
    assert errors.pydynox_reasons(Exception(text)) == expected
    codes = ["ConditionalCheckFailed", "None", "TransactionConflict", "New"]
    cancelled = client_error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])
    assert errors.boto_reasons(cancelled) == expected
    assert errors.pydynox_reasons(Exception("nothing said")) == []


class Client:
    """Fails with what it was given, one after the other, then answers its own name."""

    def __init__(self, name: str, *faults: Exception) -> None:
        self.name = name
        self.faults = list(faults)
        self.calls = 0

    def get(self) -> str:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return self.name


def wire(*clients: tuple[float, Client], now: float = 0.0) -> Wire:
    return Wire(clients, Breaker(failures_max=2), Capacity(), clock=lambda: now)


LOST = pydynox.ConnectionException("Connection failed to DynamoDB. Check if the endpoint is reachable.")
TIMED_OUT = pydynox.ConnectionException("Connection timed out to DynamoDB. Check your network or endpoint.")


def test_a_lost_connection_is_tried_once_more_a_time_out_is_not() -> None:
    client = Client("c", LOST)
    assert wire((0.5, client)).ask(1.0, "get") == "c"
    for faults, calls in (([LOST, LOST], 2), ([TIMED_OUT], 1)):
        client = Client("c", *faults)
        with pytest.raises(Unavailable):
            wire((0.5, client)).ask(1.0, "get")
        assert client.calls == calls


@pytest.mark.parametrize(
    ("left_s", "chosen"), [(9.0, "1.0"), (0.499, "1.0"), (0.30, "0.6"), (0.29, "0.6"), (0.2, "0.4"), (0.05, "0.4")]
)
def test_the_time_out_fits_into_what_is_left(left_s: float, chosen: str) -> None:
    ladder = [(0.5 * rung, Client(str(rung))) for rung in RUNGS]
    assert wire(*ladder, now=100.0).ask(100.0 + left_s, "get") == chosen


def test_without_time_nobody_is_asked() -> None:
    client = Client("c")
    with pytest.raises(Unavailable):
        wire((0.5, client)).ask(0.001, "get")
    assert client.calls == 0


def test_unknown_errors_are_not_swallowed() -> None:
    with pytest.raises(pydynox.AccessDeniedException):
        wire((0.5, Client("c", pydynox.AccessDeniedException("no")))).ask(1.0, "get")


def test_a_refusal_of_a_read_is_unavailable_but_a_wrong_request_is_said() -> None:
    with pytest.raises(Refused):
        wire((0.5, Client("c", pydynox.PydynoxException("Transaction is ongoing")))).ask(1.0, "get")
    with pytest.raises(Unavailable):
        wire((0.5, Client("c", pydynox.PydynoxException("Transaction is ongoing")))).read(1.0, "get")
    with pytest.raises(pydynox.ValidationException):
        wire((0.5, Client("c", pydynox.ValidationException("bad key")))).read(1.0, "get")
