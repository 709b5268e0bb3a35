"""The stacks that are data in the code: tables, alarms and dashboard, written as templates.

    python -P -m deploy.stacks        # writes deploy/stacks/data.json and deploy/stacks/monitoring.json

What the code declares is the one truth: a test fails when these files say something else.
"""

import json
from pathlib import Path
from typing import Any

from billing.alarms import ALARMS, API, COMPOSITES, FUNCTIONS, INDEXES, TABLES, Alarm, Composite, Series, Topic
from billing.domain.daraja import ErrorClass
from billing.metrics import OUTCOMES
from billing.store.tables import TABLES as SELLING
from deploy.log_queries import QUERIES, LogQuery
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
            "StatusUrl": _text("Where the status page is; empty until there is one", r"(https://\S+)?", ""),
            "HeartbeatUrl": _text(
                "Waits for a request every 20 minutes and else calls you (healthchecks.io and the like); or empty",
                r"(https://\S+)?",
                "",
            ),
            "RunbookUrl": _text(
                "Where the pages of deploy/runbooks are read, without a slash at the end", r"https://\S+"
            ),
            **{name: _text("A resource of another stack", ".+") for name in names},
        },
        "Conditions": {"HasHeartbeat": _given("HeartbeatUrl"), "HasStatus": _given("StatusUrl")},
        "Resources": {
            "CriticalAlertTopic": _topic(
                "WiFiBilling Critical Alerts", ("email", "CriticalEmail"), ("sms", "CriticalPhone")
            ),
            "AlertTopic": _topic("WiFiBilling Alerts", ("email", "AlertEmail")),
            **{_logical(alarm.name): _alarm(alarm) for alarm in ALARMS},
            **{_logical(each.name): _composite(each) for each in COMPOSITES},
            "Dashboard": _dashboard(),
            **_health(),
            **_heartbeat(),
            **{f"Query{number:02}": _query(each) for number, each in enumerate(QUERIES, 1)},
        },
        "Outputs": {
            "CriticalAlertTopicArn": {"Value": {"Ref": "CriticalAlertTopic"}},
            "AlertTopicArn": {"Value": {"Ref": "AlertTopic"}},
        },
    }


def _given(parameter: str) -> Template:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


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


# -- AWS's own trouble ------------------------------------------------------------------------------------------------


def _health() -> Template:
    """What AWS says of its services and our resources here goes to the mailbox; what is global it says in us-east-1."""
    rule = {
        "Description": "AWS Health: issues, notifications and planned changes that touch this account",
        "EventPattern": {
            "source": ["aws.health"],
            "detail-type": ["AWS Health Event"],
            "detail": {"eventTypeCategory": ["issue", "accountNotification", "scheduledChange"]},
        },
        "Targets": [
            {
                "Id": "mailbox",
                "Arn": {"Ref": "AlertTopic"},
                "InputTransformer": {
                    "InputPathsMap": {
                        "what": "$.detail.eventTypeCode",
                        "where": "$.region",
                        "at": "$.detail.startTime",
                    },
                    "InputTemplate": '"AWS Health: <what> in <where> since <at> (UTC). '
                    'https://health.aws.amazon.com/health/home"',
                },
            }
        ],
    }
    ours = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    statements = [
        {
            "Sid": who,
            "Effect": "Allow",
            "Principal": {"Service": f"{who}.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": {"Ref": "AlertTopic"},
            "Condition": condition,
        }
        for who, condition in (
            ("cloudwatch", ours),
            ("events", {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["HealthRule", "Arn"]}}}),
        )
    ]
    return {
        "HealthRule": {"Type": "AWS::Events::Rule", "Properties": rule},
        "AlertTopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "AlertTopic"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        },
    }


# -- who watches the watchers --------------------------------------------------------------------------------------


def _heartbeat() -> Template:
    """A dead man's switch: an alarm that is on and off by turns, told to somebody outside who calls when it stays out.

    A function, its log, the metric, the judging of alarms and the events: when any of them is not at work, it stops.
    """
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": _pulse()}
    rule = {
        "Description": "Each turn of the heartbeat goes outside",
        "EventPattern": {
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "resources": [{"Fn::GetAtt": ["HeartbeatAlarm", "Arn"]}],
        },
        "Targets": [
            {
                "Id": "outside",
                "Arn": {"Fn::GetAtt": ["HeartbeatDestination", "Arn"]},
                "RoleArn": {"Fn::GetAtt": ["HeartbeatRole", "Arn"]},
            }
        ],
    }
    connection = {
        "AuthorizationType": "API_KEY",  # an address of this kind is its own secret: the header says nothing
        "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "X-WiFiBilling", "ApiKeyValue": "heartbeat"}},
    }
    destination = {
        "ConnectionArn": {"Fn::GetAtt": ["HeartbeatConnection", "Arn"]},
        "HttpMethod": "POST",
        "InvocationEndpoint": {"Ref": "HeartbeatUrl"},
        "InvocationRateLimitPerSecond": 1,
    }
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {
        "Effect": "Allow",
        "Action": "events:InvokeApiDestination",
        "Resource": {"Fn::GetAtt": ["HeartbeatDestination", "Arn"]},
    }
    role = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policies": [{"PolicyName": "outside", "PolicyDocument": {"Version": "2012-10-17", "Statement": [may]}}],
    }
    parts = {
        "HeartbeatRule": ("AWS::Events::Rule", rule),
        "HeartbeatConnection": ("AWS::Events::Connection", connection),
        "HeartbeatDestination": ("AWS::Events::ApiDestination", destination),
        "HeartbeatRole": ("AWS::IAM::Role", role),
    }
    made = {
        name: {"Type": kind, "Condition": "HasHeartbeat", "Properties": each} for name, (kind, each) in parts.items()
    }
    return {"HeartbeatAlarm": alarm, **made}


