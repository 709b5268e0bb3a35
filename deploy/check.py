"""Every check of the project, in order: lint, format, types, import contracts, tests.

All are run, so that one visit shows everything; the last line of a good run is pytest's own.
"""

import os
import subprocess
import sys
from pathlib import Path

from deploy.refusal import say

SCRIPTS = Path(sys.executable).parent
CHECKS = (
    ("ruff check", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy",)),
    ("import-linter", ("lint-imports",)),
)
FAST = "not integration and not netns"  # neither FreeRADIUS nor namespaces


def environment() -> dict[str, str]:
    """The tools of .venv come first, also for tests that start them; the system's PYTHONPATH is not for us."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def run(command: tuple[str, ...]) -> int:
    """Run a tool of .venv, with its output as it comes."""
    return subprocess.run(
        [str(SCRIPTS / command[0]), *command[1:]], env=environment(), stdin=subprocess.DEVNULL, check=False
    ).returncode


def main(arguments: list[str]) -> int:
    """Run everything and return 0 only if all of it was good. pytest's 5, no test at all, is not good."""
    fast = [argument for argument in arguments if argument == "--fast"]
    rest = [argument for argument in arguments if argument != "--fast"]
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
