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
from cfnlint.decode import decode_str

from deploy.node import take_slot
from deploy.stacks import FOLDER
from radius.store import keys
from tests.contract.test_rights import rights
from tests.fakes.nas import FakeRouter
from tests.fakes.ports import free_port
from tests.integration.box import DAY, SECRET, Box, clean_environment, new_mac, wait_until
from tests.integration.freeradius_lab import REPO, missing_programs

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
        said: dict[str, object] = {f"{name}_port": self.ports[name] for name in PORTS}
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
            wait_until(lambda: "slot 0 serves" in second.log.read_text(), "it takes the slot that was left")
            slot = take_slot(second.shared)
            os.close(slot.lock)
            assert slot.number == 1, "a held slot is not taken"
            made = {(each.root / "state/radius/certs/server.pem").read_bytes() for each in (first, second)}
            assert len(made) == 1, "devices pin them"
            second.process.terminate()
            wait_until(lambda: second.health()[0] != 200, "it takes no more")
            assert second.process.wait(60) == 0
            assert (second.shared / "node-0" / "routers.snapshot").exists()
            assert "Traceback" not in second.log.read_text()


UNMET = {
    ("dynamodb:PutItem", keys.CONFIG): "heartbeats are met; so is the claim of the tables",
    ("dynamodb:BatchGetItem", keys.USERS): "several log-ins at once",
    ("dynamodb:GetItem", keys.CONFIG): "terms that the node does not know yet",
    ("dynamodb:UpdateItem", keys.CONFIG): "checkpoints, boots, sources that nobody knows",
    ("dynamodb:Query", keys.SESSIONS): "a late packet of a session that its customer's item has no more",
    ("dynamodb:Query", f"{keys.SESSIONS}/index/{keys.OPEN_INDEX}"): "a router that began anew",
}


def test_a_nodes_role_may_do_with_tables_what_a_node_does_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with Box(tmp_path, proxied=True, overrides={"store_kind": "dynamodb"}) as box:
        box.worker.start()
        phone, mac, router = box.customer(DAY), new_mac(), box.router()
        assert router.login(phone, "karibu", mac)[0]
        router.start(mac)
        router.use(mac, 1_000, 2_000, 60)
        router.interim(mac)
        router.stop(mac)
        router.boot()
        box.await_worker()
        box.await_worker()
        assert box.proxy is not None
        met = rights(list(box.proxy.requests), "")
    template = dict(decode_str((FOLDER / "radius.yaml").read_text())[0])
    (policy,) = template["Resources"]["NodeRole"]["Properties"]["Policies"]
    allowed = {
        (action, place["Fn::Sub"].partition("table/${TablePrefix}")[2])
        for each in policy["PolicyDocument"]["Statement"]
        if str(each["Action"]).find("dynamodb:") >= 0
        for action in each["Action"]
        for place in each["Resource"]
    }
    assert met <= allowed, f"missing: {sorted(met - allowed)}"
    assert allowed <= met | set(UNMET), f"more than it needs: {sorted(allowed - met - set(UNMET))}"
