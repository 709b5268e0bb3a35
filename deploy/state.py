"""The state folder: one instance at a time holds it, and knows which processes it started there.

The kernel gives the lock back when its holder dies, however it dies. A process id alone proves nothing (it may be
somebody else's by now), so each is written down with the start time of its process.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.refusal import Refusal, say

END_PATIENCE_S = 10.0  # FreeRADIUS finishes the requests it has: each has less than 10 s (max_request_time)
POLL_S = 0.05


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot (proc(5), stat field 22); None for a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


@dataclass(frozen=True, slots=True)
class State:
    """Paths inside the folder."""

    folder: Path

    @property
    def log_folder(self) -> Path:
        """One file a process, and one older generation of it."""
        return self.folder / "log"

    @property
    def pid_folder(self) -> Path:
        """`<name>.pid`: process id and start time of what runs."""
        return self.folder / "run"

    @property
    def engine_file(self) -> Path:
        """The tables."""
        return self.folder / "engine" / "wifibilling.sqlite"

    @property
    def radius_folder(self) -> Path:
        """FreeRADIUS's own: raddb, certs, spool."""
        return self.folder / "radius"

    @property
    def key_file(self) -> Path:
        """The key that seals secrets at rest. Without it the sealed data is lost."""
        return self.folder / "data.key"

    @property
    def settings_file(self) -> Path:
        """What the hooks, the worker and the demo are told."""
        return self.folder / "settings.toml"

    @property
    def lock_file(self) -> Path:
        """Locked while an instance runs; holds its process id."""
        return self.folder / "box.lock"

    def make(self) -> None:
        """Create what is missing inside, closed to others. Call it with the claim in hand."""
        for folder in (self.log_folder, self.pid_folder, self.engine_file.parent, self.radius_folder):
            folder.mkdir(mode=0o700, exist_ok=True)

    def claim(self) -> int:
        """Take the folder, made when it is new (0700); it is held until the descriptor is closed.

        Raises:
            Refusal: another instance has it, or the folder is not ours to write.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:
            raise Refusal(f"no right to use the state folder {self.folder}: it belongs to another user") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 20).decode().strip() or "?"
            os.close(lock)
            raise Refusal(
                f"already running on {self.folder} (pid {pid}): stop it with 'kill {pid}', "
                "or run a second one with --state and --port-offset"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        return lock

    def remember(self, name: str, pid: int) -> None:
        """Write down a started process."""
        (self.pid_folder / f"{name}.pid").write_text(f"{pid} {start_ticks(pid) or 0}\n")

    def forget(self, name: str) -> None:
        """Strike a process that has ended."""
        (self.pid_folder / f"{name}.pid").unlink(missing_ok=True)

    def leftovers(self) -> Iterator[tuple[str, int]]:
        """(name, pid) of processes that an instance left behind when it was killed, and that still run."""
        for path in sorted(self.pid_folder.glob("*.pid")):
            words = path.read_text().split()
            if len(words) == 2 and all(map(str.isdecimal, words)) and start_ticks(int(words[0])) == int(words[1]):
                yield path.stem, int(words[0])
            else:
                path.unlink(missing_ok=True)

    def end_leftovers(self) -> None:
        """Stop them, so that the folder and the ports are free. Call it with the claim in hand."""
        found = dict(self.leftovers())
        for name in sorted(found, key=_stop_rank):
            end_process(found[name])
            self.forget(name)
            say(f"stopped {name} (pid {found[name]}), left over from a run that was killed")


def _stop_rank(name: str) -> int:
    """Who asks is stopped before who answers."""
    order = ("demo-hotspot", "freeradius", "billing", "portal", "simulated-mpesa", "coa", "worker", "engine")
    return order.index(name) if name in order else 0


def end_process(pid: int) -> None:
    """Ask a process that is not our child to end, and make it when it does not."""
    began = start_ticks(pid)
    for request, patience_s in ((signal.SIGTERM, END_PATIENCE_S), (signal.SIGKILL, END_PATIENCE_S)):
        if began is None or start_ticks(pid) != began:
            return
        os.kill(pid, request)
        until = time.monotonic() + patience_s
        while time.monotonic() < until and start_ticks(pid) == began:
            time.sleep(POLL_S)
