"""The simulation from the command line: many seeds, the first failures with their story.

python tests/sim/run.py --seeds 1000            # seeds 0..999
python tests/sim/run.py --seed 42               # one, with its whole plan
python tests/sim/run.py --from 5000 --seeds 200 --keep-going
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.sim.evening import Evening

FAILURES_SHOWN = 40


def main(given: list[str] | None = None) -> int:
    """0 if every seed came out right."""
    parser = argparse.ArgumentParser(description="seeded simulation of the AAA core")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args(given)
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began, failures = time.monotonic(), []
    sessions = packets = 0
    for seed in seeds:
        evening = Evening(seed)
        try:
            evening.run()
        except Exception as error:  # a seed's verdict, whatever went wrong
            failures.append(seed)
            print(f"\nseed {seed}: {type(error).__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                raise
            if not options.keep_going:
                break
        sessions += len(evening.stage.sessions)
        packets += sum(len(session.mine) for session in evening.stage.sessions)
    took_s = time.monotonic() - began
    print(f"{len(failures)} of {len(seeds)} seeds failed: {failures[:FAILURES_SHOWN]}")
    print(f"{sessions} sessions, {packets} packets acknowledged, {took_s:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
