"""Whose a device is: a device that nobody knows becomes a customer when its first purchase is begun."""

import time
from collections.abc import Callable

from billing.portal.problems import Code, Refusal
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import MacAddress, NameKind, SubscriberId, Username
from radius.domain.subscriber import Subscriber
from radius.metrics import Metrics
from radius.ports import Names, Subscribers
from radius.services.names import NameBook
from radius.services.provision import Provision

GIVEN_S = 1.0  # between a name's two writes there are milliseconds


class Customers:
    """A page says which device it is, and may lie: all that it can do for another's device is to pay for it."""

    def __init__(
        self,
        names: NameBook,
        store: Names,
        provision: Provision,
        subscribers: Subscribers,
        deadline: Callable[[], float],
        metrics: Metrics,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._names = names
        self._store = store
        self._provision = provision
        self._subscribers = subscribers
        self._deadline = deadline
        self._metrics = metrics
        self._pause = pause

    def whose(self, device: MacAddress, site: str, now: int) -> SubscriberId:
        """The customer of a device. Raises Refusal for one who is blocked: nobody takes their money."""
        alias = self._names.alias(Username(device, NameKind.MAC, device))
        found = self._listed(alias)
        if found is None:
            self._new(device, site, now)
            found = self._listed(alias)
        if found is None:
            raise Unavailable("a device changed hands just now")
        if found.blocked:
            raise Refusal(Code.BLOCKED)
        return found.id

    def known(self, device: MacAddress) -> Subscriber | None:
        """The customer of a device, if it is one's; nobody is made."""
        return self._listed(self._names.alias(Username(device, NameKind.MAC, device)))

    def _listed(self, alias: str) -> Subscriber | None:
        """Who has a name and lists it. A right of one who does not would never be found by it: the name is set free.

        A name that is being given leads somewhere before it is listed there, so it is looked at twice.
        """
        subscriber = None
        for look in range(2):
            subscriber = self._names.resolve(alias, self._deadline())
            if subscriber is None:
                return None
            stored = self._subscribers.read(subscriber, self._deadline())
            present = aggregate.decode(stored.body) if stored else None
            if present is not None and alias in present.aliases:
                return present
            self._names.forget(alias)
            if not look:
                self._pause(GIVEN_S)
        if subscriber is not None:
            self._store.unbind(alias, subscriber, self._deadline())
        return None

    def _new(self, device: MacAddress, site: str, now: int) -> None:
        try:
            self._provision.device(":".join(device[at : at + 2] for at in range(0, 12, 2)), now, site=site)
        except Malformed:  # a second page of the same device was first
            return
        self._metrics.count("NewUsers")
