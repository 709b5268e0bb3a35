"""The bench of selling: what a credit costs, how many a second, how soon, and how the books' check grows.

    .venv/bin/python -P tests/bench/billing.py [units] [settle] [callbacks] [check] [--quick]

`units`: capacity of one purchase in the store, step by step. `settle`: credits a second by one process, callbacks
stored before. `callbacks`: a portal in a process of its own, told of everything at once; then at a steady rate, from
the callback sent to the payment credited. `check`: `ledger check` over books of growing size, each time in a new
process.
Product, store and callers share this box with whatever else runs on it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import local

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from billing.domain.journal import business_day  # the repository must be importable first, from any folder
from tests.bench import engines, table
from tests.bench.cli import working_folder
from tests.bench.meter import Meter
from tests.bench.processes import BenchError, free_port, machine_line
from tests.bench.selling import Shop, Sold, box_settings, portal

STEPS = ("checkout", "callback stored", "credited")
SETTLING_THREADS = (1, 4, 16)
CALLERS = 16
STEADY_PER_S = 20
LOOK_S = 0.002
PATIENCE_S = 60.0
SIZES, SIZES_QUICK = (500, 1_500, 4_500), (10,)
CREDITS, CREDITS_QUICK = 500, 12


def units(binary: Path, folder: Path, *, quick: bool) -> tuple[Sequence[str], list[list[str]]]:
    """Capacity and requests of each step of a purchase."""
    count = 5 if quick else 50
    with (
        engines.dynoxide(binary, folder) as engine,
        Meter(engine.port) as meter,
        Shop(box_settings(folder, meter.port)) as shop,
    ):
        shop.open()
        now = int(time.time())
        buyers = [shop.register(now) for _ in range(count)]
        meter.take()
        sold = [shop.begin(buyer, now) for buyer in buyers]
        used = [meter.take()]
        bodies = [shop.take(each) for each in sold]
        used.append(meter.take())
        for body in bodies:
            shop.finish(body)
        used.append(meter.take())
        _all_paid(shop, sold)
    lines = []
    for step, total in zip(STEPS, used, strict=True):
        one = total.per_request(count)
        asked = f"{sum(one.calls.values()):.1f}"
        lines.append([step, f"{one.write_units:.1f}", f"{one.index_write_units:.1f}", f"{one.read_units:.1f}", asked])
    return ("step", "write units", "of them indexes", "read units", "requests"), lines


def settle(binary: Path, folder: Path, *, quick: bool) -> tuple[Sequence[str], list[list[str]]]:
    """Credits a second in one process."""
    count, lines = CREDITS_QUICK if quick else CREDITS, []
    with engines.dynoxide(binary, folder) as engine, Shop(box_settings(folder, engine.port)) as shop:
        shop.open()
        for threads in SETTLING_THREADS:
            sold = shop.sold(count)
            bodies = [shop.take(each) for each in sold]
            with ThreadPoolExecutor(threads) as pool:
                began = time.monotonic()
                took = list(pool.map(_timed(shop.finish), bodies))
                rate = count / (time.monotonic() - began)
            _all_paid(shop, sold)
            lines.append([f"{threads} threads", f"{rate:,.0f}", *_ms(took)])
    return ("settling", "credits/s", "p50 ms", "p99 ms"), lines


def callbacks(binary: Path, folder: Path, *, quick: bool) -> tuple[Sequence[str], list[list[str]]]:
    """A portal told of everything at once, then steadily."""
    count, port = CREDITS_QUICK if quick else CREDITS, free_port()
    with engines.dynoxide(binary, folder) as engine:
        settings = box_settings(folder, engine.port, portal_port=port)
        with Shop(settings) as shop:
            shop.open()
            flood, steady = shop.sold(count), shop.sold(count)
            with portal(folder, settings, port), closing(Caller(port)) as post:
                with ThreadPoolExecutor(CALLERS) as pool:
                    began = time.monotonic()
                    answered = list(pool.map(_timed(post), flood))
                    answered_s = time.monotonic() - began
                _wait_paid(shop, flood)
                credited_s = time.monotonic() - began
                with ThreadPoolExecutor(CALLERS) as pool:
                    credited = list(pool.map(lambda each: _credited_s(shop, post, each), _paced(steady)))
    return ("portal", "per s", "p50 ms", "p99 ms"), [
        [f"answered, {CALLERS} connections", f"{count / answered_s:,.0f}", *_ms(answered)],
        ["credited, told all at once", f"{count / credited_s:,.0f}", "-", "-"],
        [f"from sent to credited, {STEADY_PER_S} a second", f"{STEADY_PER_S}", *_ms(credited)],
    ]


def check(binary: Path, folder: Path, *, quick: bool) -> tuple[Sequence[str], list[list[str]]]:
    """`ledger check` as the books grow."""
    lines, there = [], 0
    with engines.dynoxide(binary, folder) as engine:
        settings = box_settings(folder, engine.port)
        with Shop(settings) as shop:
            shop.open()
            for size in SIZES_QUICK if quick else SIZES:
                sold = shop.sold(size - there)
                with ThreadPoolExecutor(CALLERS) as pool:
                    list(pool.map(lambda each: shop.finish(shop.take(each)), sold))
                there = size
                command = [sys.executable, "-P", __file__, "--check-in", str(settings)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise BenchError(f"the check found something: {(done.stdout + done.stderr)[-500:]}")
                took_s, rose_mib = json.loads(done.stdout)
                lines.append([f"{size:,}", f"{took_s:.1f}", f"{took_s / size * 1000:.2f}", f"{rose_mib:.0f}"])
    return ("journals", "seconds", "ms a journal", "MiB more"), lines


def check_in(settings: Path) -> int:
    """Check the books of a store; prints seconds and how far the memory rose. 1 if something was found."""
    with Shop(settings) as shop:
        today, before = business_day(int(time.time())), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yesterday, began = business_day(int(time.time()) - 86_400), time.monotonic()
        found = shop.billing.check.check(yesterday, today, int(time.time()))
        took_s = time.monotonic() - began
        rose = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([took_s, rose / 1024]) if not found else found[:5])
    return 1 if found else 0


class Caller:
    """Posts callbacks as M-Pesa does, a connection a thread. `close` when all is said."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._mine = local()
        self._lines: list[HTTPConnection] = []

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()

    def __call__(self, sold: Sold) -> None:
        if not hasattr(self._mine, "line"):
            self._mine.line = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            self._lines.append(self._mine.line)
        line: HTTPConnection = self._mine.line
        line.request("POST", f"/pay/stk/{sold.token}", sold.body, {"Content-Type": "application/json;charset=UTF-8"})
        answer = line.getresponse()
        answer.read()
        if answer.status != 200:
            raise BenchError(f"a callback was answered {answer.status}")


