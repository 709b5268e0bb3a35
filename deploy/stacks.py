"""The stacks that are data in the code: tables, alarms and dashboard, written as templates.

    python -P -m deploy.stacks        # writes deploy/stacks/data.json and deploy/stacks/monitoring.json

What the code declares is the one truth: a test fails when these files say something else.
"""

import json
from pathlib import Path
from typing import Any

from billing.alarms import ALARMS, API, COMPOSITES, FUNCTIONS, Alarm, Composite, Series, Topic
from billing.domain.daraja import ErrorClass
from billing.store.tables import TABLES as SELLING
from radius.cloudwatch import NAMESPACE
from radius.store.tables import TABLES as CORE
from radius.store.tables import Table, definition

FOLDER = Path(__file__).parent / "stacks"
TOPICS = {Topic.CRITICAL: "CriticalAlertTopic", Topic.ALERTS: "AlertTopic"}
DAY_S = 86_400

Template = dict[str, Any]


def data() -> Template:
    """Every table: on demand, encrypted with our key, restorable to any second of 35 days, not to be deleted."""
    tables = (*CORE, *SELLING)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "wifibilling: tables. Written by deploy/stacks.py from the code's own declarations.",
        "Parameters": {"TablePrefix": _text("Before each table's name, e.g. wifi-prod-", "[A-Za-z0-9_.-]{0,100}")},
        "Resources": {"DataKey": _key(), **{table.name: _table(table) for table in tables}},
        "Outputs": {
            "DataKeyArn": {"Value": {"Fn::GetAtt": ["DataKey", "Arn"]}},
            **{f"{table.name}Arn": {"Value": {"Fn::GetAtt": [table.name, "Arn"]}} for table in tables},
            **{f"{table.name}Name": {"Value": {"Ref": table.name}} for table in tables},
        },
    }


def _table(table: Table) -> Template:
    properties = definition(table, "") | {
        "TableName": {"Fn::Sub": f"${{TablePrefix}}{table.name}"},
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "DataKey"}},
    }
    if table.ttl:
        properties["TimeToLiveSpecification"] = {"AttributeName": table.ttl, "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": properties,
    }


def _key() -> Template:
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    return {
        "Type": "AWS::KMS::Key",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Description": "wifibilling: tables and their backups",
            "EnableKeyRotation": True,
            "KeyPolicy": {"Version": "2012-10-17", "Statement": [statement]},
        },
    }


def monitoring() -> Template:
    """Topics, every alarm of the list, the composites over them, the dashboard."""
    names = sorted({name for alarm in ALARMS for series in _series(alarm) for name in _placeholders(series)})
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "wifibilling: alarms and dashboard. Written by deploy/stacks.py from billing/alarms.py.",
        "Parameters": {
            "Environment": _text("As the setting `environment`: the dimension of every metric", "[A-Za-z0-9_.-]{1,63}"),
            "StageSuffix": _text("Empty in production, else like -staging", "(-[a-z0-9]{1,20})?", ""),
            "CriticalEmail": _text("Who is woken by e-mail", r"[^@\s]+@[^@\s]+\.[^@\s]+"),
            "CriticalPhone": _text("Who is woken by text message, like +254712345678", r"\+[1-9]\d{7,14}"),
            "AlertEmail": _text("The mailbox that is read in the morning", r"[^@\s]+@[^@\s]+\.[^@\s]+"),
            "RunbookUrl": _text(
                "Where the pages of deploy/runbooks are read, without a slash at the end", r"https://\S+"
            ),
            **{name: _text("A resource of another stack", ".+") for name in names},
        },
        "Resources": {
            "CriticalAlertTopic": _topic(
                "WiFiBilling Critical Alerts", ("email", "CriticalEmail"), ("sms", "CriticalPhone")
            ),
            "AlertTopic": _topic("WiFiBilling Alerts", ("email", "AlertEmail")),
            **{_logical(alarm.name): _alarm(alarm) for alarm in ALARMS},
            **{_logical(each.name): _composite(each) for each in COMPOSITES},
            "Dashboard": _dashboard(),
        },
        "Outputs": {
            "CriticalAlertTopicArn": {"Value": {"Ref": "CriticalAlertTopic"}},
            "AlertTopicArn": {"Value": {"Ref": "AlertTopic"}},
        },
    }


def _text(says: str, pattern: str, default: str | None = None) -> Template:
    found: Template = {"Type": "String", "Description": says, "AllowedPattern": pattern}
    return found if default is None else found | {"Default": default}


