"""One change of a stack, by a change set: seen before it is made, waited for, and told with the fault that ended it."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deploy.refusal import Refusal, say

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
WAIT_S = 3_600.0  # a first domain, a cluster, a canary
NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed", "contains no changes")
DEAD = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})  # a first try, of somebody who let it go back
NEW = frozenset({None, "REVIEW_IN_PROGRESS"})  # none, or one that has only been looked at
STUCK = "UPDATE_ROLLBACK_FAILED"
MEND = "Mend what is named and type it again: it goes on from there"
HALF = "CREATE_FAILED"


def change(cloud: Any, stack: str, url: str, parameters: dict[str, str], tags: dict[str, str], poll_s: float) -> bool:
    """Make the stack what the template at `url` says; whether anything had to change.

    A first try that fails leaves what it has made, and the next one goes on from there: tables are not to be deleted,
    so a stack that had gone back could never be made again under their names.

    `cloud` is a client of CloudFormation, asked every `poll_s` seconds.

    Raises:
        Refusal: it could not be; the stack is then what it was before, or half of its first try. Faults are named.
    """
    status = state(cloud, stack)
    if status in DEAD:
        say(f"{stack}: clearing away a first try that ended in {status}")
        cloud.delete_stack(StackName=stack)
        wait_gone(cloud, stack, poll_s)
        status = None
    elif status == STUCK:
        _unstick(cloud, stack, poll_s)
    elif status not in NEW and str(status).endswith("_IN_PROGRESS"):
        raise Refusal(f"{stack}: {status}: somebody else is changing it; look: deploy/aws status")
    name = f"change-{int(time.time())}"
    began = time.time()
    cloud.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="CREATE" if status in NEW else "UPDATE",
        TemplateURL=url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(parameters.items())],
        Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        Capabilities=CAPABILITIES,
        IncludeNestedStacks=False,
        **({"OnStackFailure": "DO_NOTHING"} if status in NEW or status == HALF else {}),
    )
    if not _is_ready(cloud, stack, name, poll_s):
        return False
    cloud.execute_change_set(StackName=stack, ChangeSetName=name)
    _until(lambda: not str(state(cloud, stack)).endswith("_IN_PROGRESS"), f"{stack} is changed", poll_s)
    ended = state(cloud, stack)
    if ended not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        why = "; ".join(faults(cloud, stack, began)) or "no reason given"
        raise Refusal(f"{stack}: {ended}: {why}{f'. {MEND}' * (ended == STUCK)}")
    return True


def _unstick(cloud: Any, stack: str, poll_s: float) -> None:
    """Let a way back that could not be finished be tried again: nothing else can be done to such a stack."""
    say(f"{stack}: going on with a way back that ended in {STUCK}")
    began = time.time()
    cloud.continue_update_rollback(StackName=stack)
    _until(lambda: not str(state(cloud, stack)).endswith("_IN_PROGRESS"), f"{stack} has gone back", poll_s)
    if (ended := state(cloud, stack)) != "UPDATE_ROLLBACK_COMPLETE":
        why = "; ".join(faults(cloud, stack, began)) or "no reason given"
        raise Refusal(
            f"{stack}: {ended}: {why}. {MEND}; what cannot be mended is left out by"
            f" aws cloudformation continue-update-rollback --stack-name {stack} --resources-to-skip NAME"
        )


def state(cloud: Any, stack: str) -> str | None:
    """The stack's status; None for one that is not there."""
    try:
        found = cloud.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as refused:
        if "does not exist" in str(refused):
            return None
        raise
    return str(found[0]["StackStatus"]) if found else None


def wait_gone(cloud: Any, stack: str, poll_s: float) -> None:
    """Wait until a stack that is being deleted is. Raises Refusal after an hour."""
    _until(lambda: state(cloud, stack) in (None, "DELETE_COMPLETE"), f"{stack} is deleted", poll_s)


def faults(cloud: Any, stack: str, since: float) -> list[str]:
    """What failed since then (UTC seconds), in the stack and its parts, oldest first; not what was only cancelled."""
    found: list[str] = []
    for event in reversed(cloud.describe_stack_events(StackName=stack)["StackEvents"]):
        why = event.get("ResourceStatusReason", "")
        failed = event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"].timestamp() >= since - 1
        if not failed or "cancelled" in why:
            continue
        inner = event.get("PhysicalResourceId", "")
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and inner and inner != event["StackId"]:
            found += faults(cloud, inner, since) or [f"{event['LogicalResourceId']}: {why}"]
        else:
            found.append(f"{event['LogicalResourceId']}: {why}")
    return list(dict.fromkeys(found))


def _is_ready(cloud: Any, stack: str, name: str, poll_s: float) -> bool:
    """Wait for the change set; False when it has nothing in it."""
    seen: dict[str, Any] = {}

    def settled() -> bool:
        seen.update(cloud.describe_change_set(StackName=stack, ChangeSetName=name))
        return seen["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS")

    _until(settled, f"what changes in {stack} is known", poll_s)
    if seen["Status"] == "CREATE_COMPLETE":
        return True
    reason = seen.get("StatusReason", "")
    cloud.delete_change_set(StackName=stack, ChangeSetName=name)
    if any(words in reason for words in NOTHING_CHANGES):
        return False
    raise Refusal(f"{stack} cannot be changed so: {reason}")


def _until(done: Callable[[], bool], what: str, poll_s: float) -> None:
    until = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > until:
            raise Refusal(f"waited {WAIT_S / 60:.0f} minutes until {what}; look: deploy/aws status")
        time.sleep(poll_s)
