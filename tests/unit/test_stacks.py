"""The templates say what the code declares, and CloudFormation's own schema finds nothing wrong with them."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.decode import decode_str

from billing.alarms import ALARMS, COMPOSITES, FUNCTIONS, INDEXES, TABLES, Level, Topic
from billing.metrics import catalogue
from billing.mpesa.settings import MpesaSettings
from billing.store.tables import TABLES as SELLING
from deploy import stacks
from radius.cloudwatch import NAMESPACE, PUBLISHED
from radius.settings import FILE_VARIABLE, Settings, load
from radius.store.tables import TABLES as CORE
from radius.store.tables import definition
from tests.insights.metrics import parse

REGIONS = ["af-south-1", "eu-west-1"]
ALARM = "AWS::CloudWatch::Alarm"
TEMPLATE = stacks.FOLDER.parent / "template.yaml"
BY_NAME = {metric.name: metric for metric in catalogue()}


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


@pytest.mark.parametrize("name", sorted(stacks.STACKS))
def test_the_files_are_what_the_code_declares(name: str) -> None:
    assert (stacks.FOLDER / name).read_text() == stacks.text(name), "run python -P -m deploy.stacks"


@pytest.mark.parametrize("path", sorted(stacks.FOLDER.iterdir()), ids=lambda path: path.name)
def test_cloudformation_knows_every_word(path: Path) -> None:
    regions = ["us-east-1"] if path.name == "budget.yaml" else REGIONS
    assert lint(path.read_text(), config=ManualArgs(regions=regions)) == []


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
    assert names == {f"WiFiBilling-{name}${{StageSuffix}}" for name in (*(alarm.name for alarm in ALARMS), "Heartbeat")}
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


def test_the_heartbeat_tells_nobody_of_a_fault_and_goes_outside() -> None:
    """Its turns are state changes, which a rule sends on: no topic is bothered every ten minutes."""
    template = stacks.monitoring()
    pulse = resources(template, ALARM)["HeartbeatAlarm"]
    assert not {"AlarmActions", "OKActions"} & set(pulse)
    assert pulse["TreatMissingData"] == "ignore", "silence must not look like a turn"
    rule = resources(template, "AWS::Events::Rule")["HeartbeatRule"]
    assert rule["EventPattern"]["resources"] == [{"Fn::GetAtt": ["HeartbeatAlarm", "Arn"]}]
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": ["HeartbeatDestination", "Arn"]}
    named = [
        name
        for name, each in template["Resources"].items()
        if name.startswith("Heartbeat") and name != "HeartbeatAlarm"
    ]
    assert all(template["Resources"][name]["Condition"] == "HasHeartbeat" for name in named)


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
    body = json.loads(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0])
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
    assert set(PUBLISHED) == {name for name, _ in told()}


def test_revenue_by_package_is_a_query_that_metrics_insights_takes() -> None:
    body = json.loads(stacks.monitoring()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0])
    (query,) = (
        line[0]["expression"]
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", ())
        if isinstance(line[0], dict) and line[0]["expression"].startswith("SELECT")
    )
    found = parse(query)
    assert (found.namespace, found.function) == (NAMESPACE, "SUM")
    assert found.schema is not None
    assert set(found.schema) - {"Environment"} in [set(each) for each in PUBLISHED[found.metric]]
    assert {*found.group_by, *(label for label, _, _ in found.where)} <= set(found.schema)


def test_indexes_are_those_of_the_code_and_their_throttles_are_watched_and_shown() -> None:
    """A table's own series leave its indexes out, and a write waits for every one of them."""
    declared = {(table.name, index.name) for table in (*CORE, *SELLING) for index in table.indexes}
    assert set(INDEXES) == declared
    wanted = {
        (table, index, name) for table, index in INDEXES for name in ("ReadThrottleEvents", "WriteThrottleEvents")
    }
    watched = {
        (dict(each.dims)["TableName"][2:-1], dict(each.dims)["GlobalSecondaryIndexName"], each.name)
        for alarm in ALARMS
        for each in alarm.figure.parts
        if "GlobalSecondaryIndexName" in dict(each.dims)
    }
    assert watched == wanted
    body = json.loads(stacks.monitoring()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0])
    lines = [line for widget in body["widgets"] for line in widget["properties"].get("metrics", ())]
    assert {(line[3][2:-1], line[5], line[1]) for line in lines if "GlobalSecondaryIndexName" in line} == wanted
    (search,) = (line[0]["expression"] for line in lines if str(line[0]).find("SEARCH(") > 0)
    schema, names, tables = re.fullmatch(
        r"SEARCH\('\{(.+)\} MetricName=\((.+)\) TableName=\((.+)\)', 'Sum', 300\)", search
    ).groups()  # type: ignore[union-attr]
    assert schema == "AWS/DynamoDB,TableName,Operation", "exactly what both are sent with"
    assert names == '"ThrottledRequests" OR "SystemErrors"'
    assert set(re.findall(r"\$\{(\w+)\}", tables)) == {table for table, _ in declared} | set(TABLES)


