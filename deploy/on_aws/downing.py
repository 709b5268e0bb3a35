"""`down`: a stage without its functions, and, said twice, without its data. Backups stay in every case."""

from typing import Any

from botocore.exceptions import ClientError

from deploy.on_aws import change, prepare, templates
from deploy.on_aws.stage import TABLES, Stage
from deploy.on_aws.upping import back_up
from deploy.refusal import Refusal, say

BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def kept_parts() -> frozenset[str]:
    """Parts of the root that hold data: those that CloudFormation would not delete with their stack."""
    resources = templates.load(templates.TEMPLATE)["Resources"]
    return frozenset(name for name, each in resources.items() if each.get("DeletionPolicy", "Delete") != "Delete")


def down(stage: Stage) -> None:
    """Take away what serves; tables, keys, audit and addresses stay in the stack, and `up` puts the rest back.

    Raises:
        Refusal: there is nothing, or CloudFormation could not.
    """
    stage.outputs()
    kept = kept_parts()
    uploaded = templates.upload(stage, None, kept)
    known = uploaded.template["Parameters"]
    parameters = {name: value for name, value in prepare.needed(stage).items() if name in known}
    unprotect(stage)
    change.change(stage.client("cloudformation"), stage.stack, uploaded.url, parameters, {}, stage.poll_s)
    say(f"{stage.stack} has its {', '.join(sorted(kept)).lower()} and nothing else; deploy/aws up brings the rest back")


def delete_data(stage: Stage, said: str, again: str, now: float) -> list[str]:
    """Delete tables and stack, after a backup of each table; names of the backups, which stay.

    Raises:
        Refusal: it was not said twice, by the name of the stack, or a backup could not be taken.
    """
    if (said, again) != (stage.stack, stage.stack):
        raise Refusal(
            f"this deletes every customer, payment and session of {stage.stack}:"
            f" --delete-data {stage.stack} --really {stage.stack}"
        )
    prefixes = dict.fromkeys((stage.prefix, prepare.serving_prefix(stage)))  # after a rewind those of a restore serve
    taken = [each for prefix in prefixes for each in back_up(stage, now, prefix)]
    cloud = stage.client("cloudformation")
    inner = [each["PhysicalResourceId"] for each in _resources(stage, stage.stack, templates.NESTED)]
    unprotect(stage)
    cloud.delete_stack(StackName=stage.stack)
    change.wait_gone(cloud, stage.stack, stage.poll_s)
    dynamodb = stage.client("dynamodb")
    for table in (prefix + name for prefix in prefixes for name in TABLES):
        try:
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
            dynamodb.delete_table(TableName=table)
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
    for each in inner:
        if change.state(cloud, each) not in (None, "DELETE_COMPLETE"):
            say(f"{each} stays: it holds keys, the audit, or addresses and a disk")
    return taken


def unprotect(stage: Stage) -> None:
    """Let the load balancer of the RADIUS nodes go: it is protected against everything but this."""
    for part in _resources(stage, stage.stack, templates.NESTED):
        for balancer in _resources(stage, part["PhysicalResourceId"], BALANCER):
            stage.client("elbv2").modify_load_balancer_attributes(
                LoadBalancerArn=balancer["PhysicalResourceId"],
                Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}],
            )


def part_states(stage: Stage) -> dict[str, str]:
    """Status of each part of the root stack, by its logical id."""
    pages = stage.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stage.stack)
    found = [each for page in pages for each in page["StackResourceSummaries"]]
    return {each["LogicalResourceId"]: each["ResourceStatus"] for each in found}


def _resources(stage: Stage, stack: str, kind: str) -> list[dict[str, Any]]:
    """What a stack has of a kind, with its physical id; nothing where there is no such stack."""
    try:
        pages = stage.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        found = [each for page in pages for each in page["StackResourceSummaries"]]
    except ClientError:
        return []
    return [each for each in found if each["ResourceType"] == kind and each.get("PhysicalResourceId")]
