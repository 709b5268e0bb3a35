"""Who may what in the account, who was refused, and until when certificates are good."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.ops import cloud as clouds
from billing.cli.ops.cloud import DAY_S, GLOBAL, Cloud
from billing.cli.ops.page import looked
from radius.domain.errors import Unavailable

SHOWN_MAX = 8
UNUSED_DAYS = 90  # a right that nobody used
JOB_POLLS_MAX, JOB_POLL_S = 20, 1.0
EVENT_PAGES_MAX = 100  # of 50 events; CloudTrail answers two questions a second
CERTIFICATE_DAYS_MIN = 30  # ACM renews 60 days before
KEYS = ("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
_DENIALS = ("AccessDenied", "UnauthorizedOperation")


class Role(NamedTuple):
    """What the template gives a function: the names of its inline policies; managed ones it has none."""

    logical: str
    policies: frozenset[str]


ROLES = {  # deploy/stacks/api.yaml
    "AuthLambda": Role("SellingRole", frozenset({"selling"})),
    "PaymentLambda": Role("SellingRole", frozenset({"selling"})),
    "SessionLambda": Role("SessionRole", frozenset({"sessions"})),
    "CoALambda": Role("CoaRole", frozenset({"coa"})),
}


def access(cloud: Cloud) -> Iterator[Finding]:
    """The functions' roles beside the template's, and what of their rights nobody used."""
    seen: set[str] = set()
    for logical, role in ROLES.items():
        yield from looked(f"role of {cloud.function(logical)}", partial(_role, cloud, logical, role, seen))
    yield from looked("root of the account", partial(_root, cloud))


def _role(cloud: Cloud, logical: str, role: Role, seen: set[str]) -> Iterator[Finding]:
    function = cloud.function(logical)
    arn = cloud.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    name = arn.rpartition("/")[2]
    if arn in seen:
        yield well(f"role of {function}", f"{name}, as above")
        return
    seen.add(arn)
    yield from looked(f"policies of {name}", partial(_policies, cloud, name, role))
    yield from looked(f"{name} beside the template", partial(_drift, cloud, name, role))
    yield from looked(f"{name}, last used", partial(_unused, cloud, arn, name))


def _policies(cloud: Cloud, name: str, role: Role) -> Iterator[Finding]:
    iam = cloud.client("iam")
    inline = {
        each for page in iam.get_paginator("list_role_policies").paginate(RoleName=name) for each in page["PolicyNames"]
    }
    attached = [
        each["PolicyName"] for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        for each in page["AttachedPolicies"]
    ]  # fmt: skip
    odd = sorted({*inline, *attached} - role.policies)
    gone = sorted(role.policies - inline)
    if odd or gone:
        text = "; ".join([*(f"{each} is not of the template" for each in odd), *(f"{each} is gone" for each in gone)])
        yield unwell(f"policies of {name}", text, "Who attached it (CloudTrail)? Deploy the template again.")
    else:
        yield well(f"policies of {name}", f"{', '.join(sorted(inline))}, as in the template")


def _drift(cloud: Cloud, name: str, role: Role) -> Iterator[Finding]:
    """What CloudFormation itself finds: it compares the role with what it was told to make."""
    formation = cloud.client("cloudformation")
    (made, *_) = formation.describe_stack_resources(PhysicalResourceId=name)["StackResources"]
    drift = formation.detect_stack_resource_drift(
        StackName=made["StackName"], LogicalResourceId=made["LogicalResourceId"]
    )["StackResourceDrift"]
    state = drift["StackResourceDriftStatus"]
    changed = ", ".join(each["PropertyPath"] for each in drift.get("PropertyDifferences", ()))
    stack, logical = made["StackName"], made["LogicalResourceId"]
    if state == "IN_SYNC" and logical == role.logical:
        yield well(f"{name} beside the template", f"as {stack} made it")
    else:
        text = f"{state.lower()} since {stack} made it as {logical}: {changed or 'all of it'}"
        yield unwell(f"{name} beside the template", text, "Deploy the template again, or change it there.")


def _unused(cloud: Cloud, arn: str, name: str) -> Iterator[Finding]:
    iam = cloud.client("iam")
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    for _ in range(JOB_POLLS_MAX):
        found = iam.get_service_last_accessed_details(JobId=job)
        if found["JobStatus"] != "IN_PROGRESS":
            break
        clouds.pause(JOB_POLL_S)
    if found["JobStatus"] != "COMPLETED":
        raise Unavailable(f"IAM did not come to an end: {found['JobStatus']}")
    least = cloud.instant(UNUSED_DAYS * DAY_S)
    idle = [
        each["ServiceNamespace"] for each in found["ServicesLastAccessed"]
        if each.get("LastAuthenticated") is None or each["LastAuthenticated"] < least
    ]  # fmt: skip
    used = len(found["ServicesLastAccessed"]) - len(idle)
    text = f"{used} services of {len(found['ServicesLastAccessed'])} that it may use were used in {UNUSED_DAYS} days"
    text += f"; never or not lately: {', '.join(sorted(idle))}" if idle else ""
    yield well(f"{name}, last used", text)


def _root(cloud: Cloud) -> Iterator[Finding]:
    found = cloud.client("iam").get_account_summary()["SummaryMap"]
    if found.get("AccountAccessKeysPresent"):
        yield unwell("root of the account", "it has access keys", "Delete them: nothing needs root's.")
    elif not found.get("AccountMFAEnabled"):
        yield unwell("root of the account", "it signs in without a second factor", "Set one up.")
    else:
        yield well("root of the account", "no access keys, a second factor")


# -- the audit trail ----------------------------------------------------------------------------------------------


def trail(cloud: Cloud) -> Iterator[Finding]:
    """Whether it is written, and what it says of those who were denied something in 31 days."""
    yield from looked("audit trail", partial(_trail, cloud))
    yield from looked("denials", partial(_denials, cloud))


def _trail(cloud: Cloud) -> Iterator[Finding]:
    name = f"wifi-billing-audit{cloud.suffix}"
    found = cloud.client("cloudtrail").get_trail_status(Name=name)
    wrong = found.get("LatestDeliveryError") or found.get("LatestDigestDeliveryError")
    if not found["IsLogging"]:
        yield unwell("audit trail", f"{name} is not written", f"aws cloudtrail start-logging --name {name}")
    elif wrong:
        yield unwell("audit trail", f"{name} cannot be delivered: {wrong}", "The bucket's policy and its key.")
    else:
        yield well("audit trail", f"{name} is written")


def _denials(cloud: Cloud) -> Iterator[Finding]:
    """CloudTrail looks up by name or user, not by error: the events are read, the newest first."""
    denied: Counter[tuple[str, str]] = Counter()
    read, request = 0, {"StartTime": cloud.instant(31 * DAY_S), "EndTime": cloud.instant(), "MaxResults": 50}
    for _ in range(EVENT_PAGES_MAX):
        page = cloud.client("cloudtrail").lookup_events(**request)
        for event in page["Events"]:
            read += 1
            if (said := _denied(event)) is not None:
                denied[said] += 1
        if not page.get("NextToken"):
            whole = True
            break
        request["NextToken"] = page["NextToken"]
    else:
        whole = False
    for (who, what), count in denied.most_common(SHOWN_MAX):
        yield unwell(
            "denials", f"{count} x {who}: {what}", "Is it ours and lacks a right, or somebody who tries doors?"
        )
    if not whole:
        yield untold("denials", f"only the newest {read} events were read; Athena over the trail's bucket has all")
    elif not denied:
        yield well("denials", f"none in {read} events of 31 days")


def _denied(event: dict[str, Any]) -> tuple[str, str] | None:
    """Who was denied what; None for any other event."""
    try:
        said = json.loads(event.get("CloudTrailEvent", ""))
    except ValueError:
        return None
    if not any(word in str(said.get("errorCode", "")) for word in _DENIALS):
        return None
    who = said.get("userIdentity", {})
    name = who.get("arn") or who.get("invokedBy") or who.get("type") or "somebody"
    return str(name), f"{said.get('eventSource', '')}:{said.get('eventName', '')}"


# -- certificates -------------------------------------------------------------------------------------------------


def certificates(cloud: Cloud) -> Iterator[Finding]:
    """ACM's, of the site's Region and of CloudFront's."""
    for region in dict.fromkeys((cloud.settings.region, GLOBAL)):
        yield from looked(f"certificates in {region}", partial(_certificates, cloud, region))


def _certificates(cloud: Cloud, region: str) -> Iterator[Finding]:
    pages = cloud.client("acm", region).get_paginator("list_certificates").paginate(Includes={"keyTypes": list(KEYS)})
    found = [each for page in pages for each in page["CertificateSummaryList"]]
    for each in found:
        name = f"certificate {each.get('DomainName', each['CertificateArn'])}"
        until, state = each.get("NotAfter"), each.get("Status", "")
        if state != "ISSUED" or until is None:
            fix = "Its DNS record, or delete it."
            yield unwell(name, state.lower(), fix) if each.get("InUse") else well(name, f"{state.lower()}, not in use")
            continue
        days = (until - cloud.instant()) // timedelta(days=1)
        text = f"good for {days} days" + ("" if each.get("InUse") else ", not in use")
        if days < CERTIFICATE_DAYS_MIN and each.get("InUse"):
            yield unwell(name, text, "ACM renews 60 days before: is its DNS record still there?")
        else:
            yield well(name, text)
    if not found:
        yield well(f"certificates in {region}", "there is none")
