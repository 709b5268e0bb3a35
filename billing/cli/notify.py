"""`notify`: messages to the customers of a site, a dry run first, and what its pages say."""

from datetime import datetime
from typing import Annotated

import typer

from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.outbound import means
from billing.cli.show import span
from billing.cli.signs import HOURS_TOLD, TIMES, name_of, place_of
from billing.cli.telling import LISTED, ONE, Wish, facts_of, go_on, new, put_up, send, waits
from billing.domain.brand import NoticeState, SiteNotice
from billing.domain.notice import AHEAD_S, Notice, NoticeKind, Step, What
from radius.domain import calendar
from radius.domain.errors import Malformed

app = typer.Typer(
    name="notify",
    help="Tell the customers of a site, by SMS and e-mail. A dry run, unless --apply.",
    no_args_is_help=True,
)

Apply = Annotated[bool, typer.Option("--apply", help="Send; else a dry run.")]
Again = Annotated[bool, typer.Option("--again", help="Although the same went out within six hours.")]
Walk = Annotated[bool, typer.Option("--walk", help="Look at every customer: finds also who is in no list.")]
Everybody = Annotated[bool, typer.Option("--everybody", help="Not only those who were told before.")]
About = Annotated[What, typer.Option(help="What it is about.")]
Incident = Annotated[str, typer.Option("--incident", metavar="ID", help="Whose timeline it belongs to.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept with the notice.")]
_Id = Annotated[str, typer.Argument(metavar="NOTICE", help="As `notify list` shows it.")]


@command(app, "outage", "notify outage --site kilimani\nnotify outage --site kilimani --about payments --apply")
def outage(
    frame: Frame, about: About = What.INTERNET, incident: Incident = "", walk: Walk = False, again: Again = False,
    apply: Apply = False, reason: Reason = "",
) -> Exit:  # fmt: skip
    """Something does not work at --site, or everywhere: whoever was there in 30 days or holds a package is told."""
    notice = new(frame, NoticeKind.OUTAGE, about, incident)
    return send(frame, notice, reason, Wish(apply, again, walk))


@command(app, "restored", "notify restored --site kilimani --apply --reason 'fibre mended'")
def restored(
    frame: Frame, about: About = What.INTERNET, incident: Incident = "", everybody: Everybody = False,
    walk: Walk = False, again: Again = False, apply: Apply = False, reason: Reason = "",
) -> Exit:  # fmt: skip
    """It works again: whoever was told of the outage is told; a notice of it that still goes out is stopped."""
    notice = new(frame, NoticeKind.RESTORED, about, incident)
    return send(frame, notice, reason, Wish(apply, again, walk, everybody))


@command(app, "announcement", "notify announcement --site kilimani --from '2026-11-28 02:00' --hours 2 --apply")
def announcement(
    frame: Frame,
    begins: Annotated[datetime, typer.Option("--from", formats=TIMES, help="By the site's clock.")],
    hours: Annotated[int, typer.Option(min=1, max=99, help="How long it will be off, about.")],
    walk: Walk = False, again: Again = False, apply: Apply = False, reason: Reason = "",
) -> Exit:  # fmt: skip
    """Works are planned: sent 48 hours before, by day. Between 21:00 and 08:00 nothing leaves."""
    starts_at = calendar.instant(begins, frame.zone)
    if starts_at <= frame.now:
        raise Malformed("from", "must be in the future")
    if starts_at - frame.now < AHEAD_S:
        frame.note(f"That is in {span(starts_at - frame.now)}: works are announced 48 hours before.")
    notice = new(frame, NoticeKind.ANNOUNCEMENT, What.INTERNET, "", start=f"{begins:%d/%m %H:%M}", hours=str(hours))
    return send(frame, notice, reason, Wish(apply, again, walk))


@command(app, "completion", "notify completion --site kilimani --apply --reason 'mast changed'")
def completion(
    frame: Frame, everybody: Everybody = False, walk: Walk = False, again: Again = False, apply: Apply = False,
    reason: Reason = "",
) -> Exit:  # fmt: skip
    """Planned works are over: whoever got the announcement is told, by day."""
    notice = new(frame, NoticeKind.COMPLETION, What.INTERNET, "")
    return send(frame, notice, reason, Wish(apply, again, walk, everybody))


@command(app, "status", "notify status --site kilimani --state investigating 'No internet.' 'Hakuna intaneti.'")
def status(
    frame: Frame,
    english: Annotated[str, typer.Argument(help="For customers, in English.")] = "",
    swahili: Annotated[str, typer.Argument(help="The same in Swahili.")] = "",
    state: Annotated[NoticeState, typer.Option(help="What it is.")] = NoticeState.INVESTIGATING,
    hours: Annotated[float, typer.Option(help="For how long it is told.")] = HOURS_TOLD,
    clear: Annotated[bool, typer.Option("--clear", help="Take down what is told there.")] = False,
    reason: Reason = "",
) -> Exit:
    """Put a notice on the pages of --site, or everywhere, and on the status page, or take it down."""
    site, signs = place_of(frame), frame.billing.desk.signs
    if clear is bool(english or swahili):
        raise Malformed("english", "must be given, in both languages, or --clear")
    with frame.deed(site, reason) as came:
        if clear:
            came("cleared" if signs.clear(site, frame.now) else "nothing was told")
        else:
            signs.tell(SiteNotice(site, state, english, swahili, frame.now, frame.now + int(hours * 3_600)))
    put_up(frame)
    said = "is told nothing any more" if clear else "is told within half a minute"
    frame.show.done(f"{name_of(site)} {said}.", {"site": site, "state": "" if clear else state.value})
    return Exit.DONE


@command(app, "list", "notify list --site kilimani")
def list_notices(frame: Frame) -> None:
    """Notices of a year, the latest first, and how far each came."""
    place = place_of(frame) if frame.site else ""
    rows = [facts_of(each) for each in frame.billing.desk.notices.all() if place in {"", each.of}]
    frame.show.table(rows, LISTED, "Nobody was told anything.")


@command(app, "show", "notify show outage-kilimani-261125-1")
def show(frame: Frame, notice: _Id) -> None:
    """One notice: how far it came, and what became of its messages."""
    frame.show.item(facts_of(_known(frame, notice)), ONE)


@command(app, "resume", "notify resume outage-kilimani-261125-1")
def resume(frame: Frame, notice: _Id) -> Exit:
    """Go on with a notice that was interrupted or held. Nobody is told twice."""
    found = _known(frame, notice)
    if found.step is not Step.SENDING:
        frame.note(f"{notice} is {found.step.value}: there is nothing to go on with.")
        return Exit.NOT
    if waits(frame, found):
        return Exit.NOT
    with frame.deed(notice) as came:
        return go_on(frame, found.id, means(frame), came)


@command(app, "stop", "notify stop outage-kilimani-261125-1 --reason 'wrong site'")
def stop(frame: Frame, notice: _Id, reason: Reason = "") -> None:
    """Tell nobody more of a notice; another process that sends it stops before its next message."""
    _known(frame, notice)
    with frame.deed(notice, frame.why(reason)):
        after = frame.billing.desk.notices.stop(notice, frame.now)
    frame.show.done(f"{notice} is {after.step.value}: {after.reached} of {after.people} were told.", facts_of(after))


def _known(frame: Frame, notice: str) -> Notice:
    """Raises Nobody."""
    found = frame.billing.desk.notices.find(notice)
    if found is None:
        raise Nobody(f"there is no notice {notice}: wifibilling notify list")
    return found