def test_saved_queries_ask_groups_that_are_there() -> None:
    theirs = {
        each["LogGroupName"]["Fn::Sub"] for each in resources(by_hand("api.yaml"), "AWS::Logs::LogGroup").values()
    }
    queries = resources(stacks.monitoring(), "AWS::Logs::QueryDefinition").values()
    asked = {group["Fn::Sub"] for each in queries for group in each["LogGroupNames"]}
    assert asked - theirs == {"/wifi-billing/radius${StageSuffix}"}, "which the stack of the RADIUS nodes makes"
    assert len({each["Name"]["Fn::Sub"] for each in queries}) == len(queries) > 10


def test_a_stage_has_names_of_its_own() -> None:
    template = stacks.monitoring()
    for kind, key in ((ALARM, "AlarmName"), ("AWS::CloudWatch::Dashboard", "DashboardName")):
        for properties in resources(template, kind).values():
            assert "${StageSuffix}" in properties[key]["Fn::Sub"]


def texts(value: Any, name: str = "") -> list[str]:
    """Every text of a template that is no description."""
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in texts(each, key)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each, name)]
    return (
        [value] if isinstance(value, str) and name not in ("Description", "AlarmDescription", "AllowedPattern") else []
    )


@pytest.mark.parametrize("path", [*sorted(stacks.FOLDER.iterdir()), TEMPLATE], ids=lambda path: path.name)
def test_no_region_is_written_down(path: Path) -> None:
    found = [
        text for text in texts(dict(decode_str(path.read_text())[0])) if re.search(r"\b[a-z]{2}-[a-z]+-\d\b", text)
    ]
    assert found == []


def test_the_levels_of_latency_and_errors_are_the_guides() -> None:
    by_name = {alarm.name: alarm for alarm in ALARMS}
    slow, very_slow, errors = (by_name[name] for name in ("HighLatency", "VeryHighLatency", "HighErrorRate"))
    assert (slow.figure.stat, slow.threshold, slow.level) == ("p95", 1_000, Level.MINOR)
    assert (very_slow.figure.stat, very_slow.threshold, very_slow.level) == ("p99", 2_000, Level.DEGRADED)
    assert (errors.threshold, errors.level, bool(errors.figure.whole)) == (5, Level.DEGRADED, True)
    topics = {
        name: by_name[name].topic for name in ("HighErrorRate", "DynamoDB-Throttle", "PaymentFailures", "HighLatency")
    }
    assert list(topics.values()) == [Topic.CRITICAL, Topic.CRITICAL, Topic.ALERTS, Topic.ALERTS]
    found = resources(stacks.monitoring(), ALARM)
    for name, topic in topics.items():
        actions = found[stacks._logical(name)]["AlarmActions"]
        assert actions == [{"Ref": "CriticalAlertTopic" if topic is Topic.CRITICAL else "AlertTopic"}], name


def test_a_telephone_number_stays_one() -> None:
    """Without quotes YAML reads a number, and the plus is gone; the parameter takes no such thing."""
    template = stacks.monitoring()
    pattern = template["Parameters"]["CriticalPhone"]["AllowedPattern"]
    assert re.fullmatch(pattern, "+254712345678")
    assert not re.fullmatch(pattern, str(decode_str("phone: +254712345678")[0]["phone"]))
    subscriptions = resources(template, "AWS::SNS::Topic")["CriticalAlertTopic"]["Subscription"]
    assert {"Protocol": "sms", "Endpoint": {"Ref": "CriticalPhone"}} in subscriptions


def test_no_page_or_script_has_the_guides_wrong_commands() -> None:
    root = TEMPLATE.parent
    pages = [root.parent / "README.md", TEMPLATE, *stacks.FOLDER.iterdir(), *(root / "runbooks").iterdir()]
    wrong = ("LambdaVersion", "list-versions-by-function", "BlendedCost ", "Type=SERVICE", "xray-sdk", "npm run")
    wrong += ("describe-limits", "get-account-settings", "list-backups", "phd.aws.amazon.com", "BIN(1d)")
    for page in pages:
        assert [each for each in wrong if each in page.read_text()] == [], page.name


