"""A whole box for tests: engine on disk, created tables, routers, FreeRADIUS with the real hooks, worker, fault proxy.

    with Box(tmp_path, proxied=True) as box:
        phone = box.customer("evening.1")
        assert box.router().login(phone, "karibu", mac)[0]

Each process is a child of ours, stopped by its id. Routers speak from loopback addresses of their own.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from radius import secrets
from radius.domain import subscriber as aggregate
from radius.domain.identity import NasId, SubscriberId, parse_written
from radius.domain.nas import Family, Language, Router, Site
from radius.domain.subscriber import Subscriber
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.rlm import spool
from radius.services import sweep
from radius.services.desk import Decided
from radius.settings import Settings
from radius.wiring import Core, build_core
from tests.fakes.nas import FakeRouter, NoAnswer
from tests.fakes.ports import free_port
from tests.fakes.store_proxy import StoreProxy
from tests.fixtures_engine import find_dynoxide
from tests.integration.freeradius_lab import REPO, FreeradiusLab

SECRET = "a-secret-of-pair-a"
SITE_MAC_PASSWORD = "site-mac-password"
DAY = "day.1"  # one day from the purchase, 1 GB, one device, 2M/5M
GIGABYTE = 1_000_000_000
PATIENCE_S = 30.0  # never reached on a machine that works
DEADLINE_S = 5.0
SKEWED = "tests.integration.skewed_clock"
_phones = itertools.count(10_000_000)
_macs = itertools.count(1)
_ports = itertools.count(1)


def wait_until(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Poll until true; fails the test with `what` if it never is."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.05)


def new_phone() -> str:
    """A phone number nobody has."""
    return f"07{next(_phones)}"


def new_mac() -> str:
    """A MAC address nobody has, as RouterOS spells it."""
    digits = f"02{next(_macs):010X}"
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def clean_environment() -> dict[str, str]:
    """Ours without WIFIBILLING_ variables (the one that names the engine is no setting), and UTC."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WIFIBILLING_")} | {"TZ": "UTC"}


class Lab(FreeradiusLab):
    """The laid FreeRADIUS, without the developer's own settings."""

    def process_environment(self) -> dict[str, str]:
        return {**clean_environment(), **self.environment}


@dataclass
class Process:
    """One program of ours; its output goes to a file."""

    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**clean_environment(), **self.environment}
        with self.log.open("ab") as out:
            self.child = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT, cwd=REPO, env=environment)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int | None:
        """End it and return its exit code; None when it does not run."""
        if self.child is None:
            return None
        with suppress(ProcessLookupError):
            self.child.send_signal(sign)
        try:
            return self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()
        finally:
            self.child = None


