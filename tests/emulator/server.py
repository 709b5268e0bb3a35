"""ministack, with what its CloudFormation lacks taken as it is: such a resource is remembered, and nothing more of it.

It transforms no nested template either; here they are when they are read, by the same translator as the root. And what
an update leaves alone in a nested stack loses its attributes there; here it keeps them.

Runs in the emulator's own venv: ``python server.py``, with ministack's variables in the environment.
"""

from typing import Any

from ministack.app import main
from ministack.services.cloudformation import _stacks, engine, provisioners

LACKING = (
    "AWS::Budgets::Budget",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Logs::QueryDefinition",
)
ALARM = "AWS::CloudWatch::Alarm"


def create(logical: str, _properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    """A name, and attributes that others may ask for."""
    return f"{stack}-{logical}", {"Arn": f"arn:aws:emulated:::{stack}/{logical}"}


def update(
    physical: str, _old: dict[str, Any], _new: dict[str, Any], *_more: Any, **_named: Any
) -> tuple[str, dict[str, str]]:
    """It stays."""
    return physical, {"Arn": f"arn:aws:emulated:::{physical}"}


def delete(_physical: str, _properties: dict[str, Any]) -> None:
    """There was nothing."""


NOTHING = {"create": create, "update": update, "delete": delete}


def on_math(known: dict[str, Any]) -> dict[str, Any]:
    """Alarms over several metrics are remembered, the others made."""

    def choose(step: str) -> Any:
        def either(*arguments: Any, **named: Any) -> Any:
            math = any(isinstance(each, dict) and each.get("Metrics") for each in arguments)
            return (NOTHING if math else known)[step](*arguments, **named)

        return either

    return {**known, **{step: choose(step) for step in NOTHING}}


parse = engine._parse_template


def transformed(body: str) -> Any:
    """What the template says once its macros are gone."""
    template = parse(body)
    return engine._apply_transforms(template) if engine.declared_transforms(template) else template


known_update = provisioners._update_resource


def keeping(kind: str, physical: str, old: Any, new: Any, stack: str, logical: str = "", *more: Any) -> tuple[str, Any]:
    """What was known of the resource, and what the update says."""
    before = (_stacks.get(stack) or {}).get("_resources", {}).get(logical, {}).get("Attributes") or {}
    found, said = known_update(kind, physical, old, new, stack, logical, *more)
    return found, {**before, **(said or {})} if found == physical else said


engine._parse_template = transformed
provisioners._update_resource = keeping
for kind in LACKING:
    provisioners._RESOURCE_HANDLERS.setdefault(kind, NOTHING)
provisioners._RESOURCE_HANDLERS[ALARM] = on_math(provisioners._RESOURCE_HANDLERS[ALARM])

if __name__ == "__main__":
    main()
