"""What `up` leaves live, on a stage of doubles: CloudFormation's own part is played by the emulator's tests."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.on_aws import __main__ as main
from deploy.on_aws import asking, change, prepare, rolling, templates, upping, versions, watching
from deploy.on_aws.package import Package
from deploy.on_aws.stage import Stage
from deploy.on_aws.upping import Clock
from deploy.on_aws.versions import Deployment
from deploy.refusal import Refusal
from tests.fakes.aws import Aws
from tests.unit.on_aws.cloud import REGION, Clouded
from tests.unit.on_aws.test_rolling import clock, release

__all__ = ["clock"]

HEAD = "c" * 40
PACKAGE = Package(Path("v.zip"), "0" * 64, 1, 1)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What CloudFormation does at the next `up`: a change, or nothing."""
    told: dict[str, Any] = {"change": lambda: False}
    monkeypatch.setattr(prepare, "needed", lambda _: {})
    monkeypatch.setattr(prepare, "serving_prefix", lambda _: "wifi-")
    monkeypatch.setattr(templates, "upload", lambda *_: templates.Uploaded("https://a", {}))
    monkeypatch.setattr(upping, "back_up", lambda *_: [])
    monkeypatch.setattr(upping, "commit", lambda: (HEAD, False))
    monkeypatch.setattr(upping, "foreign", lambda _: told.get("foreign", ""))
    monkeypatch.setattr(change, "change", lambda *_: told["change"]())
    return told


def up(stage: Clouded, clock: Clock) -> dict[str, str]:
    return upping.up(stage, PACKAGE, reason="", watch_s=0, clock=clock)


@pytest.mark.usefixtures("stack")
def test_what_was_rolled_back_from_is_deployed_again_when_it_is_asked_for(clock: Clock) -> None:
    """The template is unchanged, so CloudFormation does nothing; the aliases are where the rollback left them."""
    stage = Clouded()
    release(stage, clock, "a")
    second = release(stage, clock, "b")
    rolling.rollback(stage, "it was not b's fault", clock)
    assert up(stage, clock) == second == versions.live(stage)
    last = versions.history(stage)[-1]
    assert (last.what, last.commit, last.versions) == ("up, set forward", HEAD, second)


def test_a_change_beside_the_functions_does_not_leave_them_behind(clock: Clock, stack: dict[str, Any]) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    second = release(stage, clock, "b")
    rolling.rollback(stage, "", clock)
    stack["change"] = lambda: True  # an alarm's threshold
    assert up(stage, clock) == second


def test_a_new_version_is_what_the_stack_has_made(clock: Clock, stack: dict[str, Any]) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    stack["change"] = lambda: bool(stage.release())
    assert set(up(stage, clock).values()) == {"2"}
    assert versions.history(stage)[-1].what == "up"
    stack["change"] = lambda: False
    up(stage, clock)
    assert versions.history(stage)[-1].what == "up, unchanged"


@pytest.mark.usefixtures("stack")
def test_what_still_does_not_answer_goes_back_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Clouded()
    first = release(stage, clock, "a")
    release(stage, clock, "b")
    rolling.rollback(stage, "", clock)

    def verify(*_: Any) -> None:
        if versions.live(stage) != first:
            raise Refusal("/ answers 500")

    monkeypatch.setattr(asking, "verify", verify)
    with pytest.raises(Refusal, match="the functions are at the versions before"):
        up(stage, clock)
    assert versions.live(stage) == first
    assert upping._on(stage) is None


def test_a_change_that_fails_leaves_live_what_a_rollback_had_chosen(clock: Clock, stack: dict[str, Any]) -> None:
    """CloudFormation goes back to its template's versions, which are those that the rollback had left."""
    stage = Clouded()
    first, bad = release(stage, clock, "a"), release(stage, clock, "b")
    rolling.rollback(stage, "b is bad", clock)

    def fail() -> bool:
        versions.point(stage, bad)
        raise Refusal("a part was refused")

    stack["change"] = fail
    with pytest.raises(Refusal, match="a part was refused"):
        up(stage, clock)
    assert versions.live(stage) == first
    last = versions.history(stage)[-1]
    assert (last.what, last.left) == ("taken back: a part was refused", bad)


