"""An engine of our own over a copy of the tables: what a backup is proven in."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from radius.domain.errors import Malformed, Unavailable

START_S_MAX = 30.0  # a large file, a slow card
POLL_S = 0.05
PROGRAM = "dynoxide"


def find_engine() -> Path:
    """Beside the Python that runs this, else in PATH. Raises Malformed."""
    beside = Path(sys.prefix) / "bin" / PROGRAM
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise Malformed("engine", f"{PROGRAM} is neither in {beside.parent} nor in PATH: deploy/run installs it")
    return Path(found)


@contextlib.contextmanager
def engine(file: Path) -> Iterator[str]:
    """Its address. Raises Unavailable where it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(find_engine()), "--db-path", str(file), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        _await(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(POLL_S)
    raise Unavailable("the engine that a backup is proven in did not start")
