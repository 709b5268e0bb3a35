import pytest

from radius.domain.errors import Unavailable
from radius.store.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures_max=3, pause_s=1.0, clock=clock)


def open_it(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.enter()
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    breaker.enter()
    breaker.failed()
    with pytest.raises(Unavailable):
        breaker.enter()


def test_after_the_pause_one_probe_goes_and_the_others_wait(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 1.0
    breaker.enter()
    with pytest.raises(Unavailable):
        breaker.enter()


def test_a_good_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 1.0
    breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()
    breaker.failed()
    assert not breaker.is_open
    assert breaker.times_opened == 1


def test_a_bad_probe_keeps_it_open_for_another_pause(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 1.0
    breaker.enter()
    clock.now += 0.5
    breaker.failed()
    breaker.failed()  # one that was on its way since before
    assert breaker.times_opened == 2, "the alarm lasts as long as the store is away"
    clock.now += 0.75
    with pytest.raises(Unavailable):
        breaker.enter()
    clock.now += 0.25
    breaker.enter()


def test_a_probe_that_never_tells_is_forgotten(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 1.0
    breaker.enter()
    clock.now += 1.0
    breaker.enter()
