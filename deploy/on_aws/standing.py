"""`status`: stacks, live versions, alarms that are on or missing, and what an interrupted command left."""

from deploy.on_aws import downing, enhancing, versions, watching
from deploy.on_aws.stage import Stage

GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})  # went back: is not good
MISSING = "MISSING"
DRILL = "NoDrill"  # of stacks/drill.yaml, where there are nodes; an `up` is not judged by it


def tell(stage: Stage) -> list[str]:
    """Print how it stands; names of what is wrong. Raises Refusal where there is no stack."""
    stage.outputs()
    stacks = {stage.stack: str((stage.describe() or {})["StackStatus"])} | downing.part_states(stage)
    expected = stage.alarms if "Monitoring" in stacks else ()  # after `down` there are none
    alarms = dict.fromkeys(expected, MISSING) | watching.states(stage, DRILL)
    live, wanted = versions.live(stage), versions.of_stack(stage)
    _lines(stacks)
    _lines({name: f"version {version}" for name, version in live.items()})
    _lines({name: state for name, state in alarms.items() if state != "OK"})
    print(f"{sum(state == 'OK' for state in alarms.values())} of {len(alarms)} alarms are OK")
    ringing = {name for name, state in alarms.items() if state == "ALARM"}
    quiet = set() if stage.is_production else watching.by_silence(stage, ringing)
    if quiet:
        print(f"nobody asks or pays here, which is no fault of a stage: {', '.join(sorted(quiet))}")
    if behind := [f"{name} {version}" for name, version in wanted.items() if live.get(name) != version]:
        print(f"by a way back, not what the template has made: {', '.join(behind)}")
    if raised := watching.raised(stage):
        print(f"thresholds are raised: {', '.join(raised)}: an `up` is at work, or was killed; the next puts them back")
    if until := enhancing.is_on_until(stage):
        print(f"enhanced until {versions.stamp(until)}: deploy/aws enhance off")
    return [
        *(name for name, state in stacks.items() if state not in GOOD),
        *(name for name, state in alarms.items() if name in ringing - quiet or state == MISSING),
        *(name for name in wanted if name not in live),
    ]


def _lines(states: dict[str, str]) -> None:
    for name, state in states.items():
        print(f"{state:22} {name}")
