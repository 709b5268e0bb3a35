"""The routers, in memory: who may speak, from where, with what secret. Refreshed in the background, never read inline.

A source address leads to a router by exact address first, then by the longest network. Two routers that claim one
address are both silenced there: a wrong guess would account one's customers to the other. A boot counts at once on the
node that hears it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple

from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Capabilities, Family, Nas, PortPair, Router, Site
from radius.ports import Node, Nodes, Routers
from radius.services.cache import BoundedMap

Network = IPv4Network | IPv6Network
# How long FreeRADIUS may go on with a secret after a newer one is here: its memory of a client, our refresh, a second.
SECRET_LINGERS_S = 61
CLIENTS_MAX = 65_536  # opened secrets kept; unknown sources are not remembered here
NODE_KEPT_S = 86_400  # a node that has been silent for a day was taken down; until then it holds its routers back


class Client(NamedTuple):
    """A router as FreeRADIUS must know it on one pair of ports."""

    router: Router
    secret: str


class _Handed(NamedTuple):
    """The secret given to FreeRADIUS for a router on a pair of ports. `at`: monotonic, -inf for the first there."""

    epoch: int
    at: float


class _Table(NamedTuple):
    nas: Mapping[NasId, Nas]
    routers: Mapping[NasId, Router]
    exact: Mapping[str, NasId | None]
    networks: tuple[tuple[Network, NasId | None], ...]
    boots: dict[NasId, int]
    heard: Mapping[NasId, int]
    sites: tuple[Site, ...]


_EMPTY = _Table({}, {}, {}, (), {}, {}, ())


class Directory:
    """The node's view of routers and nodes. `unseal(sealed, router, field, epoch)` opens a secret."""

    def __init__(
        self,
        routers: Routers,
        nodes: Nodes,
        unseal: Callable[[str, str, str, int], str],
        capabilities: Callable[[Family, dict[str, str | bool]], Capabilities],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._handed: dict[tuple[NasId, PortPair], _Handed] = {}
        self._store = routers
        self._nodes = nodes
        self._unseal = unseal
        self._capabilities = capabilities
        self._table = _EMPTY._replace(boots={})  # a boot heard before the first refresh is this directory's own news
        self._clients: BoundedMap[tuple[str, PortPair], Client] = BoundedMap(CLIENTS_MAX)
        self._lock = Lock()
        self.refreshed_at = 0
        self.broken: Mapping[NasId, str] = {}  # routers whose record cannot be used, and why: silenced until mended

    def refresh(self, now: int, deadline: float) -> None:
        """Read everything again and put it in place at once; Unavailable leaves the old view standing."""
        lost: dict[str, str] = {}
        lost_sites: dict[str, str] = {}
        routers, sites = self._store.routers(deadline, lost), self._store.sites(deadline, lost_sites)
        self.put(routers, sites, self._store.boots(deadline), self._nodes.nodes(deadline), now, lost, lost_sites)

    def put(
        self,
        routers: Iterable[Router],
        sites: Iterable[Site],
        boots: Mapping[NasId, int],
        nodes: Iterable[Node],
        now: int,
        lost: Mapping[str, str] = MappingProxyType({}),
        lost_sites: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Replace the view (also from the snapshot on disk when the store is away at start).

        `lost` and `lost_sites` are records that could not be read, and why. Routers of such a site are silent: to guess
        its time zone could let somebody in at the wrong hour.
        """
        by_id = {router.id: router for router in routers}
        site_by_id = {site.id: site for site in sites}
        with self._lock:
            known = self._table.boots
            merged = {name: max(boots.get(name, 0), known.get(name, 0)) for name in {**boots, **known}}
            nas: dict[NasId, Nas] = {}
            broken = {NasId(name): why for name, why in lost.items()}
            for router in by_id.values():
                if router.site in lost_sites:
                    broken[router.id] = lost_sites[router.site]
                    continue
                try:
                    networks_of(router)
                    nas[router.id] = self._join(router, site_by_id, merged)
                except Malformed as bad:  # one bad record must not keep all the others from being refreshed
                    broken[router.id] = str(bad)
            sound = [by_id[name] for name in nas]
            exact, networks = _addresses(sound)
            heard, sites_now = _heard(nodes, now), tuple(site_by_id.values())
            self._table = _Table(nas, by_id, exact, networks, merged, heard, sites_now)
            self._clients.clear()
            self.broken = broken
            self.refreshed_at = now

    def _join(self, router: Router, sites: Mapping[str, Site], boots: Mapping[NasId, int]) -> Nas:
        return Nas(
            id=router.id,
            site=sites.get(router.site) or Site(router.site),
            family=router.family,
            capabilities=self._capabilities(router.family, router.overrides),
            message_authenticator_required=router.message_authenticator_required,
            boot_at=boots.get(router.id, 0),
        )

    def nas(self, name: str) -> Nas | None:
        """A router by name."""
        return self._table.nas.get(NasId(name))

    def router(self, name: str) -> Router | None:
        """A router's whole record by name."""
        return self._table.routers.get(NasId(name))

    def all_nas(self) -> Iterable[Nas]:
        """Every router."""
        return self._table.nas.values()

    def all_routers(self) -> list[Router]:
        """Every router's record."""
        return list(self._table.routers.values())

    def all_sites(self) -> list[Site]:
        """Every site."""
        return list(self._table.sites)

    @property
    def boots(self) -> Mapping[NasId, int]:
        """Latest Accounting-On/Off by router."""
        return self._table.boots

    def heard_until(self, nas: NasId, default: int) -> int:
        """The instant up to which everything this router said has been counted by some node's spool."""
        return self._table.heard.get(nas, default)

    def booted(self, nas: NasId, at: int) -> None:
        """Note a boot on this node before the store's own news of it comes round."""
        with self._lock:
            self._table.boots[nas] = max(at, self._table.boots.get(nas, 0))

    def client(self, source: str, pair: PortPair) -> Client | None:
        """The router that may speak from `source` on this pair of ports, with its secret; None for silence.

        Answers from memory: it runs in FreeRADIUS's receive thread.
        """
        client = self._clients.get((source, pair))
        if client is None:
            client = self._find(source, pair)
            if client is not None:
                self._clients.put((source, pair), client)
        return client

    def _find(self, source: str, pair: PortPair) -> Client | None:
        table = self._table
        try:
            address = ip_address(source)
        except ValueError:
            return None
        name = table.exact.get(str(address))
        if name is None and str(address) not in table.exact:
            name = next((owner for network, owner in table.networks if address in network), None)
        router = table.routers.get(name) if name is not None else None
        if router is None or router.disabled:
            return None
        if not _sealed(router, pair):
            return None
        epoch = router.epoch(pair)
        client = Client(router, self._open(router, pair))
        before = self._handed.get((router.id, pair))
        if before is None or before.epoch != epoch:
            self._handed[router.id, pair] = _Handed(epoch, self._monotonic() if before is not None else float("-inf"))
        return client

    def secret(self, name: NasId) -> str:
        """The secret that a router certainly has, for what is sent to it: while one is rotated the old one; "" if none.

        Raises Corrupt for one that the keys here do not open.
        """
        router = self._table.routers.get(name)
        if router is None:
            return ""
        pairs = sorted(PortPair, key=lambda pair: pair.value == router.rotating_to)
        for pair in pairs:
            if _sealed(router, pair):
                return self._open(router, pair)
        return ""

    def _open(self, router: Router, pair: PortPair) -> str:
        field = f"secret_{pair.value.lower()}"
        return self._unseal(_sealed(router, pair), router.id, field, router.epoch(pair))

    def proven_epoch(self, name: NasId, pair: PortPair) -> int | None:
        """The epoch of the secret that a packet on this pair proves; None while an older one may still be in use."""
        handed = self._handed.get((name, pair))
        if handed is None or self._monotonic() - handed.at < SECRET_LINGERS_S:
            return None
        return handed.epoch


def _sealed(router: Router, pair: PortPair) -> str:
    return router.secret_a if pair is PortPair.A else router.secret_b


def _addresses(
    routers: Iterable[Router],
) -> tuple[dict[str, NasId | None], tuple[tuple[Network, NasId | None], ...]]:
    owners: dict[Network, NasId | None] = {}
    # One that is switched off claims only what nobody else does: it may have been replaced at its own address.
    for router in sorted(routers, key=lambda router: router.disabled):
        for network in networks_of(router):
            if network not in owners:
                owners[network] = router.id
            elif not router.disabled:
                owners[network] = None
    exact = {str(n.network_address): o for n, o in owners.items() if n.prefixlen == n.max_prefixlen}
    wide = [(n, o) for n, o in owners.items() if n.prefixlen != n.max_prefixlen]
    return exact, tuple(sorted(wide, key=lambda entry: -entry[0].prefixlen))


def networks_of(router: Router) -> set[Network]:
    """The networks that a router may speak from; raises Malformed."""
    return {parse_network(text) for text in router.addresses}


def parse_network(text: str) -> Network:
    """Read an address or CIDR network; raises Malformed."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError as bad:
        raise Malformed(
            "address", f"{text!r} is neither an address nor a network such as 10.8.0.2 or 10.8.0.0/24"
        ) from bad


def _heard(nodes: Iterable[Node], now: int) -> dict[NasId, int]:
    """For each router, the oldest instant that some node has not counted yet (its spool, or its own silence)."""
    heard: dict[NasId, int] = {}
    for node in nodes:
        if node.at < now - NODE_KEPT_S:
            continue
        until = min(node.spool_oldest_at or node.at, node.heard_at or node.at)
        for nas in node.routers:
            heard[nas] = min(heard.get(nas, until), until)
    return heard
