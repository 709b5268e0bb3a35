"""What `doctor` says of one thing: how it is, and the fix."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`good` None: it cannot be told from here. `fix` "": nothing is to be done."""

    check: str
    good: bool | None
    text: str
    fix: str = ""


def well(check: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(check, good=True, text=text)


def unwell(check: str, text: str, fix: str) -> Finding:
    """It is not."""
    return Finding(check, good=False, text=text, fix=fix)


def untold(check: str, text: str) -> Finding:
    """Nobody can tell from here."""
    return Finding(check, good=None, text=text)
