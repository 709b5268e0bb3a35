"""How the box starts, survives and stops: the supervisor, the order of things, kills."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from deploy import application, engine, programs
from deploy.options import parse
from deploy.ports import Ports
from deploy.refusal import Refusal, say
from deploy.state import State, start_ticks
from deploy.supervisor import (
    LOG_BYTES_MAX,
    PROBE_EVERY_S,
    PROBES_LOST_MAX,
    RESTART_PAUSE_S_MAX,
    RESTART_PAUSE_S_MIN,
    STABLE_S,
    Child,
    Program,
    RestartPause,
    Supervisor,
)
from tests.fixtures_engine import find_dynoxide
from tests.integration.deploy_lab import PATIENCE_S, ROOT, free_ports, wait_until

pytestmark = pytest.mark.integration


class Rig:
    """A supervisor with a clock that the test moves, over small programs that misbehave."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        folder.mkdir()
        self.state.make()
        self.now = 0.0
        self.stopping = threading.Event()
        self.supervisor = Supervisor(self.state, self.stopping, clock=self.clock)

    def clock(self) -> float:
        self.now += 0.05  # waiting takes time
        return self.now

    def program(self, name: str, script: str, start_timeout_s: float = 100.0, stop_timeout_s: float = 10.0) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-c", textwrap.dedent(script)),
            is_ready=lambda log: "ready" in log,
            start_timeout_s=start_timeout_s,
            stop_timeout_s=stop_timeout_s,
        )


SERVES = "import time; print('ready', flush=True); time.sleep(1000)"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "state")
    yield made
    made.supervisor.stop()


def test_every_server_of_the_box_can_be_asked_whether_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs here, so each says no; one that could not be asked would end the box."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    state = State(tmp_path / "state")
    state.folder.mkdir()
    state.make()
    options = replace(parse(["--state", str(state.folder)]), ports=Ports(**free_ports()))
    programs.write_key(state.key_file)
    settings = application.write_settings(options, state)
    started = [
        programs.worker_program(settings),
        programs.coa_program(settings),
        application.simulated_program(options, state),
        application.portal_program(options, state, settings),
        application.billing_program(options, state, settings),
        programs.freeradius_program(tmp_path, settings),
        application.hotspot_program(options, settings),
    ]
    asked = {each.name: each.is_alive() for each in started if each is not None}
    assert asked == dict.fromkeys(asked, False)
    assert len(asked) == 7


def test_a_program_that_ends_at_once_is_reported_with_its_last_words(rig: Rig) -> None:
    with pytest.raises(Refusal) as refused:
        rig.supervisor.start(rig.program("worker", "import sys; print('bad setting'); sys.exit(7)"))
    assert "worker ended at once (exit code 7)" in str(refused.value)
    assert "    bad setting" in str(refused.value)
    assert list(rig.state.pid_folder.iterdir()) == []


def test_a_program_that_never_serves_is_stopped(rig: Rig) -> None:
    with pytest.raises(Refusal, match="worker was not ready in 1 s"):
        rig.supervisor.start(rig.program("worker", "import time; time.sleep(1000)", start_timeout_s=1.0))
    assert list(rig.state.pid_folder.iterdir()) == []


def test_words_of_an_earlier_run_do_not_make_a_program_ready(rig: Rig) -> None:
    (rig.state.log_folder / "worker.log").write_text("ready\n")
    with pytest.raises(Refusal, match="ended at once"):
        rig.supervisor.start(rig.program("worker", "pass"))


def test_what_dies_is_started_again_after_a_pause(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    child = rig.supervisor.start(rig.program("engine", SERVES))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: child.death() is not None, "the death")
    for _ in range(2):  # the second look comes before the pause is over
        rig.supervisor.watch()
        assert (child.pid, rig.supervisor.deaths) == (None, 1)
    rig.now += RESTART_PAUSE_S_MIN
    rig.supervisor.watch()
    assert child.pid not in {None, first}
    assert rig.supervisor.deaths == 1
    told = capsys.readouterr().out
    assert "engine died (signal SIGKILL) and is started again in 1 s" in told
    assert f"engine started again (pid {child.pid})" in told


