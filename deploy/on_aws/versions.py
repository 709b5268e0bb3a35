"""Which version of each function is live, what was deployed before, and the way back to it, verified."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from deploy.on_aws.stage import ALIAS, Stage
from deploy.refusal import Refusal

PART = "Functions"  # of the root template


class Deployment(NamedTuple):
    """A line of the history. `at`: ISO time in UTC; `versions`: the live version of each function afterwards.

    `left`: versions that this line turned away from, by a way back or because an alarm rang; nobody goes back to them.
    """

    at: str
    what: str
    commit: str
    who: str
    versions: dict[str, str]
    package: str = ""
    reason: str = ""
    left: dict[str, str] | None = None


def live(stage: Stage) -> dict[str, str]:
    """The version that the alias of each function names; a function that is not there is left out."""
    client = stage.client("lambda")
    found = {}
    for function in stage.functions:
        try:
            found[function] = str(client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"])
        except client.exceptions.ResourceNotFoundException:
            continue
    return found


def of_stack(stage: Stage) -> dict[str, str]:
    """The version of each function that the template has made: live, unless somebody has set the aliases since."""
    pages = stage.client("cloudformation").get_paginator("list_stack_resources")
    listed = [each for page in pages.paginate(StackName=stage.stack) for each in page["StackResourceSummaries"]]
    found: dict[str, str] = {}
    for inner in (each["PhysicalResourceId"] for each in listed if each["LogicalResourceId"] == PART):
        for page in pages.paginate(StackName=inner):
            for each in page["StackResourceSummaries"]:
                if each["ResourceType"] == "AWS::Lambda::Version" and not each["ResourceStatus"].startswith("DELETE_"):
                    function, version = each["PhysicalResourceId"].split(":")[-2:]
                    found[function] = max(version, found.get(function, ""), key=lambda number: int(number or 0))
    return found


def record(stage: Stage, deployment: Deployment) -> None:
    """Write it into the history."""
    stage.keep("deployments", deployment.at, deployment._asdict())


def history(stage: Stage) -> list[Deployment]:
    """All deployments and ways back, the newest last."""
    return [Deployment(**each) for _, each in stage.kept("deployments")]


def stamp(now: float) -> str:
    """UTC seconds as the history has them."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")


def before(stage: Stage) -> dict[str, str]:
    """The versions that stood before those that are live: each time further back, never to what was turned away from.

    The history knows which belong together; without a word of it each function goes to its own version before.

    Raises:
        Refusal: there is none.
    """
    now, told = live(stage), history(stage)
    if not now:
        raise Refusal(f"nothing of {stage.name} is deployed in {stage.region}: deploy/aws up --stage {stage.name}")
    stood = [each for each in _stood(told) if set(each) == set(now)]
    if now in stood:
        stood = stood[: stood.index(now)]
    if stood:
        return stood[-1]
    found = {function: _version_before(stage.client("lambda"), function, version) for function, version in now.items()}
    if told or not all(found.values()):
        raise Refusal(
            f"{stage.stack} has no version before this one that stood: deploy/aws history --stage {stage.name}"
        )
    return found


def _stood(told: list[Deployment]) -> list[dict[str, str]]:
    """What was live and was not turned away from since, in the order in which it came to be live."""
    found: list[dict[str, str]] = []
    for each in told:
        found = [versions for versions in found if versions != (each.left or each.versions)]
        if each.versions not in (each.left, *found):
            found.append(each.versions)
    return found


def _version_before(client: Any, function: str, version: str) -> str:
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    numbers = [int(each["Version"]) for page in pages for each in page["Versions"] if each["Version"].isdigit()]
    return str(max((number for number in numbers if number < int(version)), default=""))


def point(stage: Stage, versions: dict[str, str]) -> None:
    """Set every alias, and see that it is set: all traffic to that version, which is there and can run.

    Raises:
        Refusal: one of them is not as it should be.
    """
    client = stage.client("lambda")
    for function, version in versions.items():
        client.update_alias(
            FunctionName=function,
            Name=ALIAS,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": {}},  # a canary under way ends too
        )
    for function, version in versions.items():
        alias = client.get_alias(FunctionName=function, Name=ALIAS)
        if alias["FunctionVersion"] != version or (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
            raise Refusal(f"{function}: the alias {ALIAS} is at {alias['FunctionVersion']}, not at {version}")
        state = client.get_function(FunctionName=function, Qualifier=ALIAS)["Configuration"].get("State", "Active")
        if state not in ("Active", "Inactive"):  # inactive: asleep, the next event wakes it
            raise Refusal(f"{function}: version {version} is {state}")
