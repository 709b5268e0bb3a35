r"""The spool: accounting packets that FreeRADIUS's `detail` wrote down while the hooks could not take them.

A file is taken by renaming it under the lock that the writer takes for each record (rlm_detail with ``locking = yes``
checks after locking that the file still has its name). Records are ``\tName = value`` lines up to an empty line; one
without its empty line was cut off by a power cut and is parked, not guessed at. Progress is kept beside the file; since
counting twice comes to the same, an older progress only costs time (one of another file of the same name would lose
packets: it goes before its file does).
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from radius.domain.errors import Malformed

FRESH = "acct-*.detail"
TAKEN = ".work"
DONE = ".done"
PARKED = "parked.detail"
COMMENT = b"#"  # begins the line that says why a record was parked
LOCK = "replay.lock"
CUT_OFF = Malformed("record", "is not whole: it was cut off while it was written")
FREE_BYTES_MIN = 64 << 20  # below this nothing is acknowledged from the spool: a full disk would swallow it

Pairs = tuple[tuple[str, str], ...]

# ctime(3): the header of a record, at a line's beginning, or where the line before it was cut off.
_HEADER = re.compile(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\s*\Z")
_NAME = re.compile(r"acct-([0-9]{12})\.detail")  # mods-available/wifibilling_spool; UTC
_OCTAL = re.compile(r"[0-7]{3}", re.ASCII)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


class Record(NamedTuple):
    """One packet of the spool. `received_at`: when FreeRADIUS wrote it; `end`: offset of the byte after it."""

    pairs: Pairs
    received_at: int
    end: int
    raw: bytes


def has_room(folder: Path) -> bool:
    """Whether the disk can take what the spool writer is given."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize >= FREE_BYTES_MIN


def waiting(folder: Path) -> list[Path]:
    """Files with packets, those already taken first, then by age."""
    taken = sorted(folder.glob(FRESH + TAKEN))
    return taken + sorted(folder.glob(FRESH))


def parked(folder: Path) -> Path | None:
    """The file of what could not be counted, also one that an interrupted replay has taken; None if there is none."""
    fresh = folder / PARKED
    return next((path for path in (fresh, _taken(fresh)) if path.exists()), None)


def oldest_at(folder: Path) -> int:
    """Not later than the receipt of the oldest packet that waits; 0 when nothing does.

    The minute is in the name. The node's own process must not open these files: closing one there lets go of the lock
    that the writer, in the same process, may hold (fcntl(2)).
    """
    return min((minute for path in waiting(folder) if (minute := minute_of(path.name))), default=0)


def minute_of(name: str) -> int:
    """When the packets of a file began to wait (UTC seconds), by its name; 0 for a name of another kind."""
    found = _NAME.match(name)
    try:
        return int(datetime.strptime(f"{found[1]}+0000", "%Y%m%d%H%M%z").timestamp()) if found else 0
    except ValueError:
        return 0


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """True while this process is the only one that plays the folder back; False if another one does (unless `wait`)."""
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
            return
        yield True


def take(path: Path) -> Path:
    """Make a fresh file ours: afterwards no writer touches it. To be called by one process at a time (`alone`)."""
    if path.name.endswith(TAKEN):
        return path
    mine = _taken(path)
    with path.open("rb+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        if mine.exists():
            # A minute's file that came back after it was taken: its packets go to the end of what we have.
            with mine.open("ab") as into:
                into.write(file.read())
                into.flush()
                os.fsync(into.fileno())
            path.unlink()
        else:
            _marker(mine).unlink(missing_ok=True)
            path.rename(mine)
    return mine


def _taken(path: Path) -> Path:
    return path.with_name(path.name + TAKEN)


def _marker(path: Path) -> Path:
    return path.with_name(path.name + DONE)


def progress(path: Path) -> int:
    """Offset up to which a file has been counted."""
    try:
        offset = int(_marker(path).read_text() or 0)
        return offset if 0 <= offset <= path.stat().st_size else 0
    except (FileNotFoundError, ValueError):
        return 0


def keep_progress(path: Path, offset: int) -> None:
    """Remember how far a file has been counted."""
    marker = _marker(path)
    fresh = marker.with_name(marker.name + ".new")
    fresh.write_text(str(offset))
    fresh.replace(marker)


def finish(path: Path, offset: int) -> bytes | None:
    """Remove a file that has been counted up to `offset`; what is left there was cut off, is parked and returned.

    None, and the file stays, when whole records came after all: a writer that had looked at the file before it was
    taken waited for its lock. The file goes while we hold that lock, so that such a writer begins a new one.
    """
    with path.open("rb+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        file.seek(offset)
        rest = file.read()
        if b"\n\n" in rest.lstrip(b"\n"):
            return None
        if rest.strip():
            park(path.parent, rest, str(CUT_OFF))
        _marker(path).unlink(missing_ok=True)
        path.unlink()
    return rest.strip()


def park(folder: Path, raw: bytes, why: str) -> None:
    """Put a packet aside that cannot be counted, with the reason, for a person to look at."""
    descriptor = os.open(folder / PARKED, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)  # it has names
    with os.fdopen(descriptor, "ab") as file:
        file.write(COMMENT + f" {why}\n".encode() + raw.rstrip(b"\n") + b"\n\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, offset: int = 0) -> Iterator[Record]:
    """The whole records of a file from `offset` on; one that was cut off before another has no pairs."""
    with path.open("rb") as file:
        file.seek(offset)
        lines: list[bytes] = []
        end = offset
        for line in file:
            if not lines and line.startswith(COMMENT):
                end += len(line)
                continue
            header = _HEADER.search(line) if lines else None
            if header is not None:
                # In the middle of a record: the power went while it was written.
                end += header.start()
                yield Record((), 0, end, b"".join((*lines, line[: header.start()])))
                lines, line = [], line[header.start() :]  # noqa: PLW2901 - what is left of it
            end += len(line)
            if line.strip():
                lines.append(line)
                continue
            if lines:
                yield _record(lines, end)
                lines = []


def _record(lines: list[bytes], end: int) -> Record:
    raw = b"".join(lines)
    torn = Record((), 0, end, raw)
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines):
        name, equals, value = line.decode("utf-8", "replace").strip().partition(" = ")
        tabbed = line.startswith(b"\t")
        if number == 0 and not tabbed:
            continue  # the header with the local time
        if not tabbed or not equals or not value or (value[0] == '"') != (value[-1] == '"' and len(value) > 1):
            return torn  # no line of a whole record: nothing of it is to be believed
        pairs.append((name, _unquoted(value)))
    if not pairs or pairs[-1][0] != "Timestamp":
        return torn  # rlm_detail writes it last
    stamp = pairs.pop()[1]
    return Record(tuple(pairs), int(stamp) if stamp.isascii() and stamp.isdigit() else 0, end, raw)


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] not in "\"'" or value[-1] != value[0]:
        return value
    text, out, at = value[1:-1], [], 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            out.append(text[at])
            at += 1
        elif _OCTAL.match(text, at + 1):
            out.append(chr(int(text[at + 1 : at + 4], 8)))
            at += 4
        else:
            out.append(_ESCAPES.get(text[at + 1], text[at + 1]))
            at += 2
    return "".join(out)
