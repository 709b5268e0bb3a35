"""Connections to the portal's own server: whoever does not say what it wants in time is cut off.

Uvicorn limits how long a connection may rest after an answer, not how long one may take to name its first request, or
the next one byte by byte: a few hundred such would hold every place there is (`CONNECTIONS_MAX` in `__main__`).
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S_MAX = 20.0  # for a request's line and headers; more than a connection may rest


class Impatient(H11Protocol):
    """Uvicorn's protocol with a deadline for each request's head."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes alone are no request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next one."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._late is None:
            self._late = self.loop.call_later(HEAD_S_MAX, self.transport.close)
        elif not waits and self._late is not None:
            self._late.cancel()
            self._late = None
