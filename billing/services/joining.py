"""A router joins: a line for whoever stands before it, and what the router asks for after that.

Everything that can be wrong is found when the line is made, by the person who can mend it. The router is registered
under its tunnel's address beside those it had until it says that it is done: no customer of a router that works already
is cut off by a line that nobody pastes.
"""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Network
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from billing.domain.ticket import (
    KEPT_S,
    LIFE_S,
    System,
    Ticket,
    TicketEvent,
    Wish,
    digest,
    new_token,
)
from billing.joining import openwrt, routeros, texts
from billing.joining.plan import (
    DNS_NAME,
    HOTSPOT_NETWORK,
    PPPOE_NETWORK,
    Plan,
    Ports,
    Tunnel,
    check_host,
    check_network,
    check_plan,
)
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Family, PortPair, Router
from radius.domain.tunnel import hub_address
from radius.ports import Outcome
from radius.services.tunnels import Tunnels

PATH = "/join"
UAM_PORT = 3990
_VERSIONS = {System.ROUTEROS_7: 7, System.ROUTEROS_6: 6}


class Hub(NamedTuple):
    """Our end of the tunnels: its public name and port, its network, and its public key."""

    host: str
    port: int
    network: IPv4Network
    key: str


class Roads(NamedTuple):
    """How routers reach us. `portal`: its address; `server`: who answers RADIUS for routers without a tunnel.

    `ports`: of authentication and accounting, by pair. `hub` None: there are no tunnels. `second` and `coa_from`: see
    `Plan`; both are of routers without a tunnel.
    """

    portal: str
    server: str
    ports: dict[PortPair, tuple[int, int]]
    hub: Hub | None = None
    second: str = ""
    coa_from: tuple[str, ...] = ()


class Records(Protocol):
    """The records of routers (`radius.services.provision.Provision`)."""

    def reach(self, router: Router, addresses: tuple[str, ...], coa_address: str, *, tunnel: bool) -> Router:
        """Register where a router speaks from."""

    def login_page(self, router: Router, hosts: tuple[str, ...], uam_secret: str = "") -> Router:
        """Register where its log-in page is."""


class Secrets(NamedTuple):
    """What is sealed. `unseal(sealed, owner, field, epoch)`; `draw`: chance; `new_secret`: a shared secret.

    `key`: with which a router's own script asks.
    """

    unseal: Callable[[str, str, str, int], str]
    draw: Callable[[int], bytes]
    new_secret: Callable[[], str]
    key: Callable[[str], str] = lambda _router: ""


class Refused(StrEnum):
    """Why a router gets nothing; it is told that there is nothing."""

    TOKEN = "token"  # noqa: S105 - the name of a reason
    ROUTER = "router"


class Line(NamedTuple):
    """What is to be pasted, and what is to be told beside it. `expires_at`: UTC seconds."""

    text: str
    router: Router
    expires_at: int


class Answer(NamedTuple):
    """What a router gets. `router` "": nobody knows who asked."""

    text: str
    router: str = ""
    refused: Refused | None = None


