"""Starts programs in order, watches them, restarts what dies, and stops them in the opposite order.

Programs write straight into their log files: no pipe breaks under them when this process is killed.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.refusal import Refusal, say
from deploy.state import State

RESTART_PAUSE_S_MIN = 1.0  # a crash at one packet is over at once
RESTART_PAUSE_S_MAX = 30.0  # a router gives up on a server for longer than that; the log stays readable
STABLE_S = 60.0  # who ran that long starts again with the shortest pause
LOG_BYTES_MAX = 20_000_000  # twice that on disk for each program: a village box has a small card
LOG_LINES_SHOWN = 5
LOG_TAIL_BYTES = 4_000
READY_POLL_S = 0.05
PROBE_EVERY_S = 10.0
PROBES_LOST_MAX = 3  # unanswered in a row: half a minute is more than any disk of a working box takes


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and how to know that it serves. `is_ready` is given the log's text since the start.

    `is_alive` asks a running one, and ends by itself in seconds; one that hangs is killed and started again.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[str], bool]
    environment: Mapping[str, str] | None = None  # None: ours
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 15.0
    is_alive: Callable[[], bool] | None = None  # None: only its death is noticed


@dataclass(slots=True)
class RestartPause:
    """How long to wait before the next start: doubled by each early death, forgotten after a stable run."""

    pause_s: float = 0.0

    def after_death(self, ran_s: float) -> float:
        """Seconds to wait when a program died after `ran_s`."""
        if ran_s >= STABLE_S:
            self.pause_s = 0.0
        self.pause_s = min(max(self.pause_s * 2, RESTART_PAUSE_S_MIN), RESTART_PAUSE_S_MAX)
        return self.pause_s


class Child:
    """One program, running or between two runs."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.log = state.log_folder / f"{program.name}.log"
        self.pause = RestartPause()
        self.restart_at: float | None = None
        self.started_at = 0.0
        self.probed_at = 0.0
        self.probes_lost = 0
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self, now: float) -> None:
        """Begin a run at `now` (monotonic seconds); readiness is asked for separately."""
        self.rotate()
        self.restart_at = None
        self.started_at = self.probed_at = now
        self.probes_lost = 0
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                self.program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.program.environment,
                cwd=self._state.folder,
                start_new_session=True,  # Ctrl-C in the terminal is for us: we stop the programs in order
            )
        self._state.remember(self.program.name, self._process.pid)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def death(self) -> str | None:
        """How a run ended by itself, None while it runs or waits for its next start."""
        if self._process is None or self.restart_at is not None:
            return None
        code = self._process.poll()
        if code is None:
            return None
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def probe(self, now: float) -> bool:
        """Ask it, when it is time, whether it still serves; False once it hangs."""
        if self.program.is_alive is None or now - self.probed_at < PROBE_EVERY_S:
            return True
        self.probed_at = now
        self.probes_lost = 0 if self.program.is_alive() else self.probes_lost + 1
        return self.probes_lost < PROBES_LOST_MAX

    def kill(self) -> None:
        """End it at once; that is its death."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether it serves."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return self.program.is_ready(log.read().decode(errors="replace"))

    def last_words(self) -> str:
        """The end of the log of this run, indented, for a person."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"

    def rotate(self) -> None:
        """Bound the log. The program keeps its descriptor (append mode), so the text is copied and the file emptied.

        What is written between the two is lost: a line of a log, never accounting. Where the disk has no room for both,
        the older text goes: it would only keep the disk full.
        """
        if not self.log.exists() or self.log.stat().st_size <= LOG_BYTES_MAX:
            return
        older = self.log.with_suffix(".log.1")
        try:
            with self.log.open("rb") as source, older.open("wb") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        except OSError:
            older.unlink(missing_ok=True)
        os.truncate(self.log, 0)
        self._log_start = 0

    def stop(self) -> None:
        """Ask it to end, and make it end when it does not."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(self.program.stop_timeout_s)
            except subprocess.TimeoutExpired:
                say(f"{self.program.name} did not end in {self.program.stop_timeout_s:.0f} s and was killed")
                process.kill()
                process.wait()
        self._process = None
        self.restart_at = None
        self._state.forget(self.program.name)


class Supervisor:
    """The programs of one box, in the order of their start."""

    def __init__(self, state: State, stopping: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._stopping = stopping
        self._clock = clock
        self._children: list[Child] = []
        self.deaths = 0

    def start(self, program: Program) -> Child:
        """Start a program and return when it serves.

        Raises:
            Refusal: it died, was not ready in time, or we are asked to stop; it is not running then.
        """
        child = Child(program, self._state)
        self._children.append(child)
        child.start(self._clock())
        until = self._clock() + program.start_timeout_s
        while not child.is_ready():
            death = child.death()
            if death or self._clock() > until or self._stopping.is_set():
                words = child.last_words()
                child.stop()
                if self._stopping.is_set():
                    raise Refusal(f"stopped while {program.name} was starting")
                why = f"ended at once ({death})" if death else f"was not ready in {program.start_timeout_s:.0f} s"
                raise Refusal(f"{program.name} {why}; its log {child.log} ends:\n{words}")
            time.sleep(READY_POLL_S)
        return child

    def watch(self) -> None:
        """Look after everything once: report deaths, end what hangs, restart what waited enough, bound the logs.

        What the machine refuses (a full disk, no memory for a process) is told and tried again: the others serve on.
        """
        for child in self._children:
            now = self._clock()
            try:
                self._look_after(child, now)
            except OSError as error:
                child.restart_at = now + child.pause.after_death(0.0) if child.pid is None else None
                say(f"{child.program.name}: {error.filename or 'the machine'}: {error.strerror}")

    def _look_after(self, child: Child, now: float) -> None:
        if (death := child.death()) is not None:
            self._bury(child, death, now)
        elif child.restart_at is not None and now >= child.restart_at:
            child.start(now)
            say(f"{child.program.name} started again (pid {child.pid})")
        elif child.restart_at is None and not child.probe(now):
            say(f"{child.program.name} hangs: {PROBES_LOST_MAX} probes in a row had no answer; it is killed")
            child.kill()
        else:
            child.rotate()

    def _bury(self, child: Child, death: str, now: float) -> None:
        self.deaths += 1
        pause_s = child.pause.after_death(now - child.started_at)
        child.restart_at = now + pause_s
        say(
            f"{child.program.name} died ({death}) and is started again in {pause_s:.0f} s; its log {child.log} ends:\n"
            f"{child.last_words()}"
        )

    def stop(self) -> None:
        """Stop all, last started first: who asks before who answers."""
        while self._children:
            self._children.pop().stop()
