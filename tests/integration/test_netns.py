"""Two routers behind one NAT whose public address changes: each is served through a tunnel address of its own.

FreeRADIUS knows a client by its source address only, so without tunnels the two would be one client with one secret.
The hub is ours (`radius.hub`); it learns the routers' keys from the store. Everything happens in network namespaces
with random names: hub, NAT, and one for each router. A box, three tunnels and a NAT that moves take twenty seconds.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.box import clean_environment, wait_until
from tests.integration.freeradius_lab import REPO, missing_programs
from tests.integration.netns_story import CHANGED, PUBLIC, TUNNELS

ENGINE = ("WIFIBILLING_DYNOXIDE",)  # the one variable of ours that is no setting
PROGRAMS = ("ip", "nft", "wg", "wireguard-go")
HUB_PUBLIC = "203.0.113.1"


def reasons() -> str:
    """Why this cannot run here; "" if it can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    missing = [name for name in PROGRAMS if shutil.which(name) is None] + missing_programs()
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if Path("/dev/net/tun").exists() else "no /dev/net/tun"


pytestmark = [
    pytest.mark.integration,
    pytest.mark.netns,
    pytest.mark.timeout(150),
    pytest.mark.skipif(bool(reasons()), reason=reasons()),
]


def run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Country:
    """The namespaces, cables, NAT and tunnels. `prefix` is random, so that nothing of the machine is touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"wb{secrets.token_hex(3)}"
        self.names = [f"{self.prefix}-{name}" for name in ("hub", "nat", *TUNNELS)]
        self.daemons: list[subprocess.Popen[bytes]] = []

    def build(self) -> None:
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        hub, nat, *routers = self.names
        self._cable(hub, "public", f"{HUB_PUBLIC}/24", nat, "public", f"{PUBLIC}/24")
        for number, router in enumerate(routers):
            inside = f"192.168.{number}"
            self._cable(nat, f"inside{number}", f"{inside}.1/24", router, "uplink", f"{inside}.2/24")
            run("ip", "-n", router, "route", "add", "default", "via", f"{inside}.1")
        run("ip", "netns", "exec", nat, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        chain = "chain out {\n type nat hook postrouting priority 100\n oifname public masquerade\n }\n"
        run("ip", "netns", "exec", nat, "nft", "-f", "-", text=f"table ip nat {{\n {chain}}}\n")
        for number, (address, router) in enumerate(zip(TUNNELS.values(), routers, strict=True)):
            self._tunnel(router, f"{self.prefix}r{number}", address)

    def _cable(self, one: str, one_end: str, one_at: str, other: str, other_end: str, other_at: str) -> None:
        peer = ["peer", "name", other_end, "netns", other]
        run("ip", "-n", one, "link", "add", one_end, "type", "veth", *peer)
        for name, end, address in ((one, one_end, one_at), (other, other_end, other_at)):
            run("ip", "-n", name, "address", "add", address, "dev", end)
            run("ip", "-n", name, "link", "set", end, "up")

    def _tunnel(self, name: str, interface: str, address: str) -> None:
        """A router's own end: the key is made there, and it does not know the hub yet."""
        key = self.folder / f"{interface}.key"
        key.touch(0o600)
        key.write_text(run("wg", "genkey"))
        command = ["ip", "netns", "exec", name, "wireguard-go", "-f", interface]
        with (self.folder / f"{interface}.log").open("wb") as log:
            self.daemons.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        wait_until(Path(f"/var/run/wireguard/{interface}.sock").exists, f"wireguard-go {interface} listens")
        run("ip", "netns", "exec", name, "wg", "set", interface, "private-key", str(key))
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", interface)
        run("ip", "-n", name, "link", "set", interface, "up")

    def clear(self) -> None:
        for daemon in self.daemons:
            daemon.terminate()
            daemon.wait()
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    made = Country(tmp_path)
    try:
        made.build()
        yield made
    finally:
        made.clear()


def test_two_routers_behind_one_nat_whose_public_address_changes(country: Country) -> None:
    module = [sys.executable, "-m", "tests.integration.netns_story", str(country.folder / "box"), country.prefix]
    environment = clean_environment() | {name: os.environ[name] for name in ENGINE if name in os.environ}
    command = ["ip", "netns", "exec", country.names[0], *module]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["addresses"] == list(TUNNELS.values())
    right = {"left": "accept", "right": "accept", "left with the other's secret": "silence"}
    assert told["before"] == right
    assert told["after"] == right
    assert told["heard"] == [[PUBLIC], [CHANGED]]
    assert told["routers"] == ["left", "right"]
    assert told["charged after the move"] == 3_000  # of a session that began before it
    assert told["disconnect"] == {"good": True, "heard": 1}
    assert told["report"] == {"left": [True, CHANGED], "right": [True, CHANGED]}
    assert told["a replaced router"] == {"old": "silence", "new": "accept"}
    assert told["hub"] == [0, 2]
    assert told["hub's log"] == ["Hub ready", "Tunnels changed", "Tunnels changed", "Tunnels changed"]
