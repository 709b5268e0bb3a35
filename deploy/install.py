"""The .venv of this clone: the Python that FreeRADIUS links, the locked packages, the engine.

A new one is built beside the old one and takes its place when it is whole; a stamp, written last, says what it was
built from. Whatever is interrupted is built again by the next run.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from deploy import engine
from deploy.options import ROOT
from deploy.precheck import check_disk
from deploy.refusal import Refusal, exit_code, say

VENV = ROOT / ".venv"
VENV_NEW = ROOT / ".venv.new"
VENV_OLD = ROOT / ".venv.old"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}  # dev holds all of run, and more
STAMP_NAME = "wifibilling.json"
INSTALL_MB_MIN = 1000  # the new .venv (470 MB with the test tools), pip's and npm's temporary files
PIP_TIMEOUT_S = 1800.0  # 60 MB on the line of a village; pip's own time-outs end a dead one
LOCK_WAIT_S = 1800.0  # another deploy/run or deploy/test that installs: as long as an install may take
LOCK_POLL_S = 0.5
MODULE_FOLDERS = ("freeradius", "*/freeradius")  # below /usr/lib
# An operator's pip settings for indexes, proxies and certificates hold; those that install elsewhere cannot.
PIP_ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


def check_python(library_root: Path = Path("/usr/lib")) -> None:
    """Refuse when FreeRADIUS's Python module links another minor version than the Python that runs this.

    Raises:
        Refusal: with both versions, or when the module is not installed.
    """
    found = [path for pattern in MODULE_FOLDERS for path in library_root.glob(f"{pattern}/rlm_python3.so")]
    if not found:
        raise Refusal("FreeRADIUS's Python module (rlm_python3.so) is missing: install the package freeradius-python3")
    linked = subprocess.run(["ldd", str(found[0])], capture_output=True, text=True, check=False).stdout
    version = re.search(r"libpython(3\.\d+)\.so", linked)
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version is None or version[1] != ours:
        links = f"Python {version[1]}" if version else "no Python library"
        raise Refusal(f"{found[0]} links {links}, but {sys.executable} is Python {ours}: reinstall freeradius-python3")


def expected_stamp(level: str) -> dict[str, str]:
    """What a .venv for `level` ("run" or "dev") is made of. A moved clone has paths of its own, so it counts."""
    levels = ("run", "dev") if level == "dev" else ("run",)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digests = {name: hashlib.sha256(LOCKS[name].read_bytes()).hexdigest() for name in levels}
    return {"root": str(ROOT), "python": python, **digests}


def read_stamp(venv: Path) -> dict[str, str]:
    """The stamp of a finished .venv; empty for none, or for one that was interrupted."""
    try:
        stamp = json.loads((venv / STAMP_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_current(level: str) -> bool:
    """Whether nothing needs to be done for `level`."""
    stamp = read_stamp(VENV)
    expected = expected_stamp(level)
    return all(stamp.get(name) == value for name, value in expected.items()) and engine.is_fetched(
        VENV / "bin/dynoxide"
    )


def ensure(level: str) -> None:
    """Bring .venv up to `level`.

    Raises:
        Refusal: no network, no room, or the wrong Python; an old .venv is then still as it was.
    """
    check_python()
    if is_current(level):
        return
    check_rights()
    with install_lock():
        if is_current(level):  # the other one did it
            return
        check_disk(ROOT, INSTALL_MB_MIN)
        has_run_packages = expected_stamp("run").items() <= read_stamp(VENV).items()
        if has_run_packages:
            complete(level)
            return
        try:
            build(level)
        finally:
            shutil.rmtree(VENV_NEW, ignore_errors=True)


def check_rights() -> None:
    """Refuse when somebody else's clone would have to be written.

    Raises:
        Refusal: naming the folder.
    """
    for folder in (ROOT, VENV, site_packages(VENV)):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise Refusal(f"no right to write in {folder}: run this as root or as its owner")


def complete(level: str) -> None:
    """Add what is missing to a .venv that may be in use: nothing in it changes, for the dev lock holds the run lock."""
    expected = expected_stamp(level)
    stamp = read_stamp(VENV)
    if not expected.items() <= stamp.items():
        say("installing the test tools into .venv")
        install_packages(VENV, level)
    engine.fetch(VENV / "bin" / "dynoxide")
    write_stamp(VENV, stamp | expected)


def build(level: str) -> None:
    """Make a new .venv and put it in the place of the old one."""
    say("building .venv (a minute or two)")
    for leftover in (VENV_NEW, VENV_OLD):
        shutil.rmtree(leftover, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV_NEW)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Refusal(f"python3 -m venv failed: {(made.stdout + made.stderr).strip().splitlines()[-1:]}")
    (VENV_NEW / ".gitignore").write_text("*\n")  # git sees neither a .venv nor one in the making
    install_packages(VENV_NEW, level)
    old_engine = VENV / "bin" / "dynoxide"
    if engine.is_fetched(old_engine) and old_engine.exists():
        shutil.copy2(old_engine, VENV_NEW / "bin" / "dynoxide")
    engine.fetch(VENV_NEW / "bin" / "dynoxide")
    rename_inside(VENV_NEW / "bin")
    site_packages(VENV_NEW).joinpath("wifibilling.pth").write_text(f"{ROOT}\n")
    write_commands(VENV_NEW)
    write_stamp(VENV_NEW, expected_stamp(level))
    os.sync()  # after a power cut the stamp must not be all that reached the disk
    if VENV.exists():
        VENV.rename(VENV_OLD)
    VENV_NEW.rename(VENV)
    shutil.rmtree(VENV_OLD, ignore_errors=True)


def site_packages(venv: Path) -> Path:
    """Where the packages of a venv are."""
    return venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def rename_inside(scripts: Path) -> None:
    """The scripts of a venv name its folder: make it the final one."""
    for path in scripts.iterdir():
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            renamed = content.replace(bytes(VENV_NEW), bytes(VENV))
            if renamed != content:
                path.write_bytes(renamed)


def write_commands(venv: Path) -> None:
    """The scripts that pyproject.toml names, as pip writes them; this clone is on the path of `VENV`, not installed."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, entry in scripts.items():
        module, _, function = entry.partition(":")
        path = venv / "bin" / name
        call = f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        path.write_text(f"#!{VENV}/bin/python -P\n{call}")
        path.chmod(0o755)


