"""What the interface has and what it should have. Pure.

``wg show INTERFACE dump`` (wg(8)): the first line is the interface, each other one a peer, separated by tabs: public
key, preshared key, endpoint, allowed addresses, latest handshake (UTC seconds, 0: never), bytes received, bytes sent,
keepalive.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from radius.domain.tunnel import Tunnel

FRESH_S = 180  # a peer that has something to say renews its keys every two minutes (WireGuard paper §6.1)


class Peer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A peer as the interface has it. `endpoint`: where it was last heard from; `handshake_at` 0: never."""

    key: str
    allowed: str
    endpoint: str = ""
    handshake_at: int = 0


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one router's tunnel."""

    address: str
    handshake_at: int = 0
    endpoint: str = ""

    def alive(self, now: int) -> bool:
        """Whether the tunnel carries. A router sends something every 25 s, so silence of minutes is the road's."""
        return now - self.handshake_at < FRESH_S


class Report(msgspec.Struct, frozen=True):
    """What a hub writes down each round, by router. `at`: UTC seconds."""

    at: int
    routers: dict[str, Heard]


class Change(NamedTuple):
    """What is to be done to the interface: addresses by key, and keys that are nobody's any more."""

    put: dict[str, str]
    drop: tuple[str, ...]


def read_dump(text: str) -> list[Peer]:
    """The peers of a dump; what is not one is skipped."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split("\t")
        if len(words) == 8 and words[4].isdigit():
            endpoint = "" if words[2] == "(none)" else words[2]
            found.append(Peer(words[0], words[3], endpoint, int(words[4])))
    return found


def change(tunnels: Iterable[Tunnel], present: Iterable[Peer]) -> Change:
    """How the interface comes to have exactly the tunnels. A peer that is right is left alone, its session with it."""
    wanted = {each.public_key: f"{each.address}/32" for each in tunnels if each.public_key}
    there = {peer.key: peer.allowed for peer in present}
    put = {key: allowed for key, allowed in wanted.items() if there.get(key) != allowed}
    return Change(put, tuple(sorted(set(there) - set(wanted))))


def report(tunnels: Iterable[Tunnel], present: Iterable[Peer], at: int) -> Report:
    """What to write down."""
    by_key: Mapping[str, Peer] = {peer.key: peer for peer in present}
    routers: dict[str, Heard] = {}
    for each in tunnels:
        peer = by_key.get(each.public_key)
        routers[each.router] = Heard(
            each.address, peer.handshake_at if peer else 0, peer.endpoint.rpartition(":")[0] if peer else ""
        )
    return Report(at, routers)
