"""Lays wifibilling's FreeRADIUS configuration over a copy of the distribution's raddb.

The stock raddb (Debian 12/13, Ubuntu 24.04: ``/etc/freeradius/3.0``) is only read. Everything that runs is in one state
folder: ``raddb`` (rebuilt each time), ``certs`` (made once, then kept), ``spool``, ``log`` and ``run``.

    python freeradius_config/lay.py --state /var/lib/wifibilling/radius --repo . --settings settings.env \
        --site-packages .venv/lib/python3.11/site-packages

Our files are ordinary FreeRADIUS files under ``freeradius_config/raddb``; ``@@{name}`` marks what is filled in.
Only the pool of Python instances, the policy that walks it and the policy for unreadable text are generated,
because they repeat one pattern for each instance and each attribute. ``README.md`` beside this file is the contract.
"""

from __future__ import annotations

import argparse
import grp
import ipaddress
import os
import pwd
import secrets
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "raddb"
STOCK_RADDB = Path("/etc/freeradius/3.0")
# Certificates of ten years: a village access point is set up once, and its devices pin the CA.
CERTIFICATE_DAYS = 3650
POOL_SIZE_MAX = 512  # each instance costs a thread; facts/radius.md: no gain beyond the batches in flight
PORT_MAX = 65535
# Half-done EAP conversations kept at once, each about 50 KB with its TLS session.
EAP_SESSIONS_MAX = 4096

STOCK_MODULES = ("always", "chap", "pap", "utf8")
STATE_FOLDERS = ("certs", "log", "run")

# String attributes in which routers put what people typed (SSIDs, site names, user names): repaired one by one.
TEXT_ATTRIBUTES = (
    "User-Name",
    "User-Password",
    "Called-Station-Id",
    "Calling-Station-Id",
    "NAS-Identifier",
    "NAS-Port-Id",
    "Acct-Session-Id",
    "Acct-Multi-Session-Id",
    "Connect-Info",
    "Filter-Id",
    "Framed-Pool",
    "WISPr-Location-ID",
    "WISPr-Location-Name",
    "WISPr-Logoff-URL",
    "Mikrotik-Realm",
    "Mikrotik-Group",
    "ChilliSpot-Version",
    "ChilliSpot-OriginalURL",
    "Aruba-Essid-Name",
    "Aruba-Location-Id",
    "Aruba-AP-Group",
    "Aruba-Device-Type",
    "Ruckus-SSID",
    "Ruckus-Location",
)
# Of FreeRADIUS's own attributes, those that the last filter must not take from the hook and from the sections after it
# (``wb_origin`` makes the others again). The filter's list may not name them: rlm_attr_filter warns at every start of
# each that can be in no packet.
OWN_ATTRIBUTES = ("EAP-Type", *(f"Tmp-String-{number}" for number in range(1, 6)))
# Exactly what rlm_utf8 accepts (fr_utf8_char: no control characters, no surrogates, no overlong forms), on the hex
# digits of the value: FreeRADIUS is built with POSIX expressions here and with PCRE there; hex means the same to both.
_TAIL = "[89ab][0-9a-f]"
UTF8_HEX_PATTERN = (
    "^([2-6][0-9a-f]|7[0-9a-e]"
    f"|(c[2-9a-f]|d[0-9a-f]){_TAIL}"
    f"|(e0[ab][0-9a-f]|e[1-9abcef]{_TAIL}|ed[89][0-9a-f]){_TAIL}"
    f"|(f0[9ab][0-9a-f]|f[1-3]{_TAIL}|f48[0-9a-f]){_TAIL}{_TAIL})*$"
)
# Kept as they are by %{escape:..}; "=" begins an escape, the rest have a meaning in FreeRADIUS's own strings.
SAFE_CHARACTERS = "".join(
    character
    for character in map(chr, range(0x20, 0x7F))
    if character.isalnum() or character in "@.-_:/ +,;!?*#&()<>[]|~^"
)


class LayError(Exception):
    """The configuration cannot be laid; the message is one line for the operator."""


class FreeradiusTemplate(string.Template):
    """``@@{name}``: FreeRADIUS itself uses ``${..}`` and ``%{..}``."""

    delimiter = "@@"


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


