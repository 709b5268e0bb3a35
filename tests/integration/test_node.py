"""A RADIUS node as a container runs it: well or not over HTTP, and what its predecessor left is taken over."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.nas import FakeRouter
from tests.fakes.ports import free_port
from tests.integration.box import DAY, REPO, SECRET, Box, clean_environment, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
PORTS = ("radius_auth", "radius_acct", "radius_rotated_auth", "radius_rotated_acct", "metrics", "worker_metrics")


class Container:
    """What is started, on a machine that is new each time; the shared disk stays."""

    def __init__(self, box: Box, root: Path, number: int) -> None:
        self.root = root / f"machine-{number}"
        self.root.mkdir()
        self.shared = root / "shared"
        self.shared.mkdir(exist_ok=True)
        self.ports = {name: free_port() for name in (*PORTS, "status", "health")}
        said = {f"{name}_port": self.ports[name] for name in PORTS}
        said |= {"region": "eu-west-1", "store_endpoint": f"http://127.0.0.1:{box.engine_port}"}
        said |= {"key_ref": f"file:{box.state / 'data.key'}", "hook_pool_instances": 4, "routers_refresh_s": 1}
        variables = {f"WIFIBILLING_{name.upper()}": str(value) for name, value in said.items()}
        variables |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        command = [sys.executable, "-P", "-m", "deploy.node", "--shared", str(self.shared)]
        command += ["--state", str(self.root / "state")]
        command += ["--status-port", str(self.ports["status"]), "--health-port", str(self.ports["health"])]
        environment = {**clean_environment(), **variables, "PYTHONPATH": str(REPO)}
        self.log = self.root / "out"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)

    def health(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["health"], timeout=5)
        try:
            connection.request("GET", "/health")
            reply = connection.getresponse()
            return reply.status, reply.read().decode().strip()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def well(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        return self.health()[0] == 200

    def router(self) -> FakeRouter:
        ports = {"auth_port": self.ports["radius_auth"], "acct_port": self.ports["radius_acct"]}
        fields: dict[str, Any] = {"address": "127.0.0.1", "timeout_s": 5.0, "tries": 1, **ports}
        return FakeRouter(SECRET.encode(), "router-one", **fields)

    def pids(self) -> list[int]:
        return [int(path.read_text().split()[0]) for path in (self.root / "state" / "run").glob("*.pid")]

    def spooled(self) -> list[str]:
        return [path.name for path in self.shared.glob("node-0/spool/acct-*")]

    def vanish(self) -> None:
        """The machine is gone, with everything on it."""
        for pid in (self.process.pid, *self.pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def container(box: Box, root: Path, number: int) -> Iterator[Container]:
    made = Container(box, root, number)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.terminate()
            try:
                made.process.wait(60)
            except subprocess.TimeoutExpired:
                made.vanish()


def test_a_node_serves_vanishes_and_its_slot_is_taken_over_with_what_waits(tmp_path: Path) -> None:
    with Box(tmp_path / "box") as box, container(box, tmp_path, 1) as first:
        box.lab.stop()
        wait_until(first.well, "the node is well", 60)
        phone, mac, router = box.customer(DAY), new_mac(), first.router()
        assert router.login(phone, "karibu", mac)[0]
        router.start(mac)
        box.engine.stop()
        router.use(mac, 1_000, 2_000, 60)
        router.interim(mac)  # answered: it is on the shared disk
        assert first.spooled()
        first.vanish()
        box.start_engine()
        with container(box, tmp_path, 2) as second:
            wait_until(lambda: not second.spooled(), "the next node counts what waits", 60)
            wait_until(partial(lambda node: node.well(), second), "the next node is well", 60)
            assert box.charged(phone) == 3_000
            assert "slot 0 serves" in second.log.read_text()
            with container(box, tmp_path, 3) as third:
                wait_until(third.well, "one more", 60)
                assert "slot 1 serves" in third.log.read_text(), "a held slot is not taken"
                certificates = {
                    (each.root / "state/radius/certs/server.pem").read_bytes() for each in (first, second, third)
                }
                assert len(certificates) == 1, "devices pin them"
            second.process.terminate()
            wait_until(lambda: second.health()[0] != 200, "it takes no more")
            assert second.process.wait(60) == 0
            assert (second.shared / "node-0" / "routers.snapshot").exists()
            assert "Traceback" not in second.log.read_text()