@dataclass
class Box:
    """One operator's box. `overrides` are settings; `proxied`: the hooks reach the engine through a fault proxy.

    `skewed`: hooks and worker read a wall clock that `set_clock` sets.
    """

    root: Path
    proxied: bool = False
    skewed: bool = False
    pool_size: int = 8
    listen: tuple[str, ...] = ("127.0.0.1",)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    routers: Mapping[str, str] = field(default_factory=dict)  # name -> address, besides the two that are always there
    restored: Path | None = None  # a state folder whose tables and key this box begins with
    proxy: StoreProxy | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.state = self.root / "node"
        self.state.mkdir()
        self._skew_file = self.root / "skew"
        self.set_clock(0)
        self.engine_port = free_port()
        database = str(self.root / "store.db")
        where = ["--host", "127.0.0.1", "--port", str(self.engine_port)]
        self.engine = Process([find_dynoxide(), "--db-path", database, *where], self.root / "engine.log")
        self.settings_file = self.root / "settings.toml"
        self.lab = self._lab(self.root, self.settings_file)
        self.worker_settings = self.root / "worker.toml"
        module = SKEWED if self.skewed else "radius.worker"
        command = [sys.executable, "-m", module, "--settings", str(self.worker_settings)]
        self.worker = Process(command, self.root / "worker.out", self._skew())
        self.coa_settings = self.root / "coa.toml"
        command = [sys.executable, "-m", "coa", "run", "--settings", str(self.coa_settings)]
        self.coa = Process(command, self.root / "coa.out")

    def _lab(self, root: Path, settings: Path) -> Lab:
        return Lab(
            root,
            SKEWED if self.skewed else "radius.rlm.hooks",
            settings,
            environment=self._skew(),
            site_packages=(Path(sysconfig.get_paths()["purelib"]),),
            pool_size=self.pool_size,
            listen_addresses=self.listen,
            secrets={"A": SECRET, "B": SECRET},
        )

    def _skew(self) -> dict[str, str]:
        return {"SKEW_FILE": str(self._skew_file)} if self.skewed else {}

    def set_clock(self, ahead_s: int) -> None:
        """From now on the wall clock of hooks and worker is wrong by so much."""
        fresh = self.root / "skew.new"
        fresh.write_text(str(ahead_s))
        fresh.replace(self._skew_file)

    # -- life --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            if self.restored is not None:
                shutil.copy(self.restored / "engine" / "wifibilling.sqlite", self.root / "store.db")
                shutil.copy(self.restored / "data.key", self.state)
            self.start_engine()
            if self.proxied:
                self.proxy = StoreProxy(self.engine_port, seed=1)
            self.configure()
            if self.restored is None:
                secrets.create_key_file(self.state / "data.key")
            self.core = self._open_core()
            if self.restored is None:
                self.core.store.create_tables()
                self.seed()
            self.lab.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        codes = self._end()
        if kind is None:
            assert codes[0] in (0, None), f"freeradius exited with {codes[0]}:\n{self.lab.log()[-3000:]}"
            assert codes[1] in (0, None), f"the worker exited with {codes[1]}:\n{self.worker.log.read_text()[-3000:]}"
            assert codes[2] in (0, None), f"the sender exited with {codes[2]}:\n{self.coa.log.read_text()[-3000:]}"

    def _end(self) -> tuple[int | None, int | None, int | None]:
        codes = self.lab.stop(), self.worker.stop(), self.coa.stop()
        if hasattr(self, "core"):
            self.core.close()
        if self.proxy is not None:
            self.proxy.close()
        self.engine.stop()
        return codes

    def start_engine(self) -> None:
        """Start it on the same file and port, and wait until it answers."""
        self.engine.start()

        def listens() -> bool:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.engine_port), timeout=1).close()
                return True
            return False

        wait_until(listens, "the engine listens")

    def configure(self, **changes: Any) -> None:
        """Write the settings file that the hooks and the worker read at their next start."""
        self.overrides = {**self.overrides, **changes}
        hooks = self._hooks_port()
        self.settings_file.write_text(_toml(self._settings(hooks)))
        self.worker_settings.write_text(_toml(self._settings(hooks, log_path=str(self.root / "worker.log"))))
        self.coa_settings.write_text(_toml(self._settings(hooks, log_path=str(self.root / "coa.log"))))

    def _hooks_port(self) -> int:
        return self.proxy.port if self.proxy is not None else self.engine_port

    def _settings(self, port: int, **more: Any) -> dict[str, Any]:
        return {
            "state_dir": str(self.state),
            "spool_dir": str(self.lab.layout.spool_dir),
            "store_kind": "embedded",
            "store_endpoint": f"http://127.0.0.1:{port}",
            "key_ref": f"file:{self.state / 'data.key'}",
            "metrics_port": 0,
            "worker_metrics_port": 0,
            "coa_metrics_port": 0,
            "log_path": str(self.root / "radius.log"),
            "node_id": "box",
            "routers_refresh_s": 1,
            "heartbeat_s": 5,
            **self.overrides,
            **more,
        }

    def _open_core(self) -> Core:
        """The test's own access to the store, never through the proxy."""
        return build_core(Settings(**self._settings(self.engine_port, request_deadline_ms=5000)))

    @contextmanager
    def second_node(self) -> Iterator[Lab]:
        """Another FreeRADIUS on the same store, with a memory of its own."""
        root = self.root / "second"
        root.mkdir()
        (root / "node").mkdir()
        file = root / "settings.toml"
        lab = self._lab(root, file)
        own = {"state_dir": str(root / "node"), "spool_dir": str(lab.layout.spool_dir), "node_id": "second"}
        file.write_text(_toml(self._settings(self._hooks_port(), log_path=str(root / "radius.log"), **own)))
        with lab:
            yield lab

    def worker_once(self, what: str = "--once") -> int:
        """One round of the worker, or what else it does once; its exit code."""
        command = [*self.worker.command, what]
        environment = {**clean_environment(), **self._skew()}
        return subprocess.run(command, cwd=REPO, check=False, timeout=120, env=environment).returncode

    def await_worker(self) -> None:
        """Until the worker has done a round from now on."""

        def checkpoint() -> int:
            return self.core.store.due_work.checkpoint(sweep.WORKER, time.monotonic() + DEADLINE_S)

        before = checkpoint()
        wait_until(lambda: checkpoint() > before, "the worker sweeps")

    def cut_power(self) -> None:
        """SIGKILL to everything at once."""
        children = [self.lab.process, self.worker.child, self.engine.child]
        for child in children:
            if child is not None:
                os.kill(child.pid, signal.SIGKILL)
        for child in children:
            if child is not None:
                child.wait()
        self.lab.process = self.worker.child = self.engine.child = None

    # -- what is in it -----------------------------------------------------------------------------------------

    def seed(self) -> None:
        """Two sites (English, Swahili) and a router at each."""
        self.core.provision.site(Site("nairobi"), SITE_MAC_PASSWORD)
        self.core.provision.site(Site("mombasa", language=Language.SWAHILI), SITE_MAC_PASSWORD)
        self.add_router("router-one", "127.0.0.1", "nairobi")
        self.add_router("router-two", "127.0.0.2", "mombasa")
        for name, address in self.routers.items():
            self.add_router(name, address)
        self.terms(DAY)
        # As if a worker had been here: its very first look walks a whole day of the due index.
        self.core.store.due_work.advance(sweep.WORKER, int(time.time()), time.monotonic() + DEADLINE_S)

    def add_router(self, name: str, address: str, site: str = "nairobi", **fields: Any) -> Router:
        fields = {"family": Family.MIKROTIK, **fields}
        router = Router(NasId(name), site, addresses=(address,), **fields)
        return self.core.provision.router(router, SECRET)

    def await_router(self, name: str, address: str) -> None:
        """Until FreeRADIUS answers a router that was added while it runs."""

        def answered() -> bool:
            with suppress(NoAnswer):
                return not self.router(name, address, timeout_s=0.5).login("nobody", "x", new_mac())[0]
            return False

        wait_until(answered, f"{name} is known")

    def terms(self, terms_id: str, **fields: Any) -> str:
        """Terms of one day from now, 1 GB, one device, unless `fields` say otherwise."""
        day = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)
        rate = Rate(up_bps=2_000_000, down_bps=5_000_000)
        given = {"window": day, "quota_bytes": GIGABYTE, "rate": rate, **fields}
        return self.core.provision.terms(Terms(terms_id, **given)).id

    def customer(self, terms_id: str = "", *names: str, secret: str = "karibu", hashed: bool = False) -> str:
        """A customer with a phone (or the names given), and a right; the first name comes back."""
        called = names or (new_phone(),)
        now = int(time.time())
        subscriber = self.core.provision.customer(list(called), secret, now, site="nairobi", hashed=hashed)
        if terms_id:
            self.grant(subscriber, terms_id)
        return called[0]

    def grant(self, subscriber: SubscriberId, terms_id: str) -> None:
        right = f"r{next(_macs):07d}"
        assert self.core.provision.grant(subscriber, terms_id, int(time.time()), right)

    def router(
        self,
        name: str = "router-one",
        address: str = "127.0.0.1",
        *,
        secret: str = SECRET,
        pair: str = "A",
        node: Lab | None = None,
        **fields: Any,
    ) -> FakeRouter:
        """A fake router that speaks from that loopback address."""
        node = node or self.lab
        return FakeRouter(
            secret.encode(),
            name,
            auth_port=node.port(pair, "auth"),
            acct_port=node.port(pair, "acct"),
            address=address,
            _next_session=0x80000000 + 0x100000 * next(_ports),
            **{"timeout_s": 5.0, "tries": 1, **fields},
        )

    # -- what has become of it ---------------------------------------------------------------------------------

    def alias(self, name: str) -> str:
        """A name as the store keeps it."""
        return self.core.names.alias(parse_written(name))

    def find(self, name: str) -> SubscriberId:
        """The subscriber behind a name."""
        found = self.core.names.resolve(self.alias(name), time.monotonic() + DEADLINE_S)
        assert found is not None
        return found

    def aggregate(self, name: str) -> Subscriber:
        """What the store has of a subscriber now."""
        stored = self.core.desk.read(self.find(name), time.monotonic() + DEADLINE_S)
        assert stored is not None
        return aggregate.decode(stored.body)

    def edit(self, name: str, change: Callable[[Subscriber], None]) -> None:
        """Alter a stored aggregate, as another writer would."""

        def decide(present: Subscriber) -> Decided[bool]:
            change(present)
            return Decided(result=True, changed=True)

        subscriber = self.find(name)
        self.core.desk.read(subscriber, time.monotonic() + DEADLINE_S)  # not on an old copy of ours
        assert self.core.desk.change(subscriber, decide, time.monotonic() + DEADLINE_S)

    def age(self, name: str, by_s: int) -> None:
        """As if a customer's one session had been silent for so long."""

        def earlier(present: Subscriber) -> None:
            present.sessions[0].opened_at -= by_s
            present.sessions[0].last_at -= by_s

        self.edit(name, earlier)

    def version(self, name: str) -> int:
        stored = self.core.desk.read(self.find(name), time.monotonic() + DEADLINE_S)
        assert stored is not None
        return stored.version

    def client(self) -> Any:
        """A boto3 client of the engine, for what no port asks."""
        return boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{self.engine_port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    @staticmethod
    def router_id(name: str) -> NasId:
        return NasId(name)

    def spooled(self) -> list[Path]:
        """Files of the spool that wait."""
        return sorted(self.lab.layout.spool_dir.glob("acct-*.detail*"))

    def parked(self) -> bytes:
        """What of the spool could not be counted."""
        path = self.lab.layout.spool_dir / spool.PARKED
        return path.read_bytes() if path.exists() else b""

    def charged(self, name: str) -> int:
        """All bytes ever charged to a customer."""
        return sum(right.used_bytes + right.past_bytes for right in self.aggregate(name).rights)

    def log(self) -> str:
        """The canonical lines of the node."""
        return _text(self.root / "radius.log")

    def worker_log(self) -> str:
        """The canonical lines of the worker."""
        return _text(self.root / "worker.log")


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _toml(values: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


@contextmanager
def running(box: Box) -> Iterator[Box]:
    """A box whose worker runs too."""
    with box:
        box.worker.start()
        yield box
