"""The worker of selling, from the command line.

    python -m billing run --settings FILE

Exit codes: 0 after a clean stop, 1 if the store does not answer at the start, 2 for settings that cannot be used.
"""

import argparse
import sys
from pathlib import Path

from billing import run
from radius.domain.errors import Malformed, Unavailable


def main(arguments: list[str]) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m billing", description="Find and do what selling leaves to do.")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("run", help="settle, ask, expire and book until told to stop")
    worker.add_argument("--settings", type=Path, help="default: $WIFIBILLING_SETTINGS")
    options = parser.parse_args(arguments)
    try:
        return run.run(options.settings)
    except Malformed as bad:
        print(f"wifibilling billing: {bad}", file=sys.stderr)
        return 2
    except Unavailable:
        print("wifibilling billing: the store does not answer", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
