"""deploy/run and deploy/test: what they refuse, in one line each, before anything is done."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from deploy import check, options, ports, precheck
from deploy.refusal import Refusal
from deploy.state import State, start_ticks
from tests.integration.deploy_lab import PATIENCE_S, ROOT, bystander, free_ports

pytestmark = pytest.mark.integration


def shell(script: str, library: str = "lib.sh") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f". {ROOT}/deploy/{library}; {script}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COMMAND": "deploy/run"},
    )


# --- the machine's preconditions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "suite"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "bookworm"),
        ('ID=debian\nVERSION_ID="13"\n', "trixie"),
        ('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n', "noble"),
    ],
)
def test_supported_systems_are_known_by_their_release_file(tmp_path: Path, release: str, suite: str) -> None:
    (tmp_path / "os-release").write_text(release)
    done = shell(f"detect_suite {tmp_path}/os-release")
    assert (done.returncode, done.stdout.strip()) == (0, suite)


@pytest.mark.parametrize(
    "release",
    [
        'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian 11"\n',
        'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04"\n',
        'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="24.04"\nPRETTY_NAME="Mint"\n',
        "ID=debian\nPRETTY_NAME=Sid\n",
        "",
    ],
)
def test_other_systems_are_refused_in_one_line(tmp_path: Path, release: str) -> None:
    (tmp_path / "os-release").write_text(release)
    done = shell(f"detect_suite {tmp_path}/os-release")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Debian 12, Debian 13 or Ubuntu 24.04" in done.stderr


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("3.2.4", False),
        ("3.2.5+dfsg-3~ubuntu24.04.3", True),
        ("3.2.7+dfsg-1~bpo12+1", True),
        ("3.2.8", True),
        ("3.2.9", False),
        ("3.2.10", False),
        ("3.2.11", True),
        ("3.0.26", False),
        ("4.0.0", False),
        ("", False),
    ],
)
def test_freeradius_versions(version: str, supported: bool) -> None:
    assert shell(f"freeradius_supported '{version}'").returncode == (0 if supported else 1)


def test_a_wrong_installed_freeradius_is_named(tmp_path: Path) -> None:
    fake = tmp_path / "freeradius"
    fake.write_text('#!/bin/sh\necho "radiusd: FreeRADIUS Version 3.2.10, for host x86_64-pc-linux-gnu"\n')
    fake.chmod(0o755)
    done = shell(f"PATH={tmp_path}:$PATH; check_freeradius")
    assert done.returncode == 1
    assert done.stderr.startswith("deploy/run: FreeRADIUS 3.2.10 is installed; this needs 3.2.5 to 3.2.8")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Inst freeradius (3.2.7+dfsg-1~bpo12+1 Debian Backports:stable-backports [amd64])", "3.2.7+dfsg-1~bpo12+1"),
        ("Inst freeradius [3.2.1+dfsg-4] (3.2.5+dfsg-1 Ubuntu:24.04/noble [amd64])", "3.2.5+dfsg-1"),
        ("Inst freeradius-common (3.2.1+dfsg-4+deb12u1 Debian:12/stable [all])", ""),
    ],
)
def test_the_version_that_apt_would_install_is_read_from_its_plan(line: str, version: str) -> None:
    assert shell(f"planned_version '{line}'", "packages.sh").stdout.strip() == version


def test_a_clock_before_the_release_is_refused() -> None:
    done = shell("check_clock 1970")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the clock says 1970" in done.stderr
    assert shell("check_clock 2031").returncode == 0


def test_too_little_room_is_refused(tmp_path: Path) -> None:
    done = shell(f"check_space {tmp_path}/not/yet/there 999999999")
    assert done.returncode == 1
    assert "999999999 MB are needed" in done.stderr
    with pytest.raises(Refusal, match="999999999 MB are needed"):
        precheck.check_disk(tmp_path / "not" / "yet", 999999999)


def test_without_root_and_without_sudo_nothing_is_tried(tmp_path: Path) -> None:
    done = shell(f"PATH={tmp_path}; check_sudo")
    assert done.returncode == 1
    assert done.stderr == "deploy/run: root is needed: run this as root, or install sudo\n"


def test_the_scripts_pass_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [f"deploy/{name}" for name in ("run", "test", "lock", "lib.sh", "packages.sh")]
    done = subprocess.run(
        ["shellcheck", "-x", *scripts, ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


# --- ports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)])
def test_a_taken_port_names_itself_its_holder_and_the_way_out(protocol: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        wanted = ports.Ports(**{**free_ports(), "auth" if protocol == "udp" else "engine": port})
        with pytest.raises(Refusal) as refused:
            ports.check_free(wanted)
    message = str(refused.value)
    assert f"{protocol.upper()} port {port} " in message
    assert f"(pid {os.getpid()})" in message
    assert "--port-offset" in message


def test_an_offset_moves_every_port_and_stays_in_range() -> None:
    moved = dataclasses.asdict(ports.Ports().moved(1000))
    assert moved == {name: port + 1000 for name, port in dataclasses.asdict(ports.Ports()).items()}
    assert len(set(moved.values())) == len(moved)
    with pytest.raises(Refusal, match=r"out of 1\.\.65535"):
        ports.Ports().moved(60000)


# --- options and the state folder ------------------------------------------------------------------------------------


def test_a_path_that_freeradius_would_interpret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="FreeRADIUS would interpret"):
        options.parse(["--state", str(tmp_path / "my state")])


def test_a_folder_with_other_things_in_it_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(Refusal, match="holds other things"):
        precheck.check_box(options.parse(["--state", str(tmp_path)]))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_one_instance_at_a_time_and_the_second_learns_whose_it_is(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    claim = state.claim()
    with pytest.raises(Refusal, match=rf"already running on .* \(pid {os.getpid()}\)"):
        state.claim()
    os.close(claim)
    os.close(state.claim())
    assert state.folder.stat().st_mode & 0o777 == 0o700


def test_a_pid_file_of_somebody_elses_process_kills_nobody(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    with bystander() as process:
        ticks = start_ticks(process.pid)
        assert ticks is not None
        (state.pid_folder / "engine.pid").write_text(f"{process.pid} {ticks - 1}\n")
        (state.pid_folder / "worker.pid").write_text("")  # a power cut left it empty
        state.end_leftovers()
        assert process.poll() is None
    assert list(state.pid_folder.iterdir()) == []


def test_what_a_killed_instance_left_running_is_ended(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.make()
    with bystander() as process:
        state.remember("engine", process.pid)
        state.end_leftovers()
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
    assert list(state.pid_folder.iterdir()) == []


def test_no_test_at_all_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    codes = {"ruff": 0, "mypy": 0, "lint-imports": 0, "pytest": 5}
    monkeypatch.setattr(check, "run", lambda command: codes[command[0]])
    assert check.main([]) == 5
    codes.update(pytest=0)
    assert check.main(["--fast"]) == 0
    codes.update(mypy=2)
    assert check.main([]) == 1
    assert capsys.readouterr().err == "deploy/test: failed: mypy\n"
