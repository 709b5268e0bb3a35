"""The control rule against a simulated store: virtual time, seeded, no threads."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from radius.store.batch import LIGHT_WINDOW, PROBE_AFTER_S, SLOTS_MAX, SLOTS_MIN, Slots

GROUP_MAX = 100


@dataclass
class SimulatedStore:
    """`callers` ask again at once. The engine works off one group after the other; the way there and back is `wire_s`.

    An answer can be late by chance (one in fifty, by ten times the way).
    """

    wire_s: float
    group_s: float
    item_s: float
    callers: int
    seed: int = 7
    now: float = 0.0
    answered: int = 0
    slots: Slots = field(default_factory=Slots)

    def run(self, seconds: float) -> float:
        """Requests answered per second over `seconds`; may be called again, with other numbers set."""
        rng = random.Random(self.seed)
        waiting, engine_free = self.callers, self.now
        flights: list[tuple[float, int, float, int, int]] = []
        end, started, before, order = self.now + seconds, self.now, self.answered, 0
        in_flight = 0
        while self.now < end:
            while waiting and in_flight < self.slots.limit:
                size = 1 if self.slots.probing else min(GROUP_MAX, waiting)
                waiting -= size
                in_flight += 1
                engine_free = max(engine_free, self.now + self.wire_s / 2) + self.group_s + size * self.item_s
                jitter = 10 * self.wire_s if rng.random() < 0.02 else self.wire_s * 0.1 * rng.random()
                order += 1
                heapq.heappush(flights, (engine_free + self.wire_s / 2 + jitter, order, self.now, size, in_flight))
            self.now, _, left_at, size, out = heapq.heappop(flights)
            in_flight -= 1
            waiting += size
            self.answered += size
            self.slots.observe(self.now - left_at, size, out, self.now)
        return (self.answered - before) / (self.now - started)


@pytest.mark.parametrize(
    ("wire_ms", "least", "most"),
    [(0.2, 2, 2), (1, 2, 3), (5, 6, 9), (80, SLOTS_MAX, SLOTS_MAX)],
)
@pytest.mark.parametrize("callers", [32, 64, 200])
def test_slots_follow_the_distance_and_not_the_queue(wire_ms: float, least: int, most: int, callers: int) -> None:
    store = SimulatedStore(wire_ms / 1_000, group_s=0.0003, item_s=0.00008, callers=callers)
    store.run(30)
    assert least <= store.slots.limit <= most


def test_a_loaded_store_beside_us_does_not_get_more_groups() -> None:
    """Every answer takes 20 ms because we queue there; two in flight are still enough."""
    store = SimulatedStore(0.0002, group_s=0.010, item_s=0.00005, callers=200)
    store.slots.observe(0.0008, 1, 1, 0.0)
    store.run(60)
    assert store.slots.limit <= 14  # one light group here costs 10 ms: the engine itself is that far away


@pytest.mark.parametrize(("before_ms", "after_ms"), [(0.3, 80), (80, 0.3), (5, 80), (80, 5)])
def test_another_distance_is_noticed_under_full_load(before_ms: float, after_ms: float) -> None:
    store = SimulatedStore(before_ms / 1_000, group_s=0.0003, item_s=0.00008, callers=400)
    store.run(20)
    fresh = SimulatedStore(after_ms / 1_000, group_s=0.0003, item_s=0.00008, callers=400)
    fresh.run(20)
    store.wire_s = after_ms / 1_000
    store.run(3 * PROBE_AFTER_S)
    assert store.slots.limit == pytest.approx(fresh.slots.limit, abs=2)
    assert store.run(10) > 0.9 * fresh.run(10)


def test_measuring_costs_little() -> None:
    measured = SimulatedStore(0.08, group_s=0.0003, item_s=0.00008, callers=400)
    fixed = SimulatedStore(0.08, group_s=0.0003, item_s=0.00008, callers=400)
    fixed.slots = Slots(SLOTS_MAX, SLOTS_MAX)
    assert measured.run(60) > 0.95 * fixed.run(60)


def test_one_late_answer_changes_nothing() -> None:
    slots = Slots()
    for step in range(LIGHT_WINDOW * 3):
        slots.observe(5.0 if step % 10 == 9 else 0.0004, 1, 1, float(step))
    assert slots.limit == SLOTS_MIN


def test_a_lost_measurement_ends_the_measuring() -> None:
    slots = Slots()
    slots.observe(0.001, 1, 1, 0.0)
    slots.observe(0.9, 50, 2, PROBE_AFTER_S + 1)
    assert (slots.probing, slots.limit) == (True, 1)
    slots.lost()
    assert (slots.probing, slots.limit) == (False, SLOTS_MIN)
