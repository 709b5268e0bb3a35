"""A stage without a cloud: aliases and versions of Lambda, stacks, alarms and the bucket are objects here."""

# ruff: noqa: N803 - names of boto3

from types import SimpleNamespace
from typing import Any

from deploy.on_aws.stage import Stage

REGION = "af-south-1"


class NotThere(Exception):
    """What AWS says of a name that it does not know."""


class Lambda:
    """Versions, and the alias `live`. `stuck`: it stays where it is, whatever is said to it."""

    exceptions = SimpleNamespace(ResourceNotFoundException=NotThere)

    def __init__(self) -> None:
        self.published: dict[str, list[str]] = {}
        self.alias: dict[str, str] = {}
        self.stuck = False

    def publish(self, function: str) -> str:
        numbers = self.published.setdefault(function, [])
        numbers.append(str(len(numbers) + 1))
        return numbers[-1]

    def get_alias(self, *, FunctionName: str, Name: str) -> dict[str, Any]:
        assert Name == "live"
        if FunctionName not in self.alias:
            raise NotThere(FunctionName)
        return {"FunctionVersion": self.alias[FunctionName]}

    def update_alias(self, *, FunctionName: str, FunctionVersion: str, **_: Any) -> None:
        assert FunctionVersion in self.published[FunctionName]
        if not self.stuck:
            self.alias[FunctionName] = FunctionVersion

    def get_function(self, **_: Any) -> dict[str, Any]:
        return {"Configuration": {"State": "Active"}}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_versions_by_function"

        def paginate(*, FunctionName: str) -> list[dict[str, Any]]:
            return [{"Versions": [{"Version": each} for each in ("$LATEST", *self.published[FunctionName])]}]

        return SimpleNamespace(paginate=paginate)


class CloudFormation:
    """A root with its parts. `serving`: the version of each function that the template has made."""

    def __init__(self) -> None:
        self.serving: dict[str, str] = {}
        self.states: dict[str, str] = {"Data": "CREATE_COMPLETE", "Functions": "UPDATE_COMPLETE"}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_stack_resources"
        return SimpleNamespace(paginate=lambda *, StackName: [{"StackResourceSummaries": self._listed(StackName)}])

    def _listed(self, stack: str) -> list[dict[str, str]]:
        if stack != "arn:Functions":
            kind = "AWS::CloudFormation::Stack"
            return [_summary(name, f"arn:{name}", kind, state) for name, state in self.states.items()]
        found = [_summary("Api", "a1", "AWS::ApiGatewayV2::Api")]
        for function, number in self.serving.items():
            arn = f"arn:aws:lambda:{REGION}:1:function:{function}"
            found.append(_summary(f"{function[:4]}Version{number}", f"{arn}:{number}", "AWS::Lambda::Version"))
        return found


def _summary(name: str, physical: str, kind: str, state: str = "CREATE_COMPLETE") -> dict[str, str]:
    return {"LogicalResourceId": name, "PhysicalResourceId": physical, "ResourceType": kind, "ResourceStatus": state}


class CloudWatch:
    """Alarms by name, as they were put."""

    def __init__(self) -> None:
        self.alarms: dict[str, dict[str, Any]] = {}
        members = dict.fromkeys(("AlarmName", "Threshold", "Period"))
        shape = SimpleNamespace(input_shape=SimpleNamespace(members=members))
        self.meta = SimpleNamespace(service_model=SimpleNamespace(operation_model=lambda _: shape))

    def put_metric_alarm(self, **settings: Any) -> None:
        self.alarms[settings["AlarmName"]] = {"StateValue": "OK", **settings}

    def describe_alarms(self, *, AlarmNames: list[str], **_: Any) -> dict[str, Any]:
        return {"MetricAlarms": [self.alarms[name] for name in AlarmNames if name in self.alarms]}


class Clouded(Stage):
    """The stage of that name on doubles."""

    who = "arn:aws:iam::1:user/duty"  # type: ignore[assignment]
    account = "1"  # type: ignore[assignment]

    def __init__(self, name: str = "staging") -> None:
        super().__init__(name, REGION)
        self.functions_of, self.cloud, self.watch = Lambda(), CloudFormation(), CloudWatch()
        self.objects: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        return {"lambda": self.functions_of, "cloudformation": self.cloud, "cloudwatch": self.watch}[service]

    def describe(self) -> dict[str, Any]:
        return {"StackStatus": "UPDATE_COMPLETE", "Outputs": [{"OutputKey": "ApiUrl", "OutputValue": "https://a1"}]}

    def keep(self, kind: str, name: str, value: object) -> None:
        self.objects[f"{kind}/{name}"] = value

    def kept(self, kind: str) -> list[tuple[str, Any]]:
        return [(key, self.objects[key]) for key in sorted(self.objects) if key.startswith(f"{kind}/")]

    def forget(self, key: str) -> None:
        del self.objects[key]

    def release(self) -> dict[str, str]:
        """A new version of every function, by the template: live and that of the stack."""
        fresh = {name: self.functions_of.publish(name) for name in self.functions}
        self.functions_of.alias.update(fresh)
        self.cloud.serving = dict(fresh)
        return fresh
