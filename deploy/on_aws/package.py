"""One package for the four functions: our code and the locked wheels, as bytes that depend on nothing else.

The same commit and the same lock give the same zip on any machine and day, so an unchanged package is not uploaded
twice and publishes no version. What only a command line or a server of its own needs is left out.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy.options import ROOT
from deploy.refusal import Refusal

LOCK = ROOT / "requirements.lock"
OURS = ("billing", "coa", "radius")
OUTSIDE = frozenset({"billing/cli"})  # the entry point of a shell
UNUSED = frozenset(  # a shell's, a server's, and what wheels bring along
    {"bin", "docs", "example", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typer", "uvicorn"}
)
LEFT_OUT = frozenset({"__pycache__", "tests"})
PYTHON = "3.13"  # the runtime of deploy/stacks/api.yaml, on Amazon Linux 2023: glibc 2.34
ARCHITECTURE = "x86_64"
PLATFORMS = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12")
UNZIPPED_BYTES_MAX = 262_144_000  # Lambda's quota for code and layers together
ZIPPED_BYTES_MAX = 52_428_800  # Lambda's quota for an upload without S3; more would still start, and slowly
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip knows
PIP_TIMEOUT_S = 900.0
BLOCK_BYTES = 1 << 20


class Package(NamedTuple):
    """What was built: `sha256` of the zip in hexadecimal, `bytes_unzipped` as Lambda counts them."""

    path: Path
    sha256: str
    bytes_zipped: int
    bytes_unzipped: int


def build(target: Path, python: str = PYTHON) -> Package:
    """Write the zip for Lambda's Python `python` to `target`.

    Raises:
        Refusal: a package has no wheel for that Python, no network, or the whole is more than Lambda takes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wifibilling-package-") as name:
        folder = Path(name)
        _wheels(folder, python)
        for each in OURS:
            shutil.copytree(ROOT / each, folder / each)
        files = sorted(_kept(folder))
        unzipped = sum((folder / file).stat().st_size for file in files)
        if unzipped > UNZIPPED_BYTES_MAX:
            raise Refusal(f"the package has {unzipped:,} bytes; Lambda takes {UNZIPPED_BYTES_MAX:,}")
        fresh = target.with_suffix(".new")
        _zip(folder, files, fresh)
        fresh.replace(target)
    zipped = target.stat().st_size
    if zipped > ZIPPED_BYTES_MAX:
        raise Refusal(f"the zip has {zipped:,} bytes; more than {ZIPPED_BYTES_MAX:,} start too slowly")
    return Package(target, digest(target), zipped, unzipped)


def read(path: Path) -> Package:
    """What `build` has made earlier. Raises Refusal for no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as bad:
        raise Refusal(f"{path}: {bad}") from None
    return Package(path, digest(path), path.stat().st_size, unzipped)


def foreign(package: Package) -> str:
    """The first file by which a package's own code differs from this clone's; empty for none."""
    with zipfile.ZipFile(package.path) as archive:
        there = {name: archive.read(name) for name in archive.namelist() if name.partition("/")[0] in OURS}
    files = (path for each in OURS for path in (ROOT / each).rglob("*") if path.is_file())
    here = {name: path for path in files if _is_kept(name := path.relative_to(ROOT).as_posix())}
    odd = there.keys() ^ here.keys()
    odd |= {name for name in there.keys() & here.keys() if here[name].read_bytes() != there[name]}
    return min(odd, default="")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def _wheels(folder: Path, python: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--target", str(folder), "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--no-compile", "--implementation", "cp", "--python-version", python]
    for each in PLATFORMS:
        command += ["--platform", f"{each}_{ARCHITECTURE}"]
    command += ["--no-input", "--disable-pip-version-check", "-q", "-r", str(LOCK)]
    environment = {name: value for name, value in os.environ.items() if name not in ("PIP_USER", "PIP_PREFIX")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PIP_TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired:
        raise Refusal(f"pip did not finish in {PIP_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["no word from pip"]
        raise Refusal(f"could not fetch the wheels for Python {python}: {lines[0].removeprefix('ERROR: ')}")


def _kept(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and _is_kept(name):
            yield name


def _is_kept(name: str) -> bool:
    parts = name.split("/")
    starts = {parts[0], "/".join(parts[:2])}
    return not (starts & (OUTSIDE | UNUSED) or LEFT_OUT.intersection(parts[:-1]) or name.endswith(".pyc"))


def _zip(folder: Path, files: list[str], target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it was built
            entry.external_attr = 0o100644 << 16  # else the function's user cannot read it
            archive.writestr(entry, (folder / file).read_bytes(), compresslevel=6)
