"""`doctor`: looks at everything that a working site needs, from the clock to the queues; each finding with its fix."""

import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from billing.cli import around, callbacks, find, owed, regions
from billing.cli.exits import Exit
from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame, command
from billing.cli.ops import box
from billing.cli.ops.cloud import on_aws
from billing.cli.routers import NODE_FRESH_S
from billing.cli.show import Column, as_is, size, span, when
from billing.duty import load_duty
from billing.services.callbacks import SWEEP_AFTER_S
from radius.domain.clock import Suspect
from radius.domain.errors import RadiusError, Unavailable
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.intent import IntentState
from radius.keeper import KeeperFiles
from radius.rlm import spool
from radius.rlm.clocks import kernel_synchronised, system_clocks

PINGS = 9
SLOW_MS = 100  # a log-in takes two requests within half a second
QUEUE_LATE_S = 300
DISK_FREE_PERCENT_MIN = 20
CUSTOMERS_LOOKED_AT_MAX = 200
HOUR_S = 3_600

Check = Callable[[Frame], Iterable[Finding]]

COLUMNS = (
    Column("", "mark"),
    Column("WHAT", "check"),
    Column("HOW IT IS", "text"),
    Column("WHAT TO DO", "fix", as_is),
)


def register(app: typer.Typer) -> None:
    """It stands beside the groups."""
    command(app, "doctor", "doctor\ndoctor --probe --site kilimani")(doctor)


def doctor(
    frame: Frame,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask every router too whether it can be told something.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also what is well.")] = False,
) -> Exit:
    """Look at everything that a working site needs: what is not well, and what to do about it.

    Exit code 1 if anything is not well.
    """
    checks: list[Check] = [clock, disk, keys, store, writer, tables, nodes, around.freeradius, around.answers]
    checks += [around.hook_pool, around.dynamic_clients, around.processes, workers, waiting_packets, queues, unheard]
    checks += [given_up, alarms, backups, on_call, callbacks.token, callbacks.road, callbacks.come]
    checks += [around.routers] if probe else []
    found = [finding for check in checks for finding in looked(frame, check)]
    rows = [
        {"mark": {True: "ok", None: "?", False: "-->"}[each.good], **each._asdict()}
        for each in sorted(found, key=lambda each: {False: 0, None: 1, True: 2}[each.good])
        if everything or frame.as_json or each.good is False
    ]
    wrong = sum(each.good is False for each in found)
    frame.show.table(rows, COLUMNS, f"All is well ({len(found)} things were looked at; --all lists them).")
    return Exit.NOT if wrong else Exit.DONE


def looked(frame: Frame, check: Check) -> list[Finding]:
    """What a check found. One that cannot look says so, and the others go on."""
    name = check.__name__.replace("_", " ")
    try:
        return list(check(frame))
    except Unavailable as away:
        return [unwell(name, str(away), "Is the engine running, or the network up?")]
    except (RadiusError, BotoCoreError, ClientError, OSError) as wrong:
        return [unwell(name, f"{type(wrong).__name__}: {wrong}", "See the message.")]


# -- this machine --------------------------------------------------------------------------------------------------


def clock(frame: Frame) -> Iterator[Finding]:
    """Rights are granted and ended by it."""
    settings = frame.settings
    judged = system_clocks(KeeperFiles(settings.state_dir).last_good(), settings.clock_floor_at).judge()
    if isinstance(judged, Suspect):
        yield unwell("clock", f"it is wrong: {judged.reason.value}", "Set it, and let chrony or timesyncd keep it.")
    elif kernel_synchronised():
        yield well("clock", "the kernel says that it is kept right")
    else:
        yield untold("clock", "plausible, and the kernel does not say that anybody keeps it right (chrony, timesyncd)")


def disk(frame: Frame) -> Iterator[Finding]:
    """What the spool and the embedded store write to."""
    folder = frame.settings.state_dir
    if not folder.is_dir():
        yield unwell("disk", f"{folder} is not there", "Name the right settings (--settings).")
        return
    total, _, free = shutil.disk_usage(folder)
    text = f"{size(free)} of {size(total)} are free under {folder}"
    few = free * 100 < total * DISK_FREE_PERCENT_MIN
    yield unwell("disk", text, "Make room: a full disk ends accounting.") if few else well("disk", text)


