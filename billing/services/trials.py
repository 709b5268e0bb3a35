"""A package that costs nothing: once for a device and a proven phone in so many days, and so many a day at a site."""

from collections.abc import Callable
from typing import NamedTuple

from billing.domain.journal import business_day
from billing.domain.ledger import trial
from billing.domain.package import DAY_S, Door, Package, TrialRefusal, for_sale, refuse_trial
from billing.domain.package import Tried as Before
from billing.domain.person import Person, Tries, TriesOfDay
from billing.ports import Entry, Kept, Posting
from billing.services.book import Book, Given, fact
from billing.services.people import People
from billing.services.sell import event_id
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, SubscriberId
from radius.ports import Outcome


class Trying(NamedTuple):
    """The right that was given to try. `again`: by an earlier request."""

    right: str
    again: bool = False


class Trials:
    """Gives trials. Devices and phones are kept as keyed hashes, for as long as they count."""

    def __init__(self, book: Book, people: People, keyed: Callable[[str], str]) -> None:
        self._book = book
        self._stores = book.stores
        self._people = people
        self._keyed = keyed

    def give(
        self, subscriber: SubscriberId, package: str, device: MacAddress, site: str, now: int
    ) -> Trying | TrialRefusal:
        """Give a trial to a customer on a device. Raises Malformed for what is no trial here."""
        found = self._package(package, site, now)
        if found.trial is None:
            raise Malformed("package", f"{package} is no trial")
        phone = self._phone(subscriber)
        day = f"{found.code}:{site}:{business_day(now)}"
        for _ in self._book.tries(subscriber):
            of_device = self._tries(f"trial:{found.code}:device:{device}")
            of_phone = self._tries(f"trial:{found.code}:phone:{phone}")
            of_day = self._stores.customers.thing(TriesOfDay, day, self._book.deadline()) or Kept(TriesOfDay(day, 0), 0)
            last = of_device.thing
            if last.subscriber == subscriber and last.at == of_phone.thing.at and now < last.at + DAY_S:
                return Trying(last.right, again=True)
            before = Before(bool(phone), last.at, of_phone.thing.at, of_day.thing.count)
            refused = refuse_trial(found.trial, before, now)
            if refused is not None:
                return refused
            right = event_id("trial", of_device.thing.of, str(now), subscriber)
            id_ = self._book.new_id()
            change = self._book.give(Given(subscriber, right, found.id, device), id_, now)
            if change is None:
                raise Malformed("subscriber", "is nobody")
            forgotten = now + found.trial.days * DAY_S
            posting = Posting(
                id_,
                entries=(Entry(trial(fact(right, now, now), right, found.id), None, subscriber),),
                changes=(change,),
                things=(
                    *(
                        Kept(Tries(each.thing.of, now, subscriber, right), each.version + 1, 0, forgotten)
                        for each in (of_device, of_phone)
                    ),
                    Kept(TriesOfDay(day, of_day.thing.count + 1), of_day.version + 1, 0, now + 2 * DAY_S),
                ),
            )
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return Trying(right)
        raise AssertionError  # `tries` ends by raising

    def _package(self, package: str, site: str, now: int) -> Package:
        offered = for_sale(self._stores.packages.packages(self._book.deadline()), site, Door.PORTAL, now)
        found = next((each for each in offered if each.id == package), None)
        if found is None:
            raise Malformed("package", f"{package} is not offered here now")
        return found

    def _phone(self, subscriber: SubscriberId) -> str:
        """The proven phone, "" for none."""
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        return self._people.phone_of(kept.thing) if kept else ""

    def _tries(self, of: str) -> Kept[Tries]:
        name = self._keyed(of)
        return self._stores.customers.thing(Tries, name, self._book.deadline()) or Kept(Tries(name, 0, "", ""), 0)
