"""Before the services of a site that stays: missing tables are made, and FreeRADIUS's configuration is laid.

    python -m deploy.preparing --settings /etc/wifibilling/settings.toml

Both at each start: an update may bring tables and configuration with it. Nothing is seeded.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from billing.store.open import open_billing
from deploy import programs
from deploy.options import Options
from deploy.ports import Ports
from deploy.refusal import Refusal, exit_code
from deploy.state import State
from radius import settings as settings_module
from radius.domain.errors import RadiusError
from radius.settings import Settings
from radius.wiring import build_core


def prepare(settings_path: Path, settings: Settings, status_port: int) -> None:
    """Raises Refusal with what to mend."""
    os.umask(0o077)
    state = State(settings.state_dir)
    for folder in (settings.state_dir, state.radius_folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    programs.write_key(state.key_file)
    try:
        core = build_core(settings)
        try:
            core.store.create_tables()
            open_billing(core.store).create_tables()
        finally:
            core.close()
    except (RadiusError, BotoCoreError, ClientError) as error:
        raise Refusal(f"the tables cannot be made: {error}") from error
    lay(settings_path, settings, status_port)


def lay(settings_path: Path, settings: Settings, status_port: int) -> Path:
    """FreeRADIUS's configuration with the settings' ports; what `freeradius -d` is given. Raises Refusal."""
    ports = dataclasses.replace(
        Ports(),
        auth=settings.radius_auth_port,
        acct=settings.radius_acct_port,
        auth_rotated=settings.radius_rotated_auth_port,
        acct_rotated=settings.radius_rotated_acct_port,
        status=status_port,
    )
    options = Options(settings.state_dir, once=False, ports=ports)
    return programs.lay_configuration(options, State(settings.state_dir), settings_path)


def main() -> int:
    """Prepare what the settings name."""
    parser = argparse.ArgumentParser(prog="python -m deploy.preparing")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--status-port", type=int, default=Ports().status)
    given = parser.parse_args()
    try:
        settings = settings_module.load(given.settings)
    except RadiusError as bad:
        raise Refusal(str(bad)) from None
    prepare(given.settings, settings, given.status_port)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
