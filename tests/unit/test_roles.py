"""Every role of every stack, action by action: what is not in this list with its reason is a right too many."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cfnlint.decode import decode_str

from deploy.stacks import FOLDER

_SEALED = {  # DynamoDB asks for the tables' key in the name of who reads and writes
    "kms:Decrypt": "DataKeyArn",
    "kms:GenerateDataKey": "DataKeyArn",
}
_LOGS = {"logs:CreateLogStream": "Log", "logs:PutLogEvents": "Log"}  # Lambda, or the agent of ECS, with what is printed
_TOLD = {  # tests/contract/test_rights.py hears both
    "secretsmanager:GetSecretValue": ":secret:wifi-billing${StageSuffix}/",
    "ssm:GetParameter": ":parameter/wifi-billing${StageSuffix}/settings",
}
_NOWHERE = "*"  # AWS takes no resource for this action
_FUNCTION = {
    **_SEALED,
    **_LOGS,
    **_TOLD,
    "sqs:SendMessage": "FailedRuns",  # Lambda, when a run fails
    "xray:PutTraceSegments": _NOWHERE,  # the layer that traces
    "xray:PutTelemetryRecords": _NOWHERE,
}
_STARTS = {  # the agent of ECS, before a container is there
    "ecr:GetAuthorizationToken": _NOWHERE,
    "ecr:BatchCheckLayerAvailability": ":repository/",
    "ecr:BatchGetImage": ":repository/",
    "ecr:GetDownloadUrlForLayer": ":repository/",
    **_LOGS,
}
_OWN, _DRILLED = ":table/${TablePrefix}", ":table/drill-*"
_ELSEWHERE = {"dynamodb:Query": "table/${OtherPrefix}ConfigTable"}
BY_WIRE = {
    "SellingRole",
    "SessionRole",
    "CoaRole",
    "NodeRole",
}  # whose rights to tables are compared with the wire, there
# By stack and role (or policy beside one): each action with what its resource has in it
MAY: Mapping[tuple[str, str], Mapping[str, str | tuple[str, ...]]] = {
    ("api.yaml", "SellingRole"): _FUNCTION,
    ("api.yaml", "SessionRole"): _FUNCTION,
    ("api.yaml", "CoaRole"): {
        **_FUNCTION,
        "ec2:CreateNetworkInterface": _NOWHERE,  # Lambda, for a function in a VPC
        "ec2:DescribeNetworkInterfaces": _NOWHERE,
        "ec2:DeleteNetworkInterface": _NOWHERE,
    },
    ("api.yaml", "LooksElsewhere"): _ELSEWHERE,
    ("api.yaml", "SendsMessages"): {"sns:Publish": _NOWHERE},  # a phone number is no resource
    ("radius.yaml", "NodeRole"): {
        **_SEALED,
        **_TOLD,
        "cloudwatch:PutMetricData": _NOWHERE,
        "elasticfilesystem:ClientMount": "DiskArn",  # the agent of ECS mounts the disk as the task
        "elasticfilesystem:ClientWrite": "DiskArn",
    },
    ("radius.yaml", "StartRole"): _STARTS,
    ("radius.yaml", "LooksElsewhere"): _ELSEWHERE,
    ("drill.yaml", "ScheduleRole"): {"ecs:RunTask": "Drill", "iam:PassRole": "Role"},
    ("drill.yaml", "StartRole"): _STARTS,
    ("drill.yaml", "DrillRole"): {
        **_SEALED,
        "kms:CreateGrant": "DataKeyArn",  # the restored tables are sealed with the same key
        "kms:DescribeKey": "DataKeyArn",
        "secretsmanager:GetSecretValue": ":secret:wifi-billing${StageSuffix}/data-key-",
        "dynamodb:DescribeContinuousBackups": _OWN,  # what can be restored
        "dynamodb:DescribeTable": (_OWN, _DRILLED),
        "dynamodb:RestoreTableToPointInTime": (_OWN, _DRILLED),
        # AWS's list of what a restore asks for on its target (developer guide, "IAM for backup and restore") is these
        # but for BatchGetItem and DeleteTable: by those the copy is checked, and goes
        "dynamodb:BatchGetItem": _DRILLED,
        "dynamodb:BatchWriteItem": _DRILLED,
        "dynamodb:DeleteItem": _DRILLED,
        "dynamodb:DeleteTable": _DRILLED,
        "dynamodb:GetItem": _DRILLED,
        "dynamodb:PutItem": (_OWN + "ConfigTable", _DRILLED),  # and that it was done is written down
        "dynamodb:Query": (_OWN + "ConfigTable", _DRILLED),
        "dynamodb:Scan": _DRILLED,
        "dynamodb:UpdateItem": _DRILLED,
    },
    ("backup.yaml", "BackupRole"): {},  # AWS's own lists of what its service calls
    ("monitoring.json", "HeartbeatRole"): {"events:InvokeApiDestination": "HeartbeatDestination"},
}
MANAGED = {
    ("backup.yaml", "BackupRole"): {"AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"}
}


@cache
def holders() -> dict[tuple[str, str], dict[str, Any]]:
    """Properties of every role and policy of every stack."""
    return {
        (path.name, name): each["Properties"]
        for path in sorted(FOLDER.iterdir())
        for name, each in dict(decode_str(path.read_text())[0])["Resources"].items()
        if each["Type"] in ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
    }


def given(properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Each action that is allowed, with each of its resources as text."""
    documents = [
        each["PolicyDocument"] for each in properties.get("Policies", [properties]) if "PolicyDocument" in each
    ]
    found: set[tuple[str, str]] = set()
    for statement in (each for document in documents for each in document["Statement"]):
        each = statement["Fn::If"][1] if "Fn::If" in statement else statement
        assert not {"NotAction", "NotResource"} & set(each)
        if each["Effect"] == "Allow":
            actions, places = (
                part if isinstance(part, list) else [part] for part in (each["Action"], each["Resource"])
            )
            found |= {(action, place if place == "*" else json.dumps(place)) for action in actions for place in places}
    return found