def _pulse() -> Template:
    return {
        "AlarmName": _named("Heartbeat"),
        "AlarmDescription": "No fault: it is on for ten minutes and off for ten, while all that alarms need is at work",
        **_metric(Series("Heartbeat")),
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore",
    }


def _query(query: LogQuery) -> Template:
    return {
        "Type": "AWS::Logs::QueryDefinition",
        "Properties": {
            "Name": {"Fn::Sub": f"WiFiBilling${{StageSuffix}}/{query.name}"},
            "LogGroupNames": [{"Fn::Sub": f"{group}${{StageSuffix}}"} for group in query.groups],
            "QueryString": query.text,
        },
    }


# -- the dashboard ------------------------------------------------------------------------------------------------


def _ours(name: str, stat: str = "Sum", **dims: str) -> tuple[Series, str]:
    return Series(name, tuple(dims.items())), stat


def _functions(name: str, stat: str) -> tuple[tuple[Series, str], ...]:
    return tuple(_theirs("Lambda", name, stat, ("FunctionName", f"${{{function}}}")) for function in FUNCTIONS)


def _tables(*names: str) -> tuple[tuple[Series, str], ...]:
    return tuple(_theirs("DynamoDB", name, "Sum", ("TableName", f"${{{table}}}")) for table in TABLES for name in names)


def _indexes(*names: str) -> tuple[tuple[Series, str], ...]:
    return tuple(
        _theirs("DynamoDB", name, "Sum", ("TableName", f"${{{table}}}"), ("GlobalSecondaryIndexName", index))
        for table, index in INDEXES
        for name in names
    )


def _api(name: str, stat: str) -> tuple[Series, str]:
    return _theirs("ApiGateway", name, stat, *API)


def _theirs(service: str, name: str, stat: str, *dims: tuple[str, str]) -> tuple[Series, str]:
    return Series(name, dims, f"AWS/{service}"), stat


Graph = tuple[str, tuple[tuple[Series, str], ...]]
ROWS: tuple[tuple[str, tuple[Graph, ...]], ...] = (
    (
        "Log-ins and sessions",
        (
            ("Active sessions", (_ours("ActiveSessions", "Maximum"),)),
            ("Sessions begun and ended", (_ours("NewSessions"), _ours("TerminatedSessions"))),
            ("Length of sessions (s)", (_ours("SessionDuration", "p50"), _ours("SessionDuration", "p95"))),
            ("Data used (bytes)", (_ours("DataUsage"),)),
            ("Log-ins", (_ours("AccessAccepts"), _ours("AccessRejects"), _ours("AccessSilent"))),
            ("Log-in latency (s)", tuple(_ours("AuthLatency", stat) for stat in ("p50", "p95", "p99"))),
            ("Accounting", (_ours("AccountingPackets"), _ours("SpooledPackets"), _ours("AccountingUnanswered"))),
        ),
    ),
    (
        "Money",
        (
            ("Revenue (KES; the ledger has the truth)", (_ours("Revenue"), _ours("Transactions"))),
            ("Payments", (_ours("PaymentsInitiated"), _ours("PaymentSuccess"), _ours("PaymentFailures"))),
            ("Failures, by whose fault", tuple(_ours("PaymentFailures", ErrorClass=each.value) for each in ErrorClass)),
            ("How payments end", tuple(_ours("PaymentOutcome", Status=each) for each in OUTCOMES)),
            ("M-Pesa's interface", (_ours("MpesaRequests"), _ours("MpesaFailures"))),
            (
                "M-Pesa: to take an order, payer's answer (s)",
                (_ours("PaymentSubmit", "p95"), _ours("PaymentAnswer", "p95")),
            ),
            ("From callback to credit (s)", (_ours("PaymentSettle", "p50"), _ours("PaymentSettle", "p95"))),
            ("Paid to online (s)", (_ours("PaymentOnline", "p50"), _ours("PaymentOnline", "p95"))),
            ("Paid and not credited, oldest (s)", (_ours("PaidNotCreditedAge", "Maximum"),)),
            ("Silence over what is usual", (_ours("SalesSilence", "Maximum"),)),
            ("Without an end; books", (_ours("PaymentsOpenLong", "Maximum"), _ours("LedgerImbalance", "Maximum"))),
            ("New customers, messages", (_ours("NewUsers"), _ours("Messages"), _ours("MessagesFailed"))),
        ),
    ),
    (
        "Enforcement",
        (
            ("Proof to wire, proof to end (s)", (_ours("EnforcementWire", "p99"), _ours("EnforcementEnd", "p95"))),
            ("Routers' answers", (_ours("DisconnectsSent"), _ours("RouterNaks"), _ours("RouterSilences"))),
            ("A person must look", (_ours("EnforcementAlarms"), _ours("ParkedPackets"), _ours("PaymentAlarms"))),
        ),
    ),
    (
        "The system",
        (
            ("Functions: errors", _functions("Errors", "Sum")),
            ("Functions: duration p95 (ms)", _functions("Duration", "p95")),
            ("Functions: cold starts and throttles", (_ours("ColdStarts"), *_functions("Throttles", "Sum"))),
            ("API latency (ms)", (_api("Latency", "p95"), _api("Latency", "p99"))),
            ("API answers", (_api("Count", "Sum"), _api("4xx", "Sum"), _api("5xx", "Sum"))),
            ("Tables: throttled", _tables("ReadThrottleEvents", "WriteThrottleEvents")),
            ("Indexes: throttled", _indexes("ReadThrottleEvents", "WriteThrottleEvents")),
            ("Store", (_ours("StoreRequests"), _ours("StoreTransactionConflicts"), _ours("BreakerOpenings"))),
            ("Waits on nodes' disks, oldest (s)", (_ours("SpoolOldestAge", "Maximum"),)),
            ("Rounds of selling", (_ours("BillingRounds"), _ours("BillingRoundsFailed"))),
        ),
    ),
)
WIDTH, HEIGHT, COLUMNS, TITLE_HEIGHT = 8, 6, 3, 1


