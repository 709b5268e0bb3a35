"""`up`: the way of a commit to a stage, from its package to the hour after."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from deploy.on_aws import asking, change, prepare, templates, versions, watching
from deploy.on_aws.package import Package, foreign
from deploy.on_aws.stage import TABLES, Stage, commit
from deploy.on_aws.window import objections
from deploy.options import ROOT
from deploy.refusal import Refusal, say

STAGING = "staging"
PACKAGE = ROOT / ".build" / "functions.zip"
WATCH_S = 3_600.0  # after a change of production
TAKEN_BACK = "taken back"
UNWATCHED = "up, not looked at to the end"


class Clock(NamedTuple):
    """Time as an argument: UTC seconds, a clock that only goes forward, and a pause in seconds."""

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def allow(stage: Stage, package: Package | None, now: float, reason: str, watch_s: float) -> str:
    """Refuse a change of production that breaks a rule, unless there is a reason; what stands in the history.

    `package`: what was built earlier; None for what this clone will give. `watch_s`: how long alarms are looked at.

    Raises:
        Refusal: every rule that is broken.
    """
    head, is_dirty = commit()
    if not stage.is_production:
        return reason
    broken = objections(
        datetime.fromtimestamp(now, UTC),
        commit=head,
        is_dirty=is_dirty,
        on_staging=_on(Stage(STAGING, stage.region, stage.endpoint)),
        announced=[(_time(each["made"]), _time(each["planned"])) for _, each in stage.kept("announcements")],
    )
    if package and (file := foreign(package)):
        broken.append(f"the package is not of this commit: {file}")
    if watch_s < WATCH_S:
        broken.append(f"alarms are looked at for {watch_s / 60:.0f} minutes, not {WATCH_S / 60:.0f}")
    if broken and not reason:
        raise Refusal(f"production is not changed now: {'; '.join(broken)}. In an emergency: --now REASON")
    return f"{reason} (although: {'; '.join(broken)})" if broken else reason


def up(stage: Stage, package: Package, *, reason: str, watch_s: float, clock: Clock) -> dict[str, str]:
    """Deploy this commit; the live versions afterwards.

    Backups come first, and thresholds are back whatever happens. An alarm that goes on during the hour takes the
    functions back to the version before.

    Raises:
        Refusal: a rule, a parameter, CloudFormation, the smoke test or an alarm said no.
    """
    parameters = prepare.needed(stage)
    why = allow(stage, package, clock.now(), reason, watch_s)
    head, is_dirty = commit()
    deployed = f"{head}{'+changes' * (is_dirty or bool(foreign(package)))}"  # is no commit that production may have
    earlier = versions.live(stage)
    uploaded = templates.upload(stage, package)
    taken = back_up(stage, clock.now(), prepare.serving_prefix(stage))
    say(f"{len(taken)} backups taken" if taken else "no tables yet: no backups")
    known = _ringing(stage, is_first=not earlier)  # before the change: what it trips while it goes on is its own
    raised = watching.raise_thresholds(stage)
    done = versions.Deployment(versions.stamp(clock.now()), "up", deployed, stage.who, earlier, package.sha256, why)
    try:
        changed, what = _change(stage, uploaded.url, parameters, done)
        say("changed" if changed else "nothing had to change in the stack")
        now = versions.live(stage)
        done = done._replace(at=versions.stamp(clock.now()), what=what, versions=now)
        _stand(stage, done, earlier, _Watch(known, watch_s), clock)
    finally:
        if raised:
            say(f"{len(watching.restore_thresholds(stage))} thresholds are as before")
    return now


class _Watch(NamedTuple):
    """`known`: the alarms that were on before the change."""

    known: set[str]
    seconds: float


def _change(stage: Stage, url: str, parameters: dict[str, str], done: versions.Deployment) -> tuple[bool, str]:
    """Whether the stack changed, and what stands in the history. `done.versions`: those that were live before.

    What fails leaves these live: CloudFormation goes back to its template's, and a rollback may have left those.
    """
    cloud = stage.client("cloudformation")
    try:
        changed = change.change(
            cloud, stage.stack, url, parameters, {"commit": done.commit.split("+")[0]}, stage.poll_s
        )
        return changed, _forward(stage) or ("up" if changed else "up, unchanged")
    except (Refusal, ClientError) as failed:
        now = versions.live(stage)
        if done.versions and now != done.versions:
            versions.point(stage, done.versions)
            versions.record(stage, done._replace(what=f"{TAKEN_BACK}: {failed}", left=now))
            say("the functions are at the versions that were live before")
        raise


def _forward(stage: Stage) -> str:
    """Set the aliases to what the template has made, where a rollback or an alarm has left them behind it.

    CloudFormation does not see that: to it nothing has changed. What stands in the history; empty if they are there.
    """
    wanted, now = versions.of_stack(stage), versions.live(stage)
    if not (behind := {name: version for name, version in wanted.items() if now.get(name) != version}):
        return ""
    versions.point(stage, behind)
    told = [each for each in versions.history(stage) if each.left]
    why = f", which {told[-1].what} had left ({told[-1].reason or 'without a reason'})" if told else ""
    say(f"set forward to {', '.join(f'{name} {version}' for name, version in behind.items())}{why}")
    return "up, set forward"


def _stand(stage: Stage, done: versions.Deployment, earlier: dict[str, str], watch: _Watch, clock: Clock) -> None:
    """See that it serves, now and while it is watched. Raises Refusal when not, after the functions went back."""
    try:
        asking.verify(stage)
        versions.record(stage, done)
        _hour(stage, watch, clock, is_first=not earlier)
    except Refusal as bad:
        at = versions.stamp(clock.now())
        back = earlier if earlier and earlier != done.versions else None
        if back:
            versions.point(stage, back)
        what = f"{TAKEN_BACK}: {bad}"
        versions.record(stage, done._replace(at=at, what=what, versions=back or done.versions, left=done.versions))
        raise Refusal(f"{bad}{'; the functions are at the versions before' * bool(back)}") from None
    except BaseException:  # Ctrl-C, or keys that expired: nobody looked, so staging has nothing for production
        with suppress(Exception):
            versions.record(stage, done._replace(at=versions.stamp(clock.now()), what=UNWATCHED))
        say("it is live, and was not looked at to the end: deploy/aws status; deploy/aws rollback takes it back")
        raise


def _ringing(stage: Stage, *, is_first: bool) -> set[str]:
    """The alarms that are on. `is_first`: nobody has asked or paid here yet, so silence is none of them."""
    found = watching.ringing(stage)
    return found - watching.by_silence(stage, found) if is_first else found


def _hour(stage: Stage, watch: _Watch, clock: Clock, *, is_first: bool) -> None:
    if not watch.seconds:
        return
    say(f"looking at the alarms for {watch.seconds / 60:.0f} minutes")
    ringing = partial(_ringing, stage, is_first=is_first)
    if fresh := watching.watch(ringing, watch.known, watch.seconds, clock.elapsed, clock.sleep):
        raise Refusal(f"alarms went on: {', '.join(sorted(fresh))}")


def back_up(stage: Stage, now: float, prefix: str) -> list[str]:
    """Take an on-demand backup of every table of that prefix that is there; the backups' names.

    Raises:
        Refusal: one cannot be taken.
    """
    dynamodb = stage.client("dynamodb")
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    taken = []
    for table in (prefix + name for name in TABLES):
        try:
            reply = dynamodb.create_backup(TableName=table, BackupName=f"{table}-{stamp}")
        except dynamodb.exceptions.TableNotFoundException:
            continue
        except ClientError as refused:
            if refused.response["Error"]["Code"] == "ResourceNotFoundException":
                continue
            raise Refusal(f"no backup of {table}: {refused.response['Error']['Code']}; nothing was changed") from None
        taken.append(str(reply["BackupDetails"]["BackupName"]))
    return taken


def announce(stage: Stage, planned: datetime, text: str, now: float) -> None:
    """Keep that works at `planned` were told of now, by whom and with which words."""
    made = datetime.fromtimestamp(now, UTC)
    value: dict[str, Any] = {"made": made.isoformat(), "planned": planned.isoformat(), "text": text, "who": stage.who}
    stage.keep("announcements", made.isoformat(timespec="milliseconds"), value)


def _on(staging: Stage) -> str | None:
    """The commit that is there; None for none, and for one that did not stay."""
    found = versions.history(staging)
    return found[-1].commit if found and not found[-1].what.startswith((TAKEN_BACK, UNWATCHED)) else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
