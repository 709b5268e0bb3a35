"""A payment's status as server-sent events: bounded in time and number, a heartbeat while nothing happens."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from anyio import sleep, to_thread

from billing.portal.shapes import Stage, Status
from billing.portal.shop import Shop
from radius.domain.errors import Unavailable

LOOK_S = 2.0  # one read of the store
HEARTBEAT_S = 10.0  # proxies and phones drop what is silent
RETRY_MS = 3_000  # after which a browser asks again
LISTENERS_MAX = 300  # of a process; one more gets the present status and asks again


class Listeners:
    """Counts open streams; used by one event loop."""

    def __init__(self, most: int = LISTENERS_MAX) -> None:
        self.most = most
        self.count = 0

    @contextmanager
    def one(self) -> Iterator[bool]:
        """True if there is room for one that stays."""
        self.count += 1
        try:
            yield self.count <= self.most
        finally:
            self.count -= 1


async def stream(
    shop: Shop, first: Status, lasts_s: float, monotonic: Callable[[], float], listeners: Listeners
) -> AsyncIterator[str]:
    """Lines of the stream, from the status as it was when it was asked for. Ends early when the store is away."""
    with listeners.one() as stays:
        ends_at = monotonic() + (lasts_s if stays else 0)
        present, told_at = first, monotonic()
        yield f"retry: {RETRY_MS}\n{_event(first)}"
        while present.stage is Stage.WAITING and monotonic() < ends_at:
            await sleep(LOOK_S)
            try:
                found = await to_thread.run_sync(shop.status, first.token)
            except Unavailable:
                return
            if found != present:
                yield _event(found)
                present, told_at = found, monotonic()
            elif monotonic() - told_at >= HEARTBEAT_S:
                yield ":\n\n"
                told_at = monotonic()


def _event(status: Status) -> str:
    return f"event: status\ndata: {status.model_dump_json()}\n\n"
