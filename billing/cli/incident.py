"""`incident`: what is wrong, who sees to it, what was done, and what customers are told of it."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from billing.alerting import past
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.outbound import means
from billing.cli.show import Column, span, when
from billing.cli.signs import place_of
from billing.cli.telling import Wish, new, put_up, send
from billing.domain import timeline
from billing.domain.brand import EVERYWHERE, NoticeState
from billing.domain.incident import Happened, Incident, Level, acknowledged, check, levelled, noted, resolved
from billing.domain.incident_words import said
from billing.domain.notice import NoticeKind, What
from billing.domain.timeline import Alarm
from billing.duty import load_duty
from billing.process import calls_of
from billing.services.notice_sending import Roads
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.errors import Malformed

app = typer.Typer(name="incident", help="Incidents: levels 1 (minor), 2 (degraded), 3 (outage).", no_args_is_help=True)

LISTED = (
    Column("INCIDENT", "id"),
    Column("LEVEL", "level"),
    Column("SITE", "site"),
    Column("TITLE", "title"),
    Column("OPENED", "opened_at", when),
    Column("SEEN TO BY", "acknowledged_by"),
    Column("OVER", "resolved_at", when),
    Column("TOOK", "to_resolve_s", span),
    Column("TICKET", "ticket"),
)
LINES = (Column("WHEN", "at", when), Column("WHAT", "what"), Column("WHO", "who"), Column("", "text"))

_Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="As `incident list` shows it.")]
_LevelOf = Annotated[int, typer.Option("--level", min=1, max=3, help="1 minor, 2 degraded, 3 outage.")]
_Ticket = Annotated[str | None, typer.Option("--ticket", metavar="LINK", help="Where it is written down.")]
_English = Annotated[str, typer.Option("--english", help="For the pages, instead of the usual words.")]
_Swahili = Annotated[str, typer.Option("--swahili", help="The same in Swahili.")]
_Notify = Annotated[bool, typer.Option("--notify", help="Tell customers by message too, after a question.")]


@command(app, "open", "incident open 'no internet since the storm' --level 3 --site kilimani --notify")
def open_(
    frame: Frame,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is wrong, in a few words.")],
    level: _LevelOf,
    about: Annotated[What, typer.Option(help="What customers miss.")] = What.INTERNET,
    ticket: _Ticket = None,
    english: _English = "",
    swahili: _Swahili = "",
    again: Annotated[bool, typer.Option("--again", help="Although one is open there.")] = False,
    notify: _Notify = False,
) -> Exit:
    """Begin one: whoever is on duty is called (level 3: the senior), and from level 2 on the site's pages say so."""
    incidents = frame.billing.desk.incidents
    _one_document(frame, notify=notify)
    of = place_of(frame)
    there = next((each for each in incidents.all() if each.open and (each.of, each.about) == (of, about)), None)
    if there is not None and not again:
        frame.note(f"{there.id} is open there ({there.title}): add to it, or --again to open another.")
        return Exit.NOT
    id_ = incidents.new_id(frame.now)
    made = check(Incident(id_, Level(level), title, of, about, frame.now, frame.actor, ticket or ""))
    texts = _texts(NoticeState.INVESTIGATING, about, frame.now, english, swahili)
    roads = means(frame).roads
    with frame.deed(id_, title):
        made = incidents.open(made)
        if made.level is not Level.MINOR:
            made = incidents.tell(id_, NoticeState.INVESTIGATING, texts, frame.actor, frame.now)
            put_up(frame)
        told = _call(frame, roads, id_)
    frame.show.done(f"Incident {id_} is open. {told}", {**_facts(incidents.incident(id_)), "called": told})
    return _notify_all(frame, made, NoticeKind.OUTAGE, wanted=notify)


@command(app, "ack", "incident ack 261125-k7qd")
def ack(frame: Frame, incident: _Id) -> None:
    """See to it: nobody more is called."""
    _known(frame, incident)
    with frame.deed(incident):
        after = frame.billing.desk.incidents.change(incident, lambda it: acknowledged(it, frame.actor, frame.now))
    frame.show.done(f"{after.acked_by} sees to {incident}, since {when(after.acked_at)}.", _facts(after))


@command(app, "note", "incident note 261125-k7qd 'fibre cut at the roundabout' --status identified")
def note(
    frame: Frame,
    incident: _Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was seen or done; no customer's number.")],
    status: Annotated[NoticeState | None, typer.Option(help="For the pages.")] = None,
    level: Annotated[int | None, typer.Option(min=1, max=3, help="It is worse, or better.")] = None,
    ticket: _Ticket = None,
    english: _English = "",
    swahili: _Swahili = "",
) -> None:
    """Write down what was seen or done. With --status the pages say it; what becomes level 3 calls the senior."""
    incidents = frame.billing.desk.incidents
    if status in {NoticeState.RESOLVED, NoticeState.PLANNED}:
        raise Malformed("status", f"must be investigating or identified: wifibilling incident resolve {incident}")
    before = _known(frame, incident)
    texts = _texts(status, before.about, before.opened_at, english, swahili) if status else ("", "")

    def change(present: Incident) -> Incident:
        after = noted(present, frame.now, frame.actor, Happened.NOTE, text)
        if ticket is not None:
            after = noted(
                check(msgspec.structs.replace(after, ticket=ticket)), frame.now, frame.actor, Happened.TICKET, ticket
            )
        return levelled(after, Level(level), frame.actor, frame.now) if level else after

    roads = means(frame).roads
    with frame.deed(incident, text):
        after = incidents.change(incident, change)
        if status:
            after = incidents.tell(incident, status, texts, frame.actor, frame.now)
            put_up(frame)
        told = _call(frame, roads, incident)
    frame.show.done(f"Noted. {told}".strip(), _facts(after))