# -- what is written by hand ------------------------------------------------------------------------------------


def by_hand(name: str) -> dict[str, Any]:
    return dict(decode_str((stacks.FOLDER / name).read_text())[0])


def functions() -> dict[str, dict[str, Any]]:
    return resources(by_hand("api.yaml"), "AWS::Serverless::Function")


def test_the_four_functions_are_there_and_their_handlers_exist() -> None:
    assert set(functions()) == set(FUNCTIONS)
    for properties in functions().values():
        module, _, name = properties["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_what_a_schedule_starts_has_a_minute_and_its_reserve() -> None:
    for properties in functions().values():
        if "Events" not in properties:
            continue
        (event,) = properties["Events"].values()
        assert event["Properties"]["Schedule"] == "rate(1 minute)"
        reserve_s = importlib.import_module(properties["Handler"].rpartition(".")[0]).RESERVE_S
        assert properties["Timeout"] == 60 + reserve_s
        assert properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Type"] == "SQS"


def test_every_variable_of_the_functions_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = by_hand("api.yaml")["Globals"]["Function"]["Environment"]["Variables"]
    own = {"ENVIRONMENT", FILE_VARIABLE} | {f"WIFIBILLING_{field.upper()}" for field in Settings.model_fields}
    money = {f"MPESA_{field.upper()}" for field in MpesaSettings.model_fields}
    assert set(variables) <= own | money | {"AWS_LAMBDA_EXEC_WRAPPER"}  # Lambda's own: what starts the layer
    assert set(variables) >= {
        f"MPESA_{name.upper()}" for name, field in MpesaSettings.model_fields.items() if field.is_required()
    }
    wanted = dict.fromkeys(variables, "given")
    wanted |= {name: "secretsmanager:wifi-billing/x" for name in variables if name.endswith("_REF")}
    wanted |= {"WIFIBILLING_PORTAL_URL": "https://wifi.example.co.ke", "WIFIBILLING_STATE_DIR": "/tmp/wifibilling"}
    wanted |= {"WIFIBILLING_STORE_KIND": "dynamodb", "WIFIBILLING_REGION": "af-south-1", "ENVIRONMENT": "staging"}
    wanted |= {"WIFIBILLING_TRACING": "false"}
    wanted |= {name: "192.0.2.1" for name in variables if "ADDRESS" in name}
    wanted |= {"WIFIBILLING_OTHER_REGION": "eu-west-1/wifi-"}
    del wanted[FILE_VARIABLE]  # tests/unit/on_aws/test_document.py
    for name, value in wanted.items():
        if not name.startswith("MPESA_"):
            monkeypatch.setenv(name, value)
    assert load().store_kind == "dynamodb"


def test_a_new_version_that_fails_is_taken_back() -> None:
    """What answers requests is deployed by and by, and an alarm of its own turns it back."""
    template = by_hand("api.yaml")
    alarms = resources(template, ALARM)
    for name in ("AuthLambda", "PaymentLambda"):
        preference = functions()[name]["DeploymentPreference"]
        (watched,) = (each["Ref"] for each in preference["Alarms"])
        (dimension,) = alarms[watched]["Dimensions"]
        assert dimension["Name"] == "FunctionName"
        assert dimension["Value"] == functions()[name]["FunctionName"]
        assert alarms[watched]["MetricName"] == "Errors"


def test_functions_are_traced_by_a_layer_and_only_where_one_is_named() -> None:
    template = by_hand("api.yaml")
    given = template["Globals"]["Function"]
    variables = given["Environment"]["Variables"]
    assert given["Layers"] == {"Fn::If": ["IsTraced", [{"Ref": "TracingLayerArn"}], {"Ref": "AWS::NoValue"}]}
    assert {given["Tracing"]["Fn::If"][0], variables["WIFIBILLING_TRACING"]["Fn::If"][0]} == {"IsTraced"}
    assert template["Parameters"]["TracingLayerArn"]["Default"] == "", "off"


def test_no_role_may_do_everything_and_each_log_group_ends() -> None:
    template = by_hand("api.yaml")
    for role in resources(template, "AWS::IAM::Role").values():
        for policy in role["Policies"]:
            for given in policy["PolicyDocument"]["Statement"]:
                statement = given["Fn::If"][1] if "Fn::If" in given else given
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions)
                if statement["Resource"] == "*":
                    assert all(action.startswith(("ec2:", "xray:")) for action in actions)
    groups = resources(template, "AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 1
    assert all("RetentionInDays" in properties for properties in groups.values())
    days = {name: template["Parameters"][each["RetentionInDays"]["Ref"]]["Default"] for name, each in groups.items()}
    assert days == {"AuthLog": 7, "PaymentLog": 30, "SessionLog": 7, "CoaLog": 7, "ApiLog": 30}
    (stage,) = resources(template, "AWS::ApiGatewayV2::Stage").values()
    assert "path" not in json.loads(stage["AccessLogSettings"]["Format"]), "tokens of payments are in paths"


def test_routes_of_payments_are_those_that_the_portal_has() -> None:
    routes = {each["RouteKey"] for each in resources(by_hand("api.yaml"), "AWS::ApiGatewayV2::Route").values()}
    assert routes == {"$default", "POST /pay/{proxy+}", "POST /api/v1/checkouts", "POST /buy"}


def test_what_aws_says_of_itself_goes_to_the_mailbox() -> None:
    template = stacks.monitoring()
    rule = resources(template, "AWS::Events::Rule")["HealthRule"]
    assert rule["EventPattern"]["source"] == ["aws.health"]
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "AlertTopic"}]
    (policy,) = resources(template, "AWS::SNS::TopicPolicy").values()
    services = {each["Principal"]["Service"] for each in policy["PolicyDocument"]["Statement"]}
    assert services == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}, "a policy of ours replaces the default"
    assert all(each["Condition"] for each in policy["PolicyDocument"]["Statement"])


