"""`backup window`, `drill` and `rewind`: the tables of DynamoDB as they were at a second, and what they are worth."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from billing.backup.moving import Place
from billing.backup.prove import REQUEST_MS, Seen, look
from billing.backup.rewind import DRILL, Rewind, newest, windows
from billing.cli import backups, regions
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.show import Column, when
from radius.domain.errors import Malformed
from radius.wiring import build_core

app = backups.app

WINDOWS = (
    Column("TABLE", "table"),
    Column("FROM", "earliest", when),
    Column("TO", "latest", when),
    Column("PROTECTED", "protected", lambda yes: "yes" if yes else "NO"),
)
_At = Annotated[str, typer.Option("--at", metavar="TIME", help="As 2026-11-25T14:05:00+03:00.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the change.")]
_To = Annotated[str, typer.Option("--to", metavar="PREFIX", help="Of the new tables, such as wifi-r1-.")]


@command(app, "window", "backup window")
def window(frame: Frame) -> Exit:
    """From when to when each table can be restored by the second (DynamoDB). Exit code 1 if one cannot be."""
    found = windows(_place(frame))
    rows = [{**each._asdict(), "earliest": each.earliest or None, "latest": each.latest or None} for each in found]
    frame.show.table(rows, WINDOWS, "")
    return Exit.DONE if all(each.good for each in found) else Exit.NOT


@command(app, "drill", "backup drill\nbackup drill --json")
def drill(frame: Frame, reason: _Reason = "") -> Exit:
    """Restore all tables as of just now beside the old ones, check the books there, delete them again (DynamoDB).

    Takes as long as a restore does, half an hour or more, and costs what it does. Exit code 1 if something is wrong.
    """
    place = _place(frame)
    at = newest(windows(place))
    rewind = Rewind(
        place, f"{DRILL}{datetime.fromtimestamp(frame.now, UTC):%Y%m%d%H%M%S}-", time.sleep, tell=frame.note
    )
    with frame.deed(rewind.place.prefix, reason) as came:
        try:
            rewind.restore(at)
            seen = _look(frame, rewind.place.prefix)
        finally:
            left = rewind.drop()
            if left:
                frame.note(f"These could not be deleted: {', '.join(left)}")
        came("right" if seen.good else f"{len(seen.findings)} findings, {len(seen.unopened)} secrets do not open")
    found = _tell(frame, seen, at, rewind.place.prefix, "It was restored, its key opens it, and its books are right.")
    return Exit.NOT if left else found


@command(app, "rewind", 'backup rewind --at 2026-11-25T14:05:00+03:00 --to wifi-r1- --reason "a wrong import" --yes')
def rewind(frame: Frame, at: _At, to: _To, reason: _Reason = "") -> Exit:
    """Freeze the tables, make them again as they were at a second under another prefix, check, and open those.

    What was written after that second is not in them. Nothing is deleted: the frozen tables stay as they are.
    """
    why, second = frame.why(reason), _second(at)
    made = Rewind(_place(frame), _prefix(to), time.sleep, tell=frame.note)
    made.check(second)
    frame.sure(f"Stop all sales, and go on from {when(second)} in tables named {to}...?")
    regions.freeze_now(frame, why)
    made.restore(second)
    made.finish()
    seen = _look(frame, to)
    if seen.good:
        regions.fence_of(frame, to).raise_to(frame.settings.region, frame.now, frame.actor, why, frame.deadline())
    else:
        frame.note("NOT opened. `wifibilling region open` opens the old tables again, or these if you judge them good.")
    opened = f"They are open. Now give every process this prefix (table_prefix = {to!r}; on AWS ServingPrefix={to})."
    return _tell(frame, seen, second, to, opened)


def _look(frame: Frame, prefix: str) -> Seen:
    core = build_core(frame.settings.model_copy(update={"table_prefix": prefix, "request_deadline_ms": REQUEST_MS}))
    try:
        return look(core, frame.selling, frame.now)
    finally:
        core.close()


def _tell(frame: Frame, seen: Seen, at: int, prefix: str, right: str) -> Exit:
    rows: list[dict[str, Any]] = [
        {"rule": each.rule.value, "what": each.what, "text": each.text} for each in seen.findings
    ]
    rows += [{"rule": "key", "what": each, "text": "its secret does not open"} for each in seen.unopened]
    if frame.as_json:
        frame.show.document({"at": at, "prefix": prefix, "routers": seen.routers, "good": seen.good, "findings": rows})
    else:
        frame.note(f"Tables {prefix}*: of {when(at)}, {seen.routers} routers.")
        frame.show.table(rows, backups.FINDINGS, right)
    return Exit.DONE if seen.good else Exit.NOT


def _place(frame: Frame) -> Place:
    settings = frame.settings
    if settings.store_kind != "dynamodb":
        raise Malformed("store_kind", "is embedded: a box is restored from its backups (backup verify, deploy/restore)")
    return Place(frame.raw_client, settings.table_prefix)


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text) or text.startswith(DRILL):
        raise Malformed("to", f"must be 1 to 100 letters, digits, '-', '_' and '.', and not begin with {DRILL}")
    return text


def _second(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Malformed("at", "must be like 2026-11-25T14:05:00+03:00, with its distance from UTC")
    return int(found.timestamp())
