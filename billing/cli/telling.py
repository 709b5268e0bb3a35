"""How a notice is planned, shown, sent and gone on with: for `notify`, and for `incident --notify`."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from billing.alerting.channels import balance_of
from billing.cli import frame as frames
from billing.cli import progress
from billing.cli.exits import Exit
from billing.cli.frame import Frame
from billing.cli.outbound import Means, means, resting
from billing.cli.reached import language_at, people, zone_at
from billing.cli.show import Column, amount, span, when
from billing.cli.signs import place_of, write_page
from billing.domain.notice import FOLLOWS, OPEN, ROADS, URGENT, Notice, NoticeKind, What, lost
from billing.duty import load_duty, load_notices
from billing.services import notice_plan
from billing.services.notice_plan import Plan
from billing.services.notice_sending import Held, Overtaken, Pace, Sending
from billing.settings import load as load_selling
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language

SHOWN = (
    Column("NOTICE", "notice"),
    Column("PEOPLE", "people"),
    Column("TEXT MESSAGES", "messages"),
    Column("PARTS", "parts"),
    Column("COST", "cents", amount),
    Column("LEFT OF TODAY'S BUDGET", "left_cents", amount),
    Column("LEFT WITH THE GATEWAY", "balance_cents", amount),
    Column("LETTERS", "letters"),
    Column("WANT NO NOTICES", "opted_out"),
    Column("CANNOT BE REACHED", "unreachable"),
    Column("SAME PHONE AGAIN", "twice"),
    Column("TAKES", "seconds", span),
    Column("ENGLISH", "english"),
    Column("SWAHILI", "swahili"),
)
LISTED = (
    Column("NOTICE", "notice"),
    Column("BEGUN", "at", when),
    Column("STATE", "state"),
    Column("TOLD", "told", right=True),
    Column("OF", "people", right=True),
    Column("COST", "cents", amount, right=True),
    Column("BY", "by"),
    Column("INCIDENT", "incident"),
)
ONE = (*LISTED, Column("WHAT BECAME OF IT", "counts"), Column("OVER", "done_at", when), Column("WHY", "reason"))


def new(frame: Frame, kind: NoticeKind, what: What, incident: str = "", **words: str) -> Notice:
    """A notice to --site, or to everybody, that is not begun."""
    of = place_of(frame)
    brand = frame.billing.desk.signs.brand(of)
    said = {"brand": frame.selling.brand, "support": brand.support, **words}
    before = frame.billing.desk.notices.all()
    id_ = notice_plan.id_of(kind, what, of, frame.now, before)
    return Notice(id_, kind, what, of, frame.actor, frame.now, incident=incident, words=said)


class Wish(NamedTuple):
    """How a notice is to go out. `apply` False: a dry run; `ask`: before it is sent; `again`: although it just was.

    `everybody`: not only those who were told before. `walk`: look at every customer.
    """

    apply: bool
    again: bool = False
    walk: bool = False
    everybody: bool = True
    ask: bool = False


def send(frame: Frame, notice: Notice, reason: str, wish: Wish) -> Exit:
    """The plan, and where that is wished the sending. Whoever was told before is who is told that it is over."""
    before = frame.billing.desk.notices.all()
    there = notice_plan.unfinished(notice, before)
    if there is not None:
        frame.note(
            f"{there.id} is not over ({there.reached} of {there.people}): wifibilling notify resume {there.id}, or stop"
        )
        return Exit.NOT
    late = notice_plan.lately(notice, before)
    if late is not None and not wish.again:
        frame.note(f"{late.id} said the same {span(frame.now - late.done_at)} ago: --again to say it again")
        return Exit.NOT
    earlier = notice_plan.followed(notice, before) if notice.kind in FOLLOWS and not wish.everybody else None
    if notice.kind in FOLLOWS and not wish.everybody and earlier is None:
        frame.note(f"Nobody was told of an {FOLLOWS[notice.kind].value} there this week: --everybody to tell all")
        return Exit.NOT
    if wish.apply:
        notice = msgspec.structs.replace(notice, reason=frame.why(reason))
        if waits(frame, notice):
            return Exit.NOT
    if earlier is None:
        return _apply(frame, notice, people(frame, walk=wish.walk), wish)
    if wish.apply and earlier.step in OPEN:
        with frame.deed(earlier.id, notice.reason):
            earlier = frame.billing.desk.notices.stop(earlier.id, frame.now)
    notice = msgspec.structs.replace(notice, follows=earlier.id)
    return _apply(frame, notice, frame.billing.desk.notices.told(earlier), wish)


def _apply(frame: Frame, notice: Notice, wanted: list[SubscriberId], wish: Wish) -> Exit:
    found = means(frame)
    plan = _planned(frame, notice.of, wanted, found)
    facts = _told(frame, notice, plan, found)
    if not wish.apply:
        frame.show.item({**facts, "applied": False}, SHOWN)
        if not notice.words["support"]:
            frame.note("No phone for questions is set: texts name none. wifibilling sites brand --support PHONE")
        _obstacle(frame, facts)
        frame.note("Nothing was sent: --apply sends it.")
        return Exit.DONE
    if _obstacle(frame, facts):
        return Exit.NOT
    if not frame.as_json:
        frame.show.item(facts, SHOWN)
    if wish.ask:
        frame.sure(f"Tell these {len(plan.people)} customers?")
    with frame.deed(notice.id, notice.reason) as came:
        frame.billing.desk.notices.begin(notice, plan.people)
        return go_on(frame, notice.id, found, came)


def _obstacle(frame: Frame, facts: dict[str, Any]) -> bool:
    """Whether it cannot be begun. What is more than today's budget is begun, and goes on tomorrow."""
    balance, left, cents = facts["balance_cents"], facts["left_cents"], facts["cents"]
    if not facts["people"]:
        frame.note("There is nobody to tell.")
        return True
    if left is not None and cents > left:
        frame.note("That is more than is left of today's budget: it will stand still, and `notify resume` goes on.")
    if balance is not None and cents > balance:
        frame.note("That is more than is left with the SMS gateway: pay in first.")
        return True
    return False


