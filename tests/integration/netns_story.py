"""Played inside the namespace of the hub: two routers in namespaces of their own, behind one NAT, each with a tunnel.

    ip netns exec HUB python -m tests.integration.netns_story FOLDER PREFIX

Threads enter the routers' namespaces to speak from there (setns(2) holds for the calling thread only, and for threads
that it starts). Prints one JSON object: what each router was told, before and after the NAT's public address changed.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from coa import hand
from coa.families import WAYS
from coa.pace import Pace
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.hub.device import Device
from radius.hub.files import last_report, public_key
from radius.services.tunnels import Tunnels
from tests.contract.values import soon
from tests.fakes.nas import FakeRouter, NoAnswer
from tests.fakes.router_das import FakeDas, Manners
from tests.integration.box import DAY, Box, Process, new_mac, wait_until

CLONE_NEWNET = 0x40000000  # linux/sched.h
NETWORK = IPv4Network("10.99.0.0/24")
HUB, HUB_PUBLIC, PORT = "10.99.0.1", "203.0.113.1", 51820
TUNNELS = {"left": "10.99.0.2", "right": "10.99.0.3"}
SECRETS = {"left": "the-secret-of-the-left", "right": "the-secret-of-the-right"}
PUBLIC, CHANGED = "203.0.113.10", "203.0.113.99"

T = TypeVar("T")


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """This thread's sockets are made there until the end of the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{name}").open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Field:
    """The hub and its routers, in this process."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix
        self.state = folder.parent / "hub"
        self.state.mkdir()
        self.device = Device(f"{prefix}h", self.state)

    def there(self, router: str, what: Callable[[], T]) -> T:
        """Do it in the router's namespace."""
        done: list[T] = []

        def play() -> None:
            with namespace(f"{self.prefix}-{router}"):
                done.append(what())

        thread = threading.Thread(target=play)
        thread.start()
        thread.join()
        return done[0]

    def wg(self, router: str, *words: str, text: str = "") -> str:
        """wg(8) on a router."""
        command = ["ip", "netns", "exec", f"{self.prefix}-{router}", "wg", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def interface(self, router: str) -> str:
        """The router's own end."""
        return f"{self.prefix}r{list(TUNNELS).index(router)}"

    def own_key(self, router: str) -> str:
        """What a router tells the server."""
        return self.wg(router, "show", self.interface(router), "public-key").strip()

    def point(self, router: str) -> None:
        """What the script does on the router."""
        hub = [public_key(self.state), "endpoint", f"{HUB_PUBLIC}:{PORT}", "allowed-ips", f"{HUB}/32"]
        self.wg(router, "set", self.interface(router), "peer", *hub, "persistent-keepalive", "1")

    def login(self, box: Box, router: str, secret: str, timeout_s: float = 10.0) -> str:
        """What the hub tells this router: "accept", "reject" or "silence"."""

        phone = box.customer(DAY)  # the store is reached from here only

        def play() -> str:
            nas = self.nas(box, router, secret, timeout_s)
            try:
                return "accept" if nas.login(phone, "karibu", new_mac())[0] else "reject"
            except NoAnswer:
                return "silence"
            except OSError as error:
                return f"{error}"

        return self.there(router, play)

    @staticmethod
    def nas(box: Box, router: str, secret: str, timeout_s: float = 10.0) -> FakeRouter:
        """The router's RADIUS client."""
        return box.router(router, TUNNELS[router], secret=secret, server=HUB, timeout_s=timeout_s)

    def both(self, box: Box) -> dict[str, str]:
        """Each router with its own secret, and the left one with the other's."""
        found = {name: self.login(box, name, SECRETS[name]) for name in TUNNELS}
        return {**found, "left with the other's secret": self.login(box, "left", SECRETS["right"], 1.0)}

    def endpoints(self) -> set[str]:
        """Public addresses from which the hub hears its peers."""
        return {peer.endpoint.rpartition(":")[0] for peer in self.device.peers()}

    def ask(self, box: Box, router: str) -> dict[str, object]:
        """Ask a router through its tunnel to end a session that cannot exist."""
        box.core.directory.refresh(int(time.time()), soon())
        _, nas, das = hand.registered(box.core, router)
        assert das is not None

        def listen() -> FakeDas:
            address = TUNNELS[router]
            return FakeDas(SECRETS[router].encode(), Manners.RFC, port=das.port, bind=address, nas_ip=address)

        with self.there(router, listen) as fake:
            findings = hand.find(das, WAYS[nas.family], Pace(first_wait_s=2.0, tries_max=3))
            return {"good": findings.good, "heard": len(fake.requests)}


def move(nat: str) -> None:
    """The provider gives the NAT another public address."""
    for change in (["add", f"{CHANGED}/24"], ["del", f"{PUBLIC}/24"]):
        subprocess.run(["ip", "-n", nat, "address", *change, "dev", "public"], check=True)
    # An interface that loses its first address may lose its others with it (promote_secondaries off).
    subprocess.run(["ip", "-n", nat, "address", "replace", f"{CHANGED}/24", "dev", "public"], check=True)


def hub_of(field: Field, box: Box) -> Process:
    """The hub's own process, over the interface that is there."""
    said = {
        "state_dir": str(field.state),
        "store_endpoint": f"http://127.0.0.1:{box.engine_port}",
        "key_ref": f"file:{box.state / 'data.key'}",
        "hub_endpoint": f"{HUB_PUBLIC}:{PORT}",
        "hub_network": str(NETWORK),
        "log_path": str(field.state / "hub.log"),
    }
    settings = field.state / "hub.toml"
    settings.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items()))
    words = ["-m", "radius.hub", "--settings", str(settings), "--interface", field.device.name]
    return Process([sys.executable, *words], field.state / "hub.out")


