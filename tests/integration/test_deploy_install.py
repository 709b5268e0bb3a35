"""The locks, the .venv and the engine: pinned, whole or not at all."""

import base64
import dataclasses
import hashlib
import io
import os
import platform
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from deploy import engine, install, options
from deploy.refusal import Refusal
from tests.integration.deploy_lab import ROOT

pytestmark = pytest.mark.integration

LOCK_FILES = ("requirements.lock", "requirements-dev.lock", "deploy/engine.lock")


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LOCK_FILES)
def test_every_locked_package_has_hashes_and_no_index_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = re.split(r"\n(?=[a-z])", text.split("\n", 1)[1])
    assert len(blocks) == len(pins(name)) > 0
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text


def test_the_test_tools_lock_holds_the_run_lock() -> None:
    run = pins("requirements.lock")
    assert run.items() <= pins("requirements-dev.lock").items()
    wanted = re.findall(
        r'^    "([a-zA-Z0-9-]+)', (ROOT / "pyproject.toml").read_text().split("[dependency-groups]")[0], re.MULTILINE
    )
    assert {name.lower() for name in wanted} <= run.keys()


def test_a_venv_without_a_stamp_or_with_another_lock_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for level in ("run", "dev"):
        (tmp_path / level).write_text(level)
    monkeypatch.setattr(install, "LOCKS", {level: tmp_path / level for level in ("run", "dev")})
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(engine, "is_fetched", lambda _binary: True)
    assert not install.is_current("run")
    install.write_stamp(tmp_path, install.expected_stamp("run"))
    assert install.is_current("run")
    assert not install.is_current("dev")
    install.write_stamp(tmp_path, install.expected_stamp("dev"))
    assert install.is_current("run")
    (tmp_path / "run").write_text("changed")
    assert not install.is_current("dev")
    (tmp_path / install.STAMP_NAME).write_text('{"root"')
    assert not install.is_current("run")


def test_the_command_runs_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    install.write_commands(tmp_path)
    ran = subprocess.run(
        [tmp_path / "bin" / "wifibilling", "--help"],
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Usage: wifibilling ")


def test_another_python_than_freeradius_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="install the package freeradius-python3"):
        install.check_python(tmp_path)
    (tmp_path / "freeradius").mkdir()
    (tmp_path / "freeradius" / "rlm_python3.so").write_text("")
    ldd = tmp_path / "ldd"
    ldd.write_text('#!/bin/sh\necho "  libpython3.7m.so.1.0 => x"; echo "  libpython3.7.so.1.0 => /lib/x (0x0)"\n')
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Refusal, match=r"links Python 3\.7, but .* is Python 3\.\d+"):
        install.check_python(tmp_path)


def test_somebody_elses_clone_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "check_python", lambda: None)
    monkeypatch.setattr(install, "is_current", lambda _level: False)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(Refusal, match=f"no right to write in {ROOT}: run this as root or as its owner"):
        install.ensure("dev")


def test_the_same_process_goes_on_with_what_was_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(install, "ensure", lambda level: became.append([level]))
    monkeypatch.setattr(os, "execv", lambda _path, words: became.append(words[1:]))
    monkeypatch.setattr(signal, "signal", lambda _number, _handler: None)
    monkeypatch.setattr(sys, "argv", ["install", "run", "deploy.box", "--once", "--state", "/srv/a b"])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    install.main()
    assert became == [["run"], ["-P", "-m", "deploy.box", "--once", "--state", "/srv/a b"]]
    assert "PYTHONPATH" not in os.environ


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("WARNING: Retrying: NewConnectionError('x')\nERROR: No matching distribution", "no network"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "no space left"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n  x", "THESE PACKAGES DO NOT MATCH"),
        ("", "no output"),
    ],
)
def test_pips_words_become_one_line(output: str, line: str) -> None:
    assert line in install.pip_complaint(output)
    assert "\n" not in install.pip_complaint(output)


def tarball(path: Path, program: bytes) -> engine.Build:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/dynoxide")
        member.size = len(program)
        archive.addfile(member, io.BytesIO(program))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return engine.Build("@made/up", f"sha512-{digest}", hashlib.sha256(program).hexdigest())


def test_the_engine_is_installed_only_as_pinned(tmp_path: Path) -> None:
    archive, binary = tmp_path / "engine.tgz", tmp_path / "dynoxide"
    build = tarball(archive, b"#!/bin/sh\n")
    for wrong in (
        dataclasses.replace(build, integrity="sha512-AAAA"),
        dataclasses.replace(build, sha256="0" * 64),
    ):
        with pytest.raises(Refusal, match="is not what was pinned"):
            engine.install(archive, wrong, binary)
        assert not binary.exists()
    engine.install(archive, build, binary)
    assert binary.read_bytes() == b"#!/bin/sh\n"
    assert os.access(binary, os.X_OK)


def test_a_damaged_engine_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(options.ENGINE_VARIABLE, raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "made-up")
    binary = tmp_path / "dynoxide"
    build = tarball(tmp_path / "engine.tgz", b"program")
    monkeypatch.setitem(engine.BUILDS, "made-up", build)
    engine.install(tmp_path / "engine.tgz", build, binary)
    assert engine.is_fetched(binary)
    binary.write_bytes(b"progra")
    assert not engine.is_fetched(binary)


def test_a_machine_without_a_build_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(options.ENGINE_VARIABLE, raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Refusal, match=r"no pinned dynoxide build for riscv64.*WIFIBILLING_DYNOXIDE"):
        engine.fetch(tmp_path / "dynoxide")
    monkeypatch.setenv(options.ENGINE_VARIABLE, "/bin/true")
    engine.fetch(tmp_path / "dynoxide")
    assert engine.locate(tmp_path / "dynoxide", options.parse([]).engine) == Path("/bin/true").resolve()
    with pytest.raises(Refusal, match="is not a program"):
        engine.locate(tmp_path / "dynoxide", tmp_path / "nothing")