def render_listeners(layout: Layout, pair: PortPair) -> str:
    """Return the ``listen`` sections of one pair."""
    sections: list[str] = []
    for address in layout.listen_addresses:
        key = "ipv6addr" if ipaddress.ip_address(address).version == 6 else "ipaddr"
        sections.extend(
            f"\tlisten {{\n\t\ttype = {kind}\n\t\t{key} = {address}\n\t\tport = {port}\n\t}}"
            for kind, port in (("auth", pair.auth), ("acct", pair.acct))
        )
    return "\n".join(sections)


def render_pool_modules(layout: Layout) -> str:
    """Return the Python instances: the pool, and the one that names dynamic clients."""
    # python_path_mode exists since 3.2.7; older servers ignore the word and append, as 3.2.5 and 3.2.6 do.
    python_path = ":".join(str(path) for path in (*layout.site_packages, layout.repo_dir))
    common = (
        f'\tpython_path = "{python_path}"\n\tpython_path_mode = prepend\n\tcext_compat = yes\n'
        f"\tmodule = {layout.hooks_module}\n\tmod_instantiate = ${{.module}}\n\tfunc_instantiate = instantiate\n"
        "\tmod_detach = ${.module}\n\tfunc_detach = detach\n"
    )
    calls = "".join(
        f"\tmod_{name} = ${{.module}}\n\tfunc_{name} = {name}\n"
        for name in ("authorize", "authenticate", "accounting", "post_auth")
    )
    config = f'\tconfig {{\n\t\tsettings = "{layout.settings_file}"\n\t}}\n'
    text = [
        "# Generated by lay.py. One mutex guards each instance, so there are as many as workers; all share one",
        "# interpreter and one imported application. wb_clients runs in the receiving thread, outside the pool.",
    ]
    text += [f"python3 wb_{number} {{\n{common}{calls}{config}}}\n" for number in range(layout.pool_size)]
    lookup = "\tmod_authorize = ${.module}\n\tfunc_authorize = client_lookup\n"
    text.append(f"python3 wb_clients {{\n{common}{lookup}{config}}}\n")
    return "\n".join(text)


def render_pool_policy(pool_size: int) -> str:
    """Return ``wb_pool``: the instance of a request goes round by its number, so none waits while another idles."""
    cases = "".join(f'\t\tcase "{number}" {{\n\t\t\twb_{number}\n\t\t}}\n' for number in range(pool_size))
    return f'# Generated by lay.py.\nwb_pool {{\n\tswitch "%{{expr:%n %% {pool_size}}}" {{\n{cases}\t}}\n}}\n'


def render_text_policy() -> str:
    """Return ``wb_text``: makes every string attribute valid UTF-8, or the hook fails before Python runs.

    The ordinary packet costs one pass of rlm_utf8. ``wb_wire`` undoes it for User-Name and User-Password.
    """
    kept = {"User-Name": "Tmp-Integer-8", "User-Password": "Tmp-Integer-7"}
    repairs = []
    for name in TEXT_ATTRIBUTES:
        keep = f"\t\t\tupdate control {{\n\t\t\t\t&{kept[name]} := 1\n\t\t\t}}\n" if name in kept else ""
        repairs.append(
            f'\t\tif (&{name} && "%{{hex:&{name}}}" !~ /{UTF8_HEX_PATTERN}/i) {{\n{keep}'
            f'\t\t\tupdate request {{\n\t\t\t\t&{name} := "%{{escape:%{{{name}}}}}"\n\t\t\t}}\n\t\t}}\n'
        )
    return (
        "# Generated by lay.py.\nwb_text {\n\tutf8.authorize {\n\t\tfail = 1\n\t}\n\tif (fail) {\n"
        '\t\tupdate request {\n\t\t\t&Tmp-String-5 := "escaped"\n\t\t\t&Module-Failure-Message !* ANY\n\t\t}\n'
        # rlm_eap has put the same bytes there; the lists are all converted at every call
        "\t\tupdate reply {\n\t\t\t&User-Name !* ANY\n\t\t}\n"
        + "".join(repairs)
        + "\t\tutf8.authorize {\n\t\t\tfail = 1\n\t\t}\n\t\tif (fail) {\n"
        + _update("control", "&{0} := &request:{0}")
        + "\t\t\twb_known.authorize\n"
        + "\t\t\twb_origin\n"
        + _update("request", "&{0} := &control:{0}")
        + _update("control", "&{0} !* ANY")
        + "\t\t}\n\t\tok\n\t}\n}\n"
    )


