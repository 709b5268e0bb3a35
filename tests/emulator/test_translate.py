"""What the SAM translator, AWS's own, makes of the templates with functions, and what CloudFormation says of that."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from deploy.on_aws import templates
from tests.emulator.lab import HERE, KEYS, clean

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
CODE = {"Bucket": "a-bucket", "Key": "packages/a.zip"}  # as `deploy/aws` uploads it
REGION = "af-south-1"


@pytest.fixture(scope="module")
def translated(emulator_python: Path) -> dict[str, Any]:
    several = {}
    for path in templates.parts(templates.load(templates.TEMPLATE)).values():
        template = templates.load(path)
        if "Transform" in template:
            template["Globals"]["Function"]["CodeUri"] = CODE
            several[path.name] = template
    command = [str(emulator_python), str(HERE / "translate.py")]
    done = subprocess.run(
        command, input=json.dumps(several), capture_output=True, text=True, check=False, env={**clean(), **KEYS}
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "api.yaml" in found
    return found


def test_cloudformation_knows_what_comes_out(translated: dict[str, Any]) -> None:
    for name, template in translated.items():
        found = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
        assert [f"{each.rule.id} {each.message}" for each in found if each.rule.id[0] == "E"] == [], name


def kind(template: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: each for key, each in template["Resources"].items() if each["Type"] == name}


def test_every_function_has_a_version_that_its_alias_names(translated: dict[str, Any]) -> None:
    template = translated["api.yaml"]
    functions = kind(template, "AWS::Lambda::Function")
    assert len(functions) == 4
    for name, each in functions.items():
        assert {key.removeprefix("S3"): text for key, text in each["Properties"]["Code"].items()} == CODE
        alias = template["Resources"][f"{name}Aliaslive"]["Properties"]
        version = alias["FunctionVersion"]["Fn::GetAtt"][0]
        assert template["Resources"][version]["DeletionPolicy"] == "Retain", "the way back"


def test_schedules_start_what_is_live(translated: dict[str, Any]) -> None:
    """Not the newest code: a version that was taken back must not be started by the clock."""
    rules = kind(translated["api.yaml"], "AWS::Events::Rule")
    assert len(rules) == 3
    for rule in rules.values():
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"]["Ref"].endswith("Aliaslive")


def test_the_doors_of_customers_change_gradually(translated: dict[str, Any]) -> None:
    groups = kind(translated["api.yaml"], "AWS::CodeDeploy::DeploymentGroup")
    assert {name.removesuffix("DeploymentGroup") for name in groups} == {"AuthLambda", "PaymentLambda"}
    for group in groups.values():
        assert group["Properties"]["AlarmConfiguration"]["Enabled"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["Properties"]["AutoRollbackConfiguration"]["Events"]
