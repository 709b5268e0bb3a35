"""The command line of deploy/run."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.ports import Ports
from deploy.refusal import Refusal

ROOT = Path(__file__).resolve().parent.parent
STATE_VARIABLE = "WIFIBILLING_STATE"
ENGINE_VARIABLE = "WIFIBILLING_DYNOXIDE"
# FreeRADIUS's own configuration language would read these in a path as something else.
UNFIT_IN_PATHS = frozenset('"\\%${}: \n\t')


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for. Paths are absolute."""

    state: Path
    once: bool
    ports: Ports
    engine: Path | None = None  # the operator's own dynoxide


def check_path(path: Path) -> None:
    """Refuse a path that FreeRADIUS could not read.

    Raises:
        Refusal: naming it.
    """
    if UNFIT_IN_PATHS & set(str(path)):
        raise Refusal(
            f'the path {str(path)!r} holds a blank or one of " \\ % $ {{ }} : that FreeRADIUS would interpret'
        )


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        Refusal: a path that FreeRADIUS could not read, or an offset out of range.
        SystemExit: 2 for a usage error, 0 after --help; as argparse does.
    """
    parser = argparse.ArgumentParser(
        prog="deploy/run",
        description="Install what is missing, start everything on this machine, and show an evening.",
    )
    default = os.environ.get(STATE_VARIABLE) or ROOT / "deploy" / ".state"
    parser.add_argument("--once", action="store_true", help="show the evening, stop everything, exit with its verdict")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(default),
        metavar="FOLDER",
        help=f"where data, keys and logs are kept (default {default}; also ${STATE_VARIABLE})",
    )
    parser.add_argument("--port-offset", type=int, default=0, metavar="N", help="add N to every port (1812, 1813, ...)")
    given = parser.parse_args(arguments)
    state = given.state.resolve()
    for path in (ROOT, state):
        check_path(path)
    own_engine = os.environ.get(ENGINE_VARIABLE)
    return Options(
        state=state,
        once=given.once,
        ports=Ports().moved(given.port_offset),
        engine=Path(own_engine).resolve() if own_engine else None,
    )


if __name__ == "__main__":
    parse(sys.argv[1:])
