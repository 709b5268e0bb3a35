"""What the stacks watch is looked at as CloudWatch would: names, dimensions, units, missing data, queries, retention.

CloudWatch takes an alarm on a series that nobody sends, and says nothing: each kind of mistake is made here on purpose.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cfnlint.decode import decode_str

from deploy import stacks
from radius.cloudwatch import NAMESPACE, PUBLISHED
from tests.insights import logs, metrics
from tests.insights.lex import Rejected
from tests.unit.billing.test_alarms import BY_NAME, DIMS

Template = dict[str, Any]
INDEX = "GlobalSecondaryIndexName"
THEIRS = {**DIMS, ("AWS/ApiGateway", "4xx"): {"ApiId", "Stage"}}


def of(template: Template, kind: str) -> list[tuple[str, Template]]:
    return [(name, each["Properties"]) for name, each in template["Resources"].items() if each["Type"] == kind]


def body(template: Template) -> Template:
    ((_, dashboard),) = of(template, "AWS::CloudWatch::Dashboard")
    return dict(json.loads(dashboard["DashboardBody"]["Fn::Sub"][0]))


def series(template: Template) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Who names it, namespace, name and dimensions of every series of alarms and graphs."""
    for who, alarm in of(template, "AWS::CloudWatch::Alarm"):
        several = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each] or [alarm]
        for each in several:
            yield who, each["Namespace"], each["MetricName"], {dim["Name"]: dim["Value"] for dim in each["Dimensions"]}
    for widget in body(template)["widgets"]:
        for namespace, name, *rest in (line for line in widget["properties"].get("metrics", ()) if len(line) > 1):
            flat = rest[:-1]
            yield widget["properties"]["title"], namespace, name, dict(zip(flat[::2], flat[1::2], strict=True))


def is_sent(namespace: str, name: str, dims: dict[str, Any]) -> bool:
    if namespace != NAMESPACE:
        return set(dims) - {INDEX} == THEIRS.get((namespace, name))
    ours = {key: value for key, value in dims.items() if key != "Environment"}
    return (
        "Environment" in dims
        and set(ours) in [set(each) for each in PUBLISHED.get(name, ())]
        and all(value in BY_NAME[name].dims[key] for key, value in ours.items())
    )


def bad_alarm(properties: Template) -> list[str]:
    units = [
        properties.get("Unit"),
        *(each.get("MetricStat", {}).get("Unit") for each in properties.get("Metrics", ())),
    ]
    found = []
    if any(units):  # a unit that is not exactly the sender's finds no data; without one every sample counts
        found.append("unit")
    if "TreatMissingData" not in properties:
        found.append("missing data")
    if len({"Statistic", "ExtendedStatistic", "Metrics"} & set(properties)) != 1:
        found.append("statistic")
    return found


def rejected(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except Rejected:
        return True
    return False


def wrong(template: Template) -> set[str]:
    """What CloudWatch would not refuse, or only at its own time."""
    found = {f"series of {who}" for who, *each in series(template) if not is_sent(*each)}
    found |= {f"{what} of {who}" for who, alarm in of(template, "AWS::CloudWatch::Alarm") for what in bad_alarm(alarm)}
    for who, query in of(template, "AWS::Logs::QueryDefinition"):
        if rejected(logs.parse, query["QueryString"]):
            found.add(f"query {who}")
    lines = [line for widget in body(template)["widgets"] for line in widget["properties"].get("metrics", ())]
    asked = [line[0]["expression"] for line in lines if isinstance(line[0], dict)]
    found |= {text for text in asked if not text.startswith("SEARCH(") and rejected(metrics.parse, text)}
    return found


def test_nothing_is_wrong() -> None:
    assert wrong(stacks.monitoring()) == set()


def _of_board(old: str, new: str) -> Callable[[Template], None]:
    def change(resources: Template) -> None:
        text = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        assert old in text[0]
        text[0] = text[0].replace(old, new, 1)

    return change


def _of(name: str, change: Callable[[Template], Any]) -> Callable[[Template], None]:
    def change_it(resources: Template) -> None:
        change(resources[name]["Properties"])

    return change_it


MISTAKES: list[tuple[str, Callable[[Template], None]]] = [
    (
        "series of PaidNotOnlineAlarm",
        _of("PaidNotOnlineAlarm", lambda each: each["Dimensions"][0].update(Name="Stage")),
    ),
    ("series of HighLatencyAlarm", _of("HighLatencyAlarm", lambda each: each["Dimensions"][0].update(Name="ApiName"))),
    ("series of NoSalesAlarm", _of("NoSalesAlarm", lambda each: each.update(MetricName="SaleSilence"))),
    (
        "series of PaymentFailuresAlarm",
        _of(
            "PaymentFailuresAlarm",
            lambda each: each["Metrics"][1]["MetricStat"]["Metric"]["Dimensions"][1].update(Value="nobody"),
        ),
    ),
    ("series of Functions: errors", _of_board('"AWS/Lambda","Errors","FunctionName"', '"AWS/Lambda","Errors","Name"')),
    ("series of Revenue", _of_board('"Revenue","Environment"', '"Revenue","Stage"')),
    ("unit of AuthLatencyAlarm", _of("AuthLatencyAlarm", lambda each: each.update(Unit="Milliseconds"))),
    (
        "unit of HighErrorRateAlarm",
        _of("HighErrorRateAlarm", lambda each: each["Metrics"][1]["MetricStat"].update(Unit="Bytes")),
    ),
    ("missing data of NoSalesAlarm", _of("NoSalesAlarm", lambda each: each.pop("TreatMissingData"))),
    ("missing data of HeartbeatAlarm", _of("HeartbeatAlarm", lambda each: each.pop("TreatMissingData"))),
    ("statistic of AuthLatencyAlarm", _of("AuthLatencyAlarm", lambda each: each.update(Statistic="Average"))),
    ("query Query01", _of("Query01", lambda each: each.update(QueryString="stats count(*) by BIN(1d)"))),
    ("SELECT", _of_board("GROUP BY Package", "GROUP BY Package, BIN(1d)")),
]


@pytest.mark.parametrize(("says", "mistake"), MISTAKES, ids=[says for says, _ in MISTAKES])
def test_a_mistake_is_seen(says: str, mistake: Callable[[Template], None]) -> None:
    template = copy.deepcopy(stacks.monitoring())
    mistake(template["Resources"])
    (found,) = wrong(template)
    assert found.startswith(says)


# -- what is printed is kept for a while, everywhere -------------------------------------------------------------------


def endless(template: Template) -> set[str]:
    return {name for name, group in of(template, "AWS::Logs::LogGroup") if "RetentionInDays" not in group}


@pytest.mark.parametrize("name", ["api.yaml", "radius.yaml", "drill.yaml"])
def test_each_log_group_of_every_stack_ends(name: str) -> None:
    template = dict(decode_str((stacks.FOLDER / name).read_text())[0])
    groups = of(template, "AWS::Logs::LogGroup")
    assert groups
    assert endless(template) == set()
    groups[0][1].pop("RetentionInDays")
    assert endless(template) == {groups[0][0]}


def test_no_other_stack_has_a_log_group() -> None:
    with_groups = {path.name for path in stacks.FOLDER.iterdir() if "AWS::Logs::LogGroup" in path.read_text()}
    assert with_groups == {"api.yaml", "radius.yaml", "drill.yaml"}