REVENUE_BY_PACKAGE = (
    'SELECT SUM(Revenue) FROM SCHEMA("WiFiBilling", Environment, Package)'
    " WHERE Environment = '${Environment}' GROUP BY Package ORDER BY SUM() DESC"
)
_NAMED = " OR ".join(f'"${{{table}}}"' for table in TABLES)
OF_OPERATIONS = (  # these have an operation beside the table, and which it meets is only known when it does
    'SEARCH(\'{AWS/DynamoDB,TableName,Operation} MetricName=("ThrottledRequests" OR "SystemErrors")'
    f" TableName=({_NAMED})', 'Sum', 300)"
)
CONSOLE = "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}"
LINKS = " · ".join(
    (
        "[Runbooks](${RunbookUrl})",
        "[Status page](${Status})",
        f"[Traces]({CONSOLE}#xray:traces)",
        f"[Log queries]({CONSOLE}#logsV2:logs-insights)",
        "[AWS Health](https://health.aws.amazon.com/health/home)",
    )
)


def _dashboard() -> Template:
    widgets: list[Template] = []
    row = 0
    for title, graphs in ROWS:
        widgets.append(_words(f"## {title}", 0, row, 24, TITLE_HEIGHT))
        row += TITLE_HEIGHT
        widgets += [_graph(number, row, graph) for number, graph in enumerate(graphs)]
        row += -(-len(graphs) // COLUMNS) * HEIGHT
    widgets.append(
        {
            "type": "metric",
            **_place(0, row, 12),
            "properties": {
                "title": "Revenue by package (KES a UTC day)",
                "region": "${AWS::Region}",
                "view": "bar",
                "period": DAY_S,
                "metrics": [[{"expression": REVENUE_BY_PACKAGE, "id": "q1", "period": DAY_S}]],
            },
        }
    )
    widgets.append(
        {
            "type": "metric",
            **_place(12, row, 8),
            "properties": {
                "title": "Tables, by operation: refused, and errors of DynamoDB's own",
                "region": "${AWS::Region}",
                "view": "timeSeries",
                "period": 300,
                "metrics": [[{"expression": OF_OPERATIONS, "id": "s1", "period": 300}]],
            },
        }
    )
    widgets.append(_words(LINKS, 20, row, 4, HEIGHT))
    body = json.dumps({"widgets": widgets}, separators=(",", ":"))
    status = {"Fn::If": ["HasStatus", {"Ref": "StatusUrl"}, {"Ref": "RunbookUrl"}]}
    named = {"Fn::Sub": "WiFiBilling${StageSuffix}"}
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": named, "DashboardBody": {"Fn::Sub": [body, {"Status": status}]}},
    }


def _place(x: int, y: int, width: int, height: int = HEIGHT) -> Template:
    return {"x": x, "y": y, "width": width, "height": height}


def _words(text: str, x: int, y: int, width: int, height: int) -> Template:
    return {"type": "text", **_place(x, y, width, height), "properties": {"markdown": text}}


def _graph(number: int, row: int, graph: Graph) -> Template:
    title, lines = graph
    return {
        "type": "metric",
        **_place(number % COLUMNS * WIDTH, row + number // COLUMNS * HEIGHT, WIDTH),
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
