"""Played inside the namespace of the hub: two routers in namespaces of their own, behind one NAT, each with a tunnel.

    ip netns exec HUB python -m tests.integration.netns_story FOLDER PREFIX

Threads enter the routers' namespaces to speak from there (setns(2) holds for the calling thread only). Prints one JSON
object: what each router was told, before and after the NAT's public address changed.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from tests.fakes.nas import NoAnswer
from tests.integration.box import DAY, Box, new_mac, wait_until

CLONE_NEWNET = 0x40000000  # linux/sched.h
HUB = "10.99.0.1"
TUNNELS = {"left": "10.99.0.2", "right": "10.99.0.3"}
SECRETS = {"left": "the-secret-of-the-left", "right": "the-secret-of-the-right"}
PUBLIC, CHANGED = "203.0.113.10", "203.0.113.99"


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


def login(box: Box, prefix: str, router: str, secret: str, phone: str, timeout_s: float = 10.0) -> str:
    """What the hub tells this router: "accept", "reject" or "silence"."""
    told: list[str] = []

    def play() -> None:
        with namespace(f"{prefix}-{router}"):
            nas = box.router(router, TUNNELS[router], secret=secret, server=HUB, timeout_s=timeout_s)
            try:
                told.append("accept" if nas.login(phone, "karibu", new_mac())[0] else "reject")
            except NoAnswer:
                told.append("silence")
            except OSError as error:
                told.append(f"{error}")

    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
    return told[0]


def both(box: Box, prefix: str) -> dict[str, str]:
    """Each router with its own secret, and the left one with the other's."""
    found = {name: login(box, prefix, name, SECRETS[name], box.customer(DAY)) for name in TUNNELS}
    other = login(box, prefix, "left", SECRETS["right"], box.customer(DAY), 1.0)
    return {**found, "left with the other's secret": other}


def endpoints(interface: str) -> set[str]:
    """Public addresses from which the hub hears its peers."""
    told = subprocess.run(["wg", "show", interface, "endpoints"], capture_output=True, text=True, check=True).stdout
    return {line.split("\t")[1].rpartition(":")[0] for line in told.splitlines()}


def move(nat: str) -> None:
    """The provider gives the NAT another public address."""
    for change in (["add", f"{CHANGED}/24"], ["del", f"{PUBLIC}/24"]):
        subprocess.run(["ip", "-n", nat, "address", *change, "dev", "public"], check=True)
    # An interface that loses its first address may lose its others with it (promote_secondaries off).
    subprocess.run(["ip", "-n", nat, "address", "replace", f"{CHANGED}/24", "dev", "public"], check=True)


def play(folder: Path, prefix: str) -> dict[str, object]:
    with Box(folder, listen=("127.0.0.1", HUB)) as box:
        for name, address in TUNNELS.items():
            router = Router(NasId(name), "nairobi", Family.MIKROTIK, (address,), tunnel=True)
            box.core.provision.router(router, SECRETS[name])
        wait_until(
            lambda: login(box, prefix, "right", SECRETS["right"], box.customer(DAY), 2.0) == "accept",
            "the tunnels are up",
        )
        hub = f"{prefix}h"
        before, heard_before = both(box, prefix), endpoints(hub)
        move(f"{prefix}-nat")
        wait_until(lambda: endpoints(hub) == {CHANGED}, "the hub hears both from the new address")
        return {
            "before": before,
            "after": both(box, prefix),
            "heard": [sorted(heard_before), sorted(endpoints(hub))],
            "routers": sorted(set(re.findall('"nas":"([a-z]+)"', box.log()))),
        }


if __name__ == "__main__":
    assert os.geteuid() == 0
    print(json.dumps(play(Path(sys.argv[1]), sys.argv[2])))