def test_the_pause_doubles_to_its_bound_and_is_forgotten_after_a_stable_run() -> None:
    pause = RestartPause()
    waits = [pause.after_death(0.1) for _ in range(8)]
    assert waits[:3] == [1, 2, 4]
    assert waits[-1] == RESTART_PAUSE_S_MAX == max(waits)
    assert pause.after_death(STABLE_S) == RESTART_PAUSE_S_MIN


def test_a_program_that_hangs_is_killed_and_started_again(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [False, False, True, False, False, False]  # a slow minute is forgiven
    asked = iter(answers)
    child = rig.supervisor.start(replace(rig.program("engine", SERVES), is_alive=lambda: next(asked)))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    for _ in answers:
        assert child.pid == first
        rig.now += PROBE_EVERY_S
        rig.supervisor.watch()
    assert child.pid is None
    rig.supervisor.watch()  # its death is seen
    rig.now += RESTART_PAUSE_S_MIN
    rig.supervisor.watch()
    assert child.pid not in {None, first}
    assert rig.supervisor.deaths == 1
    told = capsys.readouterr().out
    assert f"engine hangs: {PROBES_LOST_MAX} probes in a row had no answer; it is killed" in told
    assert "engine died (signal SIGKILL) and is started again in 1 s" in told


def test_a_running_program_is_not_asked_at_every_look(rig: Rig) -> None:
    asked = []
    child = rig.supervisor.start(replace(rig.program("engine", SERVES), is_alive=lambda: bool(asked.append(1)) or True))
    rig.now += PROBE_EVERY_S
    for _ in range(20):
        rig.supervisor.watch()
    assert (len(asked), child.pid is None) == (1, False)


def test_programs_stop_in_the_opposite_order_also_a_stubborn_one(rig: Rig, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    script = """
        import pathlib, signal, sys, time
        def end(*_):
            with pathlib.Path("{ends}").open("a") as out:
                out.write("{name} ")
            {then}
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        time.sleep(1000)
    """
    for name, then in (("engine", "sys.exit()"), ("worker", "signal.pause()"), ("freeradius", "sys.exit()")):
        body = script.format(ends=ends, name=name, then=then)
        rig.supervisor.start(rig.program(name, body, stop_timeout_s=0.5))
    rig.supervisor.stop()
    assert ends.read_text().split() == ["freeradius", "worker", "engine"]
    assert list(rig.state.pid_folder.iterdir()) == []


def test_a_log_is_bounded_while_its_program_writes_on(rig: Rig) -> None:
    child = rig.supervisor.start(rig.program("worker", SERVES))
    with child.log.open("ab") as log:
        log.truncate(LOG_BYTES_MAX + 1)
    rig.supervisor.watch()
    assert child.log.stat().st_size == 0
    assert child.log.with_suffix(".log.1").stat().st_size == LOG_BYTES_MAX + 1
    assert child.pid is not None


def test_a_full_disk_empties_the_log_and_ends_nobody(rig: Rig) -> None:
    child = rig.supervisor.start(rig.program("worker", SERVES))
    child.log.with_suffix(".log.1").symlink_to("/dev/full")
    with child.log.open("ab") as log:
        log.truncate(LOG_BYTES_MAX + 1)
    rig.supervisor.watch()
    assert child.log.stat().st_size == 0
    assert not child.log.with_suffix(".log.1").is_symlink()
    assert child.pid is not None


def test_what_the_machine_refuses_is_told_and_tried_again(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.supervisor.start(rig.program("engine", SERVES))
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\n{SERVES}\n")
    program.chmod(0o700)
    child = rig.supervisor.start(replace(rig.program("worker", ""), command=(str(program),)))
    away = program.rename(tmp_path / "away")
    os.kill(child.pid or 0, signal.SIGKILL)
    wait_until(lambda: child.death() is not None, "the death")
    for _ in range(3):
        rig.supervisor.watch()
        rig.now += RESTART_PAUSE_S_MAX
    told = capsys.readouterr().out
    assert told.count(f"worker: {program}: No such file or directory") == 2
    away.rename(program)
    rig.supervisor.watch()
    assert child.pid is not None


def test_nobody_reading_any_more_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        say("engine died")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # what is still buffered goes there


def test_only_an_answer_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PROBE_TIMEOUT_S", 0.2)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
        asked = programs.probe("0.0.0.0", port)
        assert not asked(), "the kernel takes the connection, and nobody answers"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert asked()
        server.shutdown()
    assert not asked()
    assert programs.probe("127.0.0.1", 0)(), "it was told to listen nowhere"


def test_a_child_between_two_runs_can_be_stopped(rig: Rig) -> None:
    child = Child(rig.program("worker", "pass"), rig.state)
    child.start(0.0)
    wait_until(lambda: child.death() == "exit code 0", "the end")
    child.restart_at = 5.0
    child.stop()
    assert child.death() is None


# --- the box, with an application that only pretends -----------------------------------------------------------------

DRIVER = '''
import sys, signal, threading
from pathlib import Path
from deploy import application, box, options, programs
from deploy.ports import Ports
from deploy.refusal import exit_code
from deploy.supervisor import Program

state, once = Path(sys.argv[1]), sys.argv[2] == "once"
verdict, port_list, events = sys.argv[3:]

def program(name):
    body = f"""
import signal, sys, time
def end(*_):
    open({events!r}, "a").write("stop-{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
open({events!r}, "a").write("start-{name} ")
print("ready", flush=True)
time.sleep(1000)
"""
    return Program(name=name, command=(sys.executable, "-c", body), is_ready=lambda log: "ready" in log)

application.prepare_site = lambda path, ports: None
programs.lay_configuration = lambda options, state, path: state.radius_folder
application.engine_program = lambda options, state: program("engine")
programs.worker_program = lambda path: program("worker")
programs.coa_program = lambda path: program("coa")
application.simulated_program = lambda options, state: program("simulated-mpesa")
application.portal_program = lambda options, state, path: program("portal")
application.billing_program = lambda options, state, path: program("billing")
programs.freeradius_program = lambda raddb, path: program("freeradius")
application.hotspot_program = lambda options, path: program("demo-hotspot")
application.alerts_program = lambda path: program("alerts")
application.story_command = lambda options, path: (sys.executable, "-c", verdict)
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
given = options.Options(state=state, once=once, ports=Ports(*map(int, port_list.split(","))))
sys.exit(exit_code(lambda: box.run(given, stopping)))
'''


class Box:
    """deploy.box as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state")
        self.events = folder / "events"
        self.ports = ",".join(map(str, free_ports().values()))
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, how: str, verdict: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(self.state.folder), how, verdict, self.ports, str(self.events)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COMMAND": "deploy/run"},
        )
        self.processes.append(process)
        return process

    def run(self, how: str, verdict: str = "") -> tuple[int, str]:
        process = self.start(how, verdict)
        output, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output

    def happened(self) -> list[str]:
        words = self.events.read_text().split() if self.events.exists() else []
        self.events.unlink(missing_ok=True)
        return words

    def pid(self, name: str) -> int:
        return int((self.state.pid_folder / f"{name}.pid").read_text().split()[0])

    def wait_until_up(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "stops it" in line:
                return
        pytest.fail(f"the box ended: {said}")


ALL = ("engine", "worker", "coa", "simulated-mpesa", "portal", "billing", "freeradius")
STAYING = (*ALL, "demo-hotspot", "alerts")  # for people, once the story is told


def in_order(names: tuple[str, ...]) -> list[str]:
    return [f"start-{name}" for name in names] + [f"stop-{name}" for name in reversed(names)]


IN_ORDER = in_order(ALL)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        with process:  # waits, and closes its pipe
            pass
    if made.state.pid_folder.exists():
        made.state.end_leftovers()


def test_once_starts_all_tells_the_story_and_stops_in_order(box: Box) -> None:
    assert box.run("once", "print('an evening')") == (0, "an evening\n")
    assert box.happened() == IN_ORDER
    assert list(box.state.pid_folder.iterdir()) == []
    key = box.state.key_file.read_bytes()
    assert len(key) == 32
    assert box.state.key_file.stat().st_mode & 0o777 == 0o600
    assert box.run("once")[0] == 0
    assert box.state.key_file.read_bytes() == key


def test_the_verdict_of_the_story_is_the_exit_code_also_when_it_should_stay_up(box: Box) -> None:
    assert box.run("once", "raise SystemExit(3)")[0] == 3
    assert box.run("stay", "raise SystemExit(4)")[0] == 4
    assert box.happened() == IN_ORDER * 2


def test_a_server_that_dies_during_the_story_spoils_it(box: Box) -> None:
    process = box.start("once", "import time; time.sleep(1000)")
    wait_until(lambda: box.events.exists() and "start-freeradius" in box.events.read_text(), "all started")
    os.kill(box.pid("worker"), signal.SIGKILL)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "worker died (signal SIGKILL)" in output
    assert "a server died during the story" in output
    assert box.happened()[-3:] == ["stop-simulated-mpesa", "stop-coa", "stop-engine"]


def test_it_stays_up_until_told_to_stop(box: Box) -> None:
    process = box.start("stay")
    box.wait_until_up(process)
    second, words = box.run("once")
    assert (second, words.count("\n")) == (1, 1)
    assert f"already running on {box.state.folder} (pid {process.pid})" in words
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert output.endswith("deploy/run: stopped\n")
    assert box.happened() == in_order(STAYING)


def test_after_a_kill_of_the_box_alone_the_next_run_ends_what_it_left(box: Box) -> None:
    process = box.start("stay")
    box.wait_until_up(process)
    orphan = box.pid("engine")
    process.kill()
    process.communicate()
    assert start_ticks(orphan) is not None
    code, words = box.run("once")
    assert code == 0
    assert f"stopped engine (pid {orphan}), left over from a run that was killed" in words
    assert start_ticks(orphan) is None
    assert box.happened() == [*in_order(STAYING), *IN_ORDER]


def test_after_a_kill_of_everything_the_next_run_works(box: Box) -> None:
    process = box.start("stay")
    box.wait_until_up(process)
    for pid in (process.pid, *(box.pid(name) for name in STAYING)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    box.happened()
    assert box.run("once") == (0, "")
    assert box.happened() == IN_ORDER


def test_the_real_engine_keeps_its_data_over_a_kill(tmp_path: Path) -> None:
    binary = Path(find_dynoxide())
    port = free_ports()["engine"]
    state = State(tmp_path)
    state.make()
    supervisor = Supervisor(state, threading.Event())
    program = Program(
        name="engine",
        command=engine.serve_command(binary, state.engine_file, port),
        is_ready=lambda _log: engine.is_healthy(binary, port),
    )
    child = supervisor.start(program)
    try:
        client = boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="local",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        client.create_table(
            TableName="Things",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.put_item(TableName="Things", Item={"id": {"S": "a"}, "n": {"N": "12345678901234567890"}})
        os.kill(child.pid or 0, signal.SIGKILL)
        wait_until(lambda: child.death() is not None, "the death")
        supervisor.stop()
        supervisor.start(program)
        got = client.get_item(TableName="Things", Key={"id": {"S": "a"}})
        client.close()
    finally:
        supervisor.stop()
    assert got["Item"]["n"] == {"N": "12345678901234567890"}
    assert not engine.is_healthy(binary, port)


def test_the_real_engine_that_is_stopped_in_the_middle_is_seen_to_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PROBE_TIMEOUT_S", 0.5)
    binary = Path(find_dynoxide())
    port = free_ports()["engine"]
    state = State(tmp_path)
    state.make()
    supervisor = Supervisor(state, threading.Event())
    child = supervisor.start(
        Program(
            name="engine",
            command=engine.serve_command(binary, state.engine_file, port),
            is_ready=lambda _log: engine.is_healthy(binary, port),
        )
    )
    try:
        os.kill(child.pid or 0, signal.SIGSTOP)
        assert not engine.is_healthy(binary, port)
        os.kill(child.pid or 0, signal.SIGCONT)
        wait_until(lambda: engine.is_healthy(binary, port), "the engine")
    finally:
        supervisor.stop()
