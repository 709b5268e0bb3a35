"""The stores: dynoxide (embedded DynamoDB) and a PostgreSQL cluster of the bench's own, both on disk."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import BenchError, Program, free_port

POSTGRES_USER = "postgres"  # initdb refuses root
POSTGRES_DATABASE = "radius"


@dataclass(frozen=True)
class Engine:
    """A store that answers on a loopback port."""

    port: int
    pid: int
    version: str


def find_dynoxide(given: str | None) -> Path:
    """The dynoxide binary: as given, on the PATH, or where deploy/run put it."""
    repository = Path(__file__).resolve().parents[2]
    found = [given, os.environ.get("DYNOXIDE"), shutil.which("dynoxide")]
    found += [str(repository / ".venv" / "bin" / "dynoxide")]
    for path in found:
        if path and Path(path).is_file():
            return Path(path)
    raise BenchError("dynoxide not found: run deploy/run once, or name the binary with --dynoxide")


@contextmanager
def dynoxide(binary: Path, folder: Path) -> Iterator[Engine]:
    """Run dynoxide on a new database file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    version = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    program = Program(
        [binary, "--db-path", folder / "store.db", "--host", "127.0.0.1", "--port", str(port)],
        folder / "dynoxide.log",
    )
    try:
        program.wait_for_port(port)
        yield Engine(port, program.pid, version)
    finally:
        program.stop()


def _postgres_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise BenchError("PostgreSQL not found")
    return found[-1].parent


def _installed_suite() -> list[str]:
    """apt-get options that take freeradius-postgresql from where the installed freeradius came from."""
    version = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "freeradius"], capture_output=True, text=True, check=False
    ).stdout
    return [f"freeradius-postgresql={version}"] if version else ["freeradius-postgresql"]


def install_postgres() -> None:
    """Install PostgreSQL and FreeRADIUS's driver for it when they are missing. Starts no service.

    Raises BenchError when that is not possible (no root, no Debian).
    """
    missing = []
    if not Path("/usr/lib/postgresql").is_dir():
        missing.append("postgresql")
    if not list(Path("/usr/lib").rglob("rlm_sql_postgresql.so")):
        missing += _installed_suite()
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BenchError(f"for the comparison with rlm_sql install: {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")


@contextmanager
def postgres(folder: Path, *, connections: int) -> Iterator[Engine]:
    """Run a new PostgreSQL cluster with the stock configuration: fsync and synchronous_commit stay on."""
    binaries = _postgres_binaries()
    folder.mkdir(parents=True, exist_ok=True)
    owner = pwd.getpwnam(POSTGRES_USER)
    if os.geteuid() == 0:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    user = POSTGRES_USER if os.geteuid() == 0 else None
    data, port = folder / "data", free_port()
    initdb = [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", POSTGRES_USER, "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, group=user, cwd="/")
    program = Program(
        [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-N", str(connections)],
        folder / "postgres.log",
        user=user,
        stop_signal=signal.SIGINT,
    )
    try:
        program.wait_for_port(port)
        program.wait_for_text("ready to accept connections")
        version = subprocess.run(
            [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        yield Engine(port, program.pid, version)
    finally:
        program.stop()


def psql(port: int, script: str | Path, database: str = POSTGRES_DATABASE) -> str:
    """Run SQL text, or a file of it, and return what it prints."""
    command: Sequence[str] = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]
    command = [*command, "-p", str(port), "-U", POSTGRES_USER, "-d", database]
    command = [*command, "-f", str(script)] if isinstance(script, Path) else [*command, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"psql: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()
