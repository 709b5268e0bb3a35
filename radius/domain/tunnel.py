"""The road from a router to us: an address of its own behind any NAT, and the key that proves who uses it."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

import msgspec

from radius.domain.errors import Malformed
from radius.domain.identity import NasId

_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", re.ASCII)  # 32 bytes in base64 (wg(8))


class Tunnel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One address of the hub's network, under which it is stored, and whose it is. `public_key` "": not known yet."""

    address: str
    router: NasId
    public_key: str = ""
    version: int = 0


def hub_address(network: IPv4Network) -> IPv4Address:
    """The hub has the first one."""
    return network[1]


def free_address(network: IPv4Network, taken: Iterable[str]) -> str:
    """The lowest address that nobody has; raises Malformed when the network is full."""
    gone = {*map(IPv4Address, taken), hub_address(network)}
    for address in network.hosts():
        if address not in gone:
            return str(address)
    raise Malformed("hub_network", f"{network} is full: every address of it belongs to a router")


def of_router(tunnels: Iterable[Tunnel], router: str) -> list[Tunnel]:
    """Those of one router, the lowest address first; the first is the one that counts."""
    return sorted((each for each in tunnels if each.router == router), key=lambda each: IPv4Address(each.address))


def check_key(field: str, text: str) -> str:
    """A WireGuard public key; raises Malformed."""
    if not _KEY.fullmatch(text):
        raise Malformed(field, "must be a WireGuard public key: 44 characters that end in =")
    return text
