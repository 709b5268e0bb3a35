"""The templates say what the code declares, and CloudFormation's own schema finds nothing wrong with them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from billing.alarms import ALARMS, COMPOSITES
from billing.metrics import catalogue
from billing.store.tables import TABLES as SELLING
from deploy import stacks
from radius.cloudwatch import NAMESPACE, PUBLISHED
from radius.store.tables import TABLES as CORE
from radius.store.tables import definition

REGIONS = ["af-south-1", "eu-west-1"]
ALARM = "AWS::CloudWatch::Alarm"
BY_NAME = {metric.name: metric for metric in catalogue()}


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


@pytest.mark.parametrize("name", sorted(stacks.STACKS))
def test_the_files_are_what_the_code_declares(name: str) -> None:
    assert (stacks.FOLDER / name).read_text() == stacks.text(name), "run python -P -m deploy.stacks"


@pytest.mark.parametrize("path", sorted(stacks.FOLDER.iterdir()), ids=lambda path: path.name)
def test_cloudformation_knows_every_word(path: Path) -> None:
    assert lint(path.read_text(), config=ManualArgs(regions=REGIONS)) == []


def test_the_lint_can_fail() -> None:
    template = stacks.monitoring()
    template["Resources"]["NoSalesAlarm"]["Properties"]["ComparisonOperator"] = "GreaterThan"
    assert lint(json.dumps(template), config=ManualArgs(regions=REGIONS))


def test_tables_are_those_of_the_code_and_can_be_restored() -> None:
    found = resources(stacks.data(), "AWS::DynamoDB::Table")
    assert set(found) == {table.name for table in (*CORE, *SELLING)}
    for table in (*CORE, *SELLING):
        properties = found[table.name]
        wanted = definition(table, "") | {"TableName": {"Fn::Sub": f"${{TablePrefix}}{table.name}"}}
        assert {key: properties[key] for key in wanted} == wanted
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert properties["DeletionProtectionEnabled"]
        assert properties.get("TimeToLiveSpecification", {}).get("AttributeName", "") == table.ttl


def test_every_alarm_of_the_list_is_there_and_tells_of_its_end() -> None:
    found = resources(stacks.monitoring(), ALARM)
    names = {properties["AlarmName"]["Fn::Sub"] for properties in found.values()}
    assert names == {f"WiFiBilling-{alarm.name}${{StageSuffix}}" for alarm in ALARMS}
    hushed = {name for each in COMPOSITES for name in each.any_of}
    for alarm in ALARMS:
        properties = found[stacks._logical(alarm.name)]
        assert ("AlarmActions" in properties) == (alarm.name not in hushed)
        assert properties.get("OKActions") == properties.get("AlarmActions")
        assert properties["TreatMissingData"] == alarm.missing
        assert f"Level {int(alarm.level)}" in properties["AlarmDescription"]["Fn::Sub"]
    for each in resources(stacks.monitoring(), "AWS::CloudWatch::CompositeAlarm").values():
        assert each["AlarmActions"]
        assert each["OKActions"]


def told() -> list[tuple[str, frozenset[str]]]:
    """Every metric of ours that a graph or an alarm names, with its dimensions."""
    template = stacks.monitoring()
    found = []
    for properties in resources(template, ALARM).values():
        metrics = [each["MetricStat"]["Metric"] for each in properties.get("Metrics", ()) if "MetricStat" in each]
        found += [
            (metric["MetricName"], frozenset(dim["Name"] for dim in metric["Dimensions"]))
            for metric in metrics or [properties]
            if metric["Namespace"] == NAMESPACE
        ]
    body = json.loads(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    lines = [line for widget in body["widgets"] for line in widget["properties"].get("metrics", ())]
    for namespace, name, *rest in (line for line in lines if len(line) > 1):
        if namespace == NAMESPACE:
            found.append((name, frozenset(rest[:-1:2])))
    return found


def test_what_graphs_and_alarms_name_is_sent_with_exactly_these_dimensions() -> None:
    for name, dims in told():
        assert "Environment" in dims, name
        assert dims - {"Environment"} in [set(each) for each in PUBLISHED[name]], name
        assert name in BY_NAME
    assert len({name for name, _ in told()}) > 20


def test_what_is_sent_is_shown_or_watched_or_asked_for() -> None:
    """CloudWatch bills a series that nobody looks at like any other."""
    asked = {"Transactions", "PaymentOutcome"}  # the operations guide's own queries, Logs Insights and reports
    shown = {name for name, _ in told()}
    unseen = set(PUBLISHED) - shown - asked
    assert unseen <= {
        "NewUsers",
        "QueriesSent",
        "CallbacksLeft",
        "PaymentAnswer",
        "PaymentSubmit",
        "SessionDuration",
        "AccountingLatency",
        "StoreRequests",
        "StoreUnanswered",
        "StoreThrottles",
        "StoreTransactionConflicts",
        "DegradedAccepts",
        "UnknownSources",
    }


def test_revenue_by_package_is_a_query_that_metrics_insights_takes() -> None:
    body = json.loads(stacks.monitoring()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    (query,) = (
        line[0]["expression"]
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", ())
        if isinstance(line[0], dict)
    )
    found = re.fullmatch(
        r'SELECT (SUM|AVG|MAX|MIN|COUNT)\((\w+)\) FROM SCHEMA\("(\w+)", ([\w, ]+)\)'
        r"( WHERE (\w+) = '[^']+')?( GROUP BY (\w+))?( ORDER BY (SUM|AVG|MAX|MIN|COUNT)\(\) (ASC|DESC))?( LIMIT \d+)?",
        query,
    )
    assert found is not None
    assert found[3] == NAMESPACE
    dims = set(found[4].split(", "))
    assert dims - {"Environment"} in [set(each) for each in PUBLISHED[found[2]]]
    assert {found[6], found[8]} <= dims


def test_a_stage_has_names_of_its_own() -> None:
    template = stacks.monitoring()
    for kind, key in ((ALARM, "AlarmName"), ("AWS::CloudWatch::Dashboard", "DashboardName")):
        for properties in resources(template, kind).values():
            assert "${StageSuffix}" in properties[key]["Fn::Sub"]
