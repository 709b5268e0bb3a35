"""The one way in which the deploy commands say no: one clear line to stderr and exit code 1."""

import os
import sys
from collections.abc import Callable


class Refusal(Exception):
    """Something that the operator must know or change. The message is one line."""


def command_name() -> str:
    """What the operator typed: deploy/run or deploy/test."""
    return os.environ.get("COMMAND", "deploy")


def say(text: str) -> None:
    """Tell the operator, at once, also when the output is a pipe."""
    print(f"{command_name()}: {text}", flush=True)


def exit_code(main: Callable[[], int]) -> int:
    """Run `main`; a Refusal becomes its line and 1, an interrupt becomes 130 as in a shell."""
    try:
        return main()
    except Refusal as refusal:
        print(f"{command_name()}: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
