"""`rollback`: every function at the version that stood before, verified by its alias and by asking the pages."""

from deploy.on_aws import asking, enhancing, versions, watching
from deploy.on_aws.stage import Stage
from deploy.on_aws.upping import Clock
from deploy.refusal import Refusal, say


def rollback(stage: Stage, reason: str, clock: Clock) -> versions.Deployment:
    """Go one step back, and say so in the history, with `reason`; thresholds that an `up` left raised are put back.

    Raises:
        Refusal: there is nothing before, a closer look is on, or what is live now does not answer.
    """
    if enhancing.is_on_until(stage):  # its versions are the same code: one step back from them is no step
        raise Refusal(f"what is live is enhanced: first deploy/aws enhance off --stage {stage.name}")
    target, left = versions.before(stage), versions.live(stage)
    commit = next((each.commit for each in reversed(versions.history(stage)) if each.versions == target), "unknown")
    versions.point(stage, target)
    at = versions.stamp(clock.now())
    done = versions.Deployment(at, "rollback", commit, stage.who, target, reason=reason, left=left)
    versions.record(stage, done)
    if restored := watching.restore_thresholds(stage):
        say(f"{len(restored)} thresholds, which an `up` had raised and not put back, are as before")
    asking.verify(stage)
    return done
