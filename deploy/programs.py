"""Programs that a box, a site and a node in a container have alike, and what they are started with."""

import http.client
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.install import VENV, site_packages
from deploy.options import ENGINE_VARIABLE, ROOT, STATE_VARIABLE, Options
from deploy.ports import has_ipv6
from deploy.refusal import Refusal
from deploy.state import State
from deploy.supervisor import Program
from radius import settings as settings_module
from radius.secrets import create_key_file

OWN_VARIABLES = (STATE_VARIABLE, ENGINE_VARIABLE, "WIFIBILLING_SETTINGS", "PYTHONPATH")
LAY_TIMEOUT_S = 60.0  # the first time it makes two RSA keys; a slow board needs 20 s for them
FREERADIUS_READY = "Ready to process requests"
PROBE_TIMEOUT_S = 3.0  # a busy box is no dead one; the supervisor asks thrice
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to find who listens there


def write_key(path: Path) -> None:
    """Make the data key that seals secrets at rest, once, whole or not at all. Losing it loses what it sealed."""
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    create_key_file(fresh)
    fresh.replace(path)


def replace_file(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, also across a power cut."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(path)


def lay_configuration(options: Options, state: State, settings_path: Path) -> Path:
    """Lay our configuration over the stock raddb in the state folder, and return what `freeradius -d` is given.

    Raises:
        Refusal: with freeradius_config.lay's own line.
    """
    ports, settings = options.ports, settings_module.load(settings_path)
    command = [sys.executable, "-P", "-m", "freeradius_config.lay", "--state", str(state.radius_folder)]
    command += ["--repo", str(ROOT), "--settings", str(settings_path), "--site-packages", str(site_packages(VENV))]
    command += ["--ports-a", str(ports.auth), str(ports.acct)]
    command += ["--ports-b", str(ports.auth_rotated), str(ports.acct_rotated), "--status-port", str(ports.status)]
    command += ["--spool", str(settings.spool_dir), "--pool-size", str(settings.hook_pool_instances)]
    for address in ("0.0.0.0", "::") if has_ipv6() else ("0.0.0.0",):  # noqa: S104 - routers are elsewhere
        command += ["--listen", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LAY_TIMEOUT_S)
    if done.returncode != 0:
        raise Refusal((done.stderr.strip().splitlines() or ["lay failed without a word"])[-1])
    return state.radius_folder / "raddb"


def worker_program(settings_path: Path) -> Program:
    """The background work: due work, sweeps, spool replay. It serves when its metrics do."""
    told = settings_module.load(settings_path)
    alive = probe(told.metrics_bind, told.worker_metrics_port)
    return Program(
        name="worker",
        command=(sys.executable, "-P", "-m", "radius.worker", "--settings", str(settings_path)),
        environment=application_environment(),
        is_ready=lambda _log: alive(),
        is_alive=alive,
    )


def coa_program(settings_path: Path) -> Program:
    """What cuts and changes live sessions. It serves when its metrics do."""
    told = settings_module.load(settings_path)
    alive = probe(told.metrics_bind, told.coa_metrics_port)
    return Program(
        name="coa",
        command=(sys.executable, "-P", "-m", "coa", "run", "--settings", str(settings_path)),
        environment=application_environment(),
        is_ready=lambda _log: alive(),
        is_alive=alive,
    )


def freeradius_program(raddb: Path, settings_path: Path) -> Program:
    """FreeRADIUS with the hooks. UTC, because dates reach the hooks as text in local time.

    It is alive while the hooks' metrics answer: a flood of log-ins makes them late, and Status-Server would queue.
    """
    told = settings_module.load(settings_path)
    return Program(
        name="freeradius",
        command=("freeradius", "-f", "-l", "stdout", "-d", str(raddb)),
        environment=application_environment(),
        is_ready=lambda log: FREERADIUS_READY in log,
        is_alive=probe(told.metrics_bind, told.metrics_port),
    )


def health_program(settings_path: Path, state: State, status_port: int, port: int) -> Program:
    """What a load balancer asks about this node."""
    command = (sys.executable, "-P", "-m", "radius.health", "--settings", str(settings_path))
    command += ("--status-port", str(status_port), "--status-secret", str(state.radius_folder / "status.secret"))
    alive = probe("127.0.0.1", port, "/health")
    return Program(
        name="health",
        command=(*command, "--port", str(port)),
        environment=application_environment(),
        is_ready=lambda _log: alive(),
        is_alive=alive,
    )


def application_environment() -> dict[str, str]:
    """What every Python process of ours gets: the operator's environment without what is only for deploy/run.

    An unknown WIFIBILLING_ variable is refused by `radius.settings`, a PYTHONPATH could shadow the locked packages, and
    the hooks are given dates as local time.
    """
    kept = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    return kept | {"TZ": "UTC", "PYTHONUNBUFFERED": "1"}


def probe(bind: str, port: int, path: str = "/metrics") -> Callable[[], bool]:
    """How to ask a server of ours whether it serves. One that was told to listen nowhere (port 0) is believed."""
    return lambda: not port or answers(EVERYWHERE.get(bind, bind), port, path)


def answers(host: str, port: int, path: str) -> bool:
    """Whether there is an HTTP answer, whatever it says. The kernel accepts connections for one that hangs, too."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
