"""deploy/install: makes a site that stays of one box, step by step; again is safe, and changes only what differs.

What the operator owns (settings, environment, passphrase, key) is written once and never again. With --dry-run the same
steps go through a machine that only says them.
"""

import argparse
import grp
import os
import pwd
import re
import secrets
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple, Protocol

from deploy import site as texts
from deploy.options import ROOT, check_path
from deploy.refusal import Refusal, exit_code, say
from deploy.site import Site

CLOSED = (Path("/root"), Path("/home"), Path("/tmp"), Path("/run"))  # noqa: S108 - what the services do not see
CADDYFILE = Path("/etc/caddy/Caddyfile")
OURS = "# Written by deploy/install."
WORDS = 6  # of 5 characters of 32: 150 bits
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0, 1: it is copied by hand
ROOTS = ("firewall.nft", "environment", "settings.toml")  # in /etc/wifibilling
CERTIFICATE = r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n"
DOMAIN = r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"


class Machine(Protocol):
    """What the steps are done to."""

    def read(self, path: Path) -> str | None:
        """A file's text; None where there is none."""
        ...

    def names(self, folder: Path) -> list[str]:
        """What is in a folder; nothing in one that is not there."""
        ...

    def write(self, path: Path, text: str, mode: int, owner: str) -> None:
        """A file, whole; its folder is made."""
        ...

    def folder(self, path: Path, mode: int, owner: str) -> None:
        """A folder of this owner."""
        ...

    def run(self, *command: str) -> str:
        """A command; what it printed. Raises Refusal where it fails."""
        ...


class Here:
    """This machine. `below`: a folder that stands for `/`, in tests."""

    def __init__(self, below: Path = Path("/")) -> None:
        self._below = below

    def _path(self, path: Path) -> Path:
        return self._below / path.relative_to("/")

    def read(self, path: Path) -> str | None:
        """See `Machine.read`."""
        try:
            return self._path(path).read_text()
        except FileNotFoundError:
            return None

    def names(self, folder: Path) -> list[str]:
        """See `Machine.names`."""
        target = self._path(folder)
        return sorted(path.name for path in target.iterdir()) if target.is_dir() else []

    def write(self, path: Path, text: str, mode: int, owner: str) -> None:
        """See `Machine.write`."""
        target = self._path(path)
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, mode)
            os.fchown(descriptor, *_ids(owner))
        fresh.replace(target)

    def folder(self, path: Path, mode: int, owner: str) -> None:
        """See `Machine.folder`."""
        target = self._path(path)
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode)
        os.chown(target, *_ids(owner))

    def run(self, *command: str) -> str:
        """See `Machine.run`."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise Refusal(f"{command[0]} is not on this machine") from None
        if done.returncode != 0:
            raise Refusal(f"{' '.join(command)}: {complaint(done.stderr)}")
        return done.stdout


def complaint(words: str) -> str:
    """The line that says what is wrong: a program's first (hints follow it), a traceback's last."""
    lines = words.strip().splitlines() or ["failed"]
    return lines[-1 if lines[0].startswith("Traceback") else 0]


class Told:
    """Says each step and does none; reads what is there."""

    def __init__(self, here: Here) -> None:
        self.read = here.read
        self.names = here.names

    def write(self, path: Path, text: str, mode: int, owner: str) -> None:
        """See `Machine.write`."""
        print(f"write {path} (mode {mode:04o}, {owner})")
        shown = "(drawn then)" if path.suffix == ".passphrase" or path.name == "token" else text
        print("".join(f"    {line}\n" for line in shown.splitlines()), end="")

    def folder(self, path: Path, mode: int, owner: str) -> None:
        """See `Machine.folder`."""
        print(f"folder {path} (mode {mode:04o}, {owner})")

    def run(self, *command: str) -> str:
        """See `Machine.run`."""
        print(f"run {' '.join(command)}")
        return ""


def _ids(owner: str) -> tuple[int, int]:
    """`user` or `user:group`."""
    user, _, group = owner.partition(":")
    found = pwd.getpwnam(user)
    return found.pw_uid, grp.getgrnam(group).gr_gid if group else found.pw_gid


class Wanted(NamedTuple):
    """What was asked for."""

    site: Site
    dry: bool
    firewall: bool


def parse(arguments: Sequence[str]) -> Wanted:
    """Read the command line. Raises Refusal for what cannot be."""
    parser = argparse.ArgumentParser(prog="deploy/install", description="Make a site that stays of this machine.")
    parser.add_argument("--domain", help="the name by which the internet reaches it: wifi.example.net")
    parser.add_argument("--relay", metavar="URL", help="it has no such name: who takes M-Pesa's calls (deploy/relay)")
    parser.add_argument("--address", help="with --relay: by which its routers and customers reach it, in their network")
    parser.add_argument("--acme-ca", metavar="URL", help="whom to ask for a certificate (a public authority)")
    parser.add_argument("--acme-root", type=Path, metavar="FILE", help="with --acme-ca: whom it is known by (PEM)")
    parser.add_argument("--brand", default="WiFi", help="who messages come from (default WiFi)")
    parser.add_argument("--ssh-port", type=int, action="append", help="stays open (default 22, and sshd's own)")
    parser.add_argument(
        "--radius-from", action="append", default=[], metavar="NETWORK", help="routers without a tunnel"
    )
    parser.add_argument("--no-firewall", action="store_true", help="leave the firewall alone")
    parser.add_argument("--dry-run", action="store_true", help="say every step and file, and do nothing")
    given = parser.parse_args(arguments)
    reached = _reached(given.domain or "", given.relay or "", given.address or "")
    try:
        networks = tuple(str(ip_network(each)) for each in given.radius_from)
    except ValueError as bad:
        raise Refusal(f"--radius-from: {bad}") from None
    authority = {"acme_ca": given.acme_ca or "", "acme_root": _root_of(given.acme_root)}
    _check_authority(relay=given.relay or "", **authority)
    ssh = tuple(sorted({*(given.ssh_port or ()), *sshd_ports()}))
    made = Site(reached, ROOT, given.brand, relay=given.relay or "", ssh_ports=ssh, radius_from=networks, **authority)
    return Wanted(made, given.dry_run, not given.no_firewall)


def _reached(domain: str, relay: str, address: str) -> str:
    """The name or the address by which this site is reached. Raises Refusal."""
    if bool(domain) == bool(relay) or bool(address) != bool(relay):
        raise Refusal(
            "say --domain NAME, or, for a box that the internet does not reach, --relay URL --address ADDRESS"
        )
    if not relay:
        if not re.fullmatch(DOMAIN, domain):
            raise Refusal(f"--domain {domain} must be a name such as wifi.example.net")
        return domain
    if not re.fullmatch(rf"https://{DOMAIN}", relay):
        raise Refusal(f"--relay {relay} must be like https://relay.example.net")
    try:
        private = ip_address(address).version == 4 and ip_address(address).is_private
    except ValueError:
        private = False
    if not private:
        raise Refusal(f"--address {address} must be a private IPv4 address: a public one deserves a name and HTTPS")
    return address


def _root_of(file: Path | None) -> str:
    """An authority's certificate, without a key that may be beside it: everybody may read it. Raises Refusal."""
    if file is None:
        return ""
    try:
        text = "".join(re.findall(CERTIFICATE, file.read_text()))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (OSError, ValueError) as bad:  # what is no certificate is an SSLError, which is an OSError
        raise Refusal(f"--acme-root {file}: must be a certificate, PEM ({bad})") from None
    return text