def _topic(display: str, *endpoints: tuple[str, str]) -> Template:
    told = [{"Protocol": protocol, "Endpoint": {"Ref": parameter}} for protocol, parameter in endpoints]
    return {
        "Type": "AWS::SNS::Topic",
        "Properties": {"DisplayName": display, "Subscription": told},
    }


def _logical(name: str) -> str:
    return name.replace("-", "") + "Alarm"


def _named(name: str) -> Template:
    return {"Fn::Sub": f"WiFiBilling-{name}${{StageSuffix}}"}


def _says(alarm: Alarm | Composite) -> Template:
    text = f"Level {int(alarm.level)}: {alarm.says}. Runbook: ${{RunbookUrl}}/{alarm.runbook}.md"
    return {"Fn::Sub": text}


def _series(alarm: Alarm) -> tuple[Series, ...]:
    return (*alarm.figure.parts, *alarm.figure.whole)


def _placeholders(series: Series) -> list[str]:
    return [value[2:-1] for _, value in series.dims if value.startswith("${")]


def _alarm(alarm: Alarm) -> Template:
    hushed = {name for each in COMPOSITES for name in each.any_of}
    topic = [{"Ref": TOPICS[alarm.topic]}]
    properties: Template = {
        "AlarmName": _named(alarm.name),
        "AlarmDescription": _says(alarm),
        "ComparisonOperator": "GreaterThanThreshold" if alarm.above else "LessThanThreshold",
        "Threshold": alarm.threshold,
        "EvaluationPeriods": alarm.of,
        "DatapointsToAlarm": alarm.periods,
        "TreatMissingData": alarm.missing.value,
    }
    if alarm.name not in hushed:  # a composite speaks for those
        properties |= {"AlarmActions": topic, "OKActions": topic}
    figure = alarm.figure
    if len(figure.parts) == 1 and not figure.whole:
        stat = "Statistic" if figure.stat in ("Sum", "Maximum", "Minimum") else "ExtendedStatistic"
        properties |= {**_metric(figure.parts[0]), "Period": alarm.period_s, stat: figure.stat}
    else:
        properties["Metrics"] = _math(alarm)
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _metric(series: Series) -> Template:
    dims = [("Environment", {"Ref": "Environment"})] if series.namespace == NAMESPACE else []
    dims += [(name, {"Fn::Sub": value} if value.startswith("${") else value) for name, value in series.dims]
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dims],
    }


def _math(alarm: Alarm) -> list[Template]:
    """Sums over series, and a percentage that is 0 while there is too little to judge."""
    figure = alarm.figure
    queries = []
    sums = {}
    for letter, several in (("p", figure.parts), ("w", figure.whole)):
        for number, series in enumerate(several):
            stat = {"Metric": _metric(series), "Period": alarm.period_s, "Stat": figure.stat}
            queries.append({"Id": f"{letter}{number}", "MetricStat": stat, "ReturnData": False})
        sums[letter] = "+".join(f"FILL({letter}{number},0)" for number in range(len(several)))
    expression = sums["p"]
    if figure.whole:
        expression = f"IF(({sums['w']})>={figure.at_least:g},100*({sums['p']})/({sums['w']}),0)"
    return [{"Id": "figure", "Expression": expression, "Label": alarm.name, "ReturnData": True}, *queries]


def _composite(each: Composite) -> Template:
    topic = [{"Ref": TOPICS[each.topic]}]
    rule = " OR ".join(f'ALARM("WiFiBilling-{name}${{StageSuffix}}")' for name in each.any_of)
    return {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "DependsOn": [_logical(name) for name in each.any_of],
        "Properties": {
            "AlarmName": _named(each.name),
            "AlarmDescription": _says(each),
            "AlarmRule": {"Fn::Sub": rule},
            "AlarmActions": topic,
            "OKActions": topic,
        },
    }


# -- the dashboard ------------------------------------------------------------------------------------------------


def _ours(name: str, stat: str = "Sum", **dims: str) -> tuple[Series, str]:
    return Series(name, tuple(dims.items())), stat


def _functions(name: str, stat: str) -> tuple[tuple[Series, str], ...]:
    return tuple(_theirs("Lambda", name, stat, ("FunctionName", f"${{{function}}}")) for function in FUNCTIONS)


def _api(name: str, stat: str) -> tuple[Series, str]:
    return _theirs("ApiGateway", name, stat, *API)


