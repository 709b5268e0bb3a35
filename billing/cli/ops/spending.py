"""What the account pays for: services by the month, what caches keep away, what buckets hold."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from billing.alarms import Series
from billing.backup import settings as backup_settings
from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.ops.cloud import DAY_S, GLOBAL, Asked, Cloud, code_of
from billing.cli.ops.page import looked
from billing.cli.show import size
from radius.domain import calendar

SHOWN_MAX = 8
RISE_PERCENT, RISE_LEAST = 50, 5.0  # a service that costs half as much again, and that much more
HITS_PERCENT_MIN = 50
LIFECYCLE_BYTES = 10 * 10**9


def cost(cloud: Cloud) -> Iterator[Finding]:
    """The last whole month by service, beside the month before (unblended, before tax and credits are spread)."""
    this = date.fromisoformat(cloud.instant().date().isoformat()).replace(day=1)
    months = [calendar.add_months(this, -back) for back in (2, 1, 0)]
    spent: list[defaultdict[str, float]] = [defaultdict(float), defaultdict(float)]
    request: dict[str, Any] = {
        "TimePeriod": {"Start": months[0].isoformat(), "End": months[2].isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    unit = ""
    while True:
        page = cloud.client("ce", GLOBAL).get_cost_and_usage(**request)
        for result in page["ResultsByTime"]:
            month = spent[result["TimePeriod"]["Start"] >= months[1].isoformat()]
            for group in result["Groups"]:
                found = group["Metrics"]["UnblendedCost"]
                month[group["Keys"][0]] += float(found["Amount"])
                unit = found["Unit"]
        if not page.get("NextPageToken"):
            break
        request["NextPageToken"] = page["NextPageToken"]
    before, last = spent
    yield _cost(f"{months[1]:%B %Y}", sum(before.values()), sum(last.values()), unit)
    dear = sorted({*before, *last}, key=lambda service: -max(last[service], before[service]))
    for service in dear[:SHOWN_MAX]:
        yield _cost(service, before[service], last[service], unit)


def _cost(what: str, before: float, last: float, unit: str) -> Finding:
    text = f"{last:,.2f} {unit}, the month before {before:,.2f}".replace("  ", " ")
    rose = last > before * (1 + RISE_PERCENT / 100) and last - before > RISE_LEAST
    return unwell(what, text, "Cost Explorer, by usage type: what is new?") if rose else well(what, text)


def cloudfront(cloud: Cloud) -> Iterator[Finding]:
    """The hit ratio of distributions before our portal."""
    host = urlsplit(cloud.settings.portal_url or "").hostname or ""
    pages = cloud.client("cloudfront", GLOBAL).get_paginator("list_distributions").paginate()
    every = [each for page in pages for each in page["DistributionList"].get("Items", ())]
    ours = [
        each for each in every
        if host and (host in each.get("Aliases", {}).get("Items", ())
                     or any(host == origin["DomainName"] for origin in each["Origins"]["Items"]))
    ]  # fmt: skip
    if not ours:
        yield untold("CloudFront", "no distribution stands before the portal")
    for each in ours:
        dims = (("DistributionId", each["Id"]), ("Region", "Global"))
        asked = [Asked(Series("CacheHitRate", dims, "AWS/CloudFront"), "Average")]
        (rates,) = cloud.figures(asked, 30 * DAY_S, DAY_S, GLOBAL)
        if not rates:
            fix = "Turn its additional metrics on."
            yield Finding(f"CloudFront {each['Id']}", None, "it tells no hit ratio", fix)
            continue
        mean = sum(rates) / len(rates)
        text = f"{mean:.1f} % of requests, mean of {len(rates)} days"
        fix = "Which pages does it not keep (Cache-Control)?"
        low = mean < HITS_PERCENT_MIN
        yield unwell(f"CloudFront {each['Id']}", text, fix) if low else well(f"CloudFront {each['Id']}", text)


def storage(cloud: Cloud) -> Iterator[Finding]:
    """What the buckets hold, by storage class, and whether old things become cheaper."""
    account = cloud.client("sts").get_caller_identity()["Account"]
    told = backup_settings.load(cloud.settings_file)
    buckets = [f"wifi-billing-audit-logs-{account}{cloud.suffix}"]
    buckets += [told.s3.partition("/")[0]] if told and told.s3 else []
    for bucket in buckets:
        yield from looked(f"bucket {bucket}", partial(_bucket, cloud, bucket))


def _bucket(cloud: Cloud, bucket: str) -> Iterator[Finding]:
    held = _held(cloud, bucket)
    text = ", ".join(f"{size(int(count))} {kind}" for kind, count in sorted(held.items())) or "no figure yet"
    rules = _rules(cloud, bucket)
    text += f"; {rules} lifecycle rule(s)"
    if not rules and held.get("StandardStorage", 0) > LIFECYCLE_BYTES:
        yield unwell(f"bucket {bucket}", text, "Let old ones move to a cheaper class (lifecycle rule).")
    else:
        yield well(f"bucket {bucket}", text)


def _held(cloud: Cloud, bucket: str) -> dict[str, float]:
    """Bytes by storage class: S3 tells them once a day."""
    pages = cloud.client("cloudwatch").get_paginator("list_metrics").paginate(
        Namespace="AWS/S3", MetricName="BucketSizeBytes", Dimensions=[{"Name": "BucketName", "Value": bucket}]
    )  # fmt: skip
    kinds = sorted({
        dim["Value"] for page in pages for metric in page["Metrics"]
        for dim in metric["Dimensions"] if dim["Name"] == "StorageType"
    })  # fmt: skip
    asked = [
        Asked(Series("BucketSizeBytes", (("BucketName", bucket), ("StorageType", kind)), "AWS/S3"), "Maximum")
        for kind in kinds
    ]
    found = cloud.figures(asked, 3 * DAY_S, DAY_S) if asked else []
    return {kind: max(values) for kind, values in zip(kinds, found, strict=True) if values}


def _rules(cloud: Cloud, bucket: str) -> int:
    try:
        rules = cloud.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as refused:
        if code_of(refused) != "NoSuchLifecycleConfiguration":
            raise
        return 0
    return sum(rule["Status"] == "Enabled" for rule in rules)
