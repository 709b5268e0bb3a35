"""`sessions disconnect` and `refresh`: by hand, one customer or a whole router, and what came of it."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from billing.cli import find, live, progress, routers, sessions
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from coa import hand
from coa.hand import Told
from coa.pace import Pace
from coa.sender import Sender
from radius.domain.errors import Malformed
from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.nas import CoaScope
from radius.domain.record import SessionRecord

app = sessions.app

STOP_WAIT_S = 10.0  # what an operator waits for a router's Stop after it said yes
POLL_S = 0.25

_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]
_Uid = Annotated[str, typer.Argument(metavar="[SESSION]", help="As `sessions list` names it.")]


@command(
    app, "disconnect",
    "sessions disconnect --user 0712345678 --reason 'wrong device'\n"
    "sessions disconnect --router kilimani-01 --reason 'router replaced' --apply",
)  # fmt: skip
def disconnect(
    frame: Frame, session: _Uid = "", user: sessions.User = "", router: sessions.At = "",
    package: sessions.Package = "", reason: _Reason = "",
    apply: Annotated[bool, typer.Option("--apply", help="Where it is many: do it, not only list them.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for its end after a yes.")] = STOP_WAIT_S,
) -> Exit:  # fmt: skip
    """End live sessions: their customers may return.

    Of one customer it asks first; of a router it lists whom it would cut until --apply.
    """
    meant = _meant(frame, session, user, router, package)
    if not meant:
        raise Nobody("no such session is online")
    if len({record.subscriber for record in meant}) > 1 or not (session or user):
        if not apply:
            frame.show.table([sessions.past(record) for record in meant], sessions.PAST[:6], "")
            frame.note(f"Dry run: these {len(meant)} would be cut; do it with --apply.")
            return Exit.DONE
    else:
        frame.sure(f"Disconnect {_named(meant)} ({len(meant)} session(s))? They may return.")
    return _tell_all(frame, meant, frame.why(reason), wait, cut=True)


@command(
    app,
    "slow",
    "sessions slow --user 0712345678 --reason 'fills the line'\nsessions slow --user 0712345678 --restore --reason ok",
)
def slow(
    frame: Frame,
    session: _Uid = "",
    user: sessions.User = "",
    router: sessions.At = "",
    restore: Annotated[bool, typer.Option("--restore", help="Its full speed again.")] = False,
    reason: _Reason = "",
) -> Exit:
    """Hold a session to the slow speed of its package until it ends, or give its full speed back."""
    meant = _meant(frame, session, user, router, "") if session or user else []
    if not meant:
        raise Nobody("no such session is online; name one, or --user")
    for record in meant:
        _can_be_slowed(frame, record)
    word = "Give" if restore else "Slow down"
    frame.sure(f"{word} {_named(meant)} ({len(meant)} session(s))?")

    def hold(record: SessionRecord) -> None:
        frame.core.desk.read(SubscriberId(record.subscriber), frame.deadline())
        if not frame.core.provision.hold(SubscriberId(record.subscriber), record.uid, frame.now, slow=not restore):
            raise Nobody(f"{record.uid} has ended meanwhile")

    return _tell_all(frame, meant, frame.why(reason), 0, cut=False, before=hold)


def _named(meant: Sequence[SessionRecord]) -> str:
    """Whose sessions they are, and where the first is."""
    return f"{find.shown_name(meant[0].user_name, meant[0].device)} on {meant[0].nas}"


def _can_be_slowed(frame: Frame, record: SessionRecord) -> None:
    """Raises Malformed where no CoA can slow it, or its package has no slow speed: a cut was not asked for."""
    nas = frame.directory.nas(record.nas)
    if nas is None or not nas.capabilities.rate or nas.capabilities.coa is not CoaScope.CHANGE:
        raise Malformed("session", f"{record.nas} cannot be told another speed in a session's midst")
    facts = sessions.in_aggregate(frame, record)
    package = facts["package"] if facts else ""
    if not package or frame.core.terms(package).slow_rate is None:
        raise Malformed("session", f"package {package or '-'} has no slow speed (packages add --slow)")


@command(app, "refresh", "sessions refresh --user 0712345678 --reason 'speed was not applied'")
def refresh(
    frame: Frame, session: _Uid = "", user: sessions.User = "", router: sessions.At = "", reason: _Reason = ""
) -> Exit:
    """Tell a router anew what a session should have now: speed, time and data of its package."""
    meant = _meant(frame, session, user, router, "") if session or user else []
    if not meant:
        raise Nobody("no such session is online; name one, or --user")
    return _tell_all(frame, meant, frame.why(reason), 0, cut=False)


def _meant(frame: Frame, session: str, user: str, router: str, package: str) -> list[SessionRecord]:
    """Records of the live sessions that were named; raises Malformed if nothing was."""
    if session:
        return frame.core.store.sessions.find(SessionUid(session), frame.deadline())[-1:]
    if not (user or router):
        raise Malformed("session", "say which: SESSION, --user or --router")
    found = sessions.listed(frame, sessions.asked_for(frame, router, package), user, live.OPEN_MAX)
    return [each.record for each in found if each.record is not None]


def _tell_all(
    frame: Frame, meant: Sequence[SessionRecord], reason: str, wait: float, *, cut: bool,
    before: Callable[[SessionRecord], object] = lambda _: None,
) -> Exit:  # fmt: skip
    """Tell their routers, one by one. `before`: what is kept of it first, under the same line of the audit."""
    sender = Sender(Pace(first_wait_s=routers.PROBE_WAIT_S, tries_max=routers.PROBE_TRIES_MAX))
    told: list[tuple[SessionRecord, Told]] = []
    try:
        for record in progress.each(frame, "Told routers", meant, len(meant)):
            with frame.deed(record.uid, reason) as came:
                before(record)
                one_told = (hand.cut if cut else hand.change)(frame.core, sender, record)
                one_told = _awaited(frame, record, one_told, wait) if cut else one_told
                came("done" if one_told.good else "not done")
            told.append((record, one_told))
    finally:
        sender.close()
    rows = [{"session": each.uid, "router": each.nas, "good": said.good, "text": said.line} for each, said in told]
    if frame.as_json:
        frame.show.document(rows)
    for row in rows if not frame.as_json else []:
        frame.show.line(f"{row['session']} on {row['router']}: {row['text']}")
    return Exit.DONE if all(said.good for _, said in told) else Exit.NOT


def _awaited(frame: Frame, record: SessionRecord, told: Told, wait: float) -> Told:
    """Whether a router that said yes reported the end too."""
    until = time.monotonic() + wait
    while told.good:
        ended = frame.core.store.sessions.find(record.uid, frame.deadline())[-1]
        if ended.closed_at or _in_aggregate_ended(frame, record):
            return told._replace(line=f"{told.line} Its end was counted.")
        if time.monotonic() >= until:
            late = f"Its end was not reported in {wait:.0f} s: if it stays, `sessions show {record.uid}` says so."
            return told._replace(line=f"{told.line} {late}")
        time.sleep(POLL_S)
    return told


def _in_aggregate_ended(frame: Frame, record: SessionRecord) -> bool:
    facts = sessions.in_aggregate(frame, record)
    return facts is not None and bool(facts["closed_at"])
