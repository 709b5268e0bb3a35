"""The embedded engine's file as of one instant, while the engine goes on committing.

The engine keeps its SQLite file in WAL mode, in which a reader sees one commit for as long as it reads and holds up no
writer. SQLite's own backup, in one step, is such a reader. A copy of the file alone would lack what is in the WAL.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from radius.domain.errors import Corrupt, Malformed

BUSY_S = 30.0  # the engine may be starting, or checkpointing


def snapshot(engine_file: Path, target: Path) -> None:
    """Copy to `target`, which must not be there. Raises Malformed where there is no such file of the engine."""
    if not engine_file.is_file():
        raise Malformed("store_file", f"{engine_file} is not there: the engine keeps its tables elsewhere")
    target.touch(0o600, exist_ok=False)
    try:
        with (
            closing(sqlite3.connect(f"{engine_file.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy, pages=-1)
        settle(target)
    except sqlite3.Error as bad:
        raise Malformed("store_file", f"{engine_file} cannot be copied: {bad}") from bad


def settle(path: Path) -> None:
    """All of it into the one file, which no engine has open; the engine makes a WAL of its own again."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = DELETE")


def check_file(path: Path) -> dict[str, int]:
    """Items of each table. Raises Corrupt for a file that SQLite finds damaged, or that is not the engine's."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            (verdict,) = file.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise Corrupt(f"the tables are damaged: {verdict}")
            names = [name for (name,) in file.execute("SELECT table_name FROM _tables ORDER BY 1")]
            count = 'SELECT count(*) FROM "{}"'
            return {name: file.execute(count.format(name.replace('"', '""'))).fetchone()[0] for name in names}
    except sqlite3.Error as bad:
        raise Corrupt(f"the tables cannot be read: {bad}") from bad
