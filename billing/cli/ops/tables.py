"""DynamoDB on AWS: consumed units a second, quotas beside peak use, backups of every table, utilisation."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from billing.alarms import Series
from billing.cli.finding import Finding, unwell, well
from billing.cli.ops.cloud import DAY_S, HOUR_S, TABLES, Asked, Cloud, code_of, refusal
from billing.cli.ops.page import looked
from billing.cli.show import size, span

PERIOD_S = 300
WEEK_S = 7 * DAY_S
BEHIND_S_MAX = HOUR_S  # of the instant that a table can be restored to: five minutes are usual
QUOTA_PERCENT_MAX = 80


class Units(NamedTuple):
    """Capacity units a second of one table, of its indexes not: the Sum of a period divided by its seconds."""

    read_mean: float
    read_peak: float
    write_mean: float
    write_peak: float
    throttled: float


def consumed(cloud: Cloud, back_s: int, period_s: int) -> dict[str, Units]:
    """Of each table."""
    names = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents")
    asked = [
        Asked(Series(name, (("TableName", cloud.table(table)),), "AWS/DynamoDB")) for table in TABLES for name in names
    ]
    found = cloud.figures(asked, back_s, period_s)
    made = {}
    for at, table in enumerate(TABLES):
        reads, writes, *throttles = found[at * len(names) : (at + 1) * len(names)]
        made[table] = Units(
            sum(reads) / back_s,
            max(reads, default=0) / period_s,
            sum(writes) / back_s,
            max(writes, default=0) / period_s,
            sum(map(sum, throttles)),
        )
    return made


def units(cloud: Cloud) -> Iterator[Finding]:
    """The week's."""
    for table, found in consumed(cloud, WEEK_S, PERIOD_S).items():
        text = (
            f"reads {found.read_mean:.2f}/s, at most {found.read_peak:.2f}/s; "
            f"writes {found.write_mean:.2f}/s, at most {found.write_peak:.2f}/s"
        )
        if found.throttled:
            text += f"; {found.throttled:.0f} requests throttled"
            yield unwell(cloud.table(table), text, "deploy/runbooks/store-down.md")
        else:
            yield well(cloud.table(table), text)


# -- quotas -------------------------------------------------------------------------------------------------------


def quotas(cloud: Cloud) -> Iterator[Finding]:
    """What the account may, beside the most that was used in a week."""
    yield from looked("quota of functions at once", partial(_at_once, cloud))
    yield from looked("quota of tables' throughput", partial(_throughput, cloud))
    yield from looked("quota of API requests", partial(_requests, cloud))


def _at_once(cloud: Cloud) -> Iterator[Finding]:
    (used,) = cloud.figures([Asked(Series("ConcurrentExecutions", (), "AWS/Lambda"), "Maximum")], WEEK_S, PERIOD_S)
    yield _beside(cloud, "lambda", "L-B99A9384", max(used, default=0), "at once")


def _throughput(cloud: Cloud) -> Iterator[Finding]:
    found = consumed(cloud, WEEK_S, PERIOD_S).values()
    yield _beside(
        cloud, "dynamodb", "L-CF0CBE56", max(each.read_peak for each in found), "a second on the busiest table"
    )
    yield _beside(
        cloud, "dynamodb", "L-AB614373", max(each.write_peak for each in found), "a second on the busiest table"
    )


def _requests(cloud: Cloud) -> Iterator[Finding]:
    dims = (("ApiId", cloud.api), ("Stage", "$default"))
    (counts,) = cloud.figures([Asked(Series("Count", dims, "AWS/ApiGateway"))], WEEK_S, PERIOD_S)
    yield _beside(cloud, "apigateway", "L-8A5B8E43", max(counts, default=0) / PERIOD_S, "a second, this API")


def _beside(cloud: Cloud, service: str, code: str, used: float, of: str) -> Finding:
    client = cloud.client("service-quotas")
    try:
        quota = client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    except ClientError as refused:  # what nobody changed may be known by its default only
        if code_of(refused) != "NoSuchResourceException":
            raise
        quota = client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    allowed = float(quota["Value"])
    name = f"quota {quota.get('QuotaName', code)}"
    text = f"at most {used:.1f} {of} of {allowed:,.0f}, {100 * used / allowed:.1f} %" if allowed else f"{used:.1f} of 0"
    if used * 100 >= allowed * QUOTA_PERCENT_MAX:
        return unwell(name, text, f"aws service-quotas request-service-quota-increase ({service}, {code})")
    return well(name, text)