def _update(section: str, change: str) -> str:
    """Return an ``update`` of a list that does `change` to each of our own attributes."""
    changes = "".join(f"\t\t\t\t{change.format(name)}\n" for name in OWN_ATTRIBUTES)
    return f"\t\t\tupdate {section} {{\n{changes}\t\t\t}}\n"


def _values(layout: Layout, status_secret: str) -> dict[str, str]:
    in_server = layout.message_authenticator_policy == "server"
    run_as = [f"\tuser = {layout.user}"] if layout.user else []
    run_as += [f"\tgroup = {layout.group}"] if layout.group else []
    return {
        "state_dir": str(layout.state_dir),
        "spool_dir": str(layout.spool_dir),
        "raddb_dir": str(layout.raddb_dir),
        "libdir": str(layout.libdir or find_libdir()),
        "max_requests": str(layout.max_requests),
        "worker_threads": str(layout.worker_threads or layout.pool_size),
        "run_as": "\n".join(run_as),
        "eap_sessions_max": str(EAP_SESSIONS_MAX),
        "tls_max_version": layout.tls_max_version,
        "safe_characters": SAFE_CHARACTERS,
        "status_port": str(layout.status_port),
        "status_secret": status_secret,
        "require_ma": "yes" if in_server else "no",
        # "=" leaves a per-router exception of the hook in force
        "require_ma_operator": "=" if in_server else ":=",
        "require_ma_words": "decided by the server" if in_server else "decided by the hook, router by router",
    }


