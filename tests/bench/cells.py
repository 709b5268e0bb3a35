"""Run the cells of the table: subjects x added delay x (auth, acct), interleaved."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.meter import Meter, Usage
from tests.bench.packets import Customer
from tests.bench.processes import BenchError, Generator, Load, delayed
from tests.bench.radiusd import Server
from tests.bench.subjects import Store, Subject, Templates, prepare

METERED_IN_FLIGHT = 4
LONG_TIMEOUT_S = 30.0  # longer than any queue the bench builds; a router would have given up


@dataclass(frozen=True)
class Tools:
    """What every cell needs."""

    folder: Path
    generator: Generator
    delay_proxy: Path
    warm_s: float
    seconds: float
    say: Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One measurement of the table."""

    subject: str
    title: str
    delay_ms: float
    kind: str
    in_flight: int
    load: Load
    aside: int = 0  # answers that the store had no part in, warm-up included

    @property
    def bad_share(self) -> float:
        """Share of answers that are wrong, missing, or given without the store."""
        return self.load.bad_share + self.aside / max(self.load.answered, 1)


@dataclass
class Bench:
    """A subject with its store up and its sessions begun."""

    tools: Tools
    subject: Subject
    store: Store
    templates: Templates
    folder: Path
    online: int
    began_at: int
    next_interim: int = 0
    cells: list[Cell] = field(default_factory=list)

    @contextmanager
    def serving(self, delay_ms: float) -> Iterator[tuple[Server, list[int]]]:
        """The subject's server with the delay before its store, and the store's process ids."""
        with ExitStack() as stack:
            port, proxy = self.store.port, None
            if port is not None:
                port, proxy = stack.enter_context(
                    delayed(self.tools.delay_proxy, port, delay_ms, self.folder / "proxy.log")
                )
            server = stack.enter_context(self.subject.serve(self.folder, port, delay_ms))
            yield server, [pid for pid in (proxy, *self.store.pids()) if pid]

    def measure(self, delay_ms: float, seconds: float | None = None) -> None:
        """One auth and one acct window with this delay."""
        seconds = self.tools.seconds if seconds is None else seconds
        in_flight = self.subject.in_flight(delay_ms)
        with self.serving(delay_ms) as (server, _):
            for kind in ("auth", "acct"):
                before = self.subject.set_aside(server)
                load = self._window(server, kind, in_flight, seconds)
                aside = self.subject.set_aside(server) - before
                cell = Cell(self.subject.key, self.subject.title, delay_ms, kind, in_flight, load, aside)
                self.cells.append(cell)
                self.tools.say(
                    f"  {cell.title}, +{delay_ms:g} ms, {kind}: {load.rate:,.0f}/s,"
                    f" p99 {load.p99_ms:.1f} ms, bad {cell.bad_share:.2%}"
                )

    def _window(self, server: Server, kind: str, in_flight: int, seconds: float) -> Load:
        auth = kind == "auth"
        load = self.tools.generator.run(
            self.templates.auth if auth else self.templates.interim,
            port=server.auth_port if auth else server.acct_port,
            secret=server.secret,
            radiusd_pid=server.pid,
            store_pids=self.store.pids(),
            in_flight=in_flight,
            warm_s=self.tools.warm_s,
            seconds=seconds,
            timeout_s=LONG_TIMEOUT_S,
            start=0 if auth else self.next_interim,
            since=self.began_at,
        )
        if not auth:
            self.next_interim = load.next
        return load

    def capacity(self) -> dict[str, Usage]:
        """Consumed capacity for one auth and one acct, by a proxy that asks the store for it."""
        if self.store.port is None:
            return {}
        used = {}
        with Meter(self.store.port) as meter, self.subject.serve_metered(self.folder, meter.port) as server:
            for kind in ("auth", "acct"):
                auth = kind == "auth"
                self._metered(server, auth=auth)  # everyone once, so that the node knows them as on any day
                meter.take()
                answered = self._metered(server, auth=auth)
                used[kind] = meter.take().per_request(answered)
        return used

    def _metered(self, server: Server, *, auth: bool) -> int:
        load = self.tools.generator.run(
            self.templates.auth if auth else self.templates.interim,
            port=server.auth_port if auth else server.acct_port,
            secret=server.secret,
            radiusd_pid=server.pid,
            in_flight=METERED_IN_FLIGHT,
            warm_s=0,
            seconds=LONG_TIMEOUT_S,
            requests=self.online,
            start=0 if auth else self.next_interim,
            since=self.began_at,
        )
        if not auth:
            self.next_interim = load.next
        return max(load.answered, 1)


@contextmanager
def bench_of(tools: Tools, subject: Subject, customers: Sequence[Customer]) -> Iterator[Bench]:
    """Start the subject's store, seed it, begin the sessions."""
    folder = tools.folder / subject.key
    folder.mkdir(parents=True, exist_ok=True)
    tools.say(f"preparing {subject.title}: {len(customers):,} customers, half of them with a live session")
    with subject.store(folder / "store", customers) as store:
        with subject.serve(folder, store.port, 0) as server:
            templates = prepare(subject, server, tools.generator, folder, customers)
        yield Bench(tools, subject, store, templates, folder, len(customers) // 2, int(time.time()))


def run_all(
    tools: Tools, subjects: Sequence[Subject], customers: Sequence[Customer], delays_ms: Sequence[float], rounds: int
) -> tuple[list[Cell], dict[tuple[str, str], Usage], list[str]]:
    """All cells, interleaved: the order of subjects turns with every delay and round, so that drift hits all.

    Returns cells, capacity by (subject, kind), and the stores' versions.
    """
    with ExitStack() as stack:
        benches = [stack.enter_context(bench_of(tools, subject, customers)) for subject in subjects]
        turn = 0
        for _ in range(rounds):
            for delay_ms in delays_ms:
                able = [bench for bench in benches if bench.subject.has_store or not delay_ms]
                for at in range(len(able)):
                    able[(at + turn) % len(able)].measure(delay_ms)
                turn += 1
        usage = {}
        for bench in benches:
            if bench.subject.key == "a":
                continue  # not DynamoDB
            try:
                found = bench.capacity()
            except BenchError as error:
                tools.say(f"  capacity of {bench.subject.title} not measured: {error}")
                continue
            usage.update({(bench.subject.key, kind): used for kind, used in found.items()})
        versions = sorted({bench.store.version for bench in benches if bench.store.version})
        return [cell for bench in benches for cell in bench.cells], usage, versions
