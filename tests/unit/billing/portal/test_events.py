"""Streams of events end by themselves, beat while nothing happens, and are so many at most."""

import asyncio
import json
from collections.abc import Callable

import pytest

from billing.portal import events
from billing.portal.events import HEARTBEAT_S, LOOK_S, Listeners, stream
from billing.portal.shapes import Status
from billing.portal.shop import Shop
from radius.domain.errors import Unavailable
from tests.contract.billing.town import checkout_of
from tests.fakes.portal import Stand

LASTS_S = 55.0
Then = Callable[[int], None]


class Watcher:
    """Listens to one stream while time passes by itself. `then(n)` happens before the nth look."""

    def __init__(self, stand: Stand, monkeypatch: pytest.MonkeyPatch, then: Then = lambda _: None) -> None:
        self.stand = stand
        self.looks = 0
        self.token = stand.buy().json()["token"]
        self.shop = Shop(stand.deps)
        self.listeners = Listeners(2)

        async def sleep(seconds: float) -> None:
            stand.monotonic += seconds
            self.looks += 1
            then(self.looks)

        monkeypatch.setattr(events, "sleep", sleep)

    def hear(self, lasts_s: float = LASTS_S) -> list[str]:
        first = self.shop.status(self.token)

        async def lines() -> list[str]:
            clock = lambda: self.stand.monotonic  # noqa: E731
            return [line async for line in stream(self.shop, first, lasts_s, clock, self.listeners)]

        with asyncio.Runner() as runner:
            return runner.run(lines())


def test_it_ends_by_itself_and_beats_until_then(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(stand, monkeypatch)
    lines = watcher.hear()
    assert [line.partition("\n")[0] for line in lines] == ["retry: 3000"] + [":"] * int(LASTS_S / HEARTBEAT_S)
    assert watcher.looks == -(-LASTS_S // LOOK_S)
    assert watcher.listeners.count == 0


def test_it_ends_with_the_payment(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def pay(look: int) -> None:
        if look == 3:
            push, callbacks = stand.provider.pushes[0], stand.billing.callbacks
            body = {"checkout": checkout_of(push), "code": "0", "cents": push.cents, "receipt": "TKP0000001"}
            callbacks.finish(callbacks.take(push.token, json.dumps(body), stand.now) or "", stand.now)

    watcher = Watcher(stand, monkeypatch, pay)
    lines = watcher.hear()
    assert (len(lines), watcher.looks) == (2, 3)
    assert '"stage":"paid"' in lines[1]


def test_when_the_store_goes_away_the_page_asks_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(stand, monkeypatch)

    true = Shop.status

    def status(shop: Shop, token: str) -> Status:
        if watcher.looks:
            raise Unavailable("away")
        return true(shop, token)

    monkeypatch.setattr(Shop, "status", status)
    assert len(watcher.hear()) == 1
    assert watcher.looks == 1
    assert watcher.listeners.count == 0


def test_one_more_than_there_is_room_for_gets_the_present_and_ends(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(stand, monkeypatch)
    with watcher.listeners.one(), watcher.listeners.one() as second:
        assert second
        assert len(watcher.hear()) == 1
    assert len(watcher.hear()) > 1
