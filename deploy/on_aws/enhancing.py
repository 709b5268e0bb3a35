"""`enhance`: a closer look for a while, which costs: Contributor Insights, Lambda Insights, every request traced.

Layers and tracing belong to a version of a function: to switch them on is to publish one and let the alias name it,
and to switch them off is to name the version before. What was before is kept in the bucket first, so that whoever comes
can switch off what an interrupted run has left on.
"""

import time
from typing import Any

from deploy.on_aws import versions
from deploy.on_aws.stage import Stage
from deploy.refusal import Refusal, say

KEPT = "enhanced"
POLICIES = ("CloudWatchLambdaInsightsExecutionRolePolicy", "AWSXRayDaemonWriteAccess")
UPDATED_S = 120.0


def on(stage: Stage, until: float, layer: str | None) -> None:
    """Switch on; `until` (UTC seconds) is when it should end, `layer` the Lambda Insights layer of the Region.

    Raises:
        Refusal: it is on already, or a function does not take it.
    """
    if stage.kept(KEPT):
        raise Refusal("it is on already: deploy/aws enhance off")
    before = versions.live(stage)
    if not before:
        raise Refusal(f"no functions of {stage.name} in {stage.region}")
    kept = _configurations(stage)
    stage.keep(KEPT, "before", {"versions": before, "until": until, "configurations": kept})
    for table in stage.tables:
        _contributors(stage, table, "ENABLE")
    client = stage.client("lambda")
    fresh = {}
    for function in before:
        _roles(stage, function, "attach_role_policy")
        # That of tracing stays: what starts a traced function is in it
        layers = {"Layers": [*kept[function]["Layers"], layer]} if layer else {}
        client.update_function_configuration(FunctionName=function, TracingConfig={"Mode": "Active"}, **layers)
        _updated(stage, function)
        fresh[function] = str(client.publish_version(FunctionName=function, Description="enhanced")["Version"])
    versions.point(stage, fresh)
    say("on: contributors of every table, every request traced" + (", Lambda Insights" if layer else ""))


def off(stage: Stage) -> None:
    """Switch off what `on` has switched on; what was deployed meanwhile stays live. Raises Refusal if nothing is on."""
    found = stage.kept(KEPT)
    if not found:
        raise Refusal("it is not on")
    key, before = found[0]
    client = stage.client("lambda")
    for function, configuration in before["configurations"].items():
        client.update_function_configuration(FunctionName=function, **configuration)
        _updated(stage, function)
    enhanced = [name for name, version in versions.live(stage).items() if _is_enhanced(client, name, version)]
    versions.point(stage, {name: before["versions"][name] for name in enhanced})
    for function in before["versions"]:
        _roles(stage, function, "detach_role_policy")
    for table in stage.tables:
        _contributors(stage, table, "DISABLE")
    stage.forget(key)
    say("off: as before")


def is_on_until(stage: Stage) -> float | None:
    """When it should have ended or will (UTC seconds); None while it is off."""
    found = stage.kept(KEPT)
    return float(found[0][1]["until"]) if found else None


def _configurations(stage: Stage) -> dict[str, Any]:
    client = stage.client("lambda")
    found = {}
    for name in stage.functions:
        now = client.get_function_configuration(FunctionName=name)
        found[name] = {
            "TracingConfig": {"Mode": now.get("TracingConfig", {}).get("Mode", "PassThrough")},
            "Layers": [each["Arn"] for each in now.get("Layers", [])],
        }
    return found


def _is_enhanced(client: Any, function: str, version: str) -> bool:
    found = client.get_function_configuration(FunctionName=function, Qualifier=version)
    return bool(found.get("Description") == "enhanced")


def _roles(stage: Stage, function: str, step: str) -> None:
    role = stage.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    iam = stage.client("iam")
    partition = stage.who.split(":")[1]
    for policy in POLICIES:
        try:
            getattr(iam, step)(RoleName=role, PolicyArn=f"arn:{partition}:iam::aws:policy/{policy}")
        except iam.exceptions.NoSuchEntityException:
            if step == "attach_role_policy":
                raise
            continue  # two functions share a role: the first took it off


def _contributors(stage: Stage, table: str, action: str) -> None:
    stage.client("dynamodb").update_contributor_insights(TableName=table, ContributorInsightsAction=action)


def _updated(stage: Stage, function: str) -> None:
    client = stage.client("lambda")
    until = time.monotonic() + UPDATED_S
    while client.get_function_configuration(FunctionName=function).get("LastUpdateStatus") == "InProgress":
        if time.monotonic() > until:
            raise Refusal(f"{function} is not updated after {UPDATED_S:.0f} s: deploy/aws enhance off")
        time.sleep(stage.poll_s)
