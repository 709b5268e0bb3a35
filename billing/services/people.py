"""Customers as people: a phone proven by a one-time code, an account number, devices with names, and their erasure."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from billing.domain import one_time
from billing.domain.draw import Draw, account_number
from billing.domain.one_time import LIFE_S, QUIET_S, Ask, OneTimeRefusal, Pace
from billing.domain.payment import check_phone
from billing.domain.person import DEVICE_NAME_CHARS_MAX, DEVICES_MAX, Asker, Person, PhoneCode, look_again_at
from billing.domain.thing import Thing
from billing.mail.port import check_address
from billing.ports import Claim, ClaimKind, Customer, Kept, Part, Posting
from billing.services.book import Book
from billing.services.codes import Seals
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, NameKind, SubscriberId
from radius.domain.nas import Language
from radius.domain.subscriber import Subscriber
from radius.ports import Change, Names, Outcome

PHONE_FIELD, EMAIL_FIELD = "phone", "email"


class Secrets(NamedTuple):
    """What keeps people private: a key for one-time codes, keyed hashes, seals, and the hash that C2B notices have."""

    one_time_key: bytes
    keyed: Callable[[str], str]
    seals: Seals
    payer_hash: Callable[[str], str]


class CodeAsked(NamedTuple):
    """What the device may be told: when it may ask again; `sent` False: it must wait. `code`: to be sent, "" for none.

    Whether there is a code is not told, nor seen by how long the answer takes: hand it to a sender that is not waited
    for.
    """

    sent: bool
    wait_s: int
    code: str = ""
    phone: str = ""


class Verified(NamedTuple):
    """Whose phone it is. `new`: registered just now."""

    subscriber: SubscriberId
    new: bool


class People:
    """Registers and looks after people. Raises Malformed (names the field), Unavailable, Contended."""

    def __init__(self, book: Book, names: Names, secrets: Secrets, random: Draw) -> None:
        self._book = book
        self._stores = book.stores
        self._names = names
        self._secrets = secrets
        self._random = random

    # -- a phone is proven -----------------------------------------------------------------------------------------

    def ask(self, phone: str, device: MacAddress, now: int) -> CodeAsked:
        """A code for a phone that a device names; what was sent before is no longer good."""
        phone = check_phone(phone)
        keys = (self._key("phone", phone), self._key("device", device), self._key("code", phone, device))
        for _ in self._book.tries("one-time code"):
            of_phone, of_device = self._asker(keys[0]), self._asker(keys[1])
            asked = one_time.ask(of_phone.thing.pace, of_device.thing.pace, now)
            if asked.ask is Ask.WAIT:
                return CodeAsked(sent=False, wait_s=asked.wait_s)
            things: list[Kept[Thing]] = [_paced(of_device, asked.device, now)]
            code = ""
            if asked.ask is Ask.SEND:
                code = one_time.new_code(self._random)
                issued = one_time.issue(self._secrets.one_time_key, phone, device, code, now)
                before = self._stores.customers.thing(PhoneCode, keys[2], self._book.deadline())
                kept = Kept(PhoneCode(keys[2], issued), before.version + 1 if before else 1, 0, now + LIFE_S + QUIET_S)
                things += [_paced(of_phone, asked.phone, now), kept]
            if self._book.post(Posting(self._book.new_id(), things=tuple(things))).outcome is Outcome.COMMITTED:
                return CodeAsked(True, asked.wait_s, code, phone if code else "")
        raise AssertionError  # `tries` ends by raising

    def verify(
        self, phone: str, device: MacAddress, typed: str, mine: SubscriberId, language: Language, now: int
    ) -> Verified | OneTimeRefusal:
        """`prove`, then `register`."""
        return self.prove(phone, device, typed, now) or self.register(phone, mine, language, now)

    def prove(self, phone: str, device: MacAddress, typed: str, now: int) -> OneTimeRefusal | None:
        """Judge a code; None: the phone is proven.

        A refusal other than SHAPE is for counters: whoever tried is told that it is not right, and no more.
        """
        phone = check_phone(phone)
        name = self._key("code", phone, device)
        for _ in self._book.tries("one-time code"):
            kept = self._stores.customers.thing(PhoneCode, name, self._book.deadline())
            code = kept.thing.code if kept else None
            tried = one_time.attempt(code, self._secrets.one_time_key, phone, device, typed, now)
            if kept is not None and tried.after is not None and tried.after != code:
                after = kept._replace(thing=PhoneCode(name, tried.after), version=kept.version + 1)
                posting = Posting(self._book.new_id(), things=(after,))
                if self._book.post(posting).outcome is not Outcome.COMMITTED:
                    continue  # another try came between, and counts
            return tried.refusal
        raise AssertionError  # `tries` ends by raising

    def whose(self, phone: str) -> SubscriberId | None:
        """Who has a phone."""
        return self._names.resolve(f"{NameKind.PHONE.value}:{check_phone(phone)}", self._book.deadline())

    def has(self, subscriber: SubscriberId, phone: str) -> bool | None:
        """Whether this is the proven phone of a customer; None for one who proved none."""
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        proven = self.phone_of(kept.thing) if kept else ""
        return proven == check_phone(phone) if proven else None

    def register(self, phone: str, mine: SubscriberId, language: Language, now: int) -> Verified:
        """Whose proven phone it is: who has it already, else `mine`. The caller makes sure that `mine` is theirs."""
        phone = check_phone(phone)
        alias = f"{NameKind.PHONE.value}:{phone}"
        has_it = self._names.resolve(alias, self._book.deadline())
        subscriber = has_it or mine
        if has_it is None and self._names.bind(alias, mine, self._book.deadline()) is Outcome.CONFLICT:
            subscriber = self._names.resolve(alias, self._book.deadline()) or mine
        return Verified(subscriber, self._complete(subscriber, phone, alias, language, now))

    def _complete(self, subscriber: SubscriberId, phone: str, alias: str, language: Language, now: int) -> bool:
        """Everything that a registered customer has; True if it was not there. Safe to repeat after any step."""
        payer = True
        for _ in self._book.tries(subscriber):
            person = self._stores.customers.thing(Person, subscriber, self._book.deadline())
            customer = self._stores.customers.customer(subscriber, self._book.deadline())
            if person is not None and customer is not None and person.thing.phone:
                return False
            id_ = self._book.new_id()
            sealed = self._secrets.seals.seal(phone, subscriber, PHONE_FIELD, 1)
            made = person.thing if person else Person(subscriber, now, language=language)
            made = msgspec.structs.replace(made, phone=sealed, erased_at=0)
            claims = []
            hashed = self._secrets.payer_hash(phone)
            if payer and self._stores.postings.owner(ClaimKind.PAYER, hashed, self._book.deadline()) is None:
                claims.append(Claim(ClaimKind.PAYER, hashed, subscriber))
            number = account_number(self._random)
            if customer is None:
                claims.append(Claim(ClaimKind.ACCOUNT, number, subscriber))
            change = self._book.alter(subscriber, lambda present: _named(present, alias), id_, now)
            if change is None:
                raise Malformed("subscriber", "is nobody")
            posting = Posting(
                id_,
                claims=tuple(claims),
                changes=(change,),
                customer=Customer(subscriber, number, 0, 1) if customer is None else None,
                things=(Kept(made, person.version + 1 if person else 1, look_again_at(now)),),
            )
            posted = self._book.post(posting)
            if posted.outcome is Outcome.COMMITTED:
                return True
            payer = payer and Part.PAYER not in posted.parts
        raise AssertionError  # `tries` ends by raising

    def _asker(self, name: str) -> Kept[Asker]:
        return self._stores.customers.thing(Asker, name, self._book.deadline()) or Kept(Asker(name, Pace()), 0)

    def _key(self, kind: str, *of: str) -> str:
        return self._secrets.keyed(":".join((kind, *of)))

    # -- what a customer tells -------------------------------------------------------------------------------------

    def person(self, subscriber: SubscriberId) -> Kept[Person]:
        """A registered customer; raises Malformed for anybody else."""
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        if kept is None or kept.thing.erased_at:
            raise Malformed("subscriber", "is not registered: prove a phone first")
        return kept

    def anybody(self, subscriber: SubscriberId) -> Person:
        """A customer, registered or not; raises Malformed for nobody, and for who was forgotten."""
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        if kept is not None and not kept.thing.erased_at:
            return kept.thing
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        if kept is not None or stored is None:
            raise Malformed("subscriber", "was forgotten" if kept else "is nobody")
        return Person(subscriber, aggregate.decode(stored.body).created_at)

    def change(self, subscriber: SubscriberId, change: Callable[[Person], Person]) -> Person:
        """Change what a person told us."""
        for _ in self._book.tries(subscriber):
            kept = self.person(subscriber)
            after = change(kept.thing)
            posting = Posting(self._book.new_id(), things=(kept._replace(thing=after, version=kept.version + 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return after
        raise AssertionError  # `tries` ends by raising

    def email(self, subscriber: SubscriberId, address: str) -> None:
        """Where notices go; "" for nowhere."""
        sealed = self._secrets.seals.seal(check_address(address), subscriber, EMAIL_FIELD, 1) if address else ""
        self.change(subscriber, lambda person: msgspec.structs.replace(person, email=sealed))

    def phone_of(self, person: Person) -> str:
        """The number in the clear, "" for none."""
        return self._open(person.phone, person.subscriber, PHONE_FIELD)

    def email_of(self, person: Person) -> str:
        """The address in the clear, "" for none."""
        return self._open(person.email, person.subscriber, EMAIL_FIELD)

    def _open(self, sealed: str, subscriber: str, field: str) -> str:
        return self._secrets.seals.unseal(sealed, subscriber, field, 1) if sealed else ""

    # -- devices ---------------------------------------------------------------------------------------------------

    def name_device(self, subscriber: SubscriberId, mac: MacAddress, name: str, now: int) -> None:
        """Remember a device. One that is another's, who has something left, stays theirs."""
        name = name.strip()
        if not 1 <= len(name) <= DEVICE_NAME_CHARS_MAX or not name.isprintable():
            raise Malformed("name", f"must be 1 to {DEVICE_NAME_CHARS_MAX} characters on one line")

        def add(person: Person) -> Person:
            devices = {**person.devices, mac: name}
            if len(devices) > DEVICES_MAX:
                raise Malformed("device", f"forget one first: {DEVICES_MAX} are remembered")
            return msgspec.structs.replace(person, devices=devices)

        if self.change(subscriber, add).by_itself:
            self._bind(subscriber, mac, now)

    def forget_device(self, subscriber: SubscriberId, mac: MacAddress) -> None:
        """Forget a device: it does not log in by itself any more."""

        def drop(person: Person) -> Person:
            kept = {each: name for each, name in person.devices.items() if each != mac}
            return msgspec.structs.replace(person, devices=kept)

        self.change(subscriber, drop)
        self._unbind(subscriber, [f"{NameKind.MAC.value}:{mac}"])

    def by_itself(self, subscriber: SubscriberId, now: int, *, wanted: bool) -> None:
        """Whether remembered devices log in again without a page."""
        person = self.change(subscriber, lambda person: msgspec.structs.replace(person, by_itself=wanted))
        for mac in person.devices:
            if wanted:
                self._bind(subscriber, MacAddress(mac), now)
            else:
                self._unbind(subscriber, [f"{NameKind.MAC.value}:{mac}"])

    def lead(self, mac: MacAddress, subscriber: SubscriberId, now: int) -> None:
        """A device is this customer's from now on. Raises Malformed for another's, who has something left."""
        self._bind(subscriber, mac, now)

    def part(self, mac: MacAddress, subscriber: SubscriberId) -> None:
        """A device is this customer's no more."""
        self._unbind(subscriber, [f"{NameKind.MAC.value}:{mac}"])

    def _bind(self, subscriber: SubscriberId, mac: MacAddress, now: int) -> None:
        alias = f"{NameKind.MAC.value}:{mac}"
        other = self._names.resolve(alias, self._book.deadline())
        if other is not None and other != subscriber and self._has_nothing(other, now):
            self._unbind(other, [alias])
        if self._names.bind(alias, subscriber, self._book.deadline()) is Outcome.CONFLICT:
            raise Malformed("device", "is another customer's")
        self._listed(subscriber, lambda present: _named(present, alias))

    def _has_nothing(self, subscriber: SubscriberId, now: int) -> bool:
        """True of the customer that a device was before its owner registered, with no right left."""
        if self._stores.customers.thing(Person, subscriber, self._book.deadline()) is not None:
            return False
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        rights = aggregate.decode(stored.body).rights if stored else []
        return all(entitlement.state(right, now) in {RightState.ENDED, RightState.REVOKED} for right in rights)

    def _unbind(self, subscriber: SubscriberId, aliases: list[str]) -> None:
        """A name that its subscriber does not list leads nowhere: so the list goes first."""
        self._listed(subscriber, lambda present: _unnamed(present, aliases))
        for alias in aliases:
            self._names.unbind(alias, subscriber, self._book.deadline())

    def _listed(self, subscriber: SubscriberId, alter: Callable[[Subscriber], None]) -> None:
        for _ in self._book.tries(subscriber):
            id_ = self._book.new_id()
            change: Change | None = self._book.alter(subscriber, alter, id_, 0)
            if change is None or self._book.post(Posting(id_, changes=(change,))).outcome is Outcome.COMMITTED:
                return

    # -- on request ------------------------------------------------------------------------------------------------

    def export(self, subscriber: SubscriberId) -> dict[str, object]:
        """All that is kept of a person, in the clear, for that person."""
        person = self.anybody(subscriber)
        customer = self._stores.customers.customer(subscriber, self._book.deadline())
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        present = aggregate.decode(stored.body) if stored else None
        return {
            "subscriber": subscriber,
            "registered_at": person.registered_at,
            "phone": self.phone_of(person),
            "logs_in_with": _readable(present) if present else [],
            "email": self.email_of(person),
            "language": person.language.value,
            "devices": dict(person.devices),
            "devices_seen": list(present.devices) if present else [],
            "logs_in_by_itself": person.by_itself,
            "renews": person.renews,
            "account_number": customer.number if customer else "",
            "balance_cents": customer.balance_cents if customer else 0,
            "packages": [
                {"package": right.terms, "from": right.starts_at, "until": right.ends_at, "bytes": right.used_bytes}
                for right in (present.rights if present else [])
            ],
            "sessions": [
                {"device": each.device, "router": each.nas, "since": each.opened_at, "bytes": each.total_bytes}
                for each in (present.sessions if present else [])
            ],
        }

    def erase(self, subscriber: SubscriberId, now: int) -> None:
        """Forget a person: phone, e-mail, devices; of who never registered, every name.

        The books keep what was paid, under a number that says nothing.
        Called again it goes on. What was bought is not taken away, but no name leads to it any more.
        """
        kept = self._stores.customers.thing(Person, subscriber, self._book.deadline())
        person = kept.thing if kept else self.anybody(subscriber)
        phone = self.phone_of(person)
        if phone:
            self._stores.postings.release(
                ClaimKind.PAYER, self._secrets.payer_hash(phone), subscriber, self._book.deadline()
            )
        aliases = [f"{NameKind.MAC.value}:{mac}" for mac in person.devices]
        aliases += self._names_of(subscriber) if kept is None else []
        aliases += [f"{NameKind.PHONE.value}:{phone}"] if phone else []
        self._unbind(subscriber, aliases)
        self._listed(subscriber, _forget_devices)
        for _ in self._book.tries(subscriber):
            there = self._stores.customers.thing(Person, subscriber, self._book.deadline())
            gone = Person(subscriber, person.registered_at, erased_at=now)
            posting = Posting(self._book.new_id(), things=(Kept(gone, there.version + 1 if there else 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return

    def _names_of(self, subscriber: SubscriberId) -> list[str]:
        stored = self._stores.subscribers.read(subscriber, self._book.deadline())
        return list(aggregate.decode(stored.body).aliases) if stored else []


def _readable(present: Subscriber) -> list[str]:
    """Phones and devices that somebody logs in with: codes and account names are kept as a hash."""
    named = (alias.partition(":") for alias in present.aliases)
    return [text for kind, _, text in named if kind != NameKind.NAME.value]


def _paced(kept: Kept[Asker], pace: Pace, now: int) -> Kept[Asker]:
    return Kept(Asker(kept.thing.of, pace), kept.version + 1, 0, now + 2 * QUIET_S)


def _named(present: Subscriber, alias: str) -> None:
    if alias not in present.aliases:
        present.aliases = [*present.aliases, alias]


def _unnamed(present: Subscriber, aliases: list[str]) -> None:
    present.aliases = [each for each in present.aliases if each not in aliases]


def _forget_devices(present: Subscriber) -> None:
    present.devices = []
    present.aliases = [
        each for each in present.aliases if not each.startswith((f"{NameKind.MAC.value}:", f"{NameKind.PHONE.value}:"))
    ]
