"""`ops` on AWS: every line of the three pages, each thing that can be wrong, and calls that are denied or throttled."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from billing.alarms import ALARMS, COMPOSITES
from billing.cli import doctor
from billing.cli.exits import Exit
from billing.cli.ops import cloud, daily, monthly, weekly
from billing.cli.ops.access import ROLES
from billing.cli.ops.cloud import FUNCTIONS, TABLES
from radius.ports import Node
from tests.contract.cli.faults import Faults
from tests.contract.cli.isp import ANNEX, GATE, World
from tests.contract.values import soon
from tests.fakes.aws import Aws, Params
from tests.unit.billing.values import T0

DAY = timedelta(days=1)
NOW = datetime.fromtimestamp(T0, UTC)
PAGES = ("daily", "weekly", "monthly")
ACCOUNT = "123456789012"


NONE = {"Errors", "Throttles", "ReadThrottleEvents", "WriteThrottleEvents", "5xx", "PaidNotOnline"}
SOME = {
    "Latency": [120.0, 480.0],
    "AuthLatency": [0.02, 0.05],
    "ConsumedWriteCapacityUnits": [600.0, 3600.0],
    "CacheHitRate": [88.0, 92.0],
    "BucketSizeBytes": [4e9],
}


def values(namespace: str, name: str, dims: dict[str, str], stat: str, period: int) -> list[float]:
    """Of a site that is well: some use of everything, little of it at once."""
    return [] if name in NONE else SOME.get(name, [300.0, 400.0])


def one(key: str, value: Any) -> Callable[[Params], Params]:
    return lambda _: {key: value}


@pytest.fixture
def aws(whole: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The same, and only what is asked of AWS: walks over the ledger take their time, and test_ops.py has them."""
    for page in (daily, weekly, monthly):
        monkeypatch.setattr(page, "TASKS", tuple(task._replace(everywhere=()) for task in page.TASKS))
    return whole


@pytest.fixture(scope="module")
def world(town: World) -> World:
    """A site that runs on AWS, as its settings say; what is asked there changes nothing in it."""
    with (town.folder / "settings.toml").open("a") as settings:
        settings.write('\nstore_kind = "dynamodb"\n')
    town.core.store.nodes.publish(Node("box", town.clock.now, 0, (GATE, ANNEX)), soon())
    for worker in ("sweep", "coa"):
        town.core.store.due_work.advance(worker, town.clock.now, soon())
    return town


