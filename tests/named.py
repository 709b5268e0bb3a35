"""Tests that pages and tables name, like ``tests/unit/test_x.py::test_y``: they must be there."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = re.compile(r"tests/[\w/]+\.py::test_\w+")


def references(text: str) -> list[str]:
    """Those that a page names."""
    return REFERENCE.findall(text)


def missing(names: Iterable[str]) -> list[str]:
    """Those that are not there."""
    return [name for name in names if name.partition("::")[2] not in _tests(name.partition("::")[0])]


@cache
def _tests(path: str) -> frozenset[str]:
    found = ROOT / path
    text = found.read_text() if found.exists() else ""
    return frozenset(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
