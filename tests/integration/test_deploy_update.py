"""deploy/update: the order of its steps, and that whatever goes wrong ends with the old version serving."""

import os
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy.installing import Here, install
from deploy.refusal import Refusal
from deploy.site import Site, first_settings
from deploy.updating import SERVES_S_MAX, STEADY_S, look, ports_of, update
from tests.fakes.ports import free_port
from tests.integration.deploy_lab import ROOT

pytestmark = pytest.mark.integration
OLD, NEW = (Site("", Path(f"/opt/{name}"), user="root") for name in ("wifibilling", "wifibilling-new"))
ALERTS = "etc/systemd/system/wifibilling-alerts.service"
WORKER = "etc/systemd/system/wifibilling-worker.service"


class Fake(Here):
    """A folder that stands for `/`; commands are written down, and some fail."""

    def __init__(self, below: Path) -> None:
        super().__init__(below)
        self.below = below
        self.ran: list[str] = []
        self.fails = "nothing"

    def run(self, *command: str) -> str:
        line = " ".join(command)
        self.ran.append(line)
        if self.fails in line:
            raise Refusal(f"{line}: failed")
        return ""

    def serving(self) -> str:
        """Which version the units name."""
        text = (self.below / WORKER).read_text()
        return next(site.root.name for site in (NEW, OLD) if f"{site.root}/.venv" in text)


@pytest.fixture
def machine(tmp_path: Path) -> Fake:
    """With a site; its version had no alerts yet."""
    made = Fake(tmp_path)
    install(made, OLD, firewall=True)
    (tmp_path / ALERTS).unlink()
    made.ran.clear()
    return made


def saying(machine: Fake, *answers: str) -> Callable[[], str]:
    """Troubles, one a look."""
    left = list(answers)

    def trouble() -> str:
        machine.ran.append(f"look at {machine.serving()}")
        return left.pop(0)

    return trouble


def test_it_backs_up_proves_changes_over_and_looks(machine: Fake) -> None:
    update(machine, NEW, saying(machine, ""))
    assert machine.ran == [
        "systemctl start wifibilling-backup.service",
        f"{NEW.python} -P -m billing.cli backup verify --settings /etc/wifibilling/settings.toml",
        "systemctl daemon-reload",
        machine.ran[3],
        "systemctl restart wifibilling.target",
        "look at wifibilling-new",
        f"{NEW.python} -P -m billing.cli relist --settings /etc/wifibilling/settings.toml",
    ]
    assert machine.ran[3].startswith("systemctl enable ")
    assert "wifibilling-alerts.service" in machine.ran[3]
    assert "firewall" not in machine.ran[3]
    assert f"exec {NEW.root}/.venv/bin/wifibilling" in (machine.below / "usr/local/bin/wifibilling").read_text()


@pytest.mark.parametrize("fails", ["wifibilling-backup.service", "backup verify"])
def test_without_a_backup_that_the_new_version_reads_nothing_is_changed(machine: Fake, fails: str) -> None:
    machine.fails = fails
    with pytest.raises(Refusal, match="failed"):
        update(machine, NEW, saying(machine))
    assert machine.serving() == "wifibilling"
    assert not any("restart" in line for line in machine.ran)


def test_it_serves_also_where_old_things_could_not_be_listed(machine: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    machine.fails = "relist"
    update(machine, NEW, saying(machine, ""))
    assert machine.serving() == "wifibilling-new"
    assert "wifibilling relist" in "".join(capsys.readouterr())


def test_one_that_does_not_serve_gives_its_place_back(machine: Fake) -> None:
    with pytest.raises(Refusal, match=r"new did not serve \(no answer from radius\); the old version serves"):
        update(machine, NEW, saying(machine, "no answer from radius", ""))
    assert machine.serving() == "wifibilling"
    assert machine.ran[-5:] == [
        "look at wifibilling-new",
        "systemctl disable --now wifibilling-alerts.service",
        "systemctl daemon-reload",
        "systemctl restart wifibilling.target",
        "look at wifibilling",
    ]
    assert f"exec {OLD.root}/.venv/bin/wifibilling" in (machine.below / "usr/local/bin/wifibilling").read_text()


def test_when_neither_serves_it_says_so(machine: Fake) -> None:
    with pytest.raises(Refusal, match="does not serve either: no answer from coa"):
        update(machine, NEW, saying(machine, "no answer from radius", "no answer from coa"))


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Clock:
    """Time passes where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_what_answers_and_goes_on_answering_serves() -> None:
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    clock = Clock()
    try:
        assert look({"radius": server.server_port}, clock, clock.pause) == ""
        assert clock.now >= STEADY_S
        clock.now = 0.0
        said = look({"radius": server.server_port, "coa": free_port()}, clock, clock.pause)
        assert (said, clock.now > SERVES_S_MAX) == ("no answer from coa", True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_looks_at_every_process_that_the_settings_name() -> None:
    assert set(ports_of(first_settings(NEW))) == {"radius", "worker", "coa", "portal", "billing"}
    assert ports_of("metrics_port = 0\ncoa_metrics_port = 9814\n") == {"coa": 9814}


def test_a_machine_without_a_site_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    environment = {**os.environ, "WIFIBILLING_UNIT": str(tmp_path / "none")}
    done = subprocess.run(["deploy/update"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "deploy/install makes the site" in done.stderr) == (1, True)
