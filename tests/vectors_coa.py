"""Reads `tests/vectors/coa/*.txt`: what each packet must be, byte for byte, with the reason beside each.

A file is: a comment that says what it shows, ``name: value`` lines, an empty line, then rows of hex and explanation.
The bytes were made with pyrad, not with our own codec.
"""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("vectors") / "coa"
_ROW = re.compile(r"((?:[0-9a-f]{2} )*[0-9a-f]{2}) {2,}(\S.*)")


class Vector(NamedTuple):
    """One packet. `rows` are (bytes, explanation)."""

    name: str
    about: str
    head: dict[str, str]
    rows: tuple[tuple[bytes, str], ...]

    @property
    def data(self) -> bytes:
        return b"".join(row for row, _ in self.rows)


def load(name: str) -> Vector:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    top, _, body = text.partition("\n\n")
    lines = top.splitlines()
    about = " ".join(line[2:] for line in lines if line.startswith("# "))
    head = dict(line.split(": ", 1) for line in lines if not line.startswith("#"))
    rows = []
    for line in body.splitlines():
        row = _ROW.fullmatch(line)
        if row is None:
            raise ValueError(f"{name}: {line!r} is no row of bytes and their meaning")
        rows.append((bytes.fromhex(row[1]), row[2]))
    return Vector(name, about, head, tuple(rows))


def load_all() -> list[Vector]:
    return [load(path.stem) for path in sorted(FOLDER.glob("*.txt"))]


REQUESTS = [vector for vector in load_all() if "family" in vector.head]
REPLIES = [vector for vector in load_all() if "to" in vector.head]