def write_stamp(venv: Path, stamp: dict[str, str]) -> None:
    """Say what the venv was built from, in one step."""
    fresh = venv / f"{STAMP_NAME}.new"
    fresh.write_text(json.dumps(stamp))
    fresh.replace(venv / STAMP_NAME)


def install_packages(venv: Path, level: str) -> None:
    """Install the locked packages, wheels only: no compiler is asked for.

    Raises:
        Refusal: with pip's own last error, and where the rest of its words are.
    """
    environment = {name: value for name, value in os.environ.items() if name not in PIP_ELSEWHERE}
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-input", "--progress-bar", "off", "--disable-pip-version-check", "-r", str(LOCKS[level])]
    descriptor, log = tempfile.mkstemp(prefix="wifibilling-pip-", suffix=".log")
    with os.fdopen(descriptor, "w") as output:
        try:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                check=False,
                timeout=PIP_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise Refusal(f"pip did not finish in {PIP_TIMEOUT_S:.0f} s (its words: {log})") from None
        except (KeyboardInterrupt, SystemExit):
            Path(log).unlink()
            raise
    if done.returncode != 0:
        raise Refusal(
            f"could not install the Python packages: {pip_complaint(Path(log).read_text())} (pip's words: {log})"
        )
    Path(log).unlink()


def pip_complaint(output: str) -> str:
    """The one line of pip's output that says what an operator can act on."""
    if re.search(r"No space left on device", output):
        return "no space left on the disk"
    if re.search(
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Connection.*(refused|reset)",
        output,
    ):
        return "no network to the Python package index"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return (errors or output.splitlines() or ["no output"])[0].removeprefix("ERROR: ")


@contextlib.contextmanager
def install_lock() -> Iterator[None]:
    """One installation of this clone at a time. The lock is on the folder itself and ends with the process.

    Raises:
        Refusal: another one has been installing for longer than any should.
    """
    folder = os.open(ROOT / "deploy", os.O_RDONLY | os.O_CLOEXEC)
    until = time.monotonic() + LOCK_WAIT_S
    told = False
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Refusal(
                        "another deploy/run or deploy/test has been installing here for half an hour"
                    ) from None
                if not told:
                    say("waiting for another deploy/run or deploy/test that is installing")
                    told = True
                time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(folder)


def main() -> int:
    """Bring .venv up to the level that the command line names; then become the module it names, in that .venv.

    The same process goes on, so that a signal to it finds whatever runs. Until then one ends what was started here.
    """
    level, module, *arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    ensure(level)
    os.environ.pop("PYTHONPATH")  # ours, for the system's Python
    python = str(VENV / "bin" / "python")
    os.execv(python, [python, "-P", "-m", module, *arguments])  # noqa: S606 - a program of ours, and no shell


if __name__ == "__main__":
    sys.exit(exit_code(main))
