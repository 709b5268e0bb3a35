"""The product's own FreeRADIUS configuration, laid into a folder of the bench and run."""

import json
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeradius_config.lay import lay
from freeradius_config.layout import LayError, Layout, PortPair
from tests.bench.packets import Customer
from tests.bench.peers import Idle
from tests.bench.processes import BenchError, Program, free_port
from tests.bench.radiusd import SECRET, Server, stock_raddb

REPOSITORY = Path(__file__).resolve().parents[2]
INSTANCES = {0: 96, 5: 200, 80: 200}  # added ms -> instances, and as many worker threads


def instances_at(delay_ms: float) -> int:
    """Pool size for a store that is this far away."""
    return INSTANCES[max(ms for ms in INSTANCES if ms <= delay_ms)]


def write_settings(path: Path, values: Mapping[str, Any]) -> Path:
    """The product's settings as the TOML file that it reads."""
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return path


@contextmanager
def product_server(
    folder: Path,
    *,
    hooks: str,
    settings: Path,
    pool_size: int,
    secret: str = SECRET,
    metrics_port: int = 0,
    env: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Lay `freeradius_config` and run FreeRADIUS with it on free loopback ports.

    `settings` is the file the hooks read. Raises BenchError with the server's log.
    """
    ports = [free_port(socket.SOCK_DGRAM) for _ in range(5)]
    state = folder / "radius"
    layout = Layout(
        state_dir=state,
        repo_dir=REPOSITORY,
        settings_file=settings,
        site_packages=tuple(Path(path) for path in sys.path if path.endswith("site-packages")),
        stock_raddb=stock_raddb(),
        listen_addresses=("127.0.0.1",),
        pair_a=PortPair("A", ports[0], ports[1]),
        pair_b=PortPair("B", ports[2], ports[3]),
        status_port=ports[4],
        pool_size=pool_size,
        hooks_module=hooks,
    )
    try:
        raddb = lay(layout)
    except LayError as error:
        raise BenchError(f"freeradius_config: {error}") from error
    log = folder / "radius.out"
    program = Program(["freeradius", "-f", "-l", "stdout", "-d", raddb], log, env={"TZ": "UTC", **(env or {})})
    try:
        program.wait_for_text("Ready to process requests")
        yield Server(program.pid, ports[0], ports[1], secret, log, metrics_port)
    except BenchError as error:
        raise BenchError(f"the product's FreeRADIUS: {error}") from error
    finally:
        program.stop()


@dataclass(frozen=True)
class Bare(Idle):
    """(e) The product's configuration and pool with hooks that decide nothing: its own ceiling."""

    key: str = "e"
    title: str = "(e) our configuration, idle hooks"

    @contextmanager
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> Iterator[Server]:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / "settings.env"
        settings.write_text("")
        with product_server(
            folder, hooks="tests.bench.hooks.idle", settings=settings, pool_size=self.instances
        ) as server:
            yield server


def names(count: int, first: int = 0) -> list[Customer]:
    """Customers number `first` and on."""
    return [Customer(index) for index in range(first, first + count)]
