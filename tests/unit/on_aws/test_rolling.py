"""The way back: each time further, and never to what was turned away from."""

import pytest

from deploy.on_aws import asking, rolling, upping, versions, watching
from deploy.on_aws.upping import Clock
from deploy.on_aws.versions import Deployment
from deploy.refusal import Refusal
from tests.unit.on_aws.cloud import Clouded


class Ticking:
    """A second goes by with every question."""

    def __init__(self) -> None:
        self.at = 1_795_597_200.0

    def __call__(self) -> float:
        self.at += 1
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(asking, "verify", lambda *_: None)
    tick = Ticking()
    return Clock(tick, tick, lambda _: None)


def release(stage: Clouded, clock: Clock, commit: str) -> dict[str, str]:
    fresh = stage.release()
    versions.record(stage, Deployment(versions.stamp(clock.now()), "up", commit, stage.who, fresh))
    return fresh


def test_a_second_rollback_goes_further_back_and_then_there_is_nothing(clock: Clock) -> None:
    stage = Clouded()
    first, second, _third = (release(stage, clock, commit) for commit in "abc")
    assert rolling.rollback(stage, "c is bad", clock).versions == second
    done = rolling.rollback(stage, "b is bad too", clock)
    assert (done.versions, done.commit) == (first, "a")
    with pytest.raises(Refusal, match="no version before this one that stood"):
        rolling.rollback(stage, "a is bad", clock)
    assert versions.live(stage) == first


def test_nobody_goes_back_to_what_an_alarm_has_turned_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Clouded()
    first, second = release(stage, clock, "a"), release(stage, clock, "b")
    third = stage.release()
    done = Deployment(versions.stamp(clock.now()), "up", "c", stage.who, third)
    monkeypatch.setattr(watching, "watch", lambda *_: {"HighErrorRate"})
    with pytest.raises(Refusal, match="HighErrorRate"):
        upping._stand(stage, done, second, upping._Watch(set(), 3_600), clock)
    assert versions.live(stage) == second
    assert rolling.rollback(stage, "", clock).versions == first


def test_a_first_version_that_never_answered_is_no_way_back(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, fresh = Clouded(), {}
    fresh = stage.release()
    with monkeypatch.context() as deaf:
        deaf.setattr(watching, "watch", lambda *_: {"HighErrorRate"})
        done = Deployment(versions.stamp(clock.now()), "up", "a", "", fresh)
        with pytest.raises(Refusal):
            upping._stand(stage, done, {}, upping._Watch(set(), 60), clock)
    release(stage, clock, "b")
    with pytest.raises(Refusal, match="no version before"):
        rolling.rollback(stage, "", clock)


def test_what_was_deployed_again_after_a_way_back_counts_again(clock: Clock) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    second = release(stage, clock, "b")
    rolling.rollback(stage, "it was not b's fault", clock)
    versions.point(stage, second)
    versions.record(stage, Deployment(versions.stamp(clock.now()), "up", "b", stage.who, second))
    release(stage, clock, "c")
    assert rolling.rollback(stage, "", clock).versions == second


def test_without_a_history_each_goes_to_its_own_version_before(clock: Clock) -> None:
    stage = Clouded()
    first = stage.release()
    stage.release()
    assert rolling.rollback(stage, "", clock).versions == first


def test_where_nothing_is_deployed_nothing_goes_back(clock: Clock) -> None:
    with pytest.raises(Refusal, match="nothing of staging is deployed"):
        rolling.rollback(Clouded(), "", clock)


def test_an_alias_that_does_not_move_is_told_of(clock: Clock) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    release(stage, clock, "b")
    stage.functions_of.stuck = True
    with pytest.raises(Refusal, match="not at 1"):
        rolling.rollback(stage, "", clock)


def test_what_is_enhanced_is_the_same_code(clock: Clock) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    release(stage, clock, "b")
    stage.keep("enhanced", "before", {"until": 1.0})
    with pytest.raises(Refusal, match="enhance off"):
        rolling.rollback(stage, "", clock)


def test_thresholds_of_an_up_that_was_killed_are_put_back(clock: Clock) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    release(stage, clock, "b")
    stage.watch.put_metric_alarm(AlarmName="WiFiBilling-HighErrorRate-staging", Threshold=5.0, Period=60)
    assert watching.raise_thresholds(stage)
    rolling.rollback(stage, "", clock)
    assert stage.watch.alarms["WiFiBilling-HighErrorRate-staging"]["Threshold"] == 5.0
    assert not stage.kept("thresholds")


def test_a_first_deployment_is_not_taken_back_because_nobody_pays_yet(clock: Clock) -> None:
    """The alarms of silence go on in its hour: no router asks yet, nobody buys. A second one is judged by them."""
    stage = Clouded("prod")
    for name in ("RadiusSilent", "HighErrorRate"):
        stage.watch.put_metric_alarm(AlarmName=f"WiFiBilling-{name}", Threshold=5.0, Period=60)

    def hour(name: str, earlier: dict[str, str]) -> None:
        for alarm in stage.watch.alarms.values():
            alarm["StateValue"] = "OK"

        def sleep(_: float) -> None:
            stage.watch.alarms[f"WiFiBilling-{name}"]["StateValue"] = "ALARM"

        done = Deployment(versions.stamp(clock.now()), "up", "a", stage.who, stage.release())
        upping._stand(stage, done, earlier, upping._Watch(set(), 60), clock._replace(sleep=sleep))

    hour("RadiusSilent", {})
    assert versions.history(stage)[-1].what == "up"
    with pytest.raises(Refusal, match="HighErrorRate"):
        hour("HighErrorRate", {})
    with pytest.raises(Refusal, match="RadiusSilent"):
        hour("RadiusSilent", versions.live(stage))
