"""The one way in which the deploy commands say no: one clear line to stderr and exit code 1."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress


class Refusal(Exception):
    """Something that the operator must know or change. The message is one line."""


def command_name() -> str:
    """What the operator typed: deploy/run or deploy/test."""
    return os.environ.get("COMMAND", "deploy")


def say(text: str) -> None:
    """Tell the operator, at once, also when the output is a pipe. That nobody reads it any more stops no server."""
    with suppress(OSError):
        print(f"{command_name()}: {text}", flush=True)


# What the disk or its rights may say at any file that is written: no fault of ours, and no case for a traceback.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR})


def exit_code(main: Callable[[], int]) -> int:
    """Run `main`; a Refusal becomes its line and 1, so does a disk that refuses; an interrupt is 130 as in a shell."""
    try:
        return main()
    except Refusal as refusal:
        print(f"{command_name()}: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(f"{command_name()}: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
