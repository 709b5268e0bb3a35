"""The enforcement bench: how soon a limit is true on the wire, and how long a whole site takes.

    .venv/bin/python -P tests/bench/enforcement.py [wire] [closing] [shares] [--quick]

`wire`: from the report that proves a quota to the Disconnect and to the Stop, session by session. `closing`: thousands
of sessions that must end in one second, on 1, 10 and 100 routers. `shares`: ACK, NAK and silence by router family.
Product, store and routers share this box with whatever else runs on it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import closing, shares, wire  # the repository must be importable first, from any folder
from tests.bench.cli import working_folder
from tests.bench.engines import find_dynoxide
from tests.bench.obeying import Habit
from tests.bench.processes import BenchError, machine_line

FULL = {Habit.GONE: 0.10, Habit.BUSY: 0.05, Habit.MUTE: 0.02}
QUICK = {Habit.GONE: 0.25}  # a refusal for want of resources or a silence is asked again after 15 s and 45 s


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/enforcement.py", description=__doc__)
    parser.add_argument("what", nargs="*", default=[], help="wire, closing, shares (default: all)")
    parser.add_argument("--sessions", type=int, help="default: wire 300, closing 10,000, shares 100 a family")
    parser.add_argument("--routers", default="1,10,100", help="closing: numbers of routers (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a handful of each: a look, not a figure")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--dynoxide", help="the embedded engine's binary")
    parser.add_argument("--keep", action="store_true", help="keep the working folder with its logs")
    options = parser.parse_args(given)
    if unknown := set(options.what) - PARTS.keys():
        parser.error(f"what is {', '.join(sorted(unknown))}? It knows {', '.join(PARTS)}")
    if options.quick and options.routers == parser.get_default("routers"):
        options.routers = "2"
    return options


def _wire(options: argparse.Namespace, dynoxide: Path, folder: Path) -> str:
    runs, counted = wire.measure(dynoxide, folder, options.sessions or (5 if options.quick else 300))
    return wire.report(runs, counted, markdown=options.markdown)


def _closing(options: argparse.Namespace, dynoxide: Path, folder: Path) -> str:
    sessions = options.sessions or (40 if options.quick else 10_000)
    evenings = []
    for routers in map(int, options.routers.split(",")):
        evenings.append(closing.measure(dynoxide, folder / str(routers), routers, sessions))
        print("  " + "  ".join(evenings[-1].line()), file=sys.stderr, flush=True)
    return closing.report(evenings, markdown=options.markdown)


def _shares(options: argparse.Namespace, dynoxide: Path, folder: Path) -> str:
    each = options.sessions or (4 if options.quick else 100)
    found = shares.measure(dynoxide, folder, each, QUICK if options.quick else FULL)
    return shares.report(found, markdown=options.markdown)


PARTS: dict[str, Callable[[argparse.Namespace, Path, Path], str]] = {
    "wire": _wire,
    "closing": _closing,
    "shares": _shares,
}


def main(given: Sequence[str] | None = None) -> int:
    """Run the parts; 0 unless something is missing or a session was not ended."""
    options = _arguments(given)
    try:
        with working_folder(keep=options.keep) as folder:
            dynoxide = find_dynoxide(options.dynoxide)
            print(f"{machine_line()}\n", flush=True)
            for name in options.what or PARTS:
                print(f"{name}: {PARTS[name](options, dynoxide, folder / name)}\n", flush=True)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
