"""deploy/relay: makes this machine, which has a public name, the relay of a box that has none (`billing.relay`).

Again is safe. The token is drawn once; the box shows it, and whoever installs that box copies it there.
"""

import argparse
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from deploy import site as texts
from deploy.installing import DOMAIN, Here, Machine, Told, check, put_proxy
from deploy.options import ROOT
from deploy.refusal import Refusal, exit_code, say
from deploy.site import Site

UNIT = "wifibilling-relay.service"
PORT = 8_470  # billing.relay's default


@dataclass(frozen=True, slots=True)
class RelaySite:
    """Where everything is. `allowed`: networks that may call; none: anybody."""

    domain: str
    root: Path
    allowed: tuple[str, ...] = ()
    user: str = "wifibilling-relay"
    state: Path = Path("/var/lib/wifibilling-relay")
    token: Path = Path("/etc/wifibilling-relay/token")


def parse(arguments: Sequence[str]) -> tuple[RelaySite, bool]:
    """Read the command line; also whether it is a dry run. Raises Refusal for what cannot be."""
    parser = argparse.ArgumentParser(prog="deploy/relay", description="Take M-Pesa's calls for a box without a name.")
    parser.add_argument("--domain", required=True, help="the name by which M-Pesa reaches this machine")
    parser.add_argument("--allow", action="append", default=[], metavar="NETWORK", help="who may call (anybody)")
    parser.add_argument("--dry-run", action="store_true", help="say every step and file, and do nothing")
    given = parser.parse_args(arguments)
    if not re.fullmatch(DOMAIN, given.domain):
        raise Refusal(f"--domain {given.domain} must be a name such as relay.example.net")
    try:
        allowed = tuple(str(ip_network(each)) for each in given.allow)
    except ValueError as bad:
        raise Refusal(f"--allow: {bad}") from None
    return RelaySite(given.domain, ROOT, allowed), given.dry_run


def unit(site: RelaySite) -> str:
    """Its one service."""
    allow = "".join(f" --allow {each}" for each in site.allowed)
    python = f"{site.root}/.venv/bin/python -P -m billing.relay"
    return texts.alone(
        site.user, site.state, "the relay of a box", f"{python} --folder {site.state} --token-file {site.token}{allow}"
    )


def install(machine: Machine, site: RelaySite) -> None:
    """All steps. Raises Refusal."""
    machine.run("systemd-sysusers", "--inline", f'u {site.user} - "wifibilling relay" {site.state} -')
    machine.folder(site.state, 0o700, site.user)
    machine.folder(site.token.parent, 0o750, f"root:{site.user}")
    if machine.read(site.token) is None:
        machine.write(site.token, f"{secrets.token_hex(24)}\n", 0o600, site.user)
    path = Path("/etc/systemd/system") / UNIT
    changed = machine.read(path) != unit(site)
    machine.write(path, unit(site), 0o644, "root")
    put_proxy(machine, texts.proxy(f"https://{site.domain}", PORT))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", UNIT, "caddy.service")
    machine.run("systemctl", "reload-or-restart", "caddy.service")
    machine.run("systemctl", "restart" if changed else "start", UNIT)


def main() -> int:
    """Install, or say what would be done."""
    site, dry = parse(sys.argv[1:])
    check(Site(site.domain, site.root))
    if not dry and not Path("/run/systemd/system").is_dir():
        raise Refusal("systemd does not run here: a relay needs it")
    install(Told(Here()) if dry else Here(), site)
    if not dry:
        say(f"next, on the box: the line of this machine's {site.token} into its /etc/wifibilling/relay.token;")
        say(f"  deploy/install --relay https://{site.domain} --address ITS-LAN-ADDRESS")
        say(f"  MPESA_CALLBACK_BASE=https://{site.domain} in its /etc/wifibilling/environment")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