def replace(field: Field, box: Box, tunnels: Tunnels) -> dict[str, str]:
    """The left router dies; another device gets its name, its address and a key of its own."""
    key = field.own_key("left")
    tunnels.shut(NasId("left"))
    wait_until(lambda: key not in {peer.key for peer in field.device.peers()}, "the old device is shut out")
    old = field.login(box, "left", SECRETS["left"], 2.0)
    fresh = field.folder.parent / "fresh.key"
    fresh.touch(0o600)
    fresh.write_text(field.wg("left", "genkey"))
    field.wg("left", "set", field.interface("left"), "private-key", str(fresh))
    tunnels.keyed(NasId("left"), field.own_key("left"))
    wait_until(lambda: field.login(box, "left", SECRETS["left"], 2.0) == "accept", "the new device's tunnel is up")
    return {"old": old, "new": "accept"}


def reported(field: Field) -> dict[str, list[object]]:
    """What the hub wrote down: whether each router was heard lately, and from where."""
    written = last_report(field.state)
    return {name: [one.alive(written.at), one.endpoint] for name, one in written.routers.items()} if written else {}


def play(field: Field) -> dict[str, object]:
    with Box(field.folder, listen=("127.0.0.1", HUB)) as box:
        tunnels = Tunnels(box.core.store.tunnels, NETWORK, soon)
        hub = hub_of(field, box)
        given = []
        for name in TUNNELS:
            given.append(tunnels.give(NasId(name)).address)
            tunnels.keyed(NasId(name), field.own_key(name))
            router = Router(NasId(name), "nairobi", Family.MIKROTIK, (given[-1],), tunnel=True)
            box.core.provision.router(router, SECRETS[name])
        hub.start()
        wait_until(lambda: field.login(box, "right", SECRETS["right"], 2.0) == "accept", "the tunnels are up")
        before, heard_before = field.both(box), field.endpoints()

        stays, mac, phone = field.nas(box, "right", SECRETS["right"]), new_mac(), box.customer(DAY)
        assert field.there("right", lambda: stays.login(phone, "karibu", mac))[0]
        field.there("right", lambda: stays.start(mac))
        move(f"{field.prefix}-nat")
        wait_until(lambda: field.endpoints() == {CHANGED}, "the hub hears both from the new address")
        stays.use(mac, 1_000, 2_000, 60)
        field.there("right", lambda: stays.stop(mac))
        charged = box.charged(phone)
        after, asked = field.both(box), field.ask(box, "right")
        wait_until(lambda: {one[1] for one in reported(field).values()} == {CHANGED}, "the report says so")
        report, replaced = reported(field), replace(field, box, tunnels)
        return {
            "addresses": given,
            "before": before,
            "after": after,
            "heard": [sorted(heard_before), sorted(field.endpoints())],
            "routers": sorted(set(re.findall('"nas":"([a-z]+)"', box.log()))),
            "charged after the move": charged,
            "disconnect": asked,
            "report": report,
            "a replaced router": replaced,
            "hub": [hub.stop(), len(field.device.peers())],  # what it made stays when it ends
            "hub's log": re.findall('"message":"([^"]+)"', (field.state / "hub.log").read_text()),
        }


def main(folder: Path, prefix: str) -> dict[str, object]:
    field = Field(folder, prefix)
    field.device.open(NETWORK, PORT)  # before FreeRADIUS, which listens on the hub's address
    try:
        for name in TUNNELS:
            field.point(name)
        return play(field)
    finally:
        field.device.close()


if __name__ == "__main__":
    assert os.geteuid() == 0
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
