"""What deploy/run can refuse before anything is installed: a running instance, a taken port, a full disk."""

import os
import shutil
import sys
from pathlib import Path

from deploy.options import Options, parse
from deploy.ports import check_free
from deploy.refusal import Refusal, exit_code
from deploy.state import State

STATE_MB_MIN = 400  # logs of seven processes with one older generation each (280 MB), and room for the tables to grow


def check_disk(folder: Path, needed_mb: int) -> None:
    """Refuse when the file system of the folder, or of its nearest parent, has less than `needed_mb`.

    Raises:
        Refusal: naming the folder and both figures.
    """
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < needed_mb:
        raise Refusal(f"only {free_mb} MB free on the disk of {folder}: {needed_mb} MB are needed")


def check_box(options: Options) -> None:
    """Refuse what would fail later with a worse message. What a killed run left running is stopped.

    Raises:
        Refusal: see the module.
    """
    state = State(options.state)
    if options.state.exists():
        if not options.state.is_dir():
            raise Refusal(f"the state folder {options.state} is not a folder")
        if state.lock_file.exists():
            claim = state.claim()
            try:
                state.end_leftovers()
            finally:
                os.close(claim)
        elif any(options.state.iterdir()):
            raise Refusal(
                f"the state folder {options.state} holds other things: name an empty or a new one with --state"
            )
    check_disk(options.state, STATE_MB_MIN)
    check_free(options.ports)


def main() -> int:
    """Check what the command line names."""
    check_box(parse(sys.argv[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
