"""A customer takes on a device: a phone that shows another MAC now, a new phone, a television. Counted per week.

Who proved a phone, or knows the M-Pesa code that paid, may take a device on. What is too many for the package leaves:
sessions are cut, and devices that nobody named are forgotten, so that one package does not go round.

Which device a page is on, nobody can prove: an address is seen in the air, and a form can say any. So whoever takes on
a stranger's phone must not have what that stranger buys next: see `pays`.
"""

from collections.abc import Callable
from enum import StrEnum

from billing.domain.person import Moves as Week
from billing.domain.person import Person, Taken, week_of
from billing.ports import Kept, Posting
from billing.services.book import Book
from billing.services.people import People
from radius.domain import charging, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, NameKind, SubscriberId
from radius.domain.intent import IntentReason
from radius.domain.lifecycle import add_intent, close
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.ports import Outcome

MOVES_A_WEEK = 4  # a family's new phone, and a television; phones change their MAC once a network
KEPT_S = 15 * 86_400
_USABLE = frozenset({RightState.LIVE, RightState.DORMANT})


class Moved(StrEnum):
    """What became of it."""

    DONE = "done"
    TOO_MANY = "too_many"  # this week
    ANOTHERS = "anothers"  # another customer has something left on that device
    NOBODY = "nobody"  # there is no such customer


class Moves:
    """Moves devices between customers. Raises Unavailable, Contended."""

    def __init__(self, book: Book, people: People) -> None:
        self._book = book
        self._stores = book.stores
        self._people = people

    def take(self, subscriber: SubscriberId, mac: MacAddress, now: int, *, instead: bool) -> Moved:
        """`mac` is this customer's. `instead`: of the devices that hold what it needs."""
        alias = f"{NameKind.MAC.value}:{mac}"
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        if stored is None:
            return Moved.NOBODY
        if alias not in aggregate.decode(stored.body).aliases:
            if not self._counted(subscriber, mac, now):
                return Moved.TOO_MANY
            try:
                self._people.lead(mac, subscriber, now)
            except Malformed:
                return Moved.ANOTHERS
        if instead:
            self._make_room(subscriber, mac, now)
        return Moved.DONE

    def drop(self, subscriber: SubscriberId, mac: MacAddress, now: int) -> None:
        """A device is this customer's no more, and is cut."""
        self._alter(subscriber, lambda present: _cut(present, _sessions(present, mac), now), now)
        self._people.part(mac, subscriber)

    def pays(self, subscriber: SubscriberId, mac: MacAddress, phone: str) -> bool:
        """A phone pays for a device that cannot get in. False: the device was set free, and is its payer's alone.

        It stays its customer's whose proven phone this is, and one's who proved none and has had it from the first.
        """
        has = self._people.has(subscriber, phone)
        taken = self._stores.customers.thing(Taken, mac, self._book.deadline())
        if has or (has is None and (taken is None or taken.thing.by != subscriber)):
            return True
        self._people.part(mac, subscriber)
        if taken is not None:
            after = Kept(Taken(mac, ""), taken.version + 1)
            self._book.post(Posting(self._book.new_id(), things=(after,)))  # of one who is gone it says nothing
        return False

    def _counted(self, subscriber: SubscriberId, mac: MacAddress, now: int) -> bool:
        """One more this week; False if there were enough."""
        name = f"{subscriber}:{week_of(now)}"
        for _ in self._book.tries(subscriber):
            kept = self._stores.customers.thing(Week, name, self._book.deadline()) or Kept(Week(name, 0), 0)
            if kept.thing.count >= MOVES_A_WEEK:
                return False
            taken = self._stores.customers.thing(Taken, mac, self._book.deadline())
            things = (
                Kept(Week(name, kept.thing.count + 1), kept.version + 1, 0, now + KEPT_S),
                Kept(Taken(mac, subscriber), taken.version + 1 if taken else 1),
            )
            if self._book.post(Posting(self._book.new_id(), things=things)).outcome is Outcome.COMMITTED:
                return True
        raise AssertionError  # `tries` ends by raising

    def _make_room(self, subscriber: SubscriberId, mac: MacAddress, now: int) -> None:
        """Cut the sessions that hold too much, and forget the oldest devices beyond what the packages allow."""
        named = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        kept = set(named.thing.devices) if named else set()
        surplus: list[MacAddress] = []

        def alter(present: Subscriber) -> None:
            leaving = _in_the_way(present, mac, self._book, now)
            _cut(present, leaving, now)
            surplus[:] = _surplus(present, mac, kept, self._devices(present, now))

        self._alter(subscriber, alter, now)
        for each in surplus:
            self._people.part(each, subscriber)

    def _devices(self, present: Subscriber, now: int) -> int:
        """How many devices the packages allow at once."""
        usable = [each for each in present.rights if entitlement.state(each, now) in _USABLE]
        return max((self._book.terms(each.terms).devices for each in usable), default=1)

    def _alter(self, subscriber: SubscriberId, alter: Callable[[Subscriber], None], now: int) -> None:
        for _ in self._book.tries(subscriber):
            id_ = self._book.new_id()
            change = self._book.alter(subscriber, alter, id_, now)
            if change is None or self._book.post(Posting(id_, changes=(change,))).outcome is Outcome.COMMITTED:
                return


def _sessions(present: Subscriber, mac: MacAddress) -> list[Session]:
    return [each for each in present.sessions if each.device == mac and each.state is SessionState.OPEN]


def _in_the_way(present: Subscriber, mac: MacAddress, book: Book, now: int) -> list[Session]:
    """Sessions of other devices that leave no slot of a usable right, the oldest first."""
    found: list[Session] = []
    for right in present.rights:
        if entitlement.state(right, now) not in _USABLE:
            continue
        holders = [each for each in charging.devices_on(present, right.id, None) if each.device != mac]
        found += holders[: max(0, len(holders) - book.terms(right.terms).devices + 1)]
    return [each for at, each in enumerate(found) if each not in found[:at]]


def _cut(present: Subscriber, leaving: list[Session], now: int) -> None:
    for session in leaving:
        close(present, session, "replaced", now)
        add_intent(present, session.uid, IntentReason.REPLACED, now)


def _surplus(present: Subscriber, mac: MacAddress, named: set[str], most: int) -> list[MacAddress]:
    """Devices that nobody named, beyond what is allowed, the oldest first."""
    prefix = f"{NameKind.MAC.value}:"
    known = [MacAddress(each.removeprefix(prefix)) for each in present.aliases if each.startswith(prefix)]
    others = [each for each in known if each not in named and each != mac]
    return others[: max(0, len(known) - most)]