# -- backups ------------------------------------------------------------------------------------------------------


def backups(cloud: Cloud) -> Iterator[Finding]:
    """Of every table: what the last seven days left to restore from, by each of three ways."""
    for table in TABLES:
        yield from looked(f"backups of {cloud.table(table)}", partial(_backups, cloud, cloud.table(table)))


def _backups(cloud: Cloud, table: str) -> Iterator[Finding]:
    ways = [_way(partial(look, cloud, table)) for look in (_any_second, _on_demand, _by_aws_backup)]
    good = any(found for _, found in ways) or (None if any(found is None for _, found in ways) else False)
    fix = (
        "" if good else "Turn point-in-time recovery on (deploy/stacks/data.json does), and find out who turned it off."
    )
    yield Finding(f"backups of {table}", good, "; ".join(text for text, _ in ways), fix)


def _way(look: Callable[[], tuple[str, bool]]) -> tuple[str, bool | None]:
    """What one way left; None where AWS does not say."""
    try:
        return look()
    except (ClientError, BotoCoreError) as error:
        return refusal(error)[0], None


def _any_second(cloud: Cloud, table: str) -> tuple[str, bool]:
    said = cloud.client("dynamodb").describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    kept: dict[str, Any] = said.get("PointInTimeRecoveryDescription", {})
    if kept.get("PointInTimeRecoveryStatus") != "ENABLED":
        return "point-in-time recovery is OFF", False
    first, last = kept.get("EarliestRestorableDateTime"), kept.get("LatestRestorableDateTime")
    if first is None or last is None:
        return "point-in-time recovery is on and has nothing yet", False
    behind = cloud.now - int(last.timestamp())
    days = (last - first) / timedelta(days=1)
    text = f"any second of {days:.0f} days, up to {span(max(0, behind))} ago"
    return text, behind <= BEHIND_S_MAX


def _on_demand(cloud: Cloud, table: str) -> tuple[str, bool]:
    pages = cloud.client("dynamodb").get_paginator("list_backups").paginate(
        TableName=table, TimeRangeLowerBound=cloud.instant(WEEK_S), BackupType="USER"
    )  # fmt: skip
    found = [each for page in pages for each in page["BackupSummaries"] if each["BackupStatus"] == "AVAILABLE"]
    return f"{len(found)} on demand", bool(found)


def _by_aws_backup(cloud: Cloud, table: str) -> tuple[str, bool]:
    arn = cloud.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]
    pages = cloud.client("backup").get_paginator("list_recovery_points_by_resource").paginate(ResourceArn=arn)
    found = [
        each for page in pages for each in page["RecoveryPoints"]
        if each["Status"] == "COMPLETED" and each["CreationDate"] >= cloud.instant(WEEK_S)
    ]  # fmt: skip
    return f"{len(found)} of AWS Backup", bool(found)


# -- utilisation --------------------------------------------------------------------------------------------------


def utilisation(cloud: Cloud) -> Iterator[Finding]:
    """What each table holds and how it is paid, beside what a month consumed."""
    month = consumed(cloud, 30 * DAY_S, HOUR_S)
    for table in TABLES:
        yield from looked(cloud.table(table), partial(_utilisation, cloud, cloud.table(table), month[table]))


def _utilisation(cloud: Cloud, table: str, found: Units) -> Iterator[Finding]:
    said = cloud.client("dynamodb").describe_table(TableName=table)["Table"]
    mode = said.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    kind = said.get("TableClassSummary", {}).get("TableClass", "STANDARD")
    text = f"{said.get('ItemCount', 0):,} items, {size(said.get('TableSizeBytes', 0))}, {kind}, {mode}"
    text += f"; reads {found.read_mean:.2f}/s, writes {found.write_mean:.2f}/s in 30 days"
    text += f", {found.throttled:.0f} throttled" if found.throttled else ""
    if mode != "PROVISIONED":
        yield unwell(table, text, "deploy/runbooks/store-down.md") if found.throttled else well(table, text)
        return
    paid = said["ProvisionedThroughput"]
    shares = [
        100 * used / units
        for used, units in (
            (found.read_mean, paid["ReadCapacityUnits"]), (found.write_mean, paid["WriteCapacityUnits"]),
        )
        if units
    ]  # fmt: skip
    text += f"; {' and '.join(f'{share:.0f} %' for share in shares)} of what is paid for is used"
    yield unwell(table, text, "The template says on demand (PAY_PER_REQUEST): deploy it again.")
