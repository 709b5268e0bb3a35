"""An incident: its level, who was called and when, what was done about it. Pure.

Levels are those of `deploy/runbooks/README.md`: 1 minor, 2 degraded, 3 outage. Whoever is called has some minutes to
acknowledge, then the next of the list is called; at level 3 the senior is the first. A call is written down before it
is made, and again when a gateway took it: one that is interrupted between is made again, so somebody may be called
twice and nobody is forgotten.
"""

from enum import IntEnum, StrEnum
from typing import ClassVar, NamedTuple

import msgspec

from billing.domain.brand import NoticeState
from billing.domain.notice import What
from billing.domain.thing import Thing
from radius.domain.errors import Malformed

CALL_AGAIN_S = 60  # after a call that no gateway took, or that nobody knows to have been made
CALL_TRIES_MAX = 3  # of one person in one turn
ROUNDS_MAX = 3  # through the list
LINES_MAX = 400
TEXT_CHARS_MAX = 500
TITLE_CHARS_MAX = 100
TICKET_CHARS_MAX = 200
KEPT_S = 3 * 366 * 86_400
RESTS_AT = 2**40  # in the due index behind all that is due: found there when all are listed


class Level(IntEnum):
    """How bad it is."""

    MINOR = 1
    DEGRADED = 2
    OUTAGE = 3


class Happened(StrEnum):
    """What a line is about."""

    OPENED = "opened"
    CALLED = "called"
    NOT_REACHED = "not reached"
    NOBODY = "nobody acknowledged"
    ACKNOWLEDGED = "acknowledged"
    NOTE = "note"
    STATUS = "status"
    LEVEL = "level"
    TICKET = "ticket"
    RESOLVED = "resolved"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the timeline."""

    at: int
    who: str
    what: Happened
    text: str = ""


class Incident(Thing, frozen=True, omit_defaults=True):
    """One incident. `of`: the site, or everywhere. `state`, `english`, `swahili`: what the pages say of it.

    `turn`: whose turn it is, counting through the list again and again; `tries` of that person's; `told_at` 0: no
    gateway took it yet; `call_at`: when that is looked at again, 0 for never.
    """

    KIND: ClassVar[str] = "IN"

    id: str
    level: Level
    title: str
    of: str
    about: What
    opened_at: int
    opened_by: str
    ticket: str = ""
    state: NoticeState | None = None
    english: str = ""
    swahili: str = ""
    acked_at: int = 0
    acked_by: str = ""
    resolved_at: int = 0
    resolved_by: str = ""
    turn: int = 0
    tries: int = 0
    told_at: int = 0
    call_at: int = 0
    lines: tuple[Line, ...] = ()

    @property
    def name(self) -> str:
        """Its id."""
        return self.id

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return not self.resolved_at

    @property
    def due_at(self) -> int:
        """When somebody is called: its place in the due index."""
        calls = self.open and not self.acked_at and self.call_at
        return self.call_at if calls else RESTS_AT + self.opened_at


class Roster(NamedTuple):
    """Names in the order in which they are called, one of them the senior ("": nobody is), and how long each has."""

    names: tuple[str, ...]
    senior: str
    ack_s: int

    def order(self, level: Level) -> tuple[str, ...]:
        """Whom to call at a level, one after the other."""
        if level is not Level.OUTAGE or not self.senior:
            return self.names
        return (self.senior, *(name for name in self.names if name != self.senior))


def check(incident: Incident) -> Incident:
    """Return it if it can be kept; raise Malformed naming the field."""
    for field, text, least, most in (
        ("title", incident.title, 1, TITLE_CHARS_MAX),
        ("ticket", incident.ticket, 0, TICKET_CHARS_MAX),
    ):
        if not least <= len(text.strip()) <= most or not text.isprintable():
            raise Malformed(field, f"must be {least} to {most} characters on one line")
    return incident


def noted(incident: Incident, at: int, who: str, what: Happened, text: str = "") -> Incident:
    """With one line more. Raises Malformed for one that is too long, or where there are too many."""
    if len(text) > TEXT_CHARS_MAX or not text.isprintable():
        raise Malformed("text", f"must be at most {TEXT_CHARS_MAX} characters on one line")
    if len(incident.lines) >= LINES_MAX:
        raise Malformed("text", f"must go into the ticket: {LINES_MAX} lines are kept")
    return msgspec.structs.replace(incident, lines=(*incident.lines, Line(at, who, what, text)))


def opened(incident: Incident) -> Incident:
    """As it begins: somebody is called now."""
    made = msgspec.structs.replace(check(incident), call_at=incident.opened_at)
    return noted(made, made.opened_at, made.opened_by, Happened.OPENED, f"level {made.level.value}: {made.title}")


def acknowledged(incident: Incident, who: str, now: int) -> Incident:
    """Somebody sees to it: nobody more is called. Raises Malformed for one that is over."""
    if not incident.open:
        raise Malformed("incident", f"{incident.id} is over")
    if incident.acked_at:
        return incident
    return noted(msgspec.structs.replace(incident, acked_at=now, acked_by=who), now, who, Happened.ACKNOWLEDGED)


def levelled(incident: Incident, level: Level, who: str, now: int) -> Incident:
    """At another level. What becomes an outage begins to call anew, with the senior."""
    if level is incident.level:
        return incident
    after = noted(msgspec.structs.replace(incident, level=level), now, who, Happened.LEVEL, f"level {level.value}")
    if level is not Level.OUTAGE:
        return after
    return msgspec.structs.replace(after, acked_at=0, acked_by="", turn=0, tries=0, told_at=0, call_at=now)


def resolved(incident: Incident, who: str, text: str, now: int) -> Incident:
    """It is over. Raises Malformed for one that was before."""
    if not incident.open:
        raise Malformed("incident", f"{incident.id} is over since long")
    after = msgspec.structs.replace(incident, resolved_at=now, resolved_by=who)
    return noted(after, now, who, Happened.RESOLVED, text)


def call(incident: Incident, roster: Roster, now: int) -> tuple[Incident, str]:
    """As it is written down before a call, and whom to call; "": nobody now."""
    if not incident.open or incident.acked_at or not incident.call_at or now < incident.call_at:
        return incident, ""
    order = roster.order(incident.level)
    over = incident.told_at or incident.tries >= CALL_TRIES_MAX
    turn, tries = (incident.turn + 1, 0) if over else (incident.turn, incident.tries)
    if incident.tries >= CALL_TRIES_MAX and not incident.told_at and order:
        who = order[incident.turn % len(order)]
        incident = _added(incident, Line(now, who, Happened.NOT_REACHED))
    if turn >= len(order) * ROUNDS_MAX:
        why = "" if order else "the settings name nobody who is on call"
        return msgspec.structs.replace(_added(incident, Line(now, "", Happened.NOBODY, why)), call_at=0), ""
    begun = msgspec.structs.replace(incident, turn=turn, tries=tries + 1, told_at=0, call_at=now + CALL_AGAIN_S)
    return begun, order[turn % len(order)]


def called(incident: Incident, who: str, how: str, turn: int, ack_s: int, now: int) -> Incident:
    """A gateway took it: from now on that person has time. What changed meanwhile stays as it is."""
    after = _added(incident, Line(now, who, Happened.CALLED, how))
    if turn != incident.turn or incident.acked_at:
        return after
    return msgspec.structs.replace(after, told_at=now, call_at=now + ack_s)


def _added(incident: Incident, line: Line) -> Incident:
    """Never refused: people are called however much was written."""
    return msgspec.structs.replace(incident, lines=(*incident.lines, line))
