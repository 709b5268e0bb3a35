"""Helpers for the tests of deploy/: free ports, patience, a bystander."""

import contextlib
import dataclasses
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy import ports

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # never reached on a machine that works


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.02)


def free_ports() -> dict[str, int]:
    """Ports that were free a moment ago, each another one."""
    names = [field.name for field in dataclasses.fields(ports.Ports)]
    held = []
    for _ in names:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            probe = socket.socket(socket.AF_INET, kind)
            probe.bind(("", 0))
            held.append(probe)
    found = [probe.getsockname()[1] for probe in held]
    free = [port for port in found if found.count(port) == 1][: len(names)]
    for probe in held:
        probe.close()
    return dict(zip(names, free, strict=True))


@contextlib.contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own that only sleeps."""
    process = subprocess.Popen(["sleep", "1000"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
