"""What the box knows of the application: its settings, its tables, its programs and its story."""

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from billing import settings as selling_settings
from billing.mpesa import settings as mpesa
from deploy import demo, demo_hotspot, engine, simulated_mpesa
from deploy.install import VENV, site_packages
from deploy.options import ENGINE_VARIABLE, ROOT, STATE_VARIABLE, Options
from deploy.ports import Ports, has_ipv6
from deploy.refusal import Refusal
from deploy.state import State
from deploy.supervisor import Program
from radius import settings as settings_module
from radius.domain.errors import RadiusError
from radius.secrets import create_key_file
from radius.settings import SettingsError

OWN_VARIABLES = (STATE_VARIABLE, ENGINE_VARIABLE, "WIFIBILLING_SETTINGS", "PYTHONPATH")
ROADS = ("portal_url", "hub_endpoint", "hub_network", "hub_public_key", "radius_address")  # how routers reach us
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


def write_secret(path: Path) -> None:
    """Make a secret of hex digits, once."""
    if not path.exists():
        replace_file(path, f"{secrets.token_hex(16)}\n")


def write_settings(options: Options, state: State) -> Path:
    """Write the settings file of this box (`radius.settings`) and return it; the ports may differ from run to run.

    Raises:
        Refusal: naming each variable of the environment that cannot be used.
    """
    values = {
        "state_dir": str(state.folder),
        "store_kind": "embedded",
        "store_endpoint": f"http://127.0.0.1:{options.ports.engine}",
        "key_ref": f"file:{state.key_file}",
        "spool_dir": str(state.radius_folder / "spool"),
        "metrics_port": options.ports.radius_metrics,
        "worker_metrics_port": options.ports.worker_metrics,
        "coa_metrics_port": options.ports.coa_metrics,
        "radius_auth_port": options.ports.auth,
        "radius_acct_port": options.ports.acct,
        "radius_rotated_auth_port": options.ports.auth_rotated,
        "radius_rotated_acct_port": options.ports.acct_rotated,
        "portal_port": options.ports.portal,
        "portal_metrics_port": options.ports.portal_metrics,
        "billing_metrics_port": options.ports.billing_metrics,
    }
    # What every tool of this box must know alike, also those that sudo starts without this environment.
    said = {name: os.environ.get(f"{settings_module.PREFIX}{name.upper()}") for name in ROADS}
    values |= {name: value for name, value in said.items() if value}
    lines = ["# Written by deploy/run at each start: change the environment (WIFIBILLING_...) instead, it wins."]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]  # of these, JSON's values are TOML's
    lines += ["[sms.sender]", 'kind = "file"', f"path = {json.dumps(str(state.folder / 'outbox'))}"]  # no gateway here
    replace_file(state.settings_file, "\n".join(lines) + "\n")
    try:
        settings_module.load(state.settings_file)
        selling_settings.load(state.settings_file)
    except SettingsError as bad:
        raise Refusal(f"settings cannot be used: {'; '.join(bad.problems)}") from None
    return state.settings_file


def replace_file(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, also across a power cut."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(path)


def prepare_site(settings_path: Path, ports: Ports) -> None:
    """Create the tables that are missing and seed the demo site, once; what exists is left, but for the demo's port.

    Raises:
        Refusal: the settings cannot be used, or the store does not answer or refuses.
    """
    try:
        demo.prepare(settings_path, ports.demo_coa, ports.demo_hotspot)
    except (RadiusError, BotoCoreError, ClientError) as error:
        raise Refusal(f"the tables and the demo site cannot be made: {error}") from error


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


def engine_program(options: Options, state: State) -> Program:
    """The store."""
    binary = engine.locate(VENV / "bin" / "dynoxide", options.engine)
    port = options.ports.engine
    return Program(
        name="engine",
        command=engine.serve_command(binary, state.engine_file, port),
        is_ready=lambda _log: engine.is_healthy(binary, port),
        is_alive=lambda: engine.is_healthy(binary, port),
    )


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


def simulated_program(options: Options, state: State) -> Program | None:
    """M-Pesa for the demo; None where the operator has set up the real one."""
    if has_real_money():
        return None
    write_secret(state.folder / simulated_mpesa.SECRET_FILE)
    return Program(
        name="simulated-mpesa",
        command=(sys.executable, "-P", "-m", "deploy.simulated_mpesa", "--port", str(options.ports.simulated_mpesa)),
        environment=application_environment() | {"PYTHONPATH": str(ROOT)},
        is_ready=lambda log: simulated_mpesa.READY in log,
        is_alive=probe("127.0.0.1", options.ports.simulated_mpesa),
    )


def portal_program(options: Options, state: State, settings_path: Path) -> Program:
    """What customers' pages and M-Pesa talk to."""
    told = settings_module.load(settings_path)
    alive = probe(told.portal_bind, told.portal_port, "/health/live")
    return Program(
        name="portal",
        command=(sys.executable, "-P", "-m", "billing.portal", "--settings", str(settings_path)),
        environment=selling_environment(options, state),
        is_ready=lambda _log: alive(),
        is_alive=alive,
    )


def billing_program(options: Options, state: State, settings_path: Path) -> Program:
    """The worker of selling. It serves when its metrics do."""
    told = settings_module.load(settings_path)
    alive = probe(told.metrics_bind, told.billing_metrics_port)
    return Program(
        name="billing",
        command=(sys.executable, "-P", "-m", "billing", "run", "--settings", str(settings_path)),
        environment=selling_environment(options, state),
        is_ready=lambda _log: alive(),
        is_alive=alive,
    )


def has_real_money() -> bool:
    """Whether the operator's environment speaks of M-Pesa."""
    return any(name.startswith(mpesa.PREFIX) for name in os.environ)


def selling_environment(options: Options, state: State) -> dict[str, str]:
    """With M-Pesa: the operator's, or the simulated one."""
    simulated = simulated_mpesa.variables(state, options.ports.simulated_mpesa, options.ports.portal)
    return application_environment() | ({} if has_real_money() else simulated)


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


def hotspot_program(options: Options, settings_path: Path) -> Program:
    """The demo router's log-in page, for a person with a browser."""
    ports = options.ports
    command = (sys.executable, "-P", "-m", "deploy.demo_hotspot", "--settings", str(settings_path))
    command += ("--port", str(ports.demo_hotspot), "--portal", f"http://127.0.0.1:{ports.portal}")
    command += ("--auth-port", str(ports.auth), "--acct-port", str(ports.acct), "--coa-port", str(ports.demo_coa))
    return Program(
        name="demo-hotspot",
        command=command,
        environment=application_environment() | {"PYTHONPATH": str(ROOT)},
        is_ready=lambda log: demo_hotspot.READY in log,
        is_alive=probe("127.0.0.1", ports.demo_hotspot, "/favicon.ico"),  # the one page that changes nothing
    )


def story_command(options: Options, settings_path: Path) -> tuple[str, ...]:
    """The demo: an evening of some customers. Its exit code is the verdict."""
    ports = ("--auth-port", str(options.ports.auth), "--acct-port", str(options.ports.acct))
    ports += ("--coa-port", str(options.ports.demo_coa), "--portal", f"http://127.0.0.1:{options.ports.portal}")
    ports += ("--real-money",) if has_real_money() else ()
    ports += ("--strict",) if options.once else ()  # a hotspot with something odd in its books goes on serving
    return (sys.executable, "-P", "-m", "deploy.demo", "--settings", str(settings_path), *ports)


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
