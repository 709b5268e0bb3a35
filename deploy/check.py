"""Every check of the project, in order: lint, format, types, import contracts, tests.

All are run, so that one visit shows everything; the last line of a good run is pytest's own.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.options import ROOT, check_path
from deploy.refusal import exit_code, say

SCRIPTS = Path(sys.executable).parent
CHECKS = (
    ("ruff check", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy",)),
    ("import-linter", ("lint-imports",)),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAST = "not integration and not netns"  # neither FreeRADIUS nor namespaces


def environment() -> dict[str, str]:
    """The tools of .venv come first, also for tests that start them; the system's PYTHONPATH is not for us."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def run(command: tuple[str, ...]) -> int:
    """Run a tool of .venv, with its output as it comes. One that is told to stop is asked to, and cleans up first.

    It has a session of its own: else a Ctrl-C would reach it twice, and the second one in the middle of its cleaning.
    """
    told: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _frame: object) -> None:
        told.append(number)
        for child in children:
            child.send_signal(signal.SIGINT)

    for number in SIGNALS:
        signal.signal(number, stop)
    tool = [str(SCRIPTS / command[0]), *command[1:]]
    child = subprocess.Popen(tool, env=environment(), stdin=subprocess.DEVNULL, start_new_session=True)
    children.append(child)
    if told:  # before there was anybody to tell
        child.send_signal(signal.SIGINT)
    code = child.wait()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if told:
        raise KeyboardInterrupt
    return code


def check(arguments: list[str]) -> int:
    """Run everything and return 0 only if all of it was good. pytest's 5, no test at all, is not good.

    Raises:
        Refusal: the tests that need FreeRADIUS cannot run here.
    """
    fast = [argument for argument in arguments if argument == "--fast"]
    rest = [argument for argument in arguments if argument != "--fast"]
    if not fast:
        check_path(ROOT)
    bad = []
    for name, command in CHECKS:
        say(name)
        if run(command) != 0:
            bad.append(name)
    say("pytest")
    code = run(("pytest", *(("-m", FAST) if fast else ()), *rest))
    if bad:
        print(f"deploy/test: failed: {', '.join([*bad, *(['pytest'] if code else [])])}", file=sys.stderr, flush=True)
    return code or int(bool(bad))


def main() -> int:
    """Check what the command line names."""
    return check(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(exit_code(main))
