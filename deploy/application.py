"""What the box knows of the application: its settings, its tables, its programs and its story."""

import json
import os
import secrets
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from billing import settings as selling_settings
from billing.mpesa import settings as mpesa
from deploy import demo, demo_hotspot, engine, simulated_mpesa
from deploy.install import VENV
from deploy.options import ROOT, Options
from deploy.ports import Ports
from deploy.programs import application_environment, probe, replace_file
from deploy.refusal import Refusal
from deploy.state import State
from deploy.supervisor import Program
from radius import settings as settings_module
from radius.domain.errors import RadiusError
from radius.settings import SettingsError

ROADS = ("portal_url", "hub_endpoint", "hub_network", "hub_public_key", "radius_address")  # how routers reach us
ALERTS_READY = "Alerts ready"  # billing.alerting


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


def prepare_site(settings_path: Path, ports: Ports) -> None:
    """Create the tables that are missing and seed the demo site, once; what exists is left, but for the demo's port.

    Raises:
        Refusal: the settings cannot be used, or the store does not answer or refuses.
    """
    try:
        demo.prepare(settings_path, ports.demo_coa, ports.demo_hotspot)
    except (RadiusError, BotoCoreError, ClientError) as error:
        raise Refusal(f"the tables and the demo site cannot be made: {error}") from error


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
    alive = probe(told.portal_bind, told.portal_port, "/api/v1/health/live")
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


def alerts_program(settings_path: Path) -> Program:
    """Who looks after all of them once a minute; without ``[alerts]`` in the settings it tells its log alone.

    It serves nothing, so that nobody asks it: only its death is noticed.
    """
    return Program(
        name="alerts",
        command=(sys.executable, "-P", "-m", "billing.alerting", "--settings", str(settings_path)),
        environment=application_environment(),
        is_ready=lambda log: ALERTS_READY in log,
    )


def story_command(options: Options, settings_path: Path) -> tuple[str, ...]:
    """The demo: an evening of some customers. Its exit code is the verdict."""
    ports = ("--auth-port", str(options.ports.auth), "--acct-port", str(options.ports.acct))
    ports += ("--coa-port", str(options.ports.demo_coa), "--portal", f"http://127.0.0.1:{options.ports.portal}")
    ports += ("--real-money",) if has_real_money() else ()
    ports += ("--strict",) if options.once else ()  # a hotspot with something odd in its books goes on serving
    return (sys.executable, "-P", "-m", "deploy.demo", "--settings", str(settings_path), *ports)
