"""What a process measured, brought to the store: once, by its day, and later when the store was away."""

import time

import pytest

from billing.metrics import catalogue
from radius.domain.errors import Unavailable
from radius.metrics import InProcess
from radius.store.memory import Faults, MemoryStore
from radius.tally import FLUSH_S, TALLIED, BetweenRuns, Recorder, Tallier

AT = 1_764_000_000  # 2025-11-24 19:00 in Nairobi
DAY, NEXT = "2025-11-24", "2025-11-25"


class World:
    def __init__(self) -> None:
        self.now = AT
        self.away = False
        self.store = MemoryStore(Faults(before=lambda _method: self.away))
        self.metrics = InProcess(strict=True, catalogue=catalogue(["day"]))
        self.tallier = Tallier(self.metrics, self.store, "portal@a", lambda: float(self.now))

    def kept(self, day: str = DAY) -> dict[str, int]:
        found = self.store.tallied(day, day, self.now, time.monotonic() + 5)
        return dict(found[0].counts) if found else {}


def test_all_that_is_tallied_is_in_the_catalogue() -> None:
    names = {metric.name: metric for metric in catalogue()}
    assert [name for name, of in TALLIED.items() if not names[name].dims.keys() >= {of} - {""}] == []


def test_counts_are_brought_once() -> None:
    world = World()
    world.metrics.count("AccessAccepts", 2)
    world.metrics.count("AccessRejects", Reason="blocked")
    world.metrics.count("PortalRequests", Answer="failed")
    world.metrics.observe("AuthLatency", 0.04)
    world.metrics.observe("AuthLatency", 7)
    world.metrics.count("StoreReads", 5)  # not kept
    for _ in range(2):
        world.tallier.round()
    assert world.kept() == {
        "AccessAccepts": 2, "AccessRejects": 1, "PortalRequests=failed": 1, "AuthLatency<=0.05": 1,
        "AuthLatency<=inf": 1,
    }  # fmt: skip
    world.metrics.count("AccessAccepts")
    world.tallier.round()
    assert world.kept()["AccessAccepts"] == 3


def test_the_day_is_that_of_nairobi() -> None:
    world = World()
    world.now = AT + 5 * 3_600  # midnight there, nine in the evening in Greenwich
    world.metrics.count("AccessAccepts")
    world.tallier.round()
    assert (world.kept(DAY), world.kept(NEXT)) == ({}, {"AccessAccepts": 1})


def test_what_the_store_did_not_take_comes_later_on_its_own_day() -> None:
    world = World()
    world.metrics.count("AccessAccepts", 4)
    world.away = True
    world.tallier.round()
    world.now += 86_400
    world.metrics.count("AccessAccepts", 2)
    world.tallier.round()
    world.away = False
    world.tallier.round()
    assert (world.kept(DAY), world.kept(NEXT)) == ({"AccessAccepts": 4}, {"AccessAccepts": 2})


def test_a_process_that_ends_brings_the_rest() -> None:
    world = World()
    recorder = Recorder(world.tallier, flush_s=3_600)
    world.metrics.count("AccessAccepts")
    recorder.close()
    assert world.kept() == {"AccessAccepts": 1}
    world.away = True
    with pytest.raises(Unavailable):
        world.store.tallied(DAY, DAY, AT, time.monotonic() + 5)
    Recorder(world.tallier).close()  # a store that is away is nobody's trouble


def test_a_function_brings_it_at_the_end_of_a_run_and_seldom() -> None:
    world, at = World(), [1_000.0]
    tell = BetweenRuns(world.tallier, lambda: at[0])
    for _ in range(3):
        world.metrics.count("NewUsers")
        tell()
    assert world.kept() == {"NewUsers": 1}, "the first run, and then nothing for five minutes"
    at[0] += FLUSH_S
    world.away = True
    tell()
    world.away = False
    tell()
    assert world.kept() == {"NewUsers": 1}, "a store that is away keeps no further run waiting"
    at[0] += FLUSH_S
    tell()
    assert world.kept() == {"NewUsers": 3}