@pytest.fixture
def whole(world: World, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Its account, which is well."""
    account = Aws(values)
    account.answers |= well_answers()
    monkeypatch.setattr(cloud, "new_client", account.client)
    monkeypatch.setattr(cloud, "pause", lambda _: None)
    monkeypatch.setattr(doctor, "SLOW_MS", 10_000)
    return account


def alarm(name: str, kind: str = "OK", reason: str = "it is so") -> Params:
    return {"AlarmName": f"WiFiBilling-{name}", "StateValue": kind, "StateReason": reason, "ActionsEnabled": True}


def logs_page(params: Params) -> Params:
    """The first page is empty and says that there is more, as a large group's does."""
    return {"events": []} if "nextToken" in params else {"events": [], "nextToken": "more"}


def insights(asked: dict[str, str]) -> tuple[Callable[[Params], Params], Callable[[Params], Params]]:
    rows = {
        "runs": [[("runs", "43200"), ("cold", "120"), ("slow", "1800.5"), ("memory", "0.41")]],
        "status": [[("status", "200"), ("requests", "9800")], [("status", "404"), ("requests", "200")]],
    }

    def start(params: Params) -> Params:
        asked["last"] = "status" if "by status" in params["queryString"] else "runs"
        asked["polls"] = "0"
        return {"queryId": "q"}

    def results(_: Params) -> Params:
        polls = int(asked["polls"])
        asked["polls"] = str(polls + 1)
        if polls < 2:
            return {"status": "Running", "results": []}
        found = [[{"field": name, "value": value} for name, value in row] for row in rows[asked["last"]]]
        return {"status": "Complete", "results": found}

    return start, results


def cost(params: Params) -> Params:
    """A page for each month."""
    months = {"2026-09-01": (("AWS Lambda", "4.10"), ("Amazon DynamoDB", "21.5")),
              "2026-10-01": (("AWS Lambda", "4.30"), ("Amazon DynamoDB", "23.0"))}  # fmt: skip
    month = params.get("NextPageToken", "2026-09-01")
    groups = [
        {"Keys": [service], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for service, amount in months[month]
    ]
    more = {} if month == "2026-10-01" else {"NextPageToken": "2026-10-01"}
    return {"ResultsByTime": [{"TimePeriod": {"Start": month, "End": month}, "Groups": groups}], **more}


def well_answers() -> dict[str, Callable[[Params], Params]]:
    role_of = {FUNCTIONS[logical]: role for logical, role in ROLES.items()}
    policies_of = {role.logical: sorted(role.policies) for role in ROLES.values()}
    start, results = insights({})
    continuous = {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {
            "PointInTimeRecoveryStatus": "ENABLED",
            "EarliestRestorableDateTime": NOW - 35 * DAY,
            "LatestRestorableDateTime": NOW - timedelta(minutes=5),
        },
    }
    table = {
        "ItemCount": 40_000,
        "TableSizeBytes": 80_000_000,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    }
    trail = {"errorCode": "", "eventName": "GetItem", "eventSource": "dynamodb.amazonaws.com"}
    return {
        "GetApis": one("Items", [{"Name": "wifi-billing", "ApiId": "a1", "ProtocolType": "HTTP",
                                  "RouteSelectionExpression": "x"}]),
        "DescribeAlarms": lambda _: {
            "MetricAlarms": [alarm(each.name) for each in ALARMS],
            "CompositeAlarms": [alarm(each.name) for each in COMPOSITES],
        },
        "FilterLogEvents": logs_page,
        "GetServiceQuota": lambda params: {"Quota": {"QuotaName": params["QuotaCode"], "Value": 40_000.0}},
        "DescribeContinuousBackups": one("ContinuousBackupsDescription", continuous),
        "ListBackups": one("BackupSummaries", []),
        "DescribeTable": lambda params: {"Table": {**table, "TableArn": f"arn:dynamodb:{params['TableName']}"}},
        "ListRecoveryPointsByResource": one("RecoveryPoints", []),
        "GetCostAndUsage": cost,
        "GetFunctionConfiguration": lambda params: {
            "Role": f"arn:aws:iam::{ACCOUNT}:role/x-{role_of[params['FunctionName']].logical}"
        },
        "ListRolePolicies": lambda params: {"PolicyNames": policies_of[params["RoleName"][2:]], "IsTruncated": False},
        "ListAttachedRolePolicies": lambda _: {"AttachedPolicies": [], "IsTruncated": False},
        "DescribeStackResources": lambda params: {"StackResources": [resource(params["PhysicalResourceId"][2:])]},
        "DetectStackResourceDrift": lambda params: {"StackResourceDrift": drift(params["LogicalResourceId"])},
        "GenerateServiceLastAccessedDetails": one("JobId", "j" * 36),
        "GetServiceLastAccessedDetails": lambda _: {
            "JobStatus": "COMPLETED", "JobCreationDate": NOW, "JobCompletionDate": NOW,
            "ServicesLastAccessed": [
                {"ServiceName": "DynamoDB", "ServiceNamespace": "dynamodb", "LastAuthenticated": NOW},
                {"ServiceName": "SQS", "ServiceNamespace": "sqs"},
            ],
        },
        "GetAccountSummary": one("SummaryMap", {"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0}),
        "GetTrailStatus": one("IsLogging", True),
        "LookupEvents": lambda params: {"Events": [{"CloudTrailEvent": json.dumps(trail)}],
                                        **({} if "NextToken" in params else {"NextToken": "more"})},
        "ListCertificates": one("CertificateSummaryList", [certificate()]),
        "StartQuery": start,
        "GetQueryResults": results,
        "ListDistributions": one("DistributionList", distributions()),
        "GetCallerIdentity": one("Account", ACCOUNT),
        "ListMetrics": one("Metrics", [{"Namespace": "AWS/S3", "MetricName": "BucketSizeBytes",
                                        "Dimensions": [{"Name": "StorageType", "Value": "StandardIAStorage"}]}]),
        "GetBucketLifecycleConfiguration": one("Rules", [{"ID": "cheaper", "Status": "Enabled", "Prefix": ""}]),
    }  # fmt: skip


def resource(logical: str) -> Params:
    return {"StackName": "wifi-billing-prod-Functions", "LogicalResourceId": logical, "ResourceType": "AWS::IAM::Role",
            "Timestamp": NOW, "ResourceStatus": "CREATE_COMPLETE"}  # fmt: skip


def drift(logical: str, state: str = "IN_SYNC", *paths: str) -> Params:
    changed = [
        {"PropertyPath": path, "ExpectedValue": "1", "ActualValue": "2", "DifferenceType": "NOT_EQUAL"}
        for path in paths
    ]
    return {"StackId": "s", "LogicalResourceId": logical, "ResourceType": "AWS::IAM::Role", "Timestamp": NOW,
            "StackResourceDriftStatus": state, "PropertyDifferences": changed}  # fmt: skip


def certificate(days: int = 200, state: str = "ISSUED") -> Params:
    return {
        "CertificateArn": "arn:aws:acm:eu:1:certificate/c", "DomainName": "wifi.example.net", "Status": state,
        "InUse": True, "NotAfter": NOW + days * DAY,
    }  # fmt: skip


def lines(world: World, page: str, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world("ops", page, "--json", *words).json()["lines"]
    return found


def test_a_site_that_is_well_needs_nobody(world: World, whole: Aws) -> None:
    aws = whole
    for page in PAGES:
        ran = world("ops", page)
        assert (ran.code, ran.err) == (Exit.DONE, "Nothing needs anybody.\n"), ran.out
        assert ran.out.count(" ok") > 5
    assert {region for name, region, _ in aws.calls if name == "GetCostAndUsage"} == {"us-east-1"}
    queries = [query for params in aws.asked("GetMetricData") for query in params["MetricDataQueries"]]
    ours = [query["MetricStat"]["Metric"] for query in queries]
    assert all(
        {"Name": "Environment", "Value": "production"} in each["Dimensions"]
        for each in ours if each["Namespace"] == "WiFiBilling"
    )  # fmt: skip
    assert {params["filterPattern"] for params in aws.asked("FilterLogEvents")} == {'{ $.level = "ERROR" }'}


def test_units_are_the_sum_of_a_period_divided_by_its_seconds(world: World, aws: Aws) -> None:
    found = {row["what"]: row["figure"] for row in lines(world, "weekly") if row["task"] == "units a second"}
    assert len(found) == len(TABLES)
    (text,) = set(found.values())
    assert "writes 0.01/s, at most 12.00/s" in text  # 14 x 300 units in a week; 12 x 300 in its busiest five minutes
    quotas = [row["figure"] for row in lines(world, "weekly") if row["task"] == "quotas"]
    assert "at most 12.0 a second on the busiest table of 40,000, 0.0 %" in quotas


fault = Faults[Aws]()


def with_values(aws: Aws, name: str, instead: list[float]) -> None:
    aws.values = lambda *given: instead if given[1] == name else values(*given)


@fault("daily", "online", "nobody told CloudWatch")
def no_sessions(aws: Aws) -> None:
    with_values(aws, "ActiveSessions", [])


@fault("daily", "log-ins", "95 of 100 within 400 ms")
def slow_log_ins(aws: Aws) -> None:
    with_values(aws, "AuthLatency", [0.02, 0.4])


@fault("daily", "PaymentLambda", "40 ended in an error")
def errors_of_functions(aws: Aws) -> None:
    aws.values = lambda *given: (
        [40.0] if given[1] == "Errors" and given[2]["FunctionName"] == "PaymentLambda" else values(*given)
    )


@fault("daily", "CoA_Lambda", "0 runs")
def never_ran(aws: Aws) -> None:
    aws.values = lambda *given: [] if given[2].get("FunctionName") == "CoA_Lambda" else values(*given)


@fault("daily", "portal", "within 2500 ms")
def slow_portal(aws: Aws) -> None:
    with_values(aws, "Latency", [2500.0])


@fault("daily", "payments", "2 paid and not online")
def paid_not_online(aws: Aws) -> None:
    with_values(aws, "PaidNotOnline", [2.0])


@fault("daily", "alarm WiFiBilling-NoSales", "Threshold Crossed: 1 datapoint")
def alarm_is_on(aws: Aws) -> None:
    found = [alarm(each.name) for each in ALARMS if each.name != "NoSales"]
    found.append(alarm("NoSales", "ALARM", "Threshold Crossed: 1 datapoint"))
    composites = [alarm(each.name) for each in COMPOSITES]
    aws.answers["DescribeAlarms"] = lambda _: {"MetricAlarms": found, "CompositeAlarms": composites}


@fault("daily", f"alarm WiFiBilling-{COMPOSITES[0].name}", "is not there")
def composites_are_gone(aws: Aws) -> None:
    found = [alarm(each.name) for each in ALARMS]
    aws.answers["DescribeAlarms"] = lambda _: {"MetricAlarms": found, "CompositeAlarms": []}


@fault("daily", "alarm WiFiBilling-NoSales", "it wakes nobody")
def alarm_is_dumb(aws: Aws) -> None:
    found = [{**alarm(each.name), "ActionsEnabled": each.name != "NoSales"} for each in ALARMS]
    composites = [alarm(each.name) for each in COMPOSITES]
    aws.answers["DescribeAlarms"] = lambda _: {"MetricAlarms": found, "CompositeAlarms": composites}


@fault("daily", "ERROR of AuthLambda", "2 x Callback failed: corrupt")
def errors_in_a_log(aws: Aws) -> None:
    line = json.dumps({"level": "ERROR", "timestamp": "2026-11-25T09:00:00.000Z", "message": "Callback failed",
                       "details": {"reason": "corrupt"}})  # fmt: skip

    def page(params: Params) -> Params:
        if params["logGroupName"] != "/aws/lambda/AuthLambda":
            return {"events": []}
        more = {} if "nextToken" in params else {"nextToken": "more"}
        return {"events": [{"message": line}], **more}

    aws.answers["FilterLogEvents"] = page


@fault("daily", "ERROR of CoA_Lambda", "more than was read")
def a_log_without_end(aws: Aws) -> None:
    aws.answers["FilterLogEvents"] = lambda _: {"events": [], "nextToken": "more"}


@fault("weekly", "quota Concurrent executions", "at most 400.0 at once of 450, 88.9 %")
def quota_is_near(aws: Aws) -> None:
    aws.refusals["GetServiceQuota"] = "NoSuchResourceException"
    aws.answers["GetAWSDefaultServiceQuota"] = lambda params: {
        "Quota": {"QuotaName": "Concurrent executions", "Value": 450.0} if params["ServiceCode"] == "lambda"
        else {"QuotaName": "other", "Value": 40_000.0}
    }  # fmt: skip


@fault("weekly", "BillingTable", "7 requests throttled")
def throttled_table(aws: Aws) -> None:
    aws.values = lambda *given: (
        [3.0, 4.0] if given[1] == "WriteThrottleEvents" and given[2]["TableName"].endswith("BillingTable")
        else values(*given)
    )  # fmt: skip


@fault("weekly", "backups of BillingTable", "recovery is OFF; 0 on demand; 0 of AWS Backup")
def no_backup_of_one_table(aws: Aws) -> None:
    whole = aws.answers["DescribeContinuousBackups"]
    off = {"ContinuousBackupsStatus": "ENABLED",
           "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}  # fmt: skip
    aws.answers["DescribeContinuousBackups"] = lambda params: (
        {"ContinuousBackupsDescription": off} if params["TableName"].endswith("BillingTable") else whole(params)
    )


@fault("weekly", "backups of UsersTable", "any second of 35 days, up to 2 h 00 min ago")
def recovery_stands_still(aws: Aws) -> None:
    held = {"PointInTimeRecoveryStatus": "ENABLED", "EarliestRestorableDateTime": NOW - 35 * DAY,
            "LatestRestorableDateTime": NOW - timedelta(hours=2)}  # fmt: skip
    aws.answers["DescribeContinuousBackups"] = one(
        "ContinuousBackupsDescription",
        {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": held},
    )


@fault("monthly", "Amazon DynamoDB", "61.00 USD, the month before 21.50")
def dearer(aws: Aws) -> None:
    def answer(params: Params) -> Params:
        found = cost(params)
        for result in found["ResultsByTime"]:
            if result["TimePeriod"]["Start"] == "2026-10-01":
                result["Groups"][1]["Metrics"]["UnblendedCost"]["Amount"] = "61.0"
        return found

    aws.answers["GetCostAndUsage"] = answer


@fault("monthly", "policies of x-CoaRole", "AdministratorAccess is not of the template")
def somebody_attached_a_policy(aws: Aws) -> None:
    aws.answers["ListAttachedRolePolicies"] = lambda params: {
        "AttachedPolicies": [{"PolicyName": "AdministratorAccess"}] if params["RoleName"] == "x-CoaRole" else [],
        "IsTruncated": False,
    }


@fault("monthly", "policies of x-SellingRole", "selling is gone")
def somebody_took_a_policy(aws: Aws) -> None:
    whole = aws.answers["ListRolePolicies"]
    none: Params = {"PolicyNames": [], "IsTruncated": False}
    aws.answers["ListRolePolicies"] = lambda params: none if params["RoleName"] == "x-SellingRole" else whole(params)


@fault(
    "monthly",
    "x-SessionRole beside the template",
    "modified since wifi-billing-prod-Functions made it as SessionRole: /Policies",
)
def drifted(aws: Aws) -> None:
    whole, other = aws.answers["DetectStackResourceDrift"], drift("SessionRole", "MODIFIED", "/Policies/0")
    aws.answers["DetectStackResourceDrift"] = lambda params: (
        {"StackResourceDrift": other} if params["LogicalResourceId"] == "SessionRole" else whole(params)
    )


@fault("monthly", "root of the account", "it has access keys")
def root_keys(aws: Aws) -> None:
    aws.answers["GetAccountSummary"] = one("SummaryMap", {"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 1})


@fault("monthly", "audit trail", "is not written")
def trail_stands(aws: Aws) -> None:
    aws.answers["GetTrailStatus"] = one("IsLogging", False)


@fault("monthly", "denials", "2 x arn:aws:iam::123456789012:user/eve: dynamodb.amazonaws.com:Scan")
def denied(aws: Aws) -> None:
    event = {"errorCode": "AccessDenied", "eventName": "Scan", "eventSource": "dynamodb.amazonaws.com",
             "userIdentity": {"arn": f"arn:aws:iam::{ACCOUNT}:user/eve"}}  # fmt: skip
    aws.answers["LookupEvents"] = lambda params: {
        "Events": [{"CloudTrailEvent": json.dumps(event)}, {"CloudTrailEvent": "no json"}],
        **({} if "NextToken" in params else {"NextToken": "more"}),
    }


@fault("monthly", "certificate wifi.example.net", "good for 12 days")
def certificate_ends(aws: Aws) -> None:
    aws.answers["ListCertificates"] = one("CertificateSummaryList", [certificate(12)])


@fault("monthly", "certificate wifi.example.net", "validation_timed_out")
def certificate_is_not_there(aws: Aws) -> None:
    aws.answers["ListCertificates"] = one("CertificateSummaryList", [certificate(200, "VALIDATION_TIMED_OUT")])


def answered(aws: Aws, *rows: dict[str, str]) -> None:
    found = [[{"field": name, "value": value} for name, value in row.items()] for row in rows]
    aws.answers["GetQueryResults"] = lambda _: {"status": "Complete", "results": found}


@fault("monthly", "status 503", "100 requests, 10.0 %")
def failing_api(aws: Aws) -> None:
    answered(aws, {"status": "200", "requests": "900", "runs": "9"}, {"status": "503", "requests": "100"})


@fault("monthly", "API log", "no line in 30 days")
def no_access_log(aws: Aws) -> None:
    answered(aws)


@fault("monthly", "cold starts of PaymentLambda", "500 of 1,000 runs, 50.0 %")
def cold(aws: Aws) -> None:
    answered(aws, {"runs": "1000", "cold": "500", "slow": "900", "memory": "0.5", "status": "200", "requests": "1"})


@fault("monthly", "UsersTable", "75 % and 75 % of what is paid for is used")
def provisioned(aws: Aws) -> None:
    paid = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    aws.values = lambda *given: [0.75 * 30 * 86_400] if given[1].startswith("Consumed") else values(*given)
    aws.answers["DescribeTable"] = lambda params: {"Table": {"TableArn": "arn:t", "ProvisionedThroughput": paid}}


@fault("monthly", f"bucket wifi-billing-audit-logs-{ACCOUNT}", "0 lifecycle rule(s)")
def bucket_without_rules(aws: Aws) -> None:
    aws.refusals["GetBucketLifecycleConfiguration"] = "NoSuchLifecycleConfiguration"
    with_values(aws, "BucketSizeBytes", [5e10])
    aws.answers["ListMetrics"] = one("Metrics", [{"Dimensions": [{"Name": "StorageType", "Value": "StandardStorage"}]}])


@pytest.mark.parametrize("name", range(len(fault.all)), ids=[each.breaks.__name__ for each in fault.all])
def test_what_is_wrong_is_one_line_that_says_so(world: World, aws: Aws, name: int) -> None:
    page, what, text, breaks = fault.all[name]
    breaks(aws)
    ran = world("ops", page, "--json")
    prefix = world.core.settings.table_prefix
    rows = [row for row in ran.json()["lines"] if row["verdict"] == "look"]
    found = [row for row in rows if row["what"].replace(prefix, "") == what]
    assert ran.code == Exit.NOT
    assert any(text in row["figure"] and row["fix"] for row in found), rows


def operations(aws: Aws, world: World, page: str) -> list[str]:
    lines(world, page)
    return sorted({name for name, _, _ in aws.calls})


@pytest.mark.parametrize("page", PAGES)
def test_a_call_that_is_denied_is_a_line_and_never_the_end_of_the_page(world: World, aws: Aws, page: str) -> None:
    well = {row["task"] for row in lines(world, page)}
    for name in operations(aws, world, page):
        aws.refusals = {name: "AccessDeniedException"}
        ran = world("ops", page, "--json")
        rows = ran.json()["lines"]
        assert {row["task"] for row in rows} == well, name
        assert any(f"{name} is denied" in row["figure"] for row in rows), name
    aws.refusals = dict.fromkeys(operations(aws, world, page), "AccessDenied")
    ran = world("ops", page)
    assert ran.code == Exit.NOT
    assert "cannot tell" in ran.out


def test_a_backup_that_one_way_proves_is_one_whatever_the_others_say(world: World, aws: Aws) -> None:
    aws.refusals = {"ListBackups": "AccessDenied", "ListRecoveryPointsByResource": "AccessDeniedException"}
    found = [row for row in lines(world, "weekly") if row["task"] == "backups"]
    assert [row["verdict"] for row in found] == ["ok"] * len(TABLES)
    aws.refusals["DescribeContinuousBackups"] = "AccessDenied"
    found = [row for row in lines(world, "weekly") if row["task"] == "backups"]
    assert {(row["verdict"], row["attention"]) for row in found} == {("cannot tell", True)}


def test_throttled_calls_and_missing_credentials_say_what_to_do(
    world: World, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.refusals = {"GetMetricData": "Throttling"}
    found = [row for row in lines(world, "weekly") if "throttled" in row["figure"]]
    assert {row["fix"] for row in found} == {"Run it again in some minutes."}

    def nobody(_service: str, _region: str) -> Any:
        raise NoCredentialsError

    monkeypatch.setattr(cloud, "new_client", nobody)
    found = [row for row in lines(world, "weekly") if row["figure"] == "no credentials"]
    assert len(found) > 2
    assert all("profile" in row["fix"] for row in found)


def test_a_job_of_aws_that_does_not_end_is_a_line(world: World, aws: Aws) -> None:
    aws.answers["GetQueryResults"] = lambda _: {"status": "Running", "results": []}
    aws.answers["GetServiceLastAccessedDetails"] = lambda _: {
        "JobStatus": "IN_PROGRESS", "JobCreationDate": NOW, "JobCompletionDate": NOW, "ServicesLastAccessed": [],
    }  # fmt: skip
    texts = [row["figure"] for row in lines(world, "monthly") if row["attention"]]
    assert any("did not come to an end: Running" in text for text in texts)
    assert any("did not come to an end: IN_PROGRESS" in text for text in texts)


def test_events_that_were_not_all_read_are_said(world: World, aws: Aws) -> None:
    aws.answers["LookupEvents"] = lambda _: {"Events": [], "NextToken": "more"}
    assert any("only the newest 0 events were read" in row["figure"] for row in lines(world, "monthly"))


def test_figures_that_cloudwatch_could_not_make_are_a_line(world: World, aws: Aws) -> None:
    aws.answers["GetMetricData"] = lambda _: {
        "MetricDataResults": [{"Id": "q0", "StatusCode": "InternalError", "Values": []}]
    }
    assert any("CloudWatch gave no figures: InternalError" in row["figure"] for row in lines(world, "weekly"))


def test_another_stage_has_other_names(world: World, aws: Aws) -> None:
    found = lines(world, "daily", "--stage-suffix=-staging")
    assert any(row["what"] == "AuthLambda-staging" for row in found)
    assert any("there is no API wifi-billing-staging" in row["figure"] for row in found)


def test_a_distribution_before_the_portal(world: World, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIFIBILLING_PORTAL_URL", "https://127.0.0.1:1")
    aws.answers["ListDistributions"] = one("DistributionList", distributions(distribution("127.0.0.1")))
    (row,) = [row for row in lines(world, "monthly") if row["what"].startswith("CloudFront")]
    assert (row["verdict"], row["figure"]) == ("ok", "90.0 % of requests, mean of 2 days")
    with_values(aws, "CacheHitRate", [])
    (row,) = [row for row in lines(world, "monthly") if row["what"].startswith("CloudFront")]
    assert (row["verdict"], row["attention"]) == ("cannot tell", True)


def distributions(*found: Params) -> Params:
    return {"Marker": "", "MaxItems": 100, "IsTruncated": False, "Quantity": len(found), "Items": list(found)}


def distribution(alias: str) -> Params:
    origin = {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "api.example.net"}]}
    return {
        "Id": "E1", "ARN": "a", "Status": "Deployed", "LastModifiedTime": NOW, "DomainName": "d.cloudfront.net",
        "Aliases": {"Quantity": 1, "Items": [alias]}, "Origins": origin, "Comment": "", "PriceClass": "PriceClass_All",
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"},
        "CacheBehaviors": {"Quantity": 0}, "CustomErrorResponses": {"Quantity": 0}, "Enabled": True,
        "ViewerCertificate": {}, "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "", "HttpVersion": "http2", "IsIPV6Enabled": True, "Staging": False,
    }  # fmt: skip


def test_the_roles_are_those_of_the_template() -> None:
    from cfnlint.decode import decode_str  # noqa: PLC0415 - heavy, and needed here alone

    text = (Path(__file__).resolve().parents[3] / "deploy" / "stacks" / "api.yaml").read_text()
    template, _ = decode_str(text)
    assert template is not None
    resources = template["Resources"]
    for logical, role in ROLES.items():
        assert resources[logical]["Properties"]["Role"] == {"Fn::GetAtt": [role.logical, "Arn"]}
        made = resources[role.logical]["Properties"]
        assert {policy["PolicyName"] for policy in made["Policies"]} == role.policies
        assert "ManagedPolicyArns" not in made
        assert resources[logical]["Properties"]["FunctionName"] == {"Fn::Sub": f"{FUNCTIONS[logical]}${{StageSuffix}}"}
