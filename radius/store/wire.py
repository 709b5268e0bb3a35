"""The pydynox clients and one way to call them: time left, breaker, fault table and counters in one place."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pydynox import pydynox_core

from radius.domain.errors import Unavailable
from radius.store import errors
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.errors import Meaning, Refused

RUNGS = (1.0, 0.6, 0.4)  # of the full time-out: a whole packet; authorize, when post_auth keeps 0.2 of 0.5 s; post_auth
TOLERANCE = 1.1  # a call may overshoot its deadline by so much, rather than fall to the next rung
LEAST_S = 0.01  # with less left nobody asks


def make_clients(
    endpoint_url: str | None,
    region: str,
    credentials: tuple[str, str] | None,
    *,
    timeout_s: float,
    connect_timeout_s: float,
    rungs: Sequence[float] = RUNGS,
) -> list[tuple[float, Any]]:
    """Core clients on a ladder of read time-outs, longest first: a client takes its time-out when it is made.

    They are core clients because the Python layer above them logs and retries. `credentials` None: the usual AWS chain.
    """
    access, secret = credentials or (None, None)
    return [
        (
            timeout_s * rung,
            pydynox_core.DynamoDBClient(
                region=region,
                access_key=access,
                secret_key=secret,
                endpoint_url=endpoint_url,
                connect_timeout=min(connect_timeout_s, timeout_s * rung),
                read_timeout=timeout_s * rung,
                max_retries=0,
            ),
        )
        for rung in rungs
    ]


class Wire:
    """Calls to the store. Thread-safe; holds the GIL only before and after a call."""

    def __init__(
        self,
        clients: Sequence[tuple[float, Any]],
        breaker: Breaker,
        capacity: Capacity,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ladder = [(timeout_s / TOLERANCE, client) for timeout_s, client in clients]
        self._breaker = breaker
        self._capacity = capacity
        self._clock = clock

    def ask(self, deadline: float, method: str, *arguments: Any, **named: Any) -> Any:
        """One call of the client, and a second one at once when the connection was refused or cut.

        Every call through here may be repeated: writes carry their version and write_id. Raises Unavailable or
        Refused; what the fault table does not know passes through.
        """
        try:
            return self._ask(deadline, method, arguments, named)
        except ConnectionLost:
            pass
        try:
            return self._ask(deadline, method, arguments, named)
        except ConnectionLost as lost:
            self._breaker.failed()
            self._capacity.add(unanswered=1)
            raise Unavailable(str(lost)) from lost.__cause__

    def read(self, deadline: float, method: str, *arguments: Any) -> Any:
        """The same for a read, which has no condition: any refusal but of the request itself is Unavailable."""
        try:
            return self.ask(deadline, method, *arguments)
        except Refused as refused:
            if refused.meaning is Meaning.INVALID:
                raise refused.error from None
            raise Unavailable(str(refused)) from refused.error

    def _ask(self, deadline: float, method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        began = self._clock()
        client = self._client(deadline - began)
        try:
            answer = getattr(client, method)(*arguments, **named)
        except Exception as error:
            raise self._sort(error) from error
        finally:
            self._capacity.add(wait_us=int((self._clock() - began) * 1e6))
        self._breaker.succeeded()
        return answer

    def _sort(self, error: Exception) -> Exception:
        """What to raise for an exception of the client."""
        meaning = errors.of_pydynox(error)
        if meaning is Meaning.UNKNOWN:
            return error
        if meaning is Meaning.UNANSWERED:
            if str(error).startswith(errors.CONNECTION_LOST):
                return ConnectionLost(str(error))
            self._breaker.failed()
            self._capacity.add(unanswered=1)
            return Unavailable(f"{errors.AWAY}: {error}")
        self._breaker.succeeded()
        if meaning is Meaning.THROTTLED:
            self._capacity.add(throttled=1)
            return Unavailable(str(error))
        reasons = errors.pydynox_reasons(error) if meaning is Meaning.CANCELED else []
        return Refused(meaning, error, reasons)

    def _client(self, left_s: float) -> Any:
        """The client with the longest time-out that fits into what is left, else the one with the shortest."""
        if left_s < LEAST_S:
            raise Unavailable("no time is left to ask the store")
        for least_s, client in self._ladder:
            if left_s >= least_s:
                return client
        return self._ladder[-1][1]


class ConnectionLost(Exception):
    """Refused or cut, which is told at once; worth a second try (the idle connection of a restarted store)."""
