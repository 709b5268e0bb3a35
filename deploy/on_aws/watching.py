"""Alarms around a change: a few thresholds are raised meanwhile, and every alarm is looked at for an hour after."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from billing.alarms import COMPOSITES
from deploy.on_aws.stage import Stage

BATCH = 100  # names that one question takes
POLL_S = 30.0
RAISED = {"HighErrorRate": 4.0, "HighLatency": 3.0, "VeryHighLatency": 3.0}  # cold starts of every new version
KEPT = "thresholds"
# Customers' silence. The silence of our own (SellingSilent: the rounds of PaymentLambda) is a fault anywhere.
SILENCES = ("RadiusSilent", "NoSales")


def states(stage: Stage, *more: str) -> dict[str, str]:
    """State of every alarm of the list that is there, composites too; `more`: others' short names."""
    names = (*stage.alarms, *(_named(stage, each) for each in more))
    return {each["AlarmName"]: str(each["StateValue"]) for each in _described(stage, names)}


def ringing(stage: Stage) -> set[str]:
    """Names of the alarms that are on."""
    return {name for name, state in states(stage).items() if state == "ALARM"}


def by_silence(stage: Stage, ringing_now: set[str]) -> set[str]:
    """Those that are on only because nothing comes: of a stage without routers and customers yet that is no fault."""
    silent = {_named(stage, name) for name in SILENCES}
    members = {_named(stage, each.name): {_named(stage, name) for name in each.any_of} for each in COMPOSITES}
    return {name for name in ringing_now if members.get(name, {name}) & (ringing_now | {name}) <= silent}


def _named(stage: Stage, name: str) -> str:
    return f"WiFiBilling-{name}{stage.suffix}"


def raise_thresholds(stage: Stage) -> list[str]:
    """Raise them, after the settings before were kept; the names. What an interrupted run raised is put back first."""
    restore_thresholds(stage)
    wanted = {_named(stage, name): factor for name, factor in RAISED.items()}
    client = stage.client("cloudwatch")
    settable = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    found = [each for each in _described(stage, wanted) if "Threshold" in each]
    for alarm in found:
        settings = {key: alarm[key] for key in settable if alarm.get(key) not in (None, [], "")}
        raised = settings["Threshold"] * wanted[alarm["AlarmName"]]
        stage.keep(KEPT, alarm["AlarmName"], {"settings": settings, "raised": raised})
        client.put_metric_alarm(**(settings | {"Threshold": raised}))
    return [alarm["AlarmName"] for alarm in found]


def restore_thresholds(stage: Stage) -> list[str]:
    """Put back what was raised; the names. What somebody else has set meanwhile, the change itself above all, stays."""
    names = []
    for key, kept in stage.kept(KEPT):
        name = kept["settings"]["AlarmName"]
        if [each["Threshold"] for each in _described(stage, [name])] == [kept["raised"]]:
            stage.client("cloudwatch").put_metric_alarm(**kept["settings"])
            names.append(name)
        stage.forget(key)
    return names


def raised(stage: Stage) -> list[str]:
    """Names of the alarms that an `up` has raised and not put back yet."""
    return [str(kept["settings"]["AlarmName"]) for _, kept in stage.kept(KEPT)]


def watch(
    ringing_now: Callable[[], set[str]],
    known: AbstractSet[str],
    seconds: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> set[str]:
    """Look until the time is over or an alarm goes on that is not `known` from before the change; those that went on.

    `now` is a clock that only goes forward, in seconds. The last look is at the end, not before it.
    """
    until = now() + seconds
    while True:
        left = until - now()
        if left > 0:
            sleep(min(POLL_S, left))
        ringing = ringing_now()
        if fresh := ringing - known:
            return fresh
        known = known & ringing  # one that went off and comes back is new
        if left <= 0:
            return set()


def _described(stage: Stage, names: Iterable[str]) -> list[dict[str, Any]]:
    wanted = list(names)
    found: list[dict[str, Any]] = []
    for at in range(0, len(wanted), BATCH):
        reply = stage.client("cloudwatch").describe_alarms(
            AlarmNames=wanted[at : at + BATCH], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=BATCH
        )
        found += [*reply.get("MetricAlarms", []), *reply.get("CompositeAlarms", [])]
    return found
