"""Notices to the customers of a site: what there is, whom one is for, and how each of them is reached."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from billing.domain.brand import EVERYWHERE
from billing.domain.notice import KEPT_S, OPEN, PAGE_MAX, Notice, NoticeKind, NoticePage, Step, What, lost, page_name
from billing.domain.person import Person
from billing.domain.thing import Thing
from billing.ports import PAGE_MAX as PAGE
from billing.ports import Kept, Posting
from billing.services.book import Book
from billing.services.opt_outs import OptOuts
from billing.services.people import People
from billing.sms.texts import Kind
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Malformed
from radius.domain.identity import NameKind, SubscriberId, parse_phone
from radius.domain.nas import Language
from radius.ports import Lists
from radius.ports import Outcome as Committed

LISTED_MAX = 1_000
_EVER = 2**52

TEXTS: dict[tuple[NoticeKind, What], Kind] = {
    (NoticeKind.OUTAGE, What.INTERNET): Kind.OUTAGE,
    (NoticeKind.OUTAGE, What.PAYMENTS): Kind.PAYMENTS_DOWN,
    (NoticeKind.RESTORED, What.INTERNET): Kind.RESTORED,
    (NoticeKind.RESTORED, What.PAYMENTS): Kind.PAYMENTS_BACK,
    (NoticeKind.ANNOUNCEMENT, What.INTERNET): Kind.WORKS,
    (NoticeKind.COMPLETION, What.INTERNET): Kind.WORKS_DONE,
}
EVERY_SITE = {Language.ENGLISH: "all our sites", Language.SWAHILI: "maeneo yote"}


class Reach(NamedTuple):
    """How a customer is reached; `out`: wants no notices."""

    phone: str
    email: str
    language: Language
    out: bool = False


def words_of(notice: Notice, language: Language) -> dict[str, str]:
    """What the texts of a notice name."""
    return {**notice.words, "site": EVERY_SITE[language] if notice.of == EVERYWHERE else notice.of}


class Notices:
    """Raises Unavailable, Contended, Malformed."""

    def __init__(self, book: Book, people: People, opt_outs: OptOuts, lists: Lists) -> None:
        self._book = book
        self._lists = lists
        self._things = book.stores.customers
        self._people = people
        self._opt_outs = opt_outs

    # -- whom, and how ---------------------------------------------------------------------------------------------

    def reach(self, subscriber: SubscriberId, language: Language) -> Reach | None:
        """Phone and e-mail of a customer; None for one without either. `language`: of who never said theirs."""
        return self.reaches([subscriber], language)[0]

    def reaches(self, subscribers: Sequence[SubscriberId], language: Language) -> list[Reach | None]:
        """The same of up to `PAGE_MAX` customers, in their order, by three requests."""
        found = self._things.things(Person, list(dict.fromkeys(subscribers)), self._book.deadline())
        people = {each.thing.subscriber: each.thing for each in found}
        phones = {name: phone for name, each in people.items() if (phone := self._people.phone_of(each))}
        phones |= self._named([each for each in subscribers if each not in phones])
        out = self._opt_outs.outs(phones.values())
        return [self._reach(phones.get(each, ""), people.get(each), language, out) for each in subscribers]

    def _reach(self, phone: str, person: Person | None, language: Language, out: AbstractSet[str]) -> Reach | None:
        email = self._people.email_of(person) if person else ""
        if not phone and not email:
            return None
        return Reach(phone, email, person.language if person else language, phone in out)

    def _named(self, subscribers: Sequence[SubscriberId]) -> dict[str, str]:
        """The phones that customers who never proved one log in with."""
        prefix = f"{NameKind.PHONE.value}:"
        phones: dict[str, str] = {}
        for subscriber, stored in self._lists.many(subscribers, self._book.deadline()).items():
            names = [each for each in aggregate.decode(stored.body).aliases if each.startswith(prefix)]
            phone = parse_phone(names[0].removeprefix(prefix)) if names else None
            if phone:
                phones[subscriber] = phone
        return phones

    # -- what there is ---------------------------------------------------------------------------------------------

    def find(self, id_: str) -> Notice | None:
        """One notice; None where there is none."""
        found = self._things.thing(Notice, id_, self._book.deadline())
        return found.thing if found else None

    def notice(self, id_: str) -> Notice:
        """Raises Malformed for one that is not there."""
        return self.kept(id_).thing

    def all(self) -> list[Notice]:
        """Those of a year, the latest first."""
        ids = self._things.due_things(Notice, _EVER, LISTED_MAX, self._book.deadline())
        pages = (ids[first : first + PAGE] for first in range(0, len(ids), PAGE))
        found = [each.thing for page in pages for each in self._things.things(Notice, page, self._book.deadline())]
        return sorted(found, key=lambda each: (each.at, each.id), reverse=True)

    def told(self, notice: Notice) -> list[SubscriberId]:
        """Whom a notice was begun for."""
        pages = range(-(-notice.reached // PAGE_MAX))
        return [each for number in pages for each in self.page(notice.id, number)][: notice.reached]

    # -- it is written down ----------------------------------------------------------------------------------------

    def begin(self, notice: Notice, people: Sequence[SubscriberId]) -> bool:
        """Write down whom it is for. What ends in the middle stays `gathering`: nothing has left, and nothing will."""
        if (notice.kind, notice.what) not in TEXTS:
            raise Malformed("about", f"there is no {notice.kind.value} about {notice.what.value}")
        first = Kept(notice, 1, due_at=notice.at, expires_at=notice.at + KEPT_S)
        starts = range(0, len(people), PAGE_MAX)
        pages = [NoticePage(notice.id, at // PAGE_MAX, tuple(people[at : at + PAGE_MAX])) for at in starts]
        for each in (first, *(Kept(page, 1, expires_at=notice.at + KEPT_S) for page in pages)):
            if not self._post(each):
                raise Contended(f"notice {notice.id} is there already")
        ready = msgspec.structs.replace(notice, step=Step.SENDING, people=len(people), pages=len(pages))
        return self.next(first, ready) is not None

    def stop(self, id_: str, now: int) -> Notice:
        """Tell nobody more."""
        for _ in self._book.tries(id_):
            kept = self.kept(id_)
            if kept.thing.step not in OPEN:
                return kept.thing
            after = msgspec.structs.replace(lost(kept.thing), step=Step.STOPPED, done_at=now)
            stopped = self.next(kept, after)
            if stopped is not None:
                return stopped.thing
        raise AssertionError  # `tries` ends by raising

    # -- how -------------------------------------------------------------------------------------------------------

    def kept(self, id_: str) -> Kept[Notice]:
        """As stored; raises Malformed for one that is not there."""
        found = self._things.thing(Notice, id_, self._book.deadline())
        if found is None:
            raise Malformed("notice", f"{id_} is not there: wifibilling notify list")
        return found

    def page(self, id_: str, number: int) -> tuple[SubscriberId, ...]:
        """Some of those whom a notice is for."""
        found = self._things.thing(NoticePage, page_name(id_, number), self._book.deadline())
        return tuple(map(SubscriberId, found.thing.people)) if found else ()

    def next(self, kept: Kept[Notice], after: Notice) -> Kept[Notice] | None:
        """The next version; None where another was first."""
        wanted = kept._replace(thing=after, version=kept.version + 1)
        return wanted if self._post(wanted) else None

    def _post(self, kept: Kept[Thing]) -> bool:
        posting = Posting(self._book.new_id(), things=(kept,))
        return self._book.post(posting).outcome is Committed.COMMITTED
