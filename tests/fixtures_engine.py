"""Fixtures for tests that need a store: the embedded engine, a fault proxy before it, and every implementation.

The engine is looked for at $WIFIBILLING_DYNOXIDE, in .venv/bin, on PATH. `--store-endpoint URL` adds one more engine.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from radius.store.memory import MemoryStore
from radius.store.open import Store, StoreKind, StoreSettings, memory_store, open_store
from tests.fakes.ports import free_port
from tests.fakes.store_proxy import StoreProxy

START_TIMEOUT_S = 20.0
TIMEOUT_S = 5.0  # generous: a test may not depend on speed
FAULT_TIMEOUT_S = 0.8  # for tests in which the store stays silent
CREDENTIALS = ("local", "local")
ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-endpoint",
        default=None,
        help="run the contract tests also against this DynamoDB endpoint (credentials from the usual chain)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_name" in metafunc.fixturenames:
        names = ["memory", "embedded", "dynamodb"]
        if metafunc.config.getoption("--store-endpoint"):
            names.append("endpoint")
        metafunc.parametrize("store_name", names)


def find_dynoxide() -> str:
    """Path of the engine; fails the test run when there is none."""
    here = ROOT / ".venv" / "bin" / "dynoxide"
    found = os.environ.get("WIFIBILLING_DYNOXIDE") or (str(here) if here.exists() else shutil.which("dynoxide"))
    if not found:
        pytest.fail("the embedded engine is missing: set WIFIBILLING_DYNOXIDE or run deploy/run once")
    return found


@dataclass(frozen=True)
class Engine:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the engine ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the engine does not listen")


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """An embedded engine on disk."""
    port = free_port()
    command = [find_dynoxide(), "--db-path", str(folder / "store.db"), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_port(process, port)
            yield Engine(port)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One embedded engine on disk for the whole run."""
    with running_engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture
def proxy(engine: Engine) -> Iterator[StoreProxy]:
    """A fault proxy before the engine."""
    proxy = StoreProxy(engine.port, seed=1)
    yield proxy
    proxy.close()


def settings(url: str, kind: StoreKind, prefix: str, timeout_s: float = TIMEOUT_S) -> StoreSettings:
    """Settings for a local engine."""
    return StoreSettings(
        kind=kind,
        region="local",
        endpoint_url=url,
        credentials=CREDENTIALS,
        prefix=prefix,
        timeout_s=timeout_s,
        connect_timeout_s=min(1.0, timeout_s),
    )


def new_prefix() -> str:
    """A stage of its own for each test."""
    return f"t{uuid.uuid4().hex[:10]}-"


@pytest.fixture
def store(store_name: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Every implementation in turn, with empty tables."""
    if store_name == "memory":
        yield memory_store(MemoryStore())
        return
    if store_name == "endpoint":
        chosen = StoreSettings(
            kind=StoreKind.DYNAMODB,
            region=os.environ.get("AWS_REGION", "us-east-1"),
            endpoint_url=request.config.getoption("--store-endpoint"),
            prefix=new_prefix(),
            timeout_s=TIMEOUT_S,
        )
    else:
        chosen = settings(request.getfixturevalue("engine").url, StoreKind(store_name), new_prefix())
    opened = open_store(chosen)
    opened.create_tables()
    yield opened
    assert opened.close()


@pytest.fixture(params=list(StoreKind))
def kind(request: pytest.FixtureRequest) -> StoreKind:
    chosen: StoreKind = request.param
    return chosen


@pytest.fixture
def proxied(engine: Engine, proxy: StoreProxy, kind: StoreKind) -> Iterator[Store]:
    """The store behind the fault proxy, with a short time-out; once per kind of engine."""
    prefix = new_prefix()
    direct = open_store(settings(engine.url, kind, prefix))
    direct.create_tables()
    assert direct.close()
    opened = open_store(settings(f"http://127.0.0.1:{proxy.port}", kind, prefix, FAULT_TIMEOUT_S))
    yield opened
    proxy.heal()
    assert opened.close()
