"""The interface itself, by wg(8) and ip(8): the kernel's WireGuard, or `wireguard-go` where the kernel has none."""

import subprocess
import time
from ipaddress import IPv4Network
from pathlib import Path

from radius.domain.errors import Unavailable
from radius.domain.tunnel import hub_address
from radius.hub.files import PRIVATE, PUBLIC, write
from radius.hub.peers import Change, Peer, read_dump

READY_S = 5.0
STEP_S = 0.05
COMMAND_S = 10.0
PEERS_PER_CALL = 200  # an argument list ends at some 128 KB


class Device:
    """Opened once; `close` ends a `wireguard-go` of ours. Raises Unavailable for what the system refuses."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._daemon: subprocess.Popen[bytes] | None = None

    def open(self, network: IPv4Network, port: int) -> None:
        """Make the interface, or go on with the one that is there."""
        self._keys()
        if not self._there():
            self._make()
        run("wg", "set", self.name, "private-key", str(self._folder / PRIVATE), "listen-port", str(port))
        run("ip", "address", "replace", f"{hub_address(network)}/{network.prefixlen}", "dev", self.name)
        run("ip", "link", "set", self.name, "up")

    def _keys(self) -> None:
        private = self._folder / PRIVATE
        if not private.exists():
            write(private, run("wg", "genkey").encode(), 0o600)
        public = run("wg", "pubkey", text=private.read_text("ascii"))
        write(self._folder / PUBLIC, public.encode(), 0o644)

    def _there(self) -> bool:
        return self.name in run("wg", "show", "interfaces").split()

    def _make(self) -> None:
        try:
            run("ip", "link", "add", self.name, "type", "wireguard")
        except Unavailable:
            self._daemon = subprocess.Popen(  # noqa: S603 - a name from settings, no shell
                ["wireguard-go", "-f", self.name],  # noqa: S607 - found as the system finds it
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            until = time.monotonic() + READY_S
            while not self._there():
                if self._daemon.poll() is not None or time.monotonic() > until:
                    raise Unavailable(f"{self.name}: neither the kernel nor wireguard-go makes it") from None
                time.sleep(STEP_S)

    def peers(self) -> list[Peer]:
        """As they are now."""
        return read_dump(run("wg", "show", self.name, "dump"))

    def apply(self, change: Change) -> None:
        """Drop first: an address that changed hands must not have two keys."""
        words = [["peer", key, "remove"] for key in change.drop]
        words += [["peer", key, "allowed-ips", allowed] for key, allowed in change.put.items()]
        for at in range(0, len(words), PEERS_PER_CALL):
            run("wg", "set", self.name, *(word for one in words[at : at + PEERS_PER_CALL] for word in one))

    def close(self) -> None:
        """The kernel's interface stays, so that a restart cuts nobody; `wireguard-go` ends with us."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait()


def run(*command: str, text: str = "") -> str:
    """What a command printed. Raises Unavailable with what it complained of."""
    try:
        done = subprocess.run(  # noqa: S603 - names of ours, no shell
            command, input=text, capture_output=True, text=True, check=False, timeout=COMMAND_S
        )
    except (OSError, subprocess.TimeoutExpired) as refused:
        raise Unavailable(f"{command[0]}: {refused}") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command[:4])}: {done.stderr.strip()}")
    return done.stdout