# -- the store -----------------------------------------------------------------------------------------------------


def keys(frame: Frame) -> Iterator[Finding]:
    """With another key than that of these tables every router would be met with silence."""
    for router in frame.directory.all_routers():
        frame.directory.secret(router.id)  # raises Corrupt where it is not the key
    yield well("key", "it opens what is sealed in these tables")


def store(frame: Frame) -> Iterator[Finding]:
    """How long one strongly consistent read takes."""
    took: list[float] = []
    for _ in range(PINGS):
        began = time.perf_counter()
        frame.core.store.subscribers.read(SubscriberId("doctor"), frame.deadline())
        took.append((time.perf_counter() - began) * 1000)
    median = statistics.median(took)
    text = f"{frame.settings.store_kind}, {median:.0f} ms a read (the slowest of {PINGS}: {max(took):.0f} ms)"
    slow = median > SLOW_MS
    yield unwell("store", text, "A log-in takes two: bring the RADIUS node nearer.") if slow else well("store", text)


def writer(frame: Frame) -> Iterator[Finding]:
    """Whether the tables may be written from here, where another Region could (`radius.store.fence`)."""
    if frame.settings.store_kind != "dynamodb":
        return
    mark = regions.fence_of(frame).read(frame.deadline())
    if mark.epoch == 0 or mark.region == frame.settings.region:
        yield well("region", f"{frame.settings.region} writes its tables")
    else:
        said = f"{mark.region or 'nobody'} writes the tables since {when(mark.at)}: {mark.why}"
        yield unwell("region", said, "deploy/runbooks/fail-over.md")


def tables(frame: Frame) -> Iterator[Finding]:
    """Each is asked for something."""
    core, deadline = frame.core.store, frame.deadline
    asked: dict[str, Callable[[], object]] = {
        "UsersTable": lambda: core.subscribers.read(SubscriberId("doctor"), deadline()),
        "SessionsTable": lambda: core.sessions.find(SessionUid("doctor"), deadline()),
        "ConfigTable": lambda: core.routers.sites(deadline()),
        "AttemptsTable": lambda: core.attempts.of_session(SessionUid("doctor"), frame.now, deadline()),
        "BillingTable": lambda: frame.billing.store.ports.package("doctor", deadline()),
    }
    for name, ask in asked.items():
        try:
            ask()
        except ClientError as refused:
            code = refused.response["Error"]["Code"]
            yield unwell("tables", f"{name}: {code}", "deploy/run makes them on one box; on AWS the stack does.")
    yield well("tables", f"{len(asked)} were asked")


# -- who works on it -----------------------------------------------------------------------------------------------


def nodes(frame: Frame) -> Iterator[Finding]:
    """RADIUS nodes say each quarter of a minute that they live."""
    found = frame.core.store.nodes.nodes(frame.deadline())
    if not any(node.at >= frame.now - NODE_FRESH_S for node in found):
        last = max((node.at for node in found), default=0)
        yield unwell("RADIUS nodes", f"none lives; the last said so at {when(last)}", "Start FreeRADIUS (deploy/run).")
        return
    for node in found:
        age = frame.now - node.at
        if age <= NODE_FRESH_S:
            yield well("RADIUS nodes", f"{node.id} lives and hears {len(node.routers)} router(s)")
        elif age < 86_400:
            yield unwell(
                "RADIUS nodes",
                f"{node.id} has said nothing for {span(age)}",
                "Start it, or let it be forgotten in a day.",
            )


def workers(frame: Frame) -> Iterator[Finding]:
    """Both walk the due index; their checkpoint says how far they are."""
    for worker, program in (("sweep", "radius.worker"), ("coa", "coa run")):
        at = frame.core.store.due_work.checkpoint(worker, frame.deadline())
        behind = frame.now - at
        if behind > QUEUE_LATE_S:
            last = f"stands since {when(at)}" if at else "was never at work here"
            yield unwell("workers", f"{program} {last}", f"Start it: python -m {program}")
        else:
            yield well("workers", f"{program} is {span(max(0, behind))} behind now")


