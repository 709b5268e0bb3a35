"""Calls that wait for their box: one file each, on the disk before the caller is answered; bounded.

A call is given until it was said to be done, so it may be given twice: the box's own doors take it once.
"""

import os
import secrets
import threading
from pathlib import Path

import msgspec

from radius.domain.shapes import decoder

CALLS_MAX = 20_000  # a day of a large site; each a few KB
BATCH = 50
_ENDING = ".call"


class Call(msgspec.Struct, frozen=True):
    """What came. `path` begins with a slash; `at`: UTC seconds; `address`: who called."""

    path: str
    body: bytes
    kind: str
    address: str
    at: int


class Kept:
    """A folder of calls, the oldest first. Threads may share it."""

    def __init__(self, folder: Path, calls_max: int = CALLS_MAX) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._calls_max = calls_max
        self._lock = threading.Lock()
        for half in folder.glob("*.new"):  # of a power cut: its caller was never answered
            half.unlink()
        self._count = len(self._names())

    def put(self, call: Call) -> bool:
        """Keep a call; False where there is no room. Raises OSError where the disk refuses: it is not kept then."""
        with self._lock:
            if self._count >= self._calls_max:
                return False
            self._count += 1
        name = f"{call.at:012d}-{secrets.token_hex(8)}"
        fresh = self._folder / f"{name}.new"
        try:
            with fresh.open("xb") as file:
                file.write(msgspec.json.encode(call))
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self._folder / f"{name}{_ENDING}")
            self._sync()
        except OSError:
            fresh.unlink(missing_ok=True)
            with self._lock:
                self._count -= 1
            raise
        return True

    def first(self, count: int = BATCH) -> dict[str, Call]:
        """The oldest ones by name. What cannot be read is put aside, so that it holds up nobody."""
        found = {}
        for name in self._names()[:count]:
            path = self._folder / f"{name}{_ENDING}"
            try:
                found[name] = decoder(Call).decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except msgspec.MsgspecError:
                path.rename(path.with_suffix(".unreadable"))
                with self._lock:
                    self._count -= 1
        return found

    def done(self, names: list[str]) -> None:
        """Forget these; those that are not there are forgotten already."""
        there = set(self._names())
        for name in there.intersection(names):
            (self._folder / f"{name}{_ENDING}").unlink(missing_ok=True)
            with self._lock:
                self._count -= 1

    def state(self) -> tuple[int, int]:
        """How many wait, and since when the oldest does (UTC seconds; 0: none does)."""
        names = self._names()
        return len(names), int(names[0].partition("-")[0]) if names else 0

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob(f"*{_ENDING}"))

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
