"""Lists at a large site: how long an operator waits for the first page, process start and all, and what it asks.

`python tests/bench/lists.py` fills the embedded engine with a site of 100,000 customers, 10,000 of them online, 300,000
payments and 100,000 vouchers (some minutes), and runs each command as a process of its own. Needs no root.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from billing.store.open import open_billing  # noqa: E402 - the repository must be importable first, from any folder
from radius import secrets, settings  # noqa: E402
from radius.domain.nas import Site  # noqa: E402
from radius.store import records  # noqa: E402
from radius.wiring import build_core  # noqa: E402
from tests.bench import big_site, bulk, engines, table  # noqa: E402
from tests.bench.big_site import Placed, Size  # noqa: E402
from tests.bench.processes import machine_line  # noqa: E402
from tests.fakes.store_proxy import StoreProxy  # noqa: E402

ROUTER_SECRET = "a-shared-secret-of-a-router"
ROUNDS = 3
LISTS = (
    "sessions list",
    "sessions list --router estate-03",
    "sessions list --over 900TB",
    "sessions list --package day",
    "sessions list --idle 9d",
    "sessions list --user 0700000007",
    "sessions history",
    "sessions history --router estate-03",
    "sessions history --user 0700000007",
    "customers list",
    "customers list --day {today}",
    "customers search 0700000007",
    "customers show 0700000007",
    "payments list",
    "payments list --state paid",
    "payments list --state disputed",
    "payments list --user 0700000007",
    "payments refunds",
    "vouchers list",
    "vouchers list B0",
    "vouchers list B0 --state used",
    "routers list",
)
COLUMNS = ("command, at --site estate", "lines", "s, median", "s, worst", "requests to the store")


class Figure(NamedTuple):
    """One command: `lines` it showed, seconds of each run, what it asked for."""

    command: str
    lines: int
    seconds: tuple[float, ...]
    asked: Counter[str]

    def row(self) -> list[str]:
        """The texts under COLUMNS."""
        said = ", ".join(f"{count} {operation}" for operation, count in sorted(self.asked.items()))
        return [self.command, str(self.lines), f"{median(self.seconds):.2f}", f"{max(self.seconds):.2f}", said]


def write_settings(folder: Path, name: str, port: int) -> Path:
    """The command's settings file for a store on a loopback port."""
    path = folder / name
    path.write_text(f'state_dir = "{folder}"\nstore_endpoint = "http://127.0.0.1:{port}"\n')
    return path


def fill(binary: Path, folder: Path, size: Size) -> Path:
    """A database folder with the whole site."""
    secrets.create_key_file(folder / "data.key")
    export = folder / "export"
    with engines.dynoxide(binary, folder / "empty") as engine:
        core = build_core(settings.load(write_settings(folder, "fill.toml", engine.port)))
        core.store.create_tables()
        open_billing(core.store).create_tables()
        core.provision.site(Site(big_site.SITE))
        core.provision.terms(big_site.DAY)
        for router in big_site.routers():
            core.provision.router(router, ROUTER_SECRET)
        core.close()
        export.mkdir()
        bulk.dump(engine.port, export)
    for number, (name, items) in enumerate(_files(big_site.items(size, int(time.time())))):
        bulk.write_items(export, name, f"part{number:05d}", map(records.attributes, items))
    full = folder / "full"
    full.mkdir()
    bulk.import_into(binary, export, full / "store.db")
    return full


def _files(placed: Iterable[Placed]) -> Iterator[tuple[str, list[records.Item]]]:
    """Items of a table, as many as a file takes."""
    waiting: defaultdict[str, list[records.Item]] = defaultdict(list)
    for name, item in placed:
        waiting[name].append(item)
        if len(waiting[name]) == bulk.FILE_ITEMS_MAX:
            yield name, waiting.pop(name)
    yield from waiting.items()


def measure(folder: Path, port: int) -> Iterator[Figure]:
    """Every list, and first the command that reads nothing: what starting takes."""
    told, proxy = write_settings(folder, "settings.toml", port), StoreProxy(port)
    watched = write_settings(folder, "watched.toml", proxy.port)
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 3600))
    for line in ("sessions --help", *(each.format(today=today) for each in LISTS)):
        known = () if "--help" in line else ("--site", big_site.SITE)
        runs = [_run([*line.split(), *known], told) for _ in range(ROUNDS)]
        proxy.requests.clear()
        _run([*line.split(), *known], watched)
        asked = Counter(operation for operation, _ in proxy.requests)
        yield Figure(line, runs[0][1], tuple(seconds for seconds, _ in runs), asked)
    proxy.close()


def _run(words: Sequence[str], told: Path) -> tuple[float, int]:
    """Seconds from nothing to the end of the process, and the lines it showed."""
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "billing.cli", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WIFIBILLING_SETTINGS": str(told)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return time.monotonic() - began, len(ran.stdout.splitlines())


def main() -> int:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(prog="tests/bench/lists.py", description=__doc__)
    for name, count in Size(100_000, 10_000, 300_000, 100_000)._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=count, help="default: %(default)s")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    size = Size(given.customers, given.online, given.payments, given.vouchers)
    binary = engines.find_dynoxide(None)
    with tempfile.TemporaryDirectory(prefix="wifibilling-lists-") as name:
        folder = Path(name)
        with engines.dynoxide(binary, fill(binary, folder, size)) as engine:
            figures = list(measure(folder, engine.port))
    print(f"\n{machine_line()}; {size}\n")
    print(table.render(COLUMNS, [figure.row() for figure in figures], markdown=given.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
