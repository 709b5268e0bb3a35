"""`pending` and `waiting`: what is still owed to routers, and packets that wait on disk. Both heal themselves."""

from pathlib import Path
from typing import Annotated, Any

import typer

from billing.cli import find
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.show import Column, size, when
from billing.cli.words import REASONS, STATES
from coa.steps import ENTRY_S_MAX
from radius.domain.errors import Unavailable
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.intent import ENDS, Intent, IntentReason
from radius.domain.subscriber import Session, Subscriber
from radius.domain.wanted import session_of
from radius.rlm import spool

SENDER = "coa"  # the checkpoint of the sender
OVERLAP_S = 120
BEHIND_S = 300  # a sender polls each second: one that is further back does not run
BACK_S_MAX = 1_800  # of the index, a query a minute and shard; what is older the sender itself walks to
AHEAD_S, AHEAD_S_MAX = 900, 3_600
LIST_MAX = 100
WITHDRAWN = "the customer was blocked, and is not any more: it is withdrawn"
WAITS = "its own log-in ends this; it is looked for until {}"

PENDING = (
    Column("CUSTOMER", "customer"),
    Column("SESSION", "session"),
    Column("DEVICE", "device"),
    Column("ROUTER", "router"),
    Column("WHY", "why"),
    Column("STATE", "state"),
    Column("SINCE", "since", when),
    Column("ASKED", "attempts", right=True),
    Column("NEXT", "due_at", when),
    Column("LAST SAID", "words"),
)
WAITING = (
    Column("NODE", "node"),
    Column("FILE", "file"),
    Column("PACKETS", "packets", right=True),
    Column("SIZE", "bytes", size, right=True),
    Column("SINCE", "since", when),
    Column("WHAT IT IS", "what"),
)


def register(app: typer.Typer) -> None:
    """Both stand beside the groups."""
    command(app, "pending", "pending\npending --site kilimani --ahead 1h")(pending)
    command(app, "waiting", "waiting")(waiting)


def pending(
    frame: Frame,
    ahead: Annotated[str, typer.Option(help="Also what is to be tried again within: 15m, 1h.")] = f"{AHEAD_S}s",
    limit: Annotated[int, typer.Option(min=1, help="At most so many customers.")] = LIST_MAX,
) -> Exit:
    """What routers are still to be told, and why: cuts and changes that were not done yet. They retry by themselves.

    Exit code 1 if something was given up, or if no sender is at work.
    """
    checkpoint = frame.core.store.due_work.checkpoint(SENDER, frame.deadline())
    since = max(checkpoint - OVERLAP_S, frame.now - BACK_S_MAX)
    until = frame.now + min(find.seconds(ahead), AHEAD_S_MAX)
    due = frame.core.store.due_work.due(since, until, limit, frame.deadline())
    rows = [row for subscriber, _ in due for row in _owed(frame, subscriber)]
    frame.show.table(rows, PENDING, "Nothing is owed: every router has been told.")
    behind = frame.now - checkpoint > BEHIND_S
    if behind:
        last = f"it was last at work at {when(checkpoint)}" if checkpoint else "none was ever at work here"
        frame.note(f"No sender is at work ({last}): start `python -m coa run`.")
    return Exit.NOT if behind or any(row["given_up"] for row in rows) else Exit.DONE


def _owed(frame: Frame, subscriber: SubscriberId) -> list[dict[str, Any]]:
    try:
        present = find.read(frame, subscriber)
    except Nobody:
        return []
    rows = [_row(frame, present, intent) for intent in present.intents if intent.state not in ENDS]
    return [row for row in rows if frame.site in {"", row["site"]}]


def _row(frame: Frame, present: Subscriber, intent: Intent) -> dict[str, Any]:
    session = session_of(present, intent.session)
    router = session.nas if session is not None else (intent.waits.nas if intent.waits else "")
    waits = intent.reason is IntentReason.REAUTHORIZE  # a device without a session
    steps = frame.core.store.attempts.of_session(SessionUid(intent.session), frame.now, frame.deadline())
    known = frame.directory.router(router)
    return {
        "customer": present.id,
        "session": "" if waits else intent.session,
        "device": intent.session if waits else session.device if session is not None else "",
        "router": router,
        "site": known.site if known else "",
        "why": _why(present, session, intent),
        "state": STATES[intent.state],
        "given_up": intent.state.value == "abandoned",
        "since": intent.created_at,
        "attempts": intent.attempts,
        "due_at": intent.due_at,
        "words": steps[-1].words if steps else WAITS.format(when(intent.created_at + ENTRY_S_MAX)) if waits else "",
    }


def _why(present: Subscriber, session: Session | None, intent: Intent) -> str:
    right = present.right(session.right) if session is not None else None
    stands = right is not None and not right.revoked_at
    return (
        WITHDRAWN
        if intent.reason is IntentReason.BLOCKED and not present.blocked and stands
        else REASONS[intent.reason]
    )


def waiting(frame: Frame) -> Exit:
    """Accounting packets on disk while the store was away, here and as other nodes say. They are counted by themselves.

    Exit code 1 if something is parked, which a person must mend; else 5 if the store is away: this machine's are shown.
    """
    rows = _local(frame.settings.spool_dir, frame.settings.node_id)
    empty, outcome = "Nothing waits: every packet was counted.", Exit.DONE
    try:
        rows += _elsewhere(frame)
    except Unavailable:
        frame.note("The store does not answer: what waits on other nodes is not known.")
        empty, outcome = "Nothing waits on this machine.", Exit.AWAY
    frame.show.table(rows, WAITING, empty)
    return Exit.NOT if any(row["parked"] for row in rows) else outcome


def _elsewhere(frame: Frame) -> list[dict[str, Any]]:
    """What other nodes last said; raises Unavailable."""
    return [
        {"node": node.id, "file": "", "packets": None, "bytes": None, "since": node.spool_oldest_at,
         "what": "packets wait there", "parked": False}
        for node in frame.core.store.nodes.nodes(frame.deadline())
        if node.spool_oldest_at and node.id != frame.settings.node_id
    ]  # fmt: skip


def _local(folder: Path, node: str) -> list[dict[str, Any]]:
    files = [(path, "packets wait to be counted") for path in spool.waiting(folder)]
    parked = spool.parked(folder)
    if parked is not None:
        files.append((parked, "could not be counted: see README, 'What was parked'"))
    return [
        {
            "node": node, "file": path.name, "packets": _packets(path), "bytes": path.stat().st_size,
            "since": int(path.stat().st_mtime) if path == parked else spool.minute_of(path.name), "what": what,
            "parked": path == parked,
        }
        for path, what in files
    ]  # fmt: skip


def _packets(path: Path) -> int:
    """Each record ends with an empty line."""
    count, before = 0, b"\n"
    with path.open("rb") as file:
        for line in file:
            count += line == b"\n" and before != b"\n"
            before = line
    return count
