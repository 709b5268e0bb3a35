"""Whose a device is: a device that nobody knows becomes a customer when its first purchase is begun."""

from collections.abc import Callable

from billing.portal.problems import Code, Refusal
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import MacAddress, NameKind, SubscriberId, Username
from radius.metrics import Metrics
from radius.ports import Subscribers
from radius.services.names import NameBook
from radius.services.provision import Provision


class Customers:
    """A page says which device it is, and may lie: all that it can do for another's device is to pay for it."""

    def __init__(
        self,
        names: NameBook,
        provision: Provision,
        subscribers: Subscribers,
        deadline: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._names = names
        self._provision = provision
        self._subscribers = subscribers
        self._deadline = deadline
        self._metrics = metrics

    def whose(self, device: MacAddress, site: str, now: int) -> SubscriberId:
        """The customer of a device. Raises Refusal for one who is blocked: nobody takes their money."""
        found = self._known(device) or self._new(device, site, now)
        stored = self._subscribers.read(found, self._deadline())
        if stored is None:
            raise Unavailable("a customer was removed just now")
        if aggregate.decode(stored.body).blocked:
            raise Refusal(Code.BLOCKED)
        return found

    def _known(self, device: MacAddress) -> SubscriberId | None:
        alias = self._names.alias(Username(device, NameKind.MAC, device))
        return self._names.resolve(alias, self._deadline())

    def _new(self, device: MacAddress, site: str, now: int) -> SubscriberId:
        try:
            made = self._provision.device(":".join(device[at : at + 2] for at in range(0, 12, 2)), now, site=site)
        except Malformed:  # a second page of the same device was first
            found = self._known(device)
            if found is None:
                raise
            return found
        self._metrics.count("NewUsers")
        return made
