"""How the story speaks: what it says is printed, what it claims is checked, what it waits for has an end."""

import time
from collections.abc import Callable

ENFORCED_S_MAX = 5.0  # it takes a tenth of a second; a machine that was just set up may be busy
DEADLINE_S = 5.0


class Untrue(Exception):
    """Something in the story was not as it should be."""


def soon() -> float:
    """The deadline of a store request."""
    return time.monotonic() + DEADLINE_S


def await_(condition: Callable[[], bool], what: str, within_s: float = ENFORCED_S_MAX, every_s: float = 0.005) -> int:
    """Wait until it is so, asking every `every_s`; milliseconds that took. Raises Untrue."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise Untrue(f"not within {within_s:.0f} s: {what}")
        time.sleep(every_s)
    return round((time.monotonic() - began) * 1000)


def say(text: str) -> None:
    """A new part."""
    print(f"\n{text}")


def check(holds: bool, what: str) -> None:
    """Print what holds. Raises Untrue."""
    if not holds:
        raise Untrue(f"not so: {what}")
    print(f"   ok: {what}")
