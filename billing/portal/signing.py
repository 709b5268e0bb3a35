"""Signing in by a code in a text message, for pages and programs: who may ask, what is sent, whose a phone is."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from billing.domain.one_time import LIFE_S
from billing.portal.deps import Deps
from billing.portal.limits import Gate, address_key
from billing.portal.pages.visit import Seat
from billing.portal.problems import Code, Refusal
from billing.ports import PAGE_MAX
from billing.sms.port import Message
from billing.sms.texts import Kind, render
from radius.domain.identity import MacAddress, SubscriberId
from radius.domain.nas import Language


class Asker(NamedTuple):
    """A phone as typed, and the device, site and language of whoever types it."""

    phone: str
    device: MacAddress
    site: str
    language: Language


class Asked(NamedTuple):
    """`send`: to be called when the answer is out, because how long it takes would tell; None: nothing is sent."""

    ask_again_s: int
    send: Callable[[], object] | None


class SignIn:
    """Threads may share it. Its calls wait for the store, and raise Malformed for what is no phone."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._pages = deps.pages

    def ask(self, asker: Asker, address: str, now: int) -> Asked:
        """A code for a phone. Raises Refusal for who must wait (`address`: where it asks from); else says nothing."""
        if self._pages.send is None:
            raise Refusal(Code.NOT_FOUND)
        wait_s = self._deps.gates.enter(Gate.PURCHASES, address_key(address))
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        asked = self._pages.people.ask(asker.phone, asker.device, now)
        if not asked.sent:
            raise Refusal(Code.TOO_MANY, asked.wait_s)
        if not asked.code:
            return Asked(asked.wait_s, None)
        values = {"code": asked.code, "brand": self._pages.looks.brand(asker.site).title, "minutes": str(LIFE_S // 60)}
        message = Message(asked.phone, render(Kind.CODE, asker.language, values), critical=True)
        return Asked(asked.wait_s, partial(self._pages.send, message))

    def enter(self, asker: Asker, typed: str, now: int) -> str | None:
        """A seat, signed, by a code that is right; registers a phone that nobody had. None: the code proves nothing."""
        people = self._pages.people
        if people.prove(asker.phone, asker.device, typed, now) is not None:
            return None
        customer = people.whose(asker.phone) or self._customer(asker, now)
        found = people.register(asker.phone, customer, asker.language, now)
        return self._pages.signer.sign(Seat(found.subscriber, asker.device, now))

    def _customer(self, asker: Asker, now: int) -> SubscriberId:
        """Of a phone that nobody has: this device's customer, if it was this phone that paid for what is there.

        Anybody may say to be on any device, so a phone alone makes nobody the owner of what a device has.
        """
        present = self._deps.customers.known(asker.device)
        if present is not None and self._pages.people.has(present.id, asker.phone) is None:
            rights = [right.id for right in present.rights][-PAGE_MAX:]
            if self._pages.cashier.paid(rights, asker.phone):
                return present.id
        return self._pages.newcomer(asker.phone, asker.site, now)
