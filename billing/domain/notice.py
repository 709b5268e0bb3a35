"""A message to the customers of a site: whom it was for, how far it came, and what became of it. Pure.

Who gets it is written down before the first one goes out (`NoticePage`), so that going on after a power cut asks nobody
again. `next` counts steps: two for each person, the text message and the letter. A step is written down as begun before
anything leaves (`flying`), and by whoever holds the latest version alone: two who send at once cannot both begin it.
What was flying when a process ended may have left or not; no gateway can be asked, so it is counted and not sent again.
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple

import msgspec

from billing.domain.thing import Thing
from radius.domain import calendar

PAGE_MAX = 200  # customers to a page: some 4 KB
KEPT_S = 400 * 86_400
ROADS = 2  # steps to a person
SAME_S = 6 * 3_600  # a second notice of a kind to a place within this is asked about
FOLLOWS_S = 7 * 86_400  # "restored" goes to who was told of an outage within this
AHEAD_S = 48 * 3_600  # works are announced so long before


class NoticeKind(StrEnum):
    """What is told."""

    OUTAGE = "outage"
    RESTORED = "restored"
    ANNOUNCEMENT = "announcement"
    COMPLETION = "completion"


URGENT = frozenset({NoticeKind.OUTAGE, NoticeKind.RESTORED})  # the others wait for the morning
FOLLOWS = {NoticeKind.RESTORED: NoticeKind.OUTAGE, NoticeKind.COMPLETION: NoticeKind.ANNOUNCEMENT}


class What(StrEnum):
    """What it is about."""

    INTERNET = "internet"
    PAYMENTS = "payments"


class Step(StrEnum):
    """Where a notice is."""

    GATHERING = "gathering"  # whom it is for is being written down
    SENDING = "sending"
    DONE = "done"
    STOPPED = "stopped"  # overtaken: what was out is back, or somebody said so


OPEN = frozenset({Step.GATHERING, Step.SENDING})


class Notice(Thing, frozen=True, omit_defaults=True):
    """One notice. `of`: the site, or everywhere. `words`: what its texts name. `counts`: by what became of steps.

    `follows`: the notice whose recipients it goes to. `cents`: what gateways said it cost, else the guess.
    """

    KIND: ClassVar[str] = "NT"

    id: str
    kind: NoticeKind
    what: What
    of: str
    by: str
    at: int
    reason: str = ""
    incident: str = ""
    follows: str = ""
    words: dict[str, str] = msgspec.field(default_factory=dict)
    step: Step = Step.GATHERING
    people: int = 0
    pages: int = 0
    next: int = 0
    flying: bool = False
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    cents: int = 0
    done_at: int = 0

    @property
    def name(self) -> str:
        """Its id."""
        return self.id

    @property
    def reached(self) -> int:
        """How many people it came to, one that was begun among them."""
        return min(-(-self.next // ROADS), self.people)


class NoticePage(Thing, frozen=True, omit_defaults=True):
    """Some of those whom a notice is for, by their ids."""

    KIND: ClassVar[str] = "NP"

    of: str
    number: int
    people: tuple[str, ...]

    @property
    def name(self) -> str:
        """The notice and the number."""
        return page_name(self.of, self.number)


class OptOut(Thing, frozen=True, omit_defaults=True):
    """Whether a phone wants no notices, under its keyed hash. `by`: through which door it said so."""

    KIND: ClassVar[str] = "OO"

    of: str
    out: bool
    at: int
    by: str

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of


class Quiet(NamedTuple):
    """Hours of a day in which nobody is told what can wait: from one hour until another, across midnight."""

    begins: int = 21
    ends: int = 8

    def until(self, now: int, zone: str) -> int:
        """When they are over, if they are now; else 0."""
        here = calendar.local(now, zone)
        inside = (
            self.begins <= here.hour or here.hour < self.ends
            if self.begins > self.ends
            else self.begins <= here.hour < self.ends
        )
        if not inside:
            return 0
        end = calendar.instant(here.replace(hour=self.ends, minute=0, second=0, microsecond=0, tzinfo=None), zone)
        return end if end > now else end + 86_400


def page_name(notice: str, number: int) -> str:
    """What a page is found by."""
    return f"{notice}:{number}"


def began(notice: Notice) -> Notice:
    """The notice with its next step begun."""
    return msgspec.structs.replace(notice, next=notice.next + 1, flying=True)


def passed(notice: Notice, became: str = "") -> Notice:
    """The next step is none: nothing leaves. `became`: why, where that is counted."""
    after = msgspec.structs.replace(notice, next=notice.next + 1)
    return counted(after, became) if became else after


def lost(notice: Notice) -> Notice:
    """The notice as one finds it after whoever sent it ended: what was flying is counted, and never begun again."""
    return counted(notice, "may be lost") if notice.flying else notice


def counted(notice: Notice, became: str, cents: int = 0) -> Notice:
    """What was flying has landed."""
    counts = {**notice.counts, became: notice.counts.get(became, 0) + 1}
    return msgspec.structs.replace(notice, counts=counts, flying=False, cents=notice.cents + cents)


def held(notice: Notice) -> Notice:
    """What was flying did not leave, and will be begun again."""
    return msgspec.structs.replace(notice, next=notice.next - 1, flying=False)
