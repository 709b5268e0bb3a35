"""The hour after a change, on a clock that the test moves."""

from deploy.on_aws.watching import POLL_S, watch


class Evening:
    """Alarms that are on from one second to another."""

    def __init__(self, **on: tuple[float, float]) -> None:
        self.on, self.at, self.looks = on, 0.0, 0
        self.before = self.ringing()

    def ringing(self) -> set[str]:
        self.looks += 1
        return {name for name, (since, until) in self.on.items() if since <= self.at < until}

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= POLL_S
        self.at += seconds

    def watch(self, seconds: float) -> set[str]:
        return watch(self.ringing, self.before, seconds, lambda: self.at, self.sleep)


def test_a_quiet_hour_is_looked_at_to_its_end() -> None:
    evening = Evening()
    assert evening.watch(3_600) == set()
    assert evening.at == 3_600
    assert evening.looks > 3_600 / POLL_S


def test_an_alarm_ends_it_at_once() -> None:
    evening = Evening(HighErrorRate=(100, 5_000))
    assert evening.watch(3_600) == {"HighErrorRate"}
    assert evening.at < 100 + POLL_S + 1


def test_what_was_on_before_is_not_the_changes_fault() -> None:
    assert Evening(NoSales=(0, 9_999)).watch(3_600) == set()


def test_what_went_on_during_the_change_is() -> None:
    evening = Evening(FailedRuns=(10, 9_999))
    evening.at = 60.0
    assert evening.watch(3_600) == {"FailedRuns"}


def test_one_that_went_off_and_comes_back_is() -> None:

    class Twice(Evening):
        def ringing(self) -> set[str]:
            return {"Again"} if self.at < 60 or self.at >= 300 else set()

    assert Twice().watch(3_600) == {"Again"}


def test_the_last_second_is_looked_at() -> None:
    assert Evening(Late=(3_600, 9_999)).watch(3_600) == {"Late"}