def test_what_lies_in_buckets_is_sealed_shut_and_gets_cheaper_or_ends() -> None:
    found = {
        f"{path.name} {name}": properties
        for path in stacks.FOLDER.iterdir()
        for name, properties in resources(dict(decode_str(path.read_text())[0]), "AWS::S3::Bucket").items()
    }
    assert "audit.yaml AuditLogs" in found
    for name, properties in found.items():
        assert all(properties["PublicAccessBlockConfiguration"].values()), name
        assert properties["BucketEncryption"], name
        rules = properties["LifecycleConfiguration"]["Rules"]
        ends = ("ExpirationInDays", "NoncurrentVersionExpiration", "Transitions")
        assert any(end in rule for rule in rules for end in ends), name
    (rule,) = found["audit.yaml AuditLogs"]["LifecycleConfiguration"]["Rules"]
    days = [each["TransitionInDays"] for each in rule["Transitions"]]
    assert days == sorted(days)
    assert days[0] >= 30, "S3 takes nothing sooner into infrequent access"
    assert days[-1] < rule["ExpirationInDays"]
    assert rule["ExpirationInDays"] > 7 * 365, "books and who touched them are kept for seven years"


def test_the_trail_is_checked_and_sees_who_writes_to_the_books() -> None:
    (trail,) = resources(by_hand("audit.yaml"), "AWS::CloudTrail::Trail").values()
    assert trail["IsLogging"]
    assert trail["EnableLogFileValidation"]
    assert trail["IncludeGlobalServiceEvents"]
    assert "BillingTable" in json.dumps(trail["AdvancedEventSelectors"])


def test_the_whole_gives_each_part_what_it_needs_and_takes_what_it_has() -> None:
    template = dict(decode_str(TEMPLATE.read_text())[0])
    parts = {name: each["Properties"] for name, each in template["Resources"].items()}
    texts = {name: (TEMPLATE.parent / part["TemplateURL"]).read_text() for name, part in parts.items()}
    inner = {name: dict(decode_str(text)[0]) for name, text in texts.items()}
    for name, part in parts.items():
        wanted = inner[name]["Parameters"]
        needed = {key for key, each in wanted.items() if "Default" not in each}
        assert needed <= set(part["Parameters"]) <= set(wanted), name
    taken = re.findall(r'"Fn::GetAtt": \["(\w+)", "Outputs\.(\w+)"\]', json.dumps(template))
    assert len(taken) >= 12
    for part, output in taken:
        assert output in inner[part]["Outputs"], (part, output)


def test_the_whole_is_known_to_cloudformation() -> None:
    found = lint(TEMPLATE.read_text(), config=ManualArgs(regions=REGIONS))
    assert {each.rule.id for each in found} == {"W3002"}, "its parts are files, which `package` uploads"