def _planned(frame: Frame, of: str, wanted: list[SubscriberId], found: Means) -> Plan:
    """Look at each of them."""
    with progress.bar(frame, "Looked at", len(wanted)) as at:
        return notice_plan.plan(
            frame.billing.desk.notices,
            wanted,
            language_at(frame, of),
            at,
            sms=found.roads.sms is not None,
            mail=found.roads.mail is not None,
        )


def _told(frame: Frame, notice: Notice, plan: Plan, found: Means) -> dict[str, Any]:
    parts = plan.parts(notice)
    per_minute = load_notices(frame.settings_file).per_minute
    return {
        "notice": notice.id,
        "people": len(plan.people),
        "messages": plan.messages,
        "parts": parts,
        "cents": parts * (found.budget.segment_cents if found.budget else 0),
        "left_cents": found.left_cents,
        "balance_cents": balance_of(load_selling(frame.settings_file))(),
        "letters": plan.letters,
        "opted_out": plan.opted_out,
        "unreachable": plan.unreachable,
        "twice": plan.twice,
        "seconds": (plan.messages + plan.letters) * 60 // per_minute,
        "english": notice_plan.text(notice, Language.ENGLISH),
        "swahili": notice_plan.text(notice, Language.SWAHILI),
    }


def waits(frame: Frame, notice: Notice) -> bool:
    """Whether it is night, and the notice can wait."""
    until = load_notices(frame.settings_file).quiet.until(frame.now, zone_at(frame, notice.of))
    if notice.kind in URGENT or not until:
        return False
    frame.note(f"It is night there, and this can wait: nothing leaves before {when(until)}.")
    return True


def go_on(frame: Frame, id_: str, found: Means, came: Callable[[str], None]) -> Exit:
    """Send what is left, and say how far it came."""
    chosen = load_notices(frame.settings_file)
    notice = frame.billing.desk.notices.notice(id_)
    urgent, zone = notice.kind in URGENT, zone_at(frame, notice.of)
    pace = Pace(
        resting(chosen.per_minute),
        time.sleep,
        lambda: urgent or not chosen.quiet.until(int(frames.clock()), zone),
    )
    again = f"Interrupted. Go on, and nobody is told twice: wifibilling notify resume {id_}"
    with progress.bar(frame, id_, notice.people * ROADS, notice.next, again=again) as at:
        after = Sending(frame.billing.desk.notices, found.roads, pace, language_at(frame, notice.of)).run(
            id_, lambda: int(frames.clock()), lambda each: at(each.next)
        )
    if isinstance(after, Overtaken):
        came("another goes on with it")
        frame.note(f"Another process goes on with {id_}, or stopped it.")
        return Exit.NOT
    reached = after.notice if isinstance(after, Held) else after
    said = f"{reached.reached} of {reached.people} were told"
    came(said)
    frame.show.done(f"{id_}: {said}. {_became(reached)}", {**facts_of(reached), "applied": True})
    if isinstance(after, Held):
        why = f"the gateway says: {after.why}" if after.why else "it is night"
        frame.note(f"It stands still ({why}). Later: wifibilling notify resume {id_}")
        return Exit.NOT
    return Exit.DONE


def put_up(frame: Frame) -> None:
    """Write the public status page anew, where the settings say where it lies. One that cannot be written is told."""
    out = load_duty(frame.settings_file).status_page
    if out is not None:
        try:
            write_page(frame, out)
        except Malformed as bad:  # the rest of what was asked is done all the same
            frame.note(f"The status page is not written: {bad.fix}")


def facts_of(notice: Notice) -> dict[str, Any]:
    """How far a notice came."""
    return {
        "notice": notice.id,
        "site": notice.of,
        "at": notice.at,
        "state": notice.step.value,
        "told": notice.reached,
        "people": notice.people,
        "cents": notice.cents,
        "by": notice.by,
        "incident": notice.incident,
        "counts": _became(notice),
        "done_at": notice.done_at,
        "reason": notice.reason,
    }


def _became(notice: Notice) -> str:
    """Such as ``12 messages sent, 1 opted out``; one that is on its way now is among those that may be lost."""
    return ", ".join(f"{count} {_plural(what, count)}" for what, count in sorted(lost(notice).counts.items()))


def _plural(what: str, count: int) -> str:
    """``message sent`` of many is ``messages sent``."""
    thing, _, rest = what.partition(" ")
    return f"{thing}s {rest}" if count != 1 and thing in {"message", "letter"} else what
