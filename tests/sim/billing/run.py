"""The market days from the command line: many seeds, the first failures with their story.

python tests/sim/billing/run.py                      # 10,000 payments and more: seeds 0..349
python tests/sim/billing/run.py --seed 42            # one
python tests/sim/billing/run.py --from 5000 --seeds 200 --keep-going
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.sim.billing.market import Market

FAILURES_SHOWN = 40


def main(given: list[str] | None = None) -> int:
    """0 if every seed came out right."""
    parser = argparse.ArgumentParser(description="seeded simulation of selling")
    parser.add_argument("--seeds", type=int, default=350)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args(given)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began, failures = time.monotonic(), []
    payments = received = steps = deaths = 0
    for seed in seeds:
        market = Market(seed)
        try:
            market.run()
        except AssertionError as error:  # a seed's verdict
            failures.append(seed)
            print(f"\n{error}", flush=True)
            if not options.keep_going:
                break
        payments += len(market.people.payments)
        received += len(market.bank.daraja.money)
        steps += market.world.steps
        deaths += market.world.deaths
    took_s = time.monotonic() - began
    print(f"{len(failures)} of {len(seeds)} seeds failed: {failures[:FAILURES_SHOWN]}")
    print(f"{payments} payments, money came {received} times, {steps} steps, {deaths} deaths, {took_s:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
