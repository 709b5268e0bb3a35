"""An emulator of AWS in a venv of its own, and the operator's command before it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from deploy.options import ROOT
from tests.fakes.daraja import Daraja
from tests.fakes.ports import free_port

HERE = Path(__file__).parent
VENV = ROOT / ".build" / "emulator"
LOCK = HERE / "requirements.lock"
REGION = "af-south-1"
PORTAL = "https://wifi.example.co.ke"
START_S = 60.0
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}
FOREIGN = ("AWS_", "WIFIBILLING_", "MPESA_", "PYTHON", "ENVIRONMENT")
ANSWERS = {
    "PortalUrl": PORTAL, "SubnetIds": "subnet-1", "SecurityGroupId": "sg-1", "MpesaShortcode": "174379",
    "CriticalEmail": "duty@example.co.ke", "CriticalPhone": "+254712345678", "AlertEmail": "ops@example.co.ke",
    "RunbookUrl": "https://example.co.ke/runbooks",
    "mpesa-passkey": "passkey", "mpesa-consumer-key": "key", "mpesa-consumer-secret": "secret",
}  # fmt: skip


def python_of_the_emulator() -> Path:
    """Its interpreter; the venv is made by the first test that asks, and again when its lock has changed."""
    python, stamp = VENV / "bin" / "python", VENV / "stamp"
    wanted = f"{sys.version_info[:2]} {LOCK.read_text()}"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "--only-binary", ":all:", "-r", str(LOCK)], check=True, env=clean())
        stamp.write_text(wanted)
    return python


def clean() -> dict[str, str]:
    """The environment without what would lead anywhere else."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


class Answer(NamedTuple):
    """What an HTTP API said."""

    status: int
    body: bytes


class Emulator:
    """A context manager over one server. Its functions ask the double of M-Pesa that it is given."""

    def __init__(self, python: Path, folder: Path, daraja: Daraja) -> None:
        self._python, self.folder, self.daraja = python, folder, daraja
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"

    def __enter__(self) -> Self:
        environment = {
            **clean(), **KEYS, "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(self.folder),
            # Functions inherit what their own environment does not name
            "WIFIBILLING_STORE_ENDPOINT": self.url, "MPESA_ENDPOINT": self.daraja.url,
        }  # fmt: skip
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._python), str(HERE / "server.py")],
                stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_S
        while self.ask("/_ministack/health").status != 200:
            if self._process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the emulator does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # its functions are children of its own group
        self._process.wait()

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        """GET, or POST of JSON."""
        data = None if body is None else json.dumps(body).encode()
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Answer(reply.status, reply.read())
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.read())
        except OSError:
            return Answer(0, b"")

    def aws(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``deploy/aws`` as an operator types it, with the tools that are here."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "deploy.on_aws", *arguments],
            capture_output=True, text=True, check=False, timeout=300, cwd=self.folder,
            env={**clean(), **KEYS, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": self.url},
        )  # fmt: skip
