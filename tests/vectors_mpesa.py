"""Reads `tests/vectors/mpesa/*.txt`: a body in or out, and what it must mean.

A file is: a comment that says what it shows, ``name: value`` lines, an empty line, then the body, whose lines may
carry an explanation behind two spaces and ``//``.
"""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("vectors") / "mpesa"
_NOTE = re.compile(r" {2,}// .*$", re.MULTILINE)


class Vector(NamedTuple):
    name: str
    head: dict[str, str]
    body: bytes


def load_all() -> list[Vector]:
    return [_load(path) for path in sorted(FOLDER.glob("*.txt"))]


def _load(path: Path) -> Vector:
    top, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    head = dict(line.split(": ", 1) for line in top.splitlines() if not line.startswith("#"))
    return Vector(path.stem, head, _NOTE.sub("", body).encode())
