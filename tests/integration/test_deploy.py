"""deploy/run and deploy/test: what they refuse, in one line each, before anything is done."""

import dataclasses
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import application, check, options, ports, precheck, programs
from deploy.refusal import Refusal, exit_code
from deploy.state import State, start_ticks
from radius import settings as settings_module
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
    names = ("run", "test", "hub", "install", "update", "restore", "relay", "lock", "lib.sh", "packages.sh")
    names += ("image/system",)
    scripts = [*(f"deploy/{name}" for name in names), "tests/boot/image.sh", "tests/boot/machine.sh"]
    done = subprocess.run(
        ["shellcheck", "-x", *scripts, ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_a_machine_without_package_lists_gets_them_before_its_mirror_is_looked_for(tmp_path: Path) -> None:
    script = f"""
        SOURCES_DIR={tmp_path}
        apt_suites() {{ ! [[ -e {tmp_path}/lists ]] || echo bookworm http://mirror.test/debian/; }}
        refresh_lists() {{ touch {tmp_path}/lists; }}
        add_backports
    """
    offline = shell(script.replace("touch", "true"), "packages.sh")
    assert (offline.returncode, offline.stderr.count("\n")) == (1, 1)
    assert "is the network up?" in offline.stderr
    assert shell(script, "packages.sh").returncode == 0
    written = (tmp_path / "wifibilling-backports.list").read_text()
    assert written.endswith("http://mirror.test/debian/ bookworm-backports main\n")


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


def test_a_disk_that_refuses_is_one_line_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMAND", "deploy/run")

    def full() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/state/data.key")

    assert exit_code(full) == 1
    assert capsys.readouterr().err == "deploy/run: /srv/state/data.key: No space left on device\n"
    with pytest.raises(FileNotFoundError):  # that would be ours
        exit_code(lambda: len((tmp_path / "nothing").read_text()))


def test_settings_that_cannot_be_used_are_one_line_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    os.close(state.claim())
    given = options.parse(["--state", str(state.folder)])
    application.write_settings(given, state)
    monkeypatch.setenv("WIFIBILLING_NAMES_CACHE_S", "0")
    monkeypatch.setenv("WIFIBILLING_HEARTBEAT_S", "soon")
    with pytest.raises(Refusal) as refused:
        application.write_settings(given, state)
    assert "\n" not in str(refused.value)
    for name in ("WIFIBILLING_NAMES_CACHE_S", "WIFIBILLING_HEARTBEAT_S"):
        assert name in str(refused.value)


def test_how_routers_reach_this_box_is_known_to_tools_that_have_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    os.close(state.claim())
    monkeypatch.setenv("WIFIBILLING_PORTAL_URL", "https://portal.example.net")
    monkeypatch.setenv("WIFIBILLING_HUB_ENDPOINT", "hub.example.net:51820")
    path = application.write_settings(options.parse(["--state", str(state.folder)]), state)
    monkeypatch.delenv("WIFIBILLING_PORTAL_URL")
    monkeypatch.delenv("WIFIBILLING_HUB_ENDPOINT")
    read = settings_module.load(path)
    assert (read.portal_url, read.hub_endpoint) == ("https://portal.example.net", "hub.example.net:51820")


def test_the_full_tests_do_not_begin_where_freeradius_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOT", Path("/home/me/my clone"))
    with pytest.raises(Refusal, match="FreeRADIUS would interpret"):
        check.check([])


TOOL = """#!/bin/sh
trap 'echo cleaned; exit 2' INT
echo begun
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_whoever_stops_the_tests_lets_them_clean_up(tmp_path: Path, sign: signal.Signals) -> None:
    tool = tmp_path / "tool"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    code = f"""
import pathlib, sys
from deploy import check
from deploy.refusal import exit_code
check.SCRIPTS = pathlib.Path({str(tmp_path)!r})
sys.exit(exit_code(lambda: check.run(("tool",))))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(sign)
        assert process.stdout.read() == "cleaned\n"
        assert process.wait(PATIENCE_S) == 130


def test_no_test_at_all_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    codes = {"ruff": 0, "mypy": 0, "lint-imports": 0, "pytest": 5}
    monkeypatch.setattr(check, "run", lambda command: codes[command[0]])
    assert check.check([]) == 5
    codes.update(pytest=0)
    assert check.check(["--fast"]) == 0
    codes.update(mypy=2)
    assert check.check([]) == 1
    assert capsys.readouterr().err == "deploy/test: failed: mypy\n"


def test_what_the_environment_says_of_spool_and_pool_is_true_for_freeradius_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "state")
    os.close(state.claim())
    state.make()
    programs.write_key(state.key_file)
    given = options.parse(["--state", str(state.folder)])
    monkeypatch.setenv("WIFIBILLING_SPOOL_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WIFIBILLING_HOOK_POOL_INSTANCES", "3")
    raddb = programs.lay_configuration(given, state, application.write_settings(given, state))
    assert f'"{tmp_path}/elsewhere/acct-' in (raddb / "mods-available/wifibilling_spool").read_text()
    assert (tmp_path / "elsewhere").is_dir()
    assert (raddb / "mods-available/wifibilling_pool").read_text().count("\npython3 wb_") == 3 + 1  # and wb_clients
