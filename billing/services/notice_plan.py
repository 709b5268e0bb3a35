"""What a notice would come to before it is begun: how many people, what it costs, what it says. Changes nothing."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from billing.domain.brand import EVERYWHERE
from billing.domain.notice import FOLLOWS, FOLLOWS_S, OPEN, SAME_S, Notice, NoticeKind, Step, What
from billing.ports import PAGE_MAX
from billing.services.notices import TEXTS, Notices, words_of
from billing.sms.segments import segments
from billing.sms.texts import render
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language


class Plan(NamedTuple):
    """Whom a notice is for, in the order in which they are told. `twice`: more than one customer has that phone."""

    people: tuple[SubscriberId, ...]
    by_language: dict[Language, int]
    messages: int = 0
    letters: int = 0
    opted_out: int = 0
    unreachable: int = 0
    twice: int = 0

    def parts(self, notice: Notice) -> int:
        """What all text messages together are charged as."""
        return sum(count * segments(text(notice, language)).parts for language, count in self.by_language.items())


def plan(
    notices: Notices,
    people: Sequence[SubscriberId],
    language: Language,
    told: Callable[[int], object] = lambda _looked_at: None,
    *,
    sms: bool = True,
    mail: bool = True,
) -> Plan:
    """Look at everybody. `language` of who never said theirs; `sms`, `mail`: whether anybody sends those."""
    wanted: dict[str, SubscriberId] = {}
    languages: dict[Language, int] = {}
    messages, letters, opted_out, unreachable, twice = 0, 0, 0, 0, 0

    for first in range(0, len(people), PAGE_MAX):
        page = people[first : first + PAGE_MAX]
        told(first)
        for subscriber, reach in zip(page, notices.reaches(page, language), strict=True):
            if reach is None or (not (reach.phone and sms) and not (reach.email and mail)):
                unreachable += 1
            elif reach.out:
                opted_out += 1
            elif (reach.phone or reach.email) in wanted:
                twice += 1
            else:
                wanted[reach.phone or reach.email] = subscriber
                if reach.phone and sms:
                    messages += 1
                    languages[reach.language] = languages.get(reach.language, 0) + 1
                letters += bool(reach.email and mail)
    return Plan(tuple(wanted.values()), languages, messages, letters, opted_out, unreachable, twice)


def text(notice: Notice, language: Language) -> str:
    """What a text message says."""
    return render(TEXTS[notice.kind, notice.what], language, words_of(notice, language))


def id_of(kind: NoticeKind, what: What, of: str, now: int, before: Iterable[Notice]) -> str:
    """``outage-kilimani-261125-1``: two who begin the same at once give it one name, and one of them is refused."""
    about = "" if what is What.INTERNET else f"-{what.value}"
    stem = f"{kind.value}{about}-{'everywhere' if of == EVERYWHERE else of}-{calendar.local(now, ZONE_DEFAULT):%y%m%d}-"
    numbers = [each.id.removeprefix(stem) for each in before if each.id.startswith(stem)]
    return f"{stem}{max((int(each) for each in numbers if each.isdecimal()), default=0) + 1}"


def unfinished(notice: Notice, before: Iterable[Notice]) -> Notice | None:
    """One of the same kind, place and matter that was begun and is not over."""
    return next((each for each in before if _same(each, notice) and each.step in OPEN), None)


def lately(notice: Notice, before: Iterable[Notice]) -> Notice | None:
    """One of the same that went out within `SAME_S`."""
    return next(
        (
            each
            for each in before
            if _same(each, notice) and each.step is Step.DONE and notice.at - each.done_at < SAME_S
        ),
        None,
    )


def followed(notice: Notice, before: Iterable[Notice]) -> Notice | None:
    """The notice whose recipients this one goes to: the last within `FOLLOWS_S`."""
    wanted = FOLLOWS.get(notice.kind)
    return next(
        (
            each
            for each in before
            if each.kind is wanted
            and (each.of, each.what) == (notice.of, notice.what)
            and notice.at - each.at < FOLLOWS_S
            and each.next
        ),
        None,
    )


def _same(one: Notice, other: Notice) -> bool:
    return (one.kind, one.what, one.of) == (other.kind, other.what, other.of)
