"""The simulated month from the command line: as many customers as wanted, every figure of every report compared.

python tests/sim/month/run.py                                # 300 customers, one seed; some minutes
python tests/sim/month/run.py --customers 40 --seeds 5
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.contract.cli.conftest import make
from tests.fixtures_engine import running_engine
from tests.sim.month.check import Asker, asked, check, peculiar
from tests.sim.month.life import Life


def main(given: list[str] | None = None) -> int:
    """0 if every figure of every seed is that of the diary."""
    parser = argparse.ArgumentParser(description="reports of a simulated month against an independent recount")
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--from", dest="first", type=int, default=0)
    options = parser.parse_args(given)
    wrong = 0
    for seed in range(options.first, options.first + options.seeds):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, running_engine(Path(folder)) as engine:
            for world in make(engine, Path(folder)):
                diary = Life(world, seed, options.customers).run()
                lived_s = time.monotonic() - began
                found = check(Asker(world), diary)
                spans = len(list(asked(diary)))
        print(
            f"seed {seed}: {len(diary.sales)} sales, {len(diary.tries)} payments, {len(diary.stays)} sessions in "
            f"{lived_s:.0f} s; {spans} reports in {time.monotonic() - began - lived_s:.0f} s: {len(found)} differences",
            flush=True,
        )
        print("\n".join([*found[:40], *(f"no {kind}" for kind, day in peculiar(diary).items() if not day)]), flush=True)
        wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
