"""A RADIUS node in a container: takes a slot on the shared disk, lays FreeRADIUS's configuration, serves until told.

    python -m deploy.node --shared /srv/shared --state /var/lib/wifibilling

Settings come from the environment (WIFIBILLING_...) and the document that it names, which is read once. Tables, key and
routers are elsewhere; what is a node's own and must outlive the machine is in its slot: the spool, the routers it knew
last, and the last good time. A slot is held by a lock that the disk gives back when its holder is gone; the next node
takes it over with its name, and its worker plays back what waits there. The certificates for EAP are of all nodes:
devices pin them.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from deploy import programs
from deploy.options import check_path
from deploy.preparing import lay
from deploy.refusal import Refusal, exit_code, say
from deploy.state import State
from deploy.supervisor import Program, Supervisor
from freeradius_config.lay import make_certificates
from radius import settings as settings_module
from radius.health import DEFAULT_PORT, DRAINING
from radius.rlm import spool
from radius.settings import Settings, SettingsError

SLOTS_MAX = 64
KEPT = ("routers.snapshot", "last-good-time")  # of `radius.keeper.KeeperFiles`: needed before the store answers
KEEP_EVERY_S = 30.0
WATCH_S = 0.5
DRAIN_S = 20.0  # of what waits in the spool, before the worker is stopped
OUT_CHUNK_BYTES = 1 << 16


class Slot(NamedTuple):
    """A node's place on the shared disk. `lock`: held while it is open."""

    number: int
    folder: Path
    lock: int

    @property
    def spool(self) -> Path:
        """Accounting that waits."""
        return self.folder / "spool"


def take_slot(shared: Path) -> Slot:
    """The first that nobody holds: that of a node that is gone, with what it left. Raises Refusal."""
    for number in range(SLOTS_MAX):
        folder = shared / f"node-{number}"
        try:
            lock = State(folder).claim()
        except Refusal:
            if not os.access(shared, os.W_OK):
                raise Refusal(f"no right to write in {shared}, where nodes have their slots") from None
            continue
        (folder / "spool").mkdir(mode=0o700, exist_ok=True)
        return Slot(number, folder, lock)
    raise Refusal(f"all {SLOTS_MAX} slots of {shared} are taken")


def write_settings(state: State, slot: Slot) -> Path:
    """What is this node's own, and the document of all; the environment wins. Raises Refusal for what is unfit."""
    values = {
        "state_dir": str(state.folder),
        "node_id": f"node-{slot.number}",
        "spool_dir": str(slot.spool),
        "store_kind": "dynamodb",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    try:
        document = settings_module.kept_document()  # AWS keeps it; its programs are given a file
        programs.replace_file(state.settings_file, "\n".join([*lines, document]) + "\n")
        settings = settings_module.load(state.settings_file)
    except SettingsError as bad:
        raise Refusal(f"settings cannot be used: {'; '.join(bad.problems)}") from None
    if settings.metrics_port == 0 or settings.worker_metrics_port == 0:
        raise Refusal("metrics_port and worker_metrics_port must not be 0: health is asked there")
    return state.settings_file


def share_certificates(shared: Path, state: State) -> None:
    """Make them once for all nodes, and have a copy."""
    held = State(shared / "eap")
    while True:
        try:
            lock = held.claim()
        except Refusal:
            time.sleep(WATCH_S)  # another node makes them, some seconds
            continue
        break
    try:
        make_certificates(held.folder / "certs")
        shutil.copytree(held.folder / "certs", state.radius_folder / "certs", dirs_exist_ok=True)
    finally:
        os.close(lock)


def keep(source: Path, target: Path) -> None:
    """Copy the small files that are newer, each whole or not at all."""
    for name in KEPT:
        there = source / name
        if there.exists() and (not (target / name).exists() or there.stat().st_mtime > (target / name).stat().st_mtime):
            fresh = target / f"{name}.copy"
            shutil.copy2(there, fresh)
            fresh.replace(target / name)


class Out:
    """Hands on what the programs write into their logs to standard output, where a container's log is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def round(self) -> None:
        """What is new; a log that was emptied begins anew."""
        for path in sorted(self._folder.glob("*.log")):
            at = self._read.get(path, 0)
            if path.stat().st_size < at:
                at = 0
            with path.open("rb") as log:
                log.seek(at)
                while chunk := log.read(OUT_CHUNK_BYTES):
                    sys.stdout.buffer.write(chunk)
                self._read[path] = log.tell()
        sys.stdout.flush()


class Node:
    """The programs of a node."""

    def __init__(self, state: State, slot: Slot, stopping: threading.Event) -> None:
        self._state = state
        self._slot = slot
        self._stopping = stopping
        self._supervisor = Supervisor(state, stopping)
        self._out = Out(state.log_folder)

    def start(self, settings_path: Path, settings: Settings, status_port: int, health_port: int) -> None:
        """The worker first: what a node left behind is played back while the new one starts. Raises Refusal."""
        raddb = lay(settings_path, settings, status_port)
        for program in (
            programs.worker_program(settings_path),
            programs.freeradius_program(raddb, settings_path),
            programs.health_program(settings_path, self._state, status_port, health_port),
        ):
            self._begin(program)
        say(f"slot {self._slot.number} serves RADIUS on UDP {settings.radius_auth_port}, {settings.radius_acct_port}")

    def _begin(self, program: Program) -> None:
        try:
            self._supervisor.start(program)
        finally:
            self._out.round()

    def serve(self) -> None:
        """Until told to stop."""
        kept_at = time.monotonic()
        while not self._stopping.wait(WATCH_S):
            self._supervisor.watch()
            self._out.round()
            if time.monotonic() - kept_at >= KEEP_EVERY_S:
                keep(self._state.folder, self._slot.folder)
                kept_at = time.monotonic()

    def stop(self) -> None:
        """Take no more, play back what waits, end."""
        (self._state.folder / DRAINING).touch()
        until = time.monotonic() + DRAIN_S
        while spool.waiting(self._slot.spool) and time.monotonic() < until:
            time.sleep(WATCH_S)
        self._supervisor.stop()
        keep(self._state.folder, self._slot.folder)
        self._out.round()


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m deploy.node")
    parser.add_argument("--shared", type=Path, required=True, metavar="FOLDER", help="a disk that outlives the machine")
    parser.add_argument("--state", type=Path, required=True, metavar="FOLDER", help="of this machine")
    parser.add_argument("--status-port", type=int, default=18_121)
    parser.add_argument("--health-port", type=int, default=DEFAULT_PORT)
    given = parser.parse_args()
    for folder in (given.shared, given.state):
        check_path(folder.resolve())
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    os.umask(0o077)
    state = State(given.state.resolve())
    claim = state.claim()
    state.make()
    state.end_leftovers()
    (state.folder / DRAINING).unlink(missing_ok=True)
    slot = take_slot(given.shared.resolve())
    settings_path = write_settings(state, slot)
    keep(slot.folder, state.folder)
    share_certificates(given.shared.resolve(), state)
    node = Node(state, slot, stopping)
    try:
        node.start(settings_path, settings_module.load(settings_path), given.status_port, given.health_port)
        node.serve()
    finally:
        node.stop()
        os.close(slot.lock)
        os.close(claim)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
