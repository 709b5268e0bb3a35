"""What `status` finds wrong."""

from collections.abc import Callable

import pytest

from deploy.on_aws import standing, versions, watching
from tests.unit.on_aws.cloud import Clouded


@pytest.fixture
def stage() -> Clouded:
    """All is well."""
    made = Clouded()
    made.release()
    made.cloud.states["Monitoring"] = "CREATE_COMPLETE"
    for name in made.alarms:
        made.watch.put_metric_alarm(AlarmName=name, Threshold=5.0, Period=60)
    return made


def test_nothing_is_wrong(stage: Clouded, capsys: pytest.CaptureFixture[str]) -> None:
    assert standing.tell(stage) == []
    told = capsys.readouterr().out
    assert f"{len(stage.alarms)} of {len(stage.alarms)} alarms are OK" in told
    assert "raised" not in told


def rings(stage: Clouded) -> str:
    stage.watch.alarms[stage.alarms[0]]["StateValue"] = "ALARM"
    return stage.alarms[0]


def lost(stage: Clouded) -> str:
    del stage.watch.alarms[stage.alarms[-1]]
    return stage.alarms[-1]


def back(stage: Clouded) -> str:
    stage.cloud.states["Functions"] = "UPDATE_ROLLBACK_COMPLETE"
    return "Functions"


def undrilled(stage: Clouded) -> str:
    name = "WiFiBilling-NoDrill-staging"
    stage.watch.put_metric_alarm(AlarmName=name, Threshold=1.0, Period=86_400)
    stage.watch.alarms[name]["StateValue"] = "ALARM"
    return name


def dead(stage: Clouded) -> str:
    del stage.functions_of.alias[stage.functions[1]]
    return stage.functions[1]


@pytest.mark.parametrize("harm", [rings, lost, back, undrilled, dead])
def test_one_thing_is_wrong(harm: Callable[[Clouded], str], stage: Clouded) -> None:
    name = harm(stage)
    assert standing.tell(stage) == [name]


def test_silence_is_a_fault_in_production_only(stage: Clouded) -> None:
    prod = Clouded("prod")
    prod.release()
    prod.cloud.states["Monitoring"] = "CREATE_COMPLETE"
    for each in (stage, prod):
        for name in each.alarms:
            each.watch.put_metric_alarm(AlarmName=name, Threshold=5.0, Period=60)
        for name in ("RadiusSilent", "NoSales", "PaymentsDown"):
            each.watch.alarms[f"WiFiBilling-{name}{each.suffix}"]["StateValue"] = "ALARM"
    assert standing.tell(stage) == []
    assert set(standing.tell(prod)) == {f"WiFiBilling-{name}" for name in ("RadiusSilent", "NoSales", "PaymentsDown")}
    stage.watch.alarms["WiFiBilling-PaidNotCredited-staging"]["StateValue"] = "ALARM"
    assert set(standing.tell(stage)) == {f"WiFiBilling-{name}-staging" for name in ("PaidNotCredited", "PaymentsDown")}


def test_that_our_own_worker_is_silent_is_a_fault_anywhere(stage: Clouded) -> None:
    for name in stage.alarms:
        stage.watch.put_metric_alarm(AlarmName=name, Threshold=5.0, Period=60)
    stage.watch.alarms["WiFiBilling-SellingSilent-staging"]["StateValue"] = "ALARM"
    assert standing.tell(stage) == ["WiFiBilling-SellingSilent-staging"]


def test_a_stage_that_is_down_misses_no_alarm() -> None:
    assert standing.tell(Clouded()) == []


def test_what_a_killed_up_and_a_rollback_leave_is_told(stage: Clouded, capsys: pytest.CaptureFixture[str]) -> None:
    first = versions.live(stage)
    stage.release()
    versions.point(stage, first)
    assert watching.raise_thresholds(stage)
    assert standing.tell(stage) == []
    told = capsys.readouterr().out
    assert "thresholds are raised: WiFiBilling-HighErrorRate-staging" in told
    assert "not what the template has made: AuthLambda-staging 2" in told
