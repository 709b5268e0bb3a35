"""What is typed wrong is one line that says who refuses, and nothing is done."""

from typing import Any

import pytest

from deploy.on_aws import __main__ as command
from deploy.on_aws import enhancing, versions
from deploy.on_aws.stage import Stage
from deploy.refusal import exit_code
from tests.fakes.aws import Aws

LAYER = "arn:aws:lambda:af-south-1:580247275435:layer:LambdaInsightsExtension:55"
TRACES = "arn:aws:lambda:af-south-1:904233106960:layer:AWSOpenTelemetryDistroPython:12"


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.delenv("COMMAND", raising=False)
    monkeypatch.setattr("sys.argv", ["deploy/aws", *words])
    monkeypatch.setattr(Stage, "client", lambda *_: pytest.fail("AWS was asked"))
    return exit_code(command.main)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("enhance", "on", "--for", "-1"), "--for -1"),
        (("enhance", "on", "--for", "nan"), "--for nan"),
        (("enhance", "on", "--for", "inf"), "--for inf"),
        (("scale", "payment", "\u0663"), "a number"),
        (("scale", "payment", "\u00b2"), "a number"),
        (("cost", "--interim", "0"), "interim"),
        (("cost", "--customers", "-5"), "customers"),
        (("cost", "--factor", "0"), "factor"),
    ],
)
def test_it_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    more = () if words[0] == "cost" else ("--region", "af-south-1")
    assert typed(monkeypatch, *words, *more) == 1
    said = capsys.readouterr()
    assert said.err.startswith("deploy/aws: ")
    assert said.err.count("\n") == 1
    assert says in said.err
    assert said.out == ""


def test_a_layer_that_looks_closer_comes_beside_the_one_that_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that are traced are started by what is in theirs."""
    there: dict[str, Any] = {"Role": "arn:aws:iam::1:role/x", "TracingConfig": {"Mode": "Active"}}
    aws = Aws(lambda *_: [])
    aws.answers |= {
        "GetFunctionConfiguration": lambda _: {**there, "Layers": [{"Arn": TRACES}]},
        "UpdateFunctionConfiguration": lambda _: {},
        "PublishVersion": lambda _: {"Version": "2"},
    }
    stage, kept = Stage("trial", "af-south-1"), []
    monkeypatch.setattr(Stage, "client", lambda place, service: aws.client(service, place.region))
    monkeypatch.setattr(Stage, "kept", lambda *_: [])
    monkeypatch.setattr(Stage, "keep", lambda _stage, _kind, _name, value: kept.append(value))
    monkeypatch.setattr(versions, "live", lambda _: dict.fromkeys(stage.functions, "1"))
    monkeypatch.setattr(versions, "point", lambda *_: None)
    monkeypatch.setattr(enhancing, "_contributors", lambda *_: None)
    monkeypatch.setattr(enhancing, "_roles", lambda *_: None)
    enhancing.on(stage, 0, LAYER)
    asked = aws.asked("UpdateFunctionConfiguration")
    assert [each["Layers"] for each in asked] == [[TRACES, LAYER]] * 4
    assert {tuple(each["Layers"]) for each in kept[0]["configurations"].values()} == {(TRACES,)}, "what `off` puts back"