def _render(name: str, values: dict[str, str]) -> str:
    return FreeradiusTemplate((TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def _write_ours(layout: Layout, raddb: Path, status_secret: str) -> None:
    values = _values(layout, status_secret)
    files = {
        name: _render(name, values)
        for name in (
            "radiusd.conf",
            "dictionary.wifibilling",
            "policy.d/wifibilling",
            "mods-config/attr_filter/wifibilling_reject",
            "mods-config/attr_filter/wifibilling_inner",
            "mods-config/attr_filter/wifibilling_known",
            "sites-available/wifibilling_inner",
            "sites-available/wifibilling_status",
        )
    }
    for path in sorted((TEMPLATES / "mods-available").iterdir()):
        files[f"mods-available/{path.name}"] = _render(f"mods-available/{path.name}", values)
    for pair in (layout.pair_a, layout.pair_b):
        of_pair = values | {
            "pair": pair.name,
            "pair_lower": pair.name.lower(),
            "listeners": render_listeners(layout, pair),
        }
        for site in ("pair", "clients"):
            name = f"sites-available/wifibilling_{site}"
            files[f"{name}_{pair.name.lower()}"] = _render(name, of_pair)
    files["mods-available/wifibilling_pool"] = render_pool_modules(layout)
    files["policy.d/wifibilling_pool"] = render_pool_policy(layout.pool_size)
    files["policy.d/wifibilling_text"] = render_text_policy()
    for name, text in files.items():
        (raddb / name).parent.mkdir(parents=True, exist_ok=True)
        (raddb / name).write_text(text, encoding="utf-8")
    with (raddb / "dictionary").open("a", encoding="utf-8") as dictionary:
        dictionary.write("\n$INCLUDE dictionary.wifibilling\n")


def _enable(raddb: Path) -> None:
    """Link what runs, and only that: no stock site, client, user file or SQL can answer a request."""
    for kind, names in (
        ("mods", [*STOCK_MODULES, *(path.name for path in (raddb / "mods-available").glob("wifibilling_*"))]),
        ("sites", [path.name for path in (raddb / "sites-available").glob("wifibilling_*")]),
    ):
        enabled = raddb / f"{kind}-enabled"
        shutil.rmtree(enabled)
        enabled.mkdir()
        for name in names:
            (enabled / name).symlink_to(Path("..") / f"{kind}-available" / name)


def make_certificates(folder: Path) -> None:
    """Make a CA and a server certificate for EAP, unless they are there: devices pin the CA.

    RSA 2048, because some phones sold with WiFi of 2014 refuse ECDSA in EAP.

    Raises:
        LayError: openssl is missing or failed.
    """
    names = ("ca.pem", "ca.key", "server.pem", "server.key")
    present = [name for name in names if (folder / name).exists()]
    if len(present) == len(names):
        return
    if present:
        raise LayError(f"{folder} holds only {', '.join(present)}: restore the rest, or empty it to make a new CA")
    days = str(CERTIFICATE_DAYS)
    extensions = folder / "server.ext"
    extensions.write_text(
        "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"
        "subjectAltName=DNS:radius.wifibilling.internal\n",
        encoding="utf-8",
    )
    authority = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", days, "-keyout", "ca.key"]
    authority += ["-out", "ca.pem", "-subj", "/O=wifibilling/CN=wifibilling RADIUS CA"]
    request = ["req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-keyout", "server.key", "-out", "server.csr"]
    request += ["-subj", "/O=wifibilling/CN=radius.wifibilling.internal"]
    sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1"]
    sign += ["-sha256", "-days", days, "-extfile", "server.ext", "-out", "server.pem"]
    for arguments in (authority, request, sign):
        _openssl(arguments, folder)
    for name in ("server.csr", "server.ext"):
        (folder / name).unlink()


def _openssl(arguments: list[str], folder: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - constant arguments
            ["openssl", *arguments],  # noqa: S607 - the distribution's openssl
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise LayError("openssl is not installed") from error
    except subprocess.CalledProcessError as error:
        raise LayError(f"openssl {arguments[0]} failed: {error.stderr.strip().splitlines()[-1:]}") from error


def _status_secret(layout: Layout) -> str:
    path = layout.status_secret_file
    if not path.exists():
        path.write_text(secrets.token_hex(24) + "\n", encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def _protect(layout: Layout) -> None:
    """Give the state folder to the daemon's user, and nothing of it to the world but the CA."""
    user_id = pwd.getpwnam(layout.user).pw_uid if layout.user else -1
    group_id = grp.getgrnam(layout.group).gr_gid if layout.group else -1
    for folder, folders, files in os.walk(layout.state_dir):
        os.chown(folder, user_id, group_id)
        Path(folder).chmod(0o700)
        for name in [*files, *(name for name in folders if (Path(folder) / name).is_symlink())]:
            path = Path(folder) / name
            os.chown(path, user_id, group_id, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o600)
    os.chown(layout.spool_dir, user_id, group_id)
    # Reachable for whoever hands the CA to devices; everything beside it stays closed.
    layout.state_dir.chmod(0o711)
    (layout.state_dir / "certs").chmod(0o711)
    layout.ca_file.chmod(0o644)


def lay(layout: Layout) -> Path:
    """Build ``<state>/raddb`` from the stock raddb and ours, and return it.

    Safe to repeat: raddb is built beside the old one and swapped in; certificates, spool and secrets are kept.

    Raises:
        LayError: something is missing; an existing raddb was not touched.
    """
    check(layout)
    old_mask = os.umask(0o077)
    try:
        for name in STATE_FOLDERS:
            (layout.state_dir / name).mkdir(parents=True, exist_ok=True)
        layout.spool_dir.mkdir(parents=True, exist_ok=True)
        make_certificates(layout.state_dir / "certs")
        fresh, stale = layout.state_dir / "raddb.new", layout.state_dir / "raddb.old"
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(layout.stock_raddb, fresh, symlinks=True, ignore=shutil.ignore_patterns("certs"))
        _write_ours(layout, fresh, _status_secret(layout))
        _enable(fresh)
        if layout.raddb_dir.exists():
            layout.raddb_dir.rename(stale)
        fresh.rename(layout.raddb_dir)
        shutil.rmtree(stale, ignore_errors=True)
        _protect(layout)
    finally:
        os.umask(old_mask)
    return layout.raddb_dir


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


def main() -> int:
    """Lay, say where, and return the exit code."""
    try:
        raddb = lay(parse_arguments(sys.argv[1:]))
    except (LayError, OSError, KeyError) as error:
        print(f"lay: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to its caller
        return 1
    print(f"laid {raddb}; run: TZ=UTC freeradius -d {raddb} -f -l stdout")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