def strange(holder: tuple[str, str], properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a role may do that is in no list, and what it may not do that is."""
    by_wire = holder[1] in BY_WIRE
    found = {(action, at) for action, at in given(properties) if not (by_wire and action.startswith("dynamodb:"))}
    wanted = {
        (action, place)
        for action, places in MAY[holder].items()
        for place in (places if isinstance(places, tuple) else (places,))
    }

    def fits(action: str, at: str, place: str) -> bool:
        return (action, place) in wanted and (at == "*") == (place == "*") and place in at

    more = {(action, at) for action, at in found if not any(fits(action, at, place) for _, place in wanted)}
    less = {
        (action, place)
        for action, place in wanted
        if not any(fits(action, at, place) for a, at in found if a == action)
    }
    return more | less


def test_every_role_of_every_stack_is_in_the_list() -> None:
    assert set(holders()) == set(MAY)


@pytest.mark.parametrize("holder", sorted(MAY), ids="-".join)
def test_a_role_may_do_these_actions_there_and_no_others(holder: tuple[str, str]) -> None:
    properties = holders()[holder]
    assert strange(holder, properties) == set()
    managed = {each["Fn::Sub"].rpartition("/")[2] for each in properties.get("ManagedPolicyArns", ())}
    assert managed == MANAGED.get(holder, set())


@pytest.mark.parametrize(
    "more",
    [
        {"Action": ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"], "Resource": {"Ref": "DataKeyArn"}},
        {"Action": "logs:DeleteLogGroup", "Resource": {"Fn::Sub": "${AuthLog.Arn}"}},
        {"Action": "logs:PutLogEvents", "Resource": "*"},
        {"Action": "kms:Decrypt", "Resource": "*"},
        {"Action": "secretsmanager:GetSecretValue", "Resource": {"Fn::Sub": "arn:x:secret:*"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("holder", sorted(set(MAY) - {("backup.yaml", "BackupRole")}), ids="-".join)
def test_a_right_too_many_is_seen_at_every_role(holder: tuple[str, str], more: dict[str, Any]) -> None:
    properties = holders()[holder]
    (document,) = [each["PolicyDocument"] for each in properties.get("Policies", [properties])]
    wider = {
        **properties,
        "Policies": [{"PolicyDocument": {"Statement": [*document["Statement"], {"Effect": "Allow", **more}]}}],
    }
    assert strange(holder, wider)
