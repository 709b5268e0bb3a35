"""Lays wifibilling's FreeRADIUS configuration over a copy of the distribution's raddb.

The stock raddb (Debian 12/13, Ubuntu 24.04: ``/etc/freeradius/3.0``) is only read. Everything that runs is in one state
folder: ``raddb`` (rebuilt each time), ``certs`` (made once, then kept), ``spool``, ``log`` and ``run``.

    python -m freeradius_config.lay --state /var/lib/wifibilling/radius --settings settings.toml \
        --site-packages .venv/lib/python3.11/site-packages

Our files are ordinary FreeRADIUS files under ``raddb`` beside this one (`render`); ``README.md`` is the contract.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from freeradius_config.layout import LayError, Layout, check, parse_arguments
from freeradius_config.render import ours

# Certificates of ten years: a village access point is set up once, and its devices pin the CA.
CERTIFICATE_DAYS = 3650
CERTIFICATES = ("ca.pem", "ca.key", "server.pem", "server.key")
STOCK_MODULES = ("always", "chap", "pap", "utf8")
STATE_FOLDERS = ("log", "run")


def _write_ours(layout: Layout, raddb: Path) -> None:
    for name, text in ours(layout, _status_secret(layout)).items():
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

    All of them or none: they are made in a folder beside it, which takes its name when they are on the disk.

    Raises:
        LayError: openssl is missing or failed, or somebody took some of them away.
    """
    present = [name for name in CERTIFICATES if (folder / name).exists()]
    if len(present) == len(CERTIFICATES):
        return
    if present:
        raise LayError(f"{folder} holds only {', '.join(present)}: restore the rest, or empty it to make a new CA")
    fresh = folder.with_name(f"{folder.name}.new")
    for leftover in (fresh, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    _sign(fresh)
    os.sync()
    fresh.rename(folder)


def _sign(folder: Path) -> None:
    """RSA 2048, because some phones sold with WiFi of 2014 refuse ECDSA in EAP."""
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
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(secrets.token_hex(24) + "\n", encoding="ascii")
        fresh.replace(path)
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
        _write_ours(layout, fresh)
        _enable(fresh)
        if layout.raddb_dir.exists():
            layout.raddb_dir.rename(stale)
        fresh.rename(layout.raddb_dir)
        shutil.rmtree(stale, ignore_errors=True)
        _protect(layout)
    finally:
        os.umask(old_mask)
    return layout.raddb_dir


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
