"""The programs a bench runs: compiled helpers, servers that are stopped by their own id, free ports, the machine."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 60.0  # a server that needs longer is broken
STOP_TIMEOUT_S = 20.0  # PostgreSQL writes a checkpoint when it stops


class BenchError(Exception):
    """The bench cannot go on; the message is one line for the person who started it."""


def compile_native(name: str, folder: Path) -> Path:
    """Compile `name`.c beside this file. Raises BenchError without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError("a C compiler is needed for the load generator: apt-get install gcc libc6-dev")
    out = folder / name
    subprocess.run([compiler, "-O2", "-o", str(out), str(HERE / f"{name}.c")], check=True)
    return out


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that nothing uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A running server. Its output goes to a file; `stop` ends it by its own process id."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        log: Path,
        *,
        user: str | None = None,
        env: dict[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log = log
        self._stop_signal = stop_signal
        self._out = log.open("wb")
        self._process = subprocess.Popen(
            [str(part) for part in arguments],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            env={**os.environ, **(env or {})},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for_port(self, port: int) -> None:
        """Return when the program accepts TCP connections. Raises BenchError with the end of its log."""
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        raise BenchError(self.complaint())

    def wait_for_text(self, text: str, file: Path | None = None) -> None:
        """Return when the log (or `file`) contains `text`. Raises BenchError with the end of the log."""
        end = time.monotonic() + START_TIMEOUT_S
        file = file or self.log
        while time.monotonic() < end:
            if file.exists() and text in file.read_text(errors="replace"):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise BenchError(self.complaint())

    def complaint(self) -> str:
        """What the program said last."""
        tail = self.log.read_text(errors="replace")[-1500:]
        return f"{self.log.name}: not running as expected; its last words:\n{tail}"

    def stop(self) -> None:
        """Ask the program to end, and make it end when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._out.close()


def children(pid: int) -> list[int]:
    """Process ids of the direct children now (PostgreSQL's backends)."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(text) for text in path.read_text().split()] if path.exists() else []


@contextlib.contextmanager
def delayed(native: Path, store_port: int, delay_ms: float, log: Path) -> Iterator[tuple[int, int | None]]:
    """(port, pid) of the delay proxy before the store; without a delay the store itself and None."""
    if delay_ms <= 0:
        yield store_port, None
        return
    port = free_port()
    proxy = Program([native, str(port), str(store_port), str(delay_ms)], log)
    try:
        proxy.wait_for_port(port)
        yield port, proxy.pid
    finally:
        proxy.stop()


@dataclass(frozen=True)
class Load:
    """One measured window, as loadgen.c reports it. Latencies in ms, CPU in us over the window."""

    seconds: float
    sent: int
    answered: int
    wrong: int
    forged: int
    unanswered: int
    held_max: int
    in_flight_max: int
    next: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    radiusd_cpu_us: int
    store_cpu_us: int
    own_cpu_us: int
    box_busy_us: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def cpu_us_request(self) -> float:
        """CPU of the freeradius process for one request."""
        return self.radiusd_cpu_us / self.answered if self.answered else 0.0

    @property
    def bad_share(self) -> float:
        """Share of wrong, forged and missing answers."""
        bad = self.wrong + self.forged + self.unanswered
        return bad / max(self.sent, self.answered, bad, 1)

    @property
    def others_share(self) -> float:
        """Share of the box that went to programs outside this cell: above a few percent, measure again."""
        own = self.radiusd_cpu_us + self.store_cpu_us + self.own_cpu_us
        return max(0.0, (self.box_busy_us - own) / (self.seconds * 1e6 * (os.cpu_count() or 1)))


@dataclass(frozen=True)
class Generator:
    """loadgen, compiled."""

    program: Path

    def run(
        self,
        templates: Path,
        *,
        port: int,
        secret: str,
        radiusd_pid: int,
        store_pids: Sequence[int] = (),
        in_flight: int = 64,
        rate: float = 0,
        warm_s: float = 2,
        seconds: float = 8,
        timeout_s: float = 10,
        requests: int = 0,
        start: int = 0,
        since: int = 0,
    ) -> Load:
        """Play templates and measure. `rate` > 0 is an open loop; `requests` > 0 stops by count."""
        options: dict[str, object] = {
            "file": templates,
            "port": port,
            "secret": secret,
            "in-flight": in_flight,
            "rate": rate,
            "warm-s": warm_s,
            "seconds": seconds,
            "timeout-s": timeout_s,
            "requests": requests,
            "start": start,
            "since": since,
        }
        arguments = [str(self.program)]
        for name, value in options.items():
            arguments += [f"--{name}", str(value)]
        for pid in (radiusd_pid, *store_pids):
            arguments += ["--pid", str(pid)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"loadgen: {done.stderr.strip() or done.returncode}")
        return _load(json.loads(done.stdout))


def _load(report: dict[str, Any]) -> Load:
    radiusd, *store = report.pop("cpu_us")
    names = Load.__dataclass_fields__
    return Load(
        radiusd_cpu_us=radiusd,
        store_cpu_us=sum(store),
        **{name: value for name, value in report.items() if name in names},
    )


def machine_line() -> str:
    """What the figures were measured on."""
    uname = os.uname()
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    version = subprocess.run(["freeradius", "-v"], capture_output=True, text=True, check=False).stdout
    number = version.split("Version ", 1)[-1].split(",", 1)[0].strip() or "not installed"
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({model}), Linux {uname.release}, FreeRADIUS {number}, load before the run {load:.1f}"
    )