def test_an_alarm_that_goes_on_during_the_change_takes_it_back(clock: Clock, stack: dict[str, Any]) -> None:
    stage = Clouded()
    first = release(stage, clock, "a")
    stage.watch.put_metric_alarm(AlarmName="WiFiBilling-FailedRuns-staging", Threshold=5.0, Period=60)
    alarm = stage.watch.alarms["WiFiBilling-FailedRuns-staging"]
    alarm["StateValue"] = "OK"

    def change_and_trip() -> bool:
        stage.release()
        alarm["StateValue"] = "ALARM"
        return True

    stack["change"] = change_and_trip
    with pytest.raises(Refusal, match="FailedRuns"):
        upping.up(stage, PACKAGE, reason="", watch_s=60, clock=clock)
    assert versions.live(stage) == first


def test_an_hour_that_breaks_off_is_nothing_to_go_on_to_production_with(
    clock: Clock, stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    stack["change"] = lambda: bool(stage.release())

    def expired(*_: Any) -> set[str]:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": ""}}, "DescribeAlarms")

    monkeypatch.setattr(watching, "watch", expired)
    with pytest.raises(ClientError):
        upping.up(stage, PACKAGE, reason="", watch_s=60, clock=clock)
    assert versions.history(stage)[-1].what == "up, not looked at to the end"
    assert upping._on(stage) is None


@pytest.mark.usefixtures("stack")
def test_an_alias_that_cannot_be_set_is_no_deployment(clock: Clock) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    release(stage, clock, "b")
    rolling.rollback(stage, "", clock)
    stage.functions_of.stuck = True
    lines: list[Deployment] = versions.history(stage)
    with pytest.raises(Refusal, match="the alias live is at 1"):
        up(stage, clock)
    assert versions.history(stage) == lines


def test_another_package_is_not_recorded_as_this_commit(clock: Clock, stack: dict[str, Any]) -> None:
    stage = Clouded()
    release(stage, clock, "a")
    stack["foreign"] = "radius/log.py"
    up(stage, clock)
    assert versions.history(stage)[-1].commit == f"{HEAD}+changes"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_up_that_is_told_to_end_puts_the_thresholds_back(number: int, clock: Clock, stack: dict[str, Any]) -> None:
    stage, before = Clouded(), signal.getsignal(number)
    name = "WiFiBilling-HighErrorRate-staging"
    stage.watch.put_metric_alarm(AlarmName=name, Threshold=5.0, Period=60)
    stage.release()

    def killed() -> bool:
        assert stage.watch.alarms[name]["Threshold"] > 5
        os.kill(os.getpid(), number)
        return True

    stack["change"] = killed
    signal.signal(number, main._interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            up(stage, clock)
    finally:
        signal.signal(number, before)
    assert stage.watch.alarms[name]["Threshold"] == 5


def test_a_terminal_that_closes_is_heard_of_and_nohup_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(main, "app", lambda **_: 0)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert main.main() == 0
        assert signal.getsignal(signal.SIGTERM) is main._interrupt
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for each, how in before.items():
            signal.signal(each, how)


def test_a_command_on_a_stage_that_nobody_prepared_says_which_one_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "parameters", lambda _: {})
    with pytest.raises(Refusal, match="deploy/aws prepare --stage staging"):
        main._wifibilling(Clouded(), "ledger", "check")


def test_there_is_no_history_before_there_is_a_bucket() -> None:
    aws = Aws(lambda *_: [])
    aws.refusals["ListObjectsV2"] = "NoSuchBucket"

    class Bare(Stage):
        account = "1"  # type: ignore[assignment]

        def client(self, service: str) -> Any:
            return aws.client(service, self.region)

    assert versions.history(Bare("staging", REGION)) == []
    aws.refusals["ListObjectsV2"] = "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        versions.history(Bare("staging", REGION))