def _timed(act: Callable[..., object]) -> Callable[..., float]:
    def timed(argument: object) -> float:
        began = time.monotonic()
        act(argument)
        return time.monotonic() - began

    return timed


def _paced(sold: Sequence[Sold]) -> Sequence[tuple[Sold, float]]:
    """Each with the instant when it is to be sent."""
    began = time.monotonic() + 0.5
    return [(each, began + number / STEADY_PER_S) for number, each in enumerate(sold)]


def _credited_s(shop: Shop, post: Caller, due: tuple[Sold, float]) -> float:
    sold, at = due
    time.sleep(max(0.0, at - time.monotonic()))
    began = time.monotonic()
    post(sold)
    _wait_paid(shop, [sold])
    return time.monotonic() - began


def _wait_paid(shop: Shop, sold: Sequence[Sold]) -> None:
    end, left = time.monotonic() + PATIENCE_S, list(sold)
    while left:
        if time.monotonic() > end:
            raise BenchError(f"{len(left)} callbacks were answered and not credited")
        left = left[1:] if shop.paid(left[:1]) else left
        if left:
            time.sleep(LOOK_S if len(sold) == 1 else 0)


def _all_paid(shop: Shop, sold: Sequence[Sold]) -> None:
    if shop.paid(sold) != len(sold):
        raise BenchError(f"{len(sold) - shop.paid(sold)} of {len(sold)} were not credited")


def _ms(seconds: Sequence[float]) -> list[str]:
    return [f"{table.percentile(seconds, share) * 1000:.1f}" for share in (0.5, 0.99)]


PARTS = {"units": units, "settle": settle, "callbacks": callbacks, "check": check}


def main(given: Sequence[str] | None = None) -> int:
    """Run the parts; 0 unless something is missing or money was not credited."""
    parser = argparse.ArgumentParser(prog="tests/bench/billing.py", description=__doc__)
    parser.add_argument("what", nargs="*", default=[], help="units, settle, callbacks, check (default: all)")
    parser.add_argument("--quick", action="store_true", help="a handful of each: a look, not a figure")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--dynoxide", help="the embedded engine's binary")
    parser.add_argument("--keep", action="store_true", help="keep the working folder with its logs")
    parser.add_argument("--check-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.check_in:
        return check_in(options.check_in)
    if unknown := set(options.what) - PARTS.keys():
        parser.error(f"what is {', '.join(sorted(unknown))}? It knows {', '.join(PARTS)}")
    try:
        with working_folder(keep=options.keep) as folder:
            binary = engines.find_dynoxide(options.dynoxide)
            print(f"{machine_line()}\n", flush=True)
            for name in options.what or PARTS:
                header, lines = PARTS[name](binary, folder / name, quick=options.quick)
                print(f"{name}:\n{table.render(header, lines, markdown=options.markdown)}\n", flush=True)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
