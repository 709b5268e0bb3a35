"""Where and how one FreeRADIUS runs: what the command line says, and what of it cannot be."""

from __future__ import annotations

import argparse
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
STOCK_RADDB = Path("/etc/freeradius/3.0")
POOL_SIZE_MAX = 512  # each instance costs a thread; facts/radius.md: no gain beyond the batches in flight
PORT_MAX = 65535


class LayError(Exception):
    """The configuration cannot be laid; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class PortPair:
    """UDP ports of one pair of listeners. ``name`` is "A" or "B": what the hook is told."""

    name: str
    auth: int
    acct: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where and how one FreeRADIUS runs. Paths are absolute after ``lay``."""

    state_dir: Path
    repo_dir: Path
    settings_file: Path
    site_packages: tuple[Path, ...] = ()
    stock_raddb: Path = STOCK_RADDB
    listen_addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 - routers are elsewhere
    pair_a: PortPair = field(default=PortPair("A", 1812, 1813))
    pair_b: PortPair = field(default=PortPair("B", 18120, 18130))
    status_port: int = 18121
    pool_size: int = 96
    # None: as many as instances. Threads that only wait for Python's lock cost: see README.md, "How many".
    worker_threads: int | None = None
    max_requests: int = 65536
    hooks_module: str = "radius.rlm.hooks"
    # "hook": the application refuses packets without Message-Authenticator and can name the router; "server": the
    # server drops them unseen.
    message_authenticator_policy: str = "hook"
    tls_max_version: str = "1.3"
    user: str | None = None
    group: str | None = None
    libdir: Path | None = None
    spool: Path | None = None

    @property
    def raddb_dir(self) -> Path:
        """What ``freeradius -d`` is given."""
        return self.state_dir / "raddb"

    @property
    def spool_dir(self) -> Path:
        """Accounting that the hooks could not take: the setting `spool_dir` of the application must say the same."""
        return self.spool or self.state_dir / "spool"

    @property
    def status_secret_file(self) -> Path:
        """Secret of the loopback status listener, one line."""
        return self.state_dir / "status.secret"

    @property
    def ca_file(self) -> Path:
        """The CA that EAP devices are to trust."""
        return self.state_dir / "certs" / "ca.pem"


def find_libdir() -> Path:
    """Return the folder with ``rlm_python3.so``.

    Raises:
        LayError: FreeRADIUS or its Python module is not installed.
    """
    candidates = [Path("/usr/lib/freeradius"), *Path("/usr/lib").glob("*/freeradius"), Path("/usr/lib64/freeradius")]
    for candidate in candidates:
        if (candidate / "rlm_python3.so").exists():
            return candidate
    raise LayError("rlm_python3.so was not found: install the packages freeradius and freeradius-python3")


def check(layout: Layout) -> None:
    """Refuse what would fail later with a worse message.

    Raises:
        LayError: a value is out of range, a path does not exist or two listeners share a port.
    """
    if not 1 <= layout.pool_size <= POOL_SIZE_MAX:
        raise LayError(f"pool size {layout.pool_size} is not within 1..{POOL_SIZE_MAX}")
    if layout.message_authenticator_policy not in {"hook", "server"}:
        raise LayError("the Message-Authenticator policy is 'hook' or 'server'")
    _check_network(layout)
    _check_paths(layout)


def _check_network(layout: Layout) -> None:
    ports = [layout.pair_a.auth, layout.pair_a.acct, layout.pair_b.auth, layout.pair_b.acct, layout.status_port]
    if len(set(ports)) != len(ports) or not all(1 <= port <= PORT_MAX for port in ports):
        raise LayError(f"ports {ports} must be five different numbers within 1..{PORT_MAX}")
    for address in layout.listen_addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise LayError(f"{address} is not an IP address") from error


def _check_paths(layout: Layout) -> None:
    if not (layout.stock_raddb / "radiusd.conf").exists():
        raise LayError(f"{layout.stock_raddb} holds no stock radiusd.conf: install the package freeradius")
    for path in (layout.repo_dir, *layout.site_packages):
        if not path.is_dir():
            raise LayError(f"{path} is not a folder")
    for value in (layout.state_dir, layout.repo_dir, layout.settings_file, *layout.site_packages):
        if set(str(value)) & set('"\\%${}: \n'):
            raise LayError(f"the path {value} holds a character that FreeRADIUS would interpret")


def parse_arguments(arguments: list[str]) -> Layout:
    """Return the layout that the command line asks for."""
    parser = argparse.ArgumentParser(description="Lay wifibilling's FreeRADIUS configuration over a stock raddb.")
    add = parser.add_argument
    add("--state", type=Path, required=True, help="folder for raddb, certs, spool, log and run")
    add("--spool", type=Path, help="folder of the spool (default: spool in the state folder)")
    add("--repo", type=Path, default=HERE.parent, help="folder that holds the package radius")
    add("--settings", type=Path, required=True, help="settings file handed to the hooks")
    add("--site-packages", type=Path, action="append", default=[], help="of the venv; repeatable, first wins")
    add("--stock", type=Path, default=STOCK_RADDB, help="stock raddb to copy (default %(default)s)")
    add("--listen", action="append", help="address to listen on; repeatable (default 0.0.0.0 and ::)")
    add("--ports-a", type=int, nargs=2, default=(1812, 1813), metavar=("AUTH", "ACCT"))
    add("--ports-b", type=int, nargs=2, default=(18120, 18130), metavar=("AUTH", "ACCT"), help="new secret")
    add("--status-port", type=int, default=18121, help="Status-Server on 127.0.0.1")
    add("--pool-size", type=int, default=96, help="Python instances")
    add("--worker-threads", type=int, help="threads (default: as many as instances)")
    add("--max-requests", type=int, default=65536, help="requests remembered at once")
    add("--hooks", default="radius.rlm.hooks", help="Python module of the hooks")
    add("--message-authenticator", choices=("hook", "server"), default="hook", help="who refuses without it")
    add("--tls-max-version", choices=("1.2", "1.3"), default="1.3")
    add("--user", help="user of the daemon, for example freerad (default: who starts it)")
    add("--group", help="group of the daemon")
    add("--libdir", type=Path, help="folder of rlm_*.so (default: found)")
    given = parser.parse_args(arguments)
    return Layout(
        state_dir=given.state.resolve(),
        repo_dir=given.repo.resolve(),
        settings_file=given.settings.resolve(),
        site_packages=tuple(path.resolve() for path in given.site_packages),
        stock_raddb=given.stock,
        listen_addresses=tuple(given.listen or ("0.0.0.0", "::")),  # noqa: S104 - routers are elsewhere
        pair_a=PortPair("A", *given.ports_a),
        pair_b=PortPair("B", *given.ports_b),
        status_port=given.status_port,
        pool_size=given.pool_size,
        worker_threads=given.worker_threads,
        max_requests=given.max_requests,
        hooks_module=given.hooks,
        message_authenticator_policy=given.message_authenticator,
        tls_max_version=given.tls_max_version,
        user=given.user,
        group=given.group,
        libdir=given.libdir,
        spool=given.spool.resolve() if given.spool else None,
    )