def _theirs(service: str, name: str, stat: str, *dims: tuple[str, str]) -> tuple[Series, str]:
    return Series(name, dims, f"AWS/{service}"), stat


GRAPHS: tuple[tuple[str, tuple[tuple[Series, str], ...]], ...] = (
    ("Active sessions", (_ours("ActiveSessions", "Maximum"),)),
    ("Sessions begun and ended", (_ours("NewSessions"), _ours("TerminatedSessions"))),
    ("Data used (bytes)", (_ours("DataUsage"),)),
    ("Revenue (KES; the ledger has the truth)", (_ours("Revenue"),)),
    ("Payments", (_ours("PaymentsInitiated"), _ours("PaymentSuccess"), _ours("PaymentFailures"))),
    ("Failures, by whose fault", tuple(_ours("PaymentFailures", ErrorClass=each.value) for each in ErrorClass)),
    ("From callback to credit (s)", (_ours("PaymentSettle", "p50"), _ours("PaymentSettle", "p95"))),
    ("Paid to online (s)", (_ours("PaymentOnline", "p50"), _ours("PaymentOnline", "p95"))),
    ("Log-ins", (_ours("AccessAccepts"), _ours("AccessRejects"), _ours("AccessSilent"))),
    ("Log-in latency (s)", (_ours("AuthLatency", "p50"), _ours("AuthLatency", "p95"), _ours("AuthLatency", "p99"))),
    ("Accounting", (_ours("AccountingPackets"), _ours("SpooledPackets"), _ours("AccountingUnanswered"))),
    ("Enforcement (s)", (_ours("EnforcementWire", "p99"), _ours("EnforcementEnd", "p95"))),
    ("Routers' answers", (_ours("DisconnectsSent"), _ours("RouterNaks"), _ours("RouterSilences"))),
    ("Functions: errors", _functions("Errors", "Sum")),
    ("Functions: duration p95 (ms)", _functions("Duration", "p95")),
    ("Portal latency (ms)", (_api("Latency", "p95"), _api("Latency", "p99"))),
    ("Portal answers", (_api("Count", "Sum"), _api("4xx", "Sum"), _api("5xx", "Sum"))),
)
WIDTH, HEIGHT, COLUMNS = 8, 6, 3


def _dashboard() -> Template:
    widgets = [_graph(number, title, lines) for number, (title, lines) in enumerate(GRAPHS)]
    row = -(-len(GRAPHS) // COLUMNS) * HEIGHT
    query = (
        'SELECT SUM(Revenue) FROM SCHEMA("WiFiBilling", Environment, Package)'
        " WHERE Environment = '${Environment}' GROUP BY Package ORDER BY SUM() DESC"
    )
    widgets.append(
        {
            "type": "metric",
            **_place(0, row, 12),
            "properties": {
                "title": "Revenue by package (KES a UTC day)",
                "region": "${AWS::Region}",
                "view": "bar",
                "period": DAY_S,
                "metrics": [[{"expression": query, "id": "q1", "period": DAY_S}]],
            },
        }
    )
    links = (
        "[Runbooks](${RunbookUrl}) · "
        "[Traces](https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#xray:traces) · "
        "[AWS Health](https://health.aws.amazon.com/health/home)"
    )
    widgets.append({"type": "text", **_place(12, row, 12), "properties": {"markdown": links}})
    body = json.dumps({"widgets": widgets}, separators=(",", ":"))
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": {"Fn::Sub": "WiFiBilling${StageSuffix}"}, "DashboardBody": {"Fn::Sub": body}},
    }


def _place(x: int, y: int, width: int) -> Template:
    return {"x": x, "y": y, "width": width, "height": HEIGHT}


def _graph(number: int, title: str, lines: tuple[tuple[Series, str], ...]) -> Template:
    return {
        "type": "metric",
        **_place(number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT, WIDTH),
        "properties": {
            "title": title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "period": 300,
            "metrics": [_line(series, stat) for series, stat in lines],
        },
    }


def _line(series: Series, stat: str) -> list[Any]:
    dims = [("Environment", "${Environment}")] if series.namespace == NAMESPACE else []
    flat = [text for pair in (*dims, *series.dims) for text in pair]
    return [series.namespace, series.name, *flat, {"stat": stat}]


STACKS = {"data.json": data, "monitoring.json": monitoring}


def text(name: str) -> str:
    """The template as its file has it."""
    return json.dumps(STACKS[name](), indent=1) + "\n"


if __name__ == "__main__":
    for each in STACKS:
        (FOLDER / each).write_text(text(each))