class Joining:
    """Threads may share it. Raises Malformed (naming field and fix), Unavailable."""

    def __init__(
        self,
        book: Book,
        routers: Callable[[], list[Router]],
        records: Records,
        tunnels: Tunnels | None,
        secrets: Secrets,
        roads: Callable[[], Roads],
    ) -> None:
        """`routers`: as they are now; `roads`: the hub may begin later than whoever asks."""
        self._book = book
        self._routers = routers
        self._records = records
        self._tunnels = tunnels
        self._secrets = secrets
        self._roads = roads

    # -- for whoever stands before the router ----------------------------------------------------------------------

    def line(self, name: str, wish: Wish, actor: str, now: int) -> Line:
        """A line for a registered router, good for `LIFE_S`."""
        router = self._found(name)
        _check_wish(router, wish)
        if wish.tunnel:
            router = self._beside(router)
        elif not router.addresses:
            raise Malformed("addresses", f"{name} has none and joins without a tunnel: register the one it speaks from")
        router = self._page_of(router, wish)
        token = new_token(self._secrets.draw)
        plan = self._plan(router, wish, token)
        text = openwrt.line(plan) if wish.system is System.OPENWRT else routeros.line(plan, _VERSIONS[wish.system])
        ticket = Ticket(digest(token), router.id, wish, actor, now + LIFE_S)
        self._put(Kept(ticket, 1, expires_at=ticket.expires_at + KEPT_S))
        return Line(text, router, ticket.expires_at)

    def shut(self, router: NasId) -> bool:
        """The device that is that router now gets no further; the address stays the router's. False: it had no key."""
        return self._tunnels is not None and self._tunnels.shut(router)

    # -- for the router --------------------------------------------------------------------------------------------

    def script(self, token: str, now: int) -> Answer:
        """Its script, once."""

        def made(ticket: Ticket, router: Router) -> str:
            plan = self._plan(router, ticket.wish, token)
            if ticket.wish.system is System.OPENWRT:
                return openwrt.script(plan, self._uam_secret(router))
            return routeros.script(plan, _VERSIONS[ticket.wish.system])

        return self._answered(token, TicketEvent.SCRIPT, now, made)

    def key(self, token: str, key: str, now: int) -> Answer:
        """Take the public key that the router made. The hub lets it in within seconds."""

        def made(_: Ticket, router: Router) -> str:
            if self._tunnels is not None:
                self._tunnels.keyed(router.id, key)
            return "ok\n"

        return self._answered(token, TicketEvent.KEY, now, made)

    def page(self, token: str, name: str, now: int) -> Answer:
        """One page of its hotspot."""

        def made(_: Ticket, router: Router) -> str:
            if name not in texts.PAGES:
                raise Malformed("page", "is none of ours")
            return texts.page(name, self._roads().portal, router.id)

        return self._answered(token, TicketEvent.PAGE, now, made)

    def done(self, token: str, now: int) -> Answer:
        """The router is set up: from now on only its tunnel speaks for it."""

        def made(ticket: Ticket, router: Router) -> str:
            mine = self._tunnels.of(router.id) if self._tunnels is not None and ticket.wish.tunnel else None
            if mine is not None and router.addresses != (mine.address,):
                self._records.reach(router, (mine.address,), mine.address, tunnel=True)
            return "ok\n"

        return self._answered(token, TicketEvent.DONE, now, made)

    def _answered(self, token: str, event: TicketEvent, now: int, made: Callable[[Ticket, Router], str]) -> Answer:
        kept = self._book.stores.customers.thing(Ticket, digest(token), self._book.deadline())
        after = kept.thing.after(event, now) if kept is not None else None
        if kept is None or after is None:
            return Answer("", kept.thing.router if kept else "", Refused.TOKEN)
        router = next((each for each in self._routers() if each.id == after.router), None)
        if router is None or router.disabled:
            return Answer("", after.router, Refused.ROUTER)
        said = "" if event is TicketEvent.SCRIPT else made(kept.thing, router)  # a secret goes out when its use is kept
        if after.state is not kept.thing.state and not self._put(Kept(after, kept.version + 1, 0, kept.expires_at)):
            return Answer("", after.router, Refused.TOKEN)  # another one used it at the same moment
        return Answer(said or made(kept.thing, router), router.id)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _found(self, name: str) -> Router:
        found = next((each for each in self._routers() if each.id == name), None)
        if found is None:
            raise Malformed("router", f"{name} is not registered")
        return found

    def _beside(self, router: Router) -> Router:
        """Its tunnel's address beside those that it has."""
        if self._tunnels is None:
            raise Malformed("hub_endpoint", "is not set, so there are no tunnels: set it, or join without one")
        address = self._tunnels.give(NasId(router.id)).address
        if address in router.addresses:
            return router
        return self._records.reach(router, (address, *router.addresses), router.coa_address, tunnel=True)

    def _page_of(self, router: Router, wish: Wish) -> Router:
        gateway = str(check_network("hotspot_network", wish.hotspot_network or HOTSPOT_NETWORK)[1])
        hosts = wish.hosts or (wish.dns_name or DNS_NAME, gateway)
        uam = ""
        if wish.system is System.OPENWRT:
            hosts = wish.hosts or (f"{gateway}:{UAM_PORT}",)
            uam = self._uam_secret(router) or self._secrets.new_secret()
        if set(hosts) <= set(router.login_hosts) and bool(uam) is bool(router.uam_secret):
            return router
        return self._records.login_page(router, tuple(dict.fromkeys(hosts)), uam)

    def _uam_secret(self, router: Router) -> str:
        return self._secrets.unseal(router.uam_secret, router.id, "uam_secret", 0) if router.uam_secret else ""

    def _plan(self, router: Router, wish: Wish, token: str) -> Plan:
        pair = _pair(router)
        sealed = router.secret_a if pair is PortPair.A else router.secret_b
        secret = self._secrets.unseal(sealed, router.id, f"secret_{pair.value.lower()}", router.epoch(pair))
        tunnel = self._tunnel(router) if wish.tunnel else None
        roads = self._roads()
        server = tunnel.hub if tunnel is not None else roads.server
        if not server:
            raise Malformed("radius_address", "is not set: it is where routers without a tunnel ask")
        auth_port, acct_port = roads.ports[pair]
        return check_plan(
            Plan(
                router.id, f"{roads.portal}{PATH}", roads.portal, server, secret, token,
                Ports(wish.hotspot, wish.pppoe, wish.uplink), tunnel, wish.keep, wish.trusted,
                wish.hotspot_network or HOTSPOT_NETWORK, wish.pppoe_network or PPPOE_NETWORK, wish.dns_name or DNS_NAME,
                (*texts.garden(), *wish.garden),
                auth_port=auth_port, acct_port=acct_port, coa_port=router.coa_port, key=self._secrets.key(router.id),
                second="" if tunnel else roads.second, coa_from=() if tunnel else roads.coa_from,
            )
        )  # fmt: skip

    def _tunnel(self, router: Router) -> Tunnel:
        hub = self._roads().hub
        if hub is None or self._tunnels is None:
            raise Malformed("hub_endpoint", "is not set, or the hub has never run: there is no key of it")
        address = self._tunnels.give(NasId(router.id)).address
        return Tunnel(f"{address}/{hub.network.prefixlen}", str(hub_address(hub.network)), hub.key, hub.host, hub.port)

    def _put(self, kept: Kept[Ticket]) -> bool:
        return self._book.post(Posting(self._book.new_id(), things=(kept,))).outcome is Outcome.COMMITTED


def _check_wish(router: Router, wish: Wish) -> None:
    wanted = Family.COOVA if wish.system is System.OPENWRT else Family.MIKROTIK
    if router.family is not wanted:
        raise Malformed(
            "family", f"{router.id} is registered as {router.family.value}; this script makes {wanted.value}"
        )
    if wish.system is System.ROUTEROS_6 and wish.tunnel:
        raise Malformed("tunnel", "RouterOS 6 has no WireGuard: it joins without a tunnel, under an address of its own")
    if wish.system is System.OPENWRT and (len(wish.hotspot) != 1 or wish.pppoe):
        raise Malformed("hotspot", "name the one interface whose customers are served, such as br-hotspot; no PPPoE")
    for host in wish.hosts:
        check_host("login_hosts", urlsplit(f"//{host}").hostname or "", wild=False)


def _pair(router: Router) -> PortPair:
    """The pair whose secret is to be used from now on."""
    if router.rotating_to:
        return PortPair(router.rotating_to)
    return PortPair.B if router.secret_b and not router.secret_a else PortPair.A
