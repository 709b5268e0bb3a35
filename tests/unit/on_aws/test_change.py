"""A stack that cannot be changed as it is: what is done about it, and what is said."""

from typing import Any

import pytest

from deploy.on_aws import change
from deploy.refusal import Refusal

STACK = "wifi-billing-staging"


class Stuck:
    """`states`: what it is in at one question after another; the last one stays."""

    def __init__(self, *states: str) -> None:
        self.states, self.last, self.called = iter(states), "", list[str]()

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        self.last = next(self.states, self.last)
        return {"Stacks": [{"StackStatus": self.last}]}

    def describe_change_set(self, **_: Any) -> dict[str, Any]:
        return {"Status": "CREATE_COMPLETE"}

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": []}

    def __getattr__(self, name: str) -> Any:
        return lambda **_: self.called.append(name)


def changed(cloud: Stuck) -> bool:
    return change.change(cloud, STACK, "https://a", {}, {}, 0.0)


def test_a_way_back_that_could_not_be_finished_is_gone_on_with_first() -> None:
    back = ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
    cloud = Stuck("UPDATE_ROLLBACK_FAILED", *back, "UPDATE_COMPLETE")
    assert changed(cloud)
    assert cloud.called == ["continue_update_rollback", "create_change_set", "execute_change_set"]


def test_one_that_fails_again_is_told_with_the_way_out() -> None:
    cloud = Stuck("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED")
    with pytest.raises(Refusal, match=f"continue-update-rollback --stack-name {STACK} --resources-to-skip"):
        changed(cloud)
    assert cloud.called == ["continue_update_rollback"]


def test_a_change_that_ends_so_says_what_to_do() -> None:
    with pytest.raises(Refusal, match=r"UPDATE_ROLLBACK_FAILED: no reason given\. Mend"):
        changed(Stuck("UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED"))


@pytest.mark.parametrize("state", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_somebody_elses_change_is_not_disturbed(state: str) -> None:
    cloud = Stuck(state)
    with pytest.raises(Refusal, match="somebody else"):
        changed(cloud)
    assert not cloud.called
