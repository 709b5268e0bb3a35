"""Gives each router a tunnel address of its own, for ever, and knows its key. Safe to repeat and to race.

An address is taken by one conditional write. Two that race for one router may take two; the lowest counts everywhere,
and whoever took another gives it back.
"""

from collections.abc import Callable
from ipaddress import IPv4Network

import msgspec

from radius.domain.errors import Contended, Malformed
from radius.domain.identity import NasId
from radius.domain.tunnel import Tunnel, check_key, free_address, of_router
from radius.ports import Outcome
from radius.ports import Tunnels as Store

RACES_MAX = 50  # who takes the lowest free address loses it once to each of the others that join at the same moment


class Tunnels:
    """Threads may share it. Raises Malformed, Unavailable."""

    def __init__(self, store: Store, network: IPv4Network, deadline: Callable[[], float]) -> None:
        self.network = network
        self._store = store
        self._deadline = deadline

    def all(self) -> list[Tunnel]:
        """Every tunnel that counts: one a router."""
        there = self._store.tunnels(self._deadline())
        return [of_router(there, router)[0] for router in sorted({each.router for each in there})]

    def of(self, router: NasId) -> Tunnel | None:
        """A router's; None if it has none."""
        return next(iter(of_router(self._store.tunnels(self._deadline()), router)), None)

    def give(self, router: NasId) -> Tunnel:
        """A router's tunnel, made if there is none."""
        for _ in range(RACES_MAX):
            there = self._store.tunnels(self._deadline())
            mine = of_router(there, router)
            if mine:
                for extra in mine[1:]:
                    self._store.drop_tunnel(extra, self._deadline())
                return mine[0]
            address = free_address(self.network, (each.address for each in there))
            self._store.put_tunnel(Tunnel(address, router, version=1), self._deadline())  # then looks what came of it
        raise Contended("tunnels: others take addresses at the same time; try again")

    def keyed(self, router: NasId, public_key: str) -> Tunnel:
        """Remember the key that a router made. It must be nobody else's: the hub would send both one's packets."""
        check_key("key", public_key)
        for _ in range(RACES_MAX):
            there = self._store.tunnels(self._deadline())
            if any(each.public_key == public_key and each.router != router for each in there):
                raise Malformed("key", "is another router's; delete the interface wifibilling there and try again")
            mine = of_router(there, router)
            if not mine:
                raise Malformed("router", f"{router} has no tunnel")
            if mine[0].public_key == public_key:
                return mine[0]
            changed = msgspec.structs.replace(mine[0], public_key=public_key, version=mine[0].version + 1)
            if self._store.put_tunnel(changed, self._deadline()) is not Outcome.STALE:
                return changed
        raise Contended("tunnels: others change this one at the same time; try again")

    def shut(self, router: NasId) -> bool:
        """Forget a router's key, and keep its address: the device that had it gets no further. False if it had none."""
        for _ in range(RACES_MAX):
            mine = self.of(router)
            if mine is None or not mine.public_key:
                return False
            changed = msgspec.structs.replace(mine, public_key="", version=mine.version + 1)
            if self._store.put_tunnel(changed, self._deadline()) is not Outcome.STALE:
                return True
        raise Contended("tunnels: others change this one at the same time; try again")
