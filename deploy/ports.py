"""Every port that deploy/run opens, and who has it when it is taken."""

import dataclasses
import errno
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.refusal import Refusal

PORT_MAX = 65535
LISTENING = {"tcp": "0A", "udp": "07"}  # the state column of /proc/net/tcp and udp (kernel, net/tcp_states.h)
_SELLING = ("portal", "portal_metrics", "billing_metrics", "simulated_mpesa", "demo_hotspot")


@dataclass(frozen=True, slots=True)
class Ports:
    """1812 and 1813 are RADIUS (RFC 2865, 2866); the second pair answers the new secret while one is rotated.

    On `demo_coa` the demo's router hears Disconnect- and CoA-Requests (RFC 5176: 3799), on `demo_hotspot` it has its
    log-in page; M-Pesa is simulated on `simulated_mpesa` where the real one is not set up.
    """

    auth: int = 1812
    acct: int = 1813
    auth_rotated: int = 18120
    acct_rotated: int = 18130
    status: int = 18121
    engine: int = 18122
    radius_metrics: int = 18123
    worker_metrics: int = 18124
    coa_metrics: int = 18125
    demo_coa: int = 18126
    portal: int = 18127
    portal_metrics: int = 18128
    billing_metrics: int = 18129
    simulated_mpesa: int = 18131
    demo_hotspot: int = 18132

    def moved(self, offset: int) -> "Ports":
        """All ports, `offset` higher: a second instance beside the first.

        Raises:
            Refusal: a port would leave 1..65535.
        """
        moved = {name: port + offset for name, port in dataclasses.asdict(self).items()}
        if not all(1 <= port <= PORT_MAX for port in moved.values()):
            raise Refusal(f"--port-offset {offset} moves a port out of 1..{PORT_MAX}")
        return Ports(**moved)

    def sockets(self) -> Iterator[tuple[str, int, str]]:
        """(protocol, port, what for) of each."""
        for name in ("auth", "acct", "auth_rotated", "acct_rotated", "status", "demo_coa"):
            yield "udp", getattr(self, name), name.replace("_", " ")
        for name in ("engine", "radius_metrics", "worker_metrics", "coa_metrics", *_SELLING):
            yield "tcp", getattr(self, name), name.replace("_", " ")


def check_free(ports: Ports) -> None:
    """Refuse when one of the ports is taken, naming it, who has it and what to do.

    Raises:
        Refusal: with all of that in one line.
    """
    for protocol, port, purpose in ports.sockets():
        if not is_free(protocol, port):
            holder = port_holder(protocol, port)
            by = f" by {holder[0]} (pid {holder[1]})" if holder else ""
            service = (
                " (if it is the distribution's own: systemctl disable --now freeradius)" if "freeradius" in by else ""
            )
            raise Refusal(
                f"{protocol.upper()} port {port} ({purpose}) is in use{by}: stop that{service}, or move all ports, "
                "for example --port-offset 10000"
            )


def is_free(protocol: str, port: int) -> bool:
    """Whether a server could take the port on every address of this machine."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    return all(_can_bind(family, kind, port) for family in (socket.AF_INET, socket.AF_INET6))


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> bool:
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:  # connections that linger in TIME_WAIT are no server
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(("", port))
    except OSError as error:
        # A machine without IPv6 says EAFNOSUPPORT or EADDRNOTAVAIL: nobody holds the port there.
        return error.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True


def has_ipv6() -> bool:
    """Whether servers can listen on `::` here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def port_holder(protocol: str, port: int) -> tuple[str, int] | None:
    """(program, pid) of who listens on the port; None when the kernel hides it (a container's)."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(protocol, port)}
    if not wanted:
        return None
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and _holds(process, wanted):
            return (process / "comm").read_text().strip(), int(process.name)
    return None


def _inodes(protocol: str, port: int) -> Iterator[str]:
    for table in (protocol, f"{protocol}6"):
        path = Path("/proc/net") / table
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        for fields in map(str.split, lines):
            if int(fields[1].rsplit(":", 1)[1], 16) == port and fields[3] == LISTENING[protocol]:
                yield fields[9]


def _holds(process: Path, sockets: Collection[str]) -> bool:
    try:
        return any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir())
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False
