"""boto3 calls for everything that is not the hot path: one place for time left, retries, breaker and counters."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
from botocore.config import Config

from radius.domain.errors import Unavailable
from radius.store import errors
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.errors import Meaning, Refused
from radius.store.fence import Fence
from radius.store.keys import BATCH_GET_KEYS_MAX
from radius.store.patience import Patience
from radius.store.tables import Table, create_tables

UNPROCESSED_TRIES_MAX = 5  # of a batch: DynamoDB gives back what it had no capacity for
READS = frozenset({"get_item", "batch_get_item", "query"})
PAGES_MAX = 10_000  # of 1 MB; a Query that needs more is a bug, not a list


def make_client(
    endpoint_url: str | None,
    region: str,
    credentials: tuple[str, str] | None,
    *,
    timeout_s: float,
    connect_timeout_s: float,
    connections: int,
) -> Any:
    """A low-level DynamoDB client that never retries by itself. `credentials` None: the usual AWS chain."""
    access, secret = credentials or (None, None)
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    session = boto3.session.Session(aws_access_key_id=access, aws_secret_access_key=secret, region_name=region)
    return session.client("dynamodb", endpoint_url=endpoint_url, config=config)


class Desk:
    """Asks the store on behalf of the ports. Thread-safe. `fence`: what writes go through; None: nobody else writes."""

    def __init__(
        self,
        client: Any,
        prefix: str,
        breaker: Breaker,
        capacity: Capacity,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        fence: Fence | None = None,
    ) -> None:
        self.fence = fence
        self._client = client
        self._prefix = prefix
        self._breaker = breaker
        self._capacity = capacity
        self._clock = clock
        self._patience = Patience(capacity, clock, pause)

    def table(self, name: str) -> str:
        """Full name of a table of this stage."""
        return self._prefix + name

    def ask(self, deadline: float, operation: str, **request: Any) -> dict[str, Any]:
        """One request. Throttling and conflicts with other transactions are tried again for a while.

        Raises Unavailable, or Refused for a condition; what the fault table does not know passes through.
        """
        if self.fence is not None and operation not in READS:
            self.fence.enter(deadline)
        refusals = 0
        while True:
            try:
                return self._once(deadline, operation, request)
            except Refused as refused:
                busy = refused.meaning in (Meaning.THROTTLED, Meaning.CONFLICT) or (
                    refused.meaning is Meaning.CANCELED and Meaning.CONDITION not in refused.reasons
                )
                if not busy:
                    raise
                refusals += 1
                if not self._patience.again(refusals, deadline):
                    raise Unavailable(str(refused)) from refused.error

    def items(self, deadline: float, **request: Any) -> Iterator[dict[str, Any]]:
        """Items of a Query, over all its pages."""
        for page in self.pages(deadline, **request):
            yield from page["Items"]

    def pages(self, deadline: float, **request: Any) -> Iterator[dict[str, Any]]:
        """Replies of a Query, page by page (1 MB each)."""
        for _ in range(PAGES_MAX):
            reply = self.ask(deadline, "query", **request)
            yield reply
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
        raise Unavailable(f"a query has more than {PAGES_MAX} pages")

    def batch(self, deadline: float, table: str, wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Up to 100 items by their keys, strongly consistent, in any order; ValueError for more."""
        if len(wanted) > BATCH_GET_KEYS_MAX:
            raise ValueError(f"at most {BATCH_GET_KEYS_MAX} items at once")
        asked: dict[str, Any] = {table: {"Keys": list(wanted), "ConsistentRead": True}}
        found: list[dict[str, Any]] = []
        for _ in range(UNPROCESSED_TRIES_MAX):
            if not wanted or not asked:
                return found
            reply = self.ask(deadline, "batch_get_item", RequestItems=asked)
            found += reply["Responses"].get(table, [])
            asked = reply.get("UnprocessedKeys") or {}
        if asked:
            raise Unavailable("the store gave back keys again and again")
        return found

    def create_tables(self, wanted: Sequence[Table]) -> list[str]:
        """See `tables.create_tables`."""
        return create_tables(self._client, self._prefix, wanted)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, deadline: float, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self._breaker.enter()
        began = self._clock()
        if began >= deadline:
            raise Unavailable("no time is left to ask the store")
        try:
            reply: dict[str, Any] = getattr(self._client, operation)(**request, ReturnConsumedCapacity="TOTAL")
        except Exception as error:
            raise self._sort(error) from error
        finally:
            self._capacity.add(wait_us=int((self._clock() - began) * 1e6))
        self._breaker.succeeded()
        self._count(operation, reply)
        return reply

    def _sort(self, error: Exception) -> Exception:
        meaning = errors.of_boto(error)
        if meaning is Meaning.UNANSWERED:
            self._breaker.failed()
            self._capacity.add(unanswered=1)
            return Unavailable(f"{errors.AWAY}: {error}")
        if meaning in (Meaning.UNKNOWN, Meaning.INVALID):
            return error
        self._breaker.succeeded()
        if meaning is Meaning.THROTTLED:
            self._capacity.add(throttled=1)
        return Refused(meaning, error, errors.boto_reasons(error) if meaning is Meaning.CANCELED else [])

    def _count(self, operation: str, reply: dict[str, Any]) -> None:
        consumed = reply.get("ConsumedCapacity") or {}
        tables = consumed if isinstance(consumed, list) else [consumed]
        units = sum(table.get("CapacityUnits", 0) for table in tables)
        if operation in READS:
            self._capacity.add(reads=1, requests=1, read_half_units=int(2 * units))
        else:
            self._capacity.add(writes=1, requests=1, write_units=int(units))
