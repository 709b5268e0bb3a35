"""Arguments, order of work, output and exit code of the bench."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.bench import growth, scale, table
from tests.bench.cells import Tools, run_all
from tests.bench.engines import find_dynoxide
from tests.bench.packets import Customer
from tests.bench.peers import Idle, Postgres, Shape, Tutorial
from tests.bench.processes import BenchError, Generator, compile_native, machine_line
from tests.bench.product import Bare
from tests.bench.subjects import Subject
from tests.bench.us import Ours

CUSTOMERS = 2000  # half log in, half are online
DELAYS_MS = (0.0, 5.0, 80.0)
QUICK_SECONDS = 3.0


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run.py", description=__doc__)
    parser.add_argument("what", nargs="?", default="compare", choices=("compare", "growth", "scale"))
    parser.add_argument("--only", default="us,a,b,c,d,e", help="subjects, with commas (default: %(default)s)")
    parser.add_argument("--delays", default="0,5,80", help="ms added to the store (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="measured window of a cell (default: 8)")
    parser.add_argument("--warm", type=float, default=2.0, help="seconds before the window (default: 2)")
    parser.add_argument("--rounds", type=int, default=1, help="repeat all cells; ratios use the median")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--quick", action="store_true", help="short windows, no 80 ms: a look, not a figure")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--dynoxide", help="the embedded engine's binary")
    parser.add_argument("--keep", action="store_true", help="keep the working folder with its logs")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="scale: live sessions")
    parser.add_argument("--minutes", type=float, default=10.0, help="scale: how long")
    options = parser.parse_args(given)
    if options.quick:
        options.seconds, options.warm = QUICK_SECONDS, 1.0
        options.delays = ",".join(text for text in options.delays.split(",") if float(text) < 80)
    return options


@contextlib.contextmanager
def working_folder(*, keep: bool) -> Iterator[Path]:
    """A folder of this run; removed at its end unless `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="wifibilling-bench-"))
    folder.chmod(0o755)  # PostgreSQL's own user must pass through
    try:
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _subjects(options: argparse.Namespace) -> list[Subject]:
    wanted = set(options.only.split(","))
    makers: dict[str, Callable[[], Subject]] = {
        "us": lambda: Ours(find_dynoxide(options.dynoxide)),
        "a": Postgres,
        "b": lambda: Tutorial(find_dynoxide(options.dynoxide)),
        "c": Idle,
        "d": Shape,
        "e": Bare,
    }
    if unknown := wanted - set(makers):
        raise BenchError(f"--only knows {', '.join(makers)}, not {', '.join(sorted(unknown))}")
    return [make() for key, make in makers.items() if key in wanted]


def _compare(options: argparse.Namespace, tools: Tools) -> int:
    delays = [float(text) for text in options.delays.split(",")]
    customers = [Customer(index) for index in range(options.customers)]
    machine = machine_line()
    cells, usage, versions = run_all(tools, _subjects(options), customers, delays, options.rounds)
    print(f"\n{machine}; {'; '.join(versions)}; {options.customers:,} customers, window {tools.seconds:g} s\n")
    print(table.render(table.COLUMNS, table.rows(cells, usage), markdown=options.markdown))
    if verdicts := table.verdicts(cells):
        print()
        print(table.render(("aim", "ratio", "least", "verdict"), verdicts, markdown=options.markdown))
    for cell in table.failed(cells):
        print(f"FAILED: {cell.title}, +{cell.delay_ms:g} ms, {cell.kind}: {cell.load}", file=sys.stderr)
    return 1 if table.failed(cells) else 0


def _growth(options: argparse.Namespace, tools: Tools) -> int:
    cells = growth.measure(tools, Ours(find_dynoxide(options.dynoxide)), options.rounds)
    print(f"\n{machine_line()}\n")
    print(growth.report(cells, markdown=options.markdown))
    return 1 if table.failed(cells) else 0


def _scale(options: argparse.Namespace, tools: Tools) -> int:
    windows = scale.run(tools, Ours(find_dynoxide(options.dynoxide)), options.sessions, options.minutes)
    text, _ = scale.report(windows, options.sessions / scale.INTERIM_S, markdown=options.markdown)
    print(f"\n{machine_line()}; {options.sessions:,} live sessions\n")
    print(text)
    held = (window for window in windows if window.rate == windows[0].rate)
    return 1 if any(window.bad_share > table.BAD_SHARE_MAX for window in held) else 0


def main(given: Sequence[str] | None = None) -> int:
    """Run the bench; 0 unless something is missing or answers were wrong."""
    options = _arguments(given)
    if os.geteuid():
        print("the bench starts servers of its own as root: use sudo", file=sys.stderr)
        return 2
    try:
        with working_folder(keep=options.keep) as folder:
            tools = Tools(
                folder,
                Generator(compile_native("loadgen", folder)),
                compile_native("delayproxy", folder),
                options.warm,
                options.seconds,
                lambda text: print(text, file=sys.stderr, flush=True),
            )
            if options.what == "compare":
                return _compare(options, tools)
            return _growth(options, tools) if options.what == "growth" else _scale(options, tools)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