def _check_authority(acme_ca: str, acme_root: str, relay: str) -> None:
    """Raises Refusal."""
    if acme_ca and not re.fullmatch(r"https://[A-Za-z0-9.:-]+(/[A-Za-z0-9._~/-]*)?", acme_ca):
        raise Refusal(f"--acme-ca {acme_ca} must be like https://ca.example.net/acme/acme/directory")
    if acme_root and not acme_ca:
        raise Refusal("--acme-root: say --acme-ca URL with it")
    if acme_ca and relay:
        raise Refusal("--acme-ca: a box behind a relay has no name, and so no certificate")


def sshd_ports() -> set[int]:
    """Where sshd listens now: whoever installs over it must be let in again."""
    try:
        said = subprocess.run(["sshd", "-T"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        said = ""
    return {int(port) for port in re.findall(r"^port (\d+)$", said, re.MULTILINE)} or {22}


def check(site: Site) -> None:
    """Refuse a clone that the services could not read. Raises Refusal."""
    check_path(site.root)
    if any(site.root.is_relative_to(folder) for folder in CLOSED):
        raise Refusal(f"the services do not see {site.root}: clone into /opt/wifibilling and run that deploy/install")


def install(machine: Machine, site: Site, *, firewall: bool) -> None:
    """All steps, in an order in which a broken one can be repeated. Raises Refusal."""
    _users(machine, site)
    _settings(machine, site)
    changed = _units(machine, site)
    if firewall:
        machine.write(site.etc / "firewall.nft", texts.firewall(site), 0o644, "root")
        machine.run("nft", "-c", "-f", str(site.etc / "firewall.nft"))
    put_authority(machine, site)
    put_proxy(machine, texts.caddyfile(site))
    machine.run("systemctl", "daemon-reload")
    started = [name for name in texts.units(site) if firewall or "firewall" not in name]
    machine.run("systemctl", "enable", *(name for name in started if name != "wifibilling-backup.service"))
    if firewall:
        machine.run("systemctl", "restart", "wifibilling-firewall.service")
    machine.run("systemctl", "enable", "caddy.service")
    machine.run("systemctl", "reload-or-restart", "caddy.service")
    machine.run("systemctl", "start", "wifibilling-backup.timer")
    machine.run("systemctl", "restart" if changed else "start", texts.TARGET)


def _users(machine: Machine, site: Site) -> None:
    machine.run("systemd-sysusers", "--inline", f'u {site.user} - "wifibilling" {site.state} -')
    for folder in (site.state, site.backups):
        machine.folder(folder, 0o700, site.user)
    machine.folder(site.etc, 0o750, f"root:{site.user}")
    # What deploy/restore made is root's or another user's, and a secret that the operator put here is root's.
    machine.run("chown", "-Rh", f"{site.user}:{site.user}", str(site.state), *_inside(machine, site.etc))


def _inside(machine: Machine, folder: Path) -> list[str]:
    """All but what root's own programs load, even for a moment."""
    return [str(folder / name) for name in machine.names(folder) if name not in ROOTS]


def _settings(machine: Machine, site: Site) -> None:
    """The operator's files: only those that are not there."""
    shared = f"root:{site.user}"
    for path, text in (
        (site.settings, texts.first_settings(site)),
        (site.environment, "# MPESA_... (billing/mpesa/settings.py), a line each: NAME=value\n"),
    ):
        there = machine.read(path)
        machine.write(path, text if there is None else there, 0o640, shared)  # what root reads stays root's
    if machine.read(site.passphrase) is None:
        words = "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(WORDS))
        machine.write(site.passphrase, f"{words}\n", 0o600, site.user)
    if site.relay:
        token = machine.read(site.relay_token)
        if token is None:
            raise Refusal(f"no {site.relay_token}: copy the line of /etc/wifibilling-relay/token of the relay into it")
        machine.write(site.relay_token, token, 0o600, site.user)
    machine.write(Path("/usr/local/bin/wifibilling"), texts.command(site), 0o755, "root")


def _units(machine: Machine, site: Site) -> bool:
    """Whether any was written."""
    changed = False
    for name, text in texts.units(site).items():
        path = Path("/etc/systemd/system") / name
        if machine.read(path) != text:
            machine.write(path, text, 0o644, "root")
            changed = True
    return changed


def put_authority(machine: Machine, site: Site) -> None:
    """An authority that nobody else knows is known to this machine: else doctor and the alerts would not believe it."""
    if site.acme_root and machine.read(texts.ACME_ROOT) != site.acme_root:
        machine.write(texts.ACME_ROOT, site.acme_root, 0o644, "root")
        machine.run("update-ca-certificates")


def put_proxy(machine: Machine, text: str) -> None:
    """The distribution's caddy serves what its file says; one that is the operator's is kept beside it."""
    there = machine.read(CADDYFILE)
    if there is not None and not there.startswith(OURS) and machine.read(_kept()) is None:
        machine.write(_kept(), there, 0o644, "root")
        say(f"the {CADDYFILE} that was there is {_kept()} now")
    machine.write(CADDYFILE, text, 0o644, "root")


def _kept() -> Path:
    return CADDYFILE.with_name("Caddyfile.before-wifibilling")


def tell_clock() -> None:
    """Say so where nothing keeps the clock right: rights are sold on it."""
    said = ""
    if shutil.which("timedatectl"):
        done = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, check=False
        )
        said = done.stdout.strip()
    if said != "yes":
        say("the clock is not synchronised (yet): 'timedatectl' says why; rights are sold on it")


def main() -> int:
    """Install, or say what would be done."""
    wanted = parse(sys.argv[1:])
    check(wanted.site)
    machine: Machine = Told(Here()) if wanted.dry else Here()
    if not wanted.dry and not Path("/run/systemd/system").is_dir():
        raise Refusal("systemd does not run here: a site that stays needs it (deploy/run does not)")
    install(machine, wanted.site, firewall=wanted.firewall)
    tell_clock()
    if not wanted.dry:
        if not wanted.site.relay:
            say(f"{wanted.site.url}/ is served as soon as its certificate is issued: 'journalctl -u caddy'")
        say(f"copy {wanted.site.passphrase} onto paper: without it the backups are worth nothing")
        say("next: M-Pesa's variables in /etc/wifibilling/environment; sudo wifibilling sites add ...; routers add ...")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
