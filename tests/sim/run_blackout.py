"""Blackouts from the command line: what grows with the number of sessions that come back at once, and how.

python tests/sim/run_blackout.py                        # 200 and 2,000 routers: about six minutes
python tests/sim/run_blackout.py --routers 20 --seed 7
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.sim.blackout import Blackout

HEAD = (
    "routers  sessions | all back: s  requests a session | nothing of before open: s  requests a session"
    " | cuts to routers | played in s"
)


def main(given: list[str] | None = None) -> int:
    """0 if everybody came back who may, and everything ended that should."""
    parser = argparse.ArgumentParser(description="a blackout of many routers, on virtual time")
    parser.add_argument("--routers", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(given)
    print(HEAD)
    for routers in options.routers:
        began = time.monotonic()
        try:
            came = Blackout(routers, options.seed).run()
        except AssertionError as error:
            print(f"{routers} routers, seed {options.seed}: {error}")
            return 1
        each = [f"{requests / came.sessions:.1f}" for requests in (came.back_requests, came.right_requests)]
        print(
            f"{routers:>7}  {came.sessions:>8} | {came.back_s:>11}  {each[0]:>18} | {came.right_s:>26}  {each[1]:>18}"
            f" | {came.to_routers:>15} | {time.monotonic() - began:.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