def waiting_packets(frame: Frame) -> Iterator[Finding]:
    """Accounting on disk."""
    folder = frame.settings.spool_dir
    if spool.parked(folder) is not None:
        yield unwell(
            "spool", "packets are parked that cannot be counted", "wifibilling waiting; README: What was parked"
        )
    oldest = spool.oldest_at(folder)
    if oldest and frame.now - oldest > QUEUE_LATE_S:
        depth = sum(path.stat().st_size for path in spool.waiting(folder))
        text = f"packets wait since {when(oldest)}, {size(depth)} of them"
        yield unwell("spool", text, "Start radius.worker; is the store there?")
    else:
        yield well("spool", "nothing waits for long on this machine")


def queues(frame: Frame) -> Iterator[Finding]:
    """Callbacks that nobody settled, payments that nobody asked about."""
    left = frame.billing.store.ports.waiting(frame.now - SWEEP_AFTER_S - QUEUE_LATE_S, 1, frame.deadline())
    if left:
        fix = "Start the worker of selling: python -m billing run"
        yield unwell("callbacks", "some of M-Pesa's are stored and not settled", fix)
    else:
        yield well("callbacks", "all were settled")
    due = frame.billing.store.ports.due(frame.now - QUEUE_LATE_S, 1, frame.deadline())
    if due:
        yield unwell("payments", f"nobody asked about some since {when(due[0][1])}", "Start it: python -m billing run")
    else:
        yield well("payments", "none is overdue")


def unheard(frame: Frame) -> Iterator[Finding]:
    """Routers whose record cannot be used, and packets that were not heard."""
    for name, why in frame.directory.broken.items():
        yield unwell("routers", f"{name} is silenced: {why}", f"wifibilling routers show {name}")
    late = [
        each for each in frame.core.store.routers.unknown(frame.now, frame.deadline()) if each[2] >= frame.now - HOUR_S
    ]
    for source, packets, _, why in late:
        known = frame.directory.router(NasId(source)) is not None
        fix = f"wifibilling routers health {source}" if known else "Register it, or close the port to it."
        yield unwell("routers", f"{packets} packets of {source} were not heard: {why}", fix)
    if not late and not frame.directory.broken:
        yield well("routers", "all that knocked in the last hour were heard")


def given_up(frame: Frame) -> Iterator[Finding]:
    """Sessions that should not be, and that no router would end."""
    since = max(
        frame.core.store.due_work.checkpoint(owed.SENDER, frame.deadline()) - owed.OVERLAP_S,
        frame.now - owed.BACK_S_MAX,
    )
    due = frame.core.store.due_work.due(since, frame.now + HOUR_S, CUSTOMERS_LOOKED_AT_MAX, frame.deadline())
    lost = 0
    for subscriber, _ in due:
        try:
            present = find.read(frame, subscriber)
        except RadiusError:
            continue
        lost += any(intent.state is IntentState.ABANDONED for intent in present.intents)
    if lost:
        yield unwell(
            "enforcement", f"{lost} customer(s) have sessions that nobody could end", "wifibilling pending --ahead 1h"
        )
    else:
        yield well("enforcement", "nothing was given up")


def backups(frame: Frame) -> Iterable[Finding]:
    """The disk of one box is all that there is of it until there is one."""
    if on_aws(frame.settings):
        return [untold("backups", "AWS makes them: wifibilling ops weekly")]
    return box.backups(frame)


def alarms(frame: Frame) -> Iterable[Finding]:
    """Those that are on."""
    if on_aws(frame.settings):
        return [untold("alarms", "CloudWatch has them: wifibilling ops daily")]
    return box.alarms(frame)


def on_call(frame: Frame) -> Iterator[Finding]:
    """Who is called for an incident: where something is sold, somebody must be."""
    names = load_duty(frame.settings_file).names
    if names:
        yield well("on call", f"{', '.join(names)}: called for incidents, in this order")
    elif frame.billing.desk.shelf.packages():
        fix = "[[incidents.on_call]] in the settings file; then restart the worker of selling."
        yield unwell("on call", "nobody: an incident calls no one, and packages are sold", fix)
    else:
        yield untold("on call", "nobody: an incident calls no one (nothing is sold yet)")
