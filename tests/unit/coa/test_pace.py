"""RFC 5080 §2.2.1 in numbers, and the breaker's back-off."""

import random

import pytest

from coa.breaker import BACK_OFF_S, BACK_OFF_S_MAX, SILENCES_MAX, Breaker
from coa.pace import Pace
from coa.source_ports import WINDOW_S, Ports


def middle() -> float:
    return 0.5  # no jitter


def test_waits_double_up_to_the_longest() -> None:
    pace = Pace()
    waits = [pace.first(middle)]
    for _ in range(5):
        waits.append(pace.after(waits[-1], middle))
    assert waits == [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]


@pytest.mark.parametrize(
    ("chance", "waits"), [(0.0, [1.8, 3.42, 6.498, 12.3462]), (0.999999, [2.2, 4.62, 9.702, 17.6])]
)
def test_jitter_is_a_tenth_either_way_of_each_wait(chance: float, waits: list[float]) -> None:
    pace = Pace()
    got = [pace.first(lambda: chance)]
    for _ in range(3):
        got.append(pace.after(got[-1], lambda: chance))
    assert got == pytest.approx(waits, rel=1e-5)


def test_no_two_routers_keep_step() -> None:
    chance = random.Random(7)
    pace = Pace()
    firsts = {pace.first(chance.random) for _ in range(1000)}
    assert len(firsts) == 1000
    assert 1.8 <= min(firsts) < 1.81
    assert 2.19 < max(firsts) <= 2.2


def down(breaker: Breaker, now: float) -> None:
    for _ in range(SILENCES_MAX):
        breaker.unanswered(now)


def test_a_router_counts_as_down_after_silences_in_a_row() -> None:
    breaker = Breaker(middle)
    for _ in range(10):
        assert not breaker.unanswered(0.0)
        breaker.answered()
    assert breaker.idle
    assert not breaker.unanswered(100.0)
    assert breaker.admit(100.0)
    assert breaker.unanswered(100.0)
    assert not breaker.admit(100.0)
    assert breaker.retry_after_s(100.0) == BACK_OFF_S


def test_trials_are_one_at_a_time_and_ever_rarer() -> None:
    breaker = Breaker(middle)
    down(breaker, 0.0)
    now, gaps = 0.0, []
    for _ in range(7):
        gap = breaker.retry_after_s(now)
        gaps.append(gap)
        assert not breaker.admit(now + gap - 0.001)
        now += gap
        assert breaker.admit(now)
        assert not breaker.admit(now)  # one trial
        assert breaker.unanswered(now)
    assert gaps == [15.0, 30.0, 60.0, 120.0, 240.0, 300.0, BACK_OFF_S_MAX]


def test_one_answer_forgives_everything() -> None:
    breaker = Breaker(middle)
    down(breaker, 0.0)
    assert breaker.admit(20.0)
    breaker.answered()
    assert breaker.admit(20.0)
    assert breaker.admit(20.0)
    down(breaker, 30.0)
    assert breaker.retry_after_s(30.0) == BACK_OFF_S


def test_those_still_under_way_do_not_lengthen_the_back_off() -> None:
    breaker = Breaker(middle)
    down(breaker, 100.0)
    for late in range(60):
        assert not breaker.unanswered(100.0 + late / 10)
    assert breaker.retry_after_s(100.0) == BACK_OFF_S


def test_a_trial_that_was_not_sent_is_none() -> None:
    breaker = Breaker(middle)
    down(breaker, 0.0)
    assert breaker.admit(15.0)
    breaker.withdrawn()
    assert breaker.admit(15.0)


def test_a_port_is_barred_for_the_replay_window() -> None:
    ports = Ports()
    ports.opened(40_000)
    assert 40_000 in ports
    ports.closed(40_000, 10.0)
    ports.opened(40_001)
    ports.forget(10.0 + WINDOW_S - 0.001)
    assert (40_000 in ports, len(ports)) == (True, 2)
    ports.forget(10.0 + WINDOW_S)
    assert (40_000 in ports, 40_001 in ports, len(ports)) == (False, True, 1)
