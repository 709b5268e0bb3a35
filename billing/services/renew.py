"""The balance buys what the customer chose, before the end from the end; and who is running out is told in time.

Each person is looked at once a day, in the morning: that needs no word from whoever sold them what they have, and heals
whatever was lost between money and renewal.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from billing.domain.ledger import Missing, Sale, purchase
from billing.domain.money import rate_on
from billing.domain.package import Door, Package, for_sale
from billing.domain.person import Person, look_again_at, reminder
from billing.mail.port import Mail
from billing.mail.texts import letter
from billing.ports import Kept, Posting
from billing.services.book import Book, Given, fact
from billing.services.people import People
from billing.services.rounds import of_each
from billing.services.sell import event_id
from billing.sms.port import Message
from billing.sms.texts import Kind, render
from radius.domain import calendar, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT, Right, RightState
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.ports import Outcome

AHEAD_S = 3 * 86_400  # the balance renews so long before the end, and no earlier
ROUND_MAX = 200

_KINDS = {3: Kind.ENDS_IN_3_DAYS, 1: Kind.ENDS_TOMORROW, 0: Kind.ENDS_TODAY}


class NotBought(StrEnum):
    """Why the balance bought nothing."""

    NOTHING_CHOSEN = "nothing_chosen"
    NOT_SOLD = "not_sold"  # the package chosen is no longer on sale
    NOT_YET = "not_yet"  # what the customer has lasts for longer


class Bought(NamedTuple):
    """The right that the balance bought."""

    right: str
    receipt: str
    package: str


class Renew:
    """Buys from balances and reminds."""

    def __init__(
        self,
        book: Book,
        people: People,
        send: Callable[[Message], object],
        words: Mapping[str, str],
        write: Callable[[Mail], object] = lambda _mail: None,
    ) -> None:
        """`send` takes a message once and raises nothing; `words`: brand and paybill, as texts name them.

        `write` is the same for letters, to who gave an address.
        """
        self._write = write
        self._book = book
        self._stores = book.stores
        self._people = people
        self._send = send
        self._words = words

    def choose(self, subscriber: SubscriberId, package: str, now: int) -> Bought | NotBought | Missing:
        """The package (by its code) that the balance buys from now on, "" for none; it buys at once what it can."""
        if package and self._package(package, subscriber, now) is None:
            raise Malformed("package", f"{package} is not sold")
        self._people.change(subscriber, lambda person: msgspec.structs.replace(person, renews=package))
        return self.renew(subscriber, now)

    def renew(self, subscriber: SubscriberId, now: int) -> Bought | NotBought | Missing:
        """Buy what was chosen if it is time and there is money: call it whenever money came."""
        for attempt in self._book.tries(subscriber):
            person = self._stores.customers.thing(Person, subscriber, self._book.deadline())
            customer = self._stores.customers.customer(subscriber, self._book.deadline())
            if person is None or customer is None or not person.thing.renews:
                return NotBought.NOTHING_CHOSEN
            package = self._package(person.thing.renews, subscriber, now)
            if package is None:
                return NotBought.NOT_SOLD
            right = event_id(subscriber, f"{customer.version}")  # one purchase of this balance as it stands
            if self._lasts_until(subscriber, package, now) > now + AHEAD_S:
                return NotBought.NOT_YET
            id_ = self._book.new_id()
            change = self._book.give(Given(subscriber, right, package.id, from_end=True, sold=True), id_, now)
            if change is None:
                return NotBought.NOTHING_CHOSEN
            number = self._book.number(right, attempt)
            booked = fact(right, now, now)
            sale = Sale(package.id, package.price_cents, rate_on(self._book.rates, booked.day), right, number.text)
            journal = purchase(booked, sale, subscriber, customer.balance_cents)
            if isinstance(journal, Missing):
                return journal
            after = customer._replace(
                balance_cents=customer.balance_cents - package.price_cents, version=customer.version + 1
            )
            entry = number.entry(journal, subscriber)
            posting = Posting(id_, entries=(entry,), changes=(change,), customer=after)
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return Bought(right, number.text, package.id)
        raise AssertionError  # `tries` ends by raising

    def _lasts_until(self, subscriber: SubscriberId, package: Package, now: int) -> int:
        """When what the customer has of this kind ends. A purchase that comes between takes the balance's version."""
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        present = aggregate.decode(stored.body) if stored else None
        return self._book.covered_until(present, package.terms.service, now) if present else now

    def _package(self, code: str, subscriber: SubscriberId, now: int) -> Package | None:
        """What is sold under a code today, at the customer's site."""
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        site = aggregate.decode(stored.body).site if stored else ""
        offered = for_sale(self._stores.packages.packages(self._book.deadline()), site, Door.DESK, now)
        return next((each for each in offered if each.code == code and each.trial is None), None)

    # -- each morning ----------------------------------------------------------------------------------------------

    def round(self, now: int) -> int:
        """Renew and remind who is due; how many were looked at."""
        due = self._stores.customers.due_things(Person, now, ROUND_MAX, self._book.deadline())
        return len(of_each(due, lambda subscriber: self.look(SubscriberId(subscriber), now)))

    def look(self, subscriber: SubscriberId, now: int) -> None:
        """One person: renewed, or reminded once for each day, or left alone. What is sent is marked before."""
        self.renew(subscriber, now)
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        if kept is None:
            return
        last = self._last(subscriber, now)
        person, days = kept.thing, None
        if last is not None and (person.phone or person.email):
            days = reminder(last.ends_at, last.ends_at - last.starts_at, person.reminded, now)
        if last is not None and days is not None:
            person = msgspec.structs.replace(person, reminded=(last.ends_at, days))
        due_at = 0 if person.erased_at else look_again_at(now)
        posting = Posting(self._book.new_id(), things=(Kept(person, kept.version + 1, due_at),))
        committed = self._book.post(posting).outcome is Outcome.COMMITTED  # else the next round looks again
        if committed and last is not None and days is not None:
            self._remind(person, last, days)

    def _last(self, subscriber: SubscriberId, now: int) -> Right | None:
        """The live right that ends last."""
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        rights = aggregate.decode(stored.body).rights if stored else []
        live = [right for right in rights if entitlement.state(right, now) is RightState.LIVE]
        return max(live, key=lambda right: right.ends_at, default=None)

    def _remind(self, person: Person, right: Right, days: int) -> None:
        package = self._stores.packages.package(right.terms, self._book.deadline())
        customer = self._stores.customers.customer(SubscriberId(person.subscriber), self._book.deadline())
        ends: datetime = calendar.local(right.ends_at, ZONE_DEFAULT)
        values = {
            **self._words,
            "package": package.name(person.language) if package else right.terms,
            "end": f"{ends:%d/%m %H:%M}",
            "account": customer.number if customer else "",
        }
        phone, address = self._people.phone_of(person), self._people.email_of(person)
        if phone:
            self._send(Message(phone, render(_KINDS[days], person.language, values)))
        if address:
            self._write(letter(address, _KINDS[days], person.language, values))