@command(app, "resolve", "incident resolve 261125-k7qd 'fibre spliced' --notify")
def resolve(
    frame: Frame,
    incident: _Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What helped.")],
    english: _English = "",
    swahili: _Swahili = "",
    notify: _Notify = False,
) -> Exit:
    """It is over. The pages say so for a day; with --notify whoever was told of it is told."""
    incidents = frame.billing.desk.incidents
    _one_document(frame, notify=notify)
    before = _known(frame, incident)
    texts = _texts(NoticeState.RESOLVED, before.about, frame.now, english, swahili)
    with frame.deed(incident, text):
        after = incidents.change(incident, lambda present: resolved(present, frame.actor, text, frame.now))
        if before.state is not None:
            after = incidents.tell(incident, NoticeState.RESOLVED, texts, frame.actor, frame.now)
            put_up(frame)
    frame.show.done(f"{incident} is over, after {span(after.resolved_at - after.opened_at)}.", _facts(after))
    return _notify_all(frame, after, NoticeKind.RESTORED, wanted=notify)


@command(app, "list", "incident list\nincident list --all --site kilimani")
def list_incidents(
    frame: Frame, every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False
) -> None:
    """Incidents that are open."""
    place = place_of(frame) if frame.site else ""
    found = [each for each in frame.billing.desk.incidents.all() if place in {"", each.of} and (each.open or every)]
    frame.show.table([_facts(each) for each in found], LISTED, "No incident.")


@command(app, "show", "incident show 261125-k7qd")
def show(frame: Frame, incident: _Id) -> None:
    """One incident and its timeline."""
    told = _document(frame, _known(frame, incident))
    frame.show.item(told, LISTED)
    if not frame.as_json:
        frame.show.table(told["timeline"], LINES, "")


@command(app, "export", "incident export 261125-k7qd --out incident.md\nincident export 261125-k7qd --json")
def export(
    frame: Frame,
    incident: _Id,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of the terminal.")] = None,
) -> None:
    """The timeline for a post-mortem, in Markdown or, with --json, as JSON: alarms around it, calls, notes, notices."""
    found = _known(frame, incident)
    if frame.as_json and out is None:
        frame.show.document(_document(frame, found))
        return
    text = timeline.markdown(found, _entries(frame, found))
    if out is None:
        frame.show.line(text)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as refused:
        raise Malformed("out", f"{out} cannot be written: {refused.strerror}") from refused
    frame.show.done(f"{out} is written.", {"out": str(out)})


# -- what they share -----------------------------------------------------------------------------------------------


def _known(frame: Frame, incident: str) -> Incident:
    """Raises Nobody."""
    kept = frame.billing.store.ports.thing(Incident, incident, frame.deadline())
    if kept is None:
        raise Nobody(f"there is no incident {incident}: wifibilling incident list")
    return kept.thing


def _one_document(frame: Frame, *, notify: bool) -> None:
    if notify and frame.as_json:
        raise Malformed("notify", "must be left out with --json: wifibilling notify --incident tells them")


def _texts(state: NoticeState, about: What, since: int, english: str, swahili: str) -> tuple[str, str]:
    """What pages say, in both languages; `since`: when it began, or was over."""
    if bool(english) != bool(swahili):
        raise Malformed("swahili", "must be given together with --english")
    return (english, swahili) if english else said(state, about, f"{calendar.local(since, ZONE_DEFAULT):%H:%M}")


def _call(frame: Frame, found: Roads, id_: str) -> str:
    """Call whoever is due now, if this machine can; else the worker does, within seconds."""
    duty = load_duty(frame.settings_file)
    if found.sms is None and found.mail is None:
        return ""
    made = calls_of(duty, frame.billing.desk.incidents, frame.selling.brand, found.sms, found.mail).one(id_, frame.now)
    if made is None:
        return ""
    if not made.who:
        return "Nobody is on duty in the settings ([incidents]): call somebody."
    return f"{made.who} was called by {made.how}." if made.how else f"{made.who} could not be reached yet."


def _notify_all(frame: Frame, incident: Incident, kind: NoticeKind, *, wanted: bool) -> Exit:
    """Ask, and tell customers; or say how it is done."""
    if incident.level is Level.MINOR and not wanted:
        return Exit.DONE
    frame.site = "" if incident.of == EVERYWHERE else incident.of
    if not wanted:
        where = f" --site {frame.site}" if frame.site else ""
        about = "" if incident.about is What.INTERNET else f" --about {incident.about.value}"
        frame.note(f"Customers: wifibilling notify {kind.value}{where}{about} --incident {incident.id}")
        return Exit.DONE
    notice = new(frame, kind, incident.about, incident.id)
    return send(frame, notice, incident.title, Wish(apply=True, ask=True, everybody=False))


def _facts(incident: Incident) -> dict[str, Any]:
    facts = timeline.document(incident, ())
    del facts["timeline"]
    return facts


def _document(frame: Frame, incident: Incident) -> dict[str, Any]:
    return timeline.document(incident, _entries(frame, incident))


def _entries(frame: Frame, incident: Incident) -> list[timeline.Entry]:
    kept = [Alarm(each.at, each.title, each.text) for each in past.told(frame.settings.state_dir)]
    notices = [each for each in frame.billing.desk.notices.all() if each.incident == incident.id]
    return timeline.entries(incident, timeline.around(incident, kept, frame.now), notices)
