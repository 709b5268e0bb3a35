"""What store, caches and limits counted comes to the metrics once: each round brings what is new."""

import itertools

from radius.domain.guessing import Guard, LimitName, Shape
from radius.domain.identity import NasId, SubscriberId, parse_username
from radius.meter import TOTALS, Meter
from radius.metrics import Recording
from radius.ports import Change
from radius.services.desk import Desk
from radius.services.names import NameBook
from radius.store.memory import MemoryStore

NUMBERS = dict.fromkeys(TOTALS, 0) | {"breaker_open": 0, "read_slots": 2, "write_slots": 7}
DEADLINE = float("inf")
PHONE = parse_username("0712345678", None)


def test_each_round_brings_what_is_new() -> None:
    metrics, store, numbers = Recording(), MemoryStore(), dict(NUMBERS)
    desk = Desk(store, lambda: "w", lambda: 0.0, 10)
    names = NameBook(store, str, lambda: 0.0, 10, 30)
    meter = Meter(metrics, lambda: numbers, desk, names)
    subscriber = SubscriberId("s1")
    store.create(Change(subscriber, 1, "w0", b"{}", 0), [PHONE.alias], DEADLINE)
    numbers |= {"read_half_units": 3, "wait_us": 2_500_000, "read_groups": 2, "read_requests": 9, "breaker_open": 1}
    for _ in range(3):
        assert names.resolve(PHONE.alias, DEADLINE) == subscriber
    meter.round()
    meter.round()
    assert metrics.total("StoreReadUnits") == 1.5
    assert metrics.total("StoreWait") == 2.5
    assert metrics.total("StoreGroups", Call="read") == 2
    assert metrics.total("StoreGrouped", Call="read") == 9
    assert metrics.total("StoreGrouped", Call="write") == 0
    assert metrics.gauges["BreakerOpen"] == 1
    assert metrics.gauges["StoreSlots", ("Call", "write")] == 7
    assert metrics.total("CacheHits", Cache="names") == 2
    assert metrics.total("CacheMisses", Cache="names") == 1
    numbers |= {"read_half_units": 4, "breaker_open": 0}
    meter.round()
    assert metrics.total("StoreReadUnits") == 2
    assert metrics.gauges["BreakerOpen"] == 0


def test_who_lets_people_in_tells_what_its_limits_refused() -> None:
    metrics, store, guard = Recording(), MemoryStore(), Guard()
    meter = Meter(
        metrics,
        lambda: NUMBERS,
        Desk(store, lambda: "w", lambda: 0.0, 10),
        NameBook(store, str, lambda: 0.0, 10, 30),
        guard,
    )
    for now_ms in itertools.count():
        asked = (now_ms, NasId("kilifi"), PHONE.alias, "02-00")
        if not guard.check(*asked, shape=Shape.PHONE, known_to_node=True, remembered=None).allowed:
            break
        guard.failed(*asked, shape=Shape.PHONE, unknown=False)
    meter.round()
    meter.round()
    assert metrics.total("GuessesRefused", Limit=LimitName.WRONG_DEVICE) == 1
    assert metrics.total("GuessesRefused", Limit=LimitName.NAS_OTHER) == 0
    assert metrics.gauges["GuessCells", ("Limit", "wrong_device")] == 1
