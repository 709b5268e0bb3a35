"""Helpers for the tests of deploy/: free ports, patience, a bystander."""

import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy import ports
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # never reached on a machine that works


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.02)


def free_ports() -> dict[str, int]:
    """One for each that deploy/run opens."""
    return {field.name: free_port() for field in dataclasses.fields(ports.Ports)}


@contextlib.contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own that only sleeps."""
    process = subprocess.Popen(["sleep", "1000"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
