"""What a router is to become: values that were checked once, so that no text made of them can be more than a value.

Sources: RFC 1123 §2.1 (host names), RFC 1918 (the networks that customers get).
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network
from urllib.parse import urlsplit

import msgspec

from radius.domain.errors import Malformed
from radius.domain.tunnel import check_key
from radius.services.provision import check_id, check_secret

PORTS_MAX = 64
PORT_CHARS_MAX = 64
GARDEN_MAX = 64
HOTSPOT_NETWORK = "10.5.50.0/24"
PPPOE_NETWORK = "10.66.0.0/22"
DNS_NAME = "wifi.lan"
NTP = "pool.ntp.org"
TOKEN_CHARS = 32

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_PORT = re.compile(rf"[A-Za-z0-9][A-Za-z0-9 ._/+:-]{{0,{PORT_CHARS_MAX - 1}}}", re.ASCII)
_TOKEN = re.compile(rf"[a-z0-9]{{{TOKEN_CHARS}}}", re.ASCII)


class Tunnel(msgspec.Struct, frozen=True):
    """The road to the hub. `address`: the router's, with the network's length; `hub`: the hub's own, in the tunnel."""

    address: str
    hub: str
    hub_key: str
    endpoint_host: str
    endpoint_port: int = 51_820


class Ports(msgspec.Struct, frozen=True):
    """Names of ports of the router. All empty: the router asks whoever pastes the line."""

    hotspot: tuple[str, ...] = ()
    pppoe: tuple[str, ...] = ()
    uplink: str = ""

    @property
    def ask(self) -> bool:
        """Whether nothing was said."""
        return not (self.hotspot or self.pppoe or self.uplink)


class Plan(msgspec.Struct, frozen=True):
    """One router. `url`: where it fetches the rest (https); `server`: who answers RADIUS, an IPv4 address.

    `keep`: hotspots that are there go on with their own network and get our log-in. `trusted`: it checks the portal's
    certificate. `garden`: hosts besides the portal's that customers reach before they log in. `key`: with which it asks
    who has paid, "" if it does not. `second`: who answers when `server` does not; `coa_from`: whom Disconnects come
    from; both empty where that is `server`.
    """

    router: str
    url: str
    portal: str
    server: str
    secret: str
    token: str
    ports: Ports = Ports()
    tunnel: Tunnel | None = None
    keep: bool = False
    trusted: bool = True
    hotspot_network: str = HOTSPOT_NETWORK
    pppoe_network: str = PPPOE_NETWORK
    dns_name: str = DNS_NAME
    garden: tuple[str, ...] = ()
    ntp: str = NTP
    auth_port: int = 1812
    acct_port: int = 1813
    coa_port: int = 3799
    key: str = ""
    second: str = ""
    coa_from: tuple[str, ...] = ()


def check_plan(plan: Plan) -> Plan:
    """The plan itself; raises Malformed naming the field and the fix."""
    check_id("router", plan.router)
    check_secret(plan.secret)
    check_url("url", plan.url)
    check_url("portal", plan.portal)
    for address in (plan.server, *([plan.second] if plan.second else []), *plan.coa_from):
        check_address("server", address)
    if not _TOKEN.fullmatch(plan.token):
        raise Malformed("token", f"must be {TOKEN_CHARS} letters and digits")
    if plan.key and not _TOKEN.fullmatch(plan.key):
        raise Malformed("key", f"must be {TOKEN_CHARS} letters and digits")
    check_ports(plan.ports, keep=plan.keep)
    for field, number in (("auth_port", plan.auth_port), ("acct_port", plan.acct_port), ("coa_port", plan.coa_port)):
        _check_number(field, number)
    check_network("hotspot_network", plan.hotspot_network)
    check_network("pppoe_network", plan.pppoe_network)
    for field, host in (("dns_name", plan.dns_name), ("ntp", plan.ntp)):
        check_host(field, host, wild=False)
    if len(plan.garden) > GARDEN_MAX:
        raise Malformed("garden", f"must be at most {GARDEN_MAX} hosts")
    for host in plan.garden:
        check_host("garden", host, wild=True)
    if plan.tunnel is not None:
        _check_tunnel(plan.tunnel)
    return plan


def check_ports(ports: Ports, *, keep: bool = False) -> Ports:
    """Ports that can be named in a list, none of them twice; raises Malformed."""
    every = [*ports.hotspot, *ports.pppoe, *([ports.uplink] if ports.uplink else [])]
    if len(every) > PORTS_MAX:
        raise Malformed("ports", f"must be at most {PORTS_MAX}")
    for name in every:
        if not _PORT.fullmatch(name):
            raise Malformed("ports", f"{name!r} is no name of a port such as ether3 or bridge-lan")
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise Malformed("ports", f"{', '.join(twice)} is named for two things; a port is hotspot, PPPoE or uplink")
    if ports.uplink and not (ports.hotspot or ports.pppoe or keep):
        raise Malformed("ports", "must name a hotspot or a PPPoE port, or keep the hotspot that is there")
    return ports


def check_url(field: str, text: str) -> str:
    """An https address without query or user; raises Malformed."""
    try:
        parts = urlsplit(text)
        plain = parts.scheme == "https" and not (parts.query or parts.fragment or parts.username or parts.password)
        usable = plain and bool(_HOST.fullmatch(parts.hostname or "")) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[A-Za-z0-9:/._-]+", text):
        raise Malformed(field, "must be like https://portal.example.net")
    return text


def check_host(field: str, text: str, *, wild: bool) -> str:
    """A host's name or address; `wild`: ``*.`` before it stands for all hosts of a domain. Raises Malformed."""
    if not _HOST.fullmatch(text) or len(text) > 253 or (text.startswith("*") and not wild):
        raise Malformed(field, f"{text!r} is no name of a host such as wifi.example.net")
    return text


def check_address(field: str, text: str) -> str:
    """An IPv4 address of a host; raises Malformed."""
    try:
        usable = not IPv4Address(text).is_unspecified
    except AddressValueError:
        usable = False
    if not usable:
        raise Malformed(field, f"{text!r} is no IPv4 address of a host")
    return text


def check_network(field: str, text: str) -> IPv4Network:
    """A network that customers get addresses of; raises Malformed."""
    try:
        network = IPv4Network(text)
    except ValueError:
        raise Malformed(field, f"{text!r} is no network such as {HOTSPOT_NETWORK}") from None
    if not 16 <= network.prefixlen <= 29:
        raise Malformed(field, "must be between /16 and /29")
    return network


def _check_tunnel(tunnel: Tunnel) -> None:
    try:
        IPv4Interface(tunnel.address)
    except ValueError:
        raise Malformed("tunnel", f"{tunnel.address!r} is no address with a length, such as 10.99.0.2/16") from None
    check_address("hub", tunnel.hub)
    check_key("hub_key", tunnel.hub_key)
    check_host("endpoint", tunnel.endpoint_host, wild=False)
    _check_number("endpoint", tunnel.endpoint_port)


def _check_number(field: str, number: int) -> None:
    if not 1 <= number <= 65_535:
        raise Malformed(field, "must be a port number, 1 to 65535")
