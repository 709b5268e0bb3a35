"""What a backup holds, and how it is written and read: a tar file, compressed, in a seal.

    manifest.json         when, where, which store
    settings.toml         as it was
    data.key              the key of what is sealed in the tables; hub.key, hub.pub: of the routers' tunnels
    certs/...             FreeRADIUS's own, which devices with 802.1X have pinned
    store.sqlite          the tables of the embedded engine, or
    tables/NAME.jsonl     an item a line, in DynamoDB's own JSON, without the stage's prefix
    also/...              what the settings name besides

Accounting that waits in the spool is not in it: a router tells its totals again.
"""

import base64
import contextlib
import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

import msgspec

from billing.backup.seal import Opening, Sealing
from billing.backup.snapshot import snapshot
from billing.store import tables as selling_tables
from radius import secrets
from radius.domain.errors import Corrupt, Malformed
from radius.domain.shapes import decoder
from radius.hub import files as hub_files
from radius.settings import Settings
from radius.store import tables
from radius.store.copying import Raw, read_all
from radius.store.tables import Table

MANIFEST, STORE, KEY, SETTINGS, ALSO, TABLES, CERTS = (
    "manifest.json", "store.sqlite", "data.key", "settings.toml", "also", "tables", "certs",
)  # fmt: skip
OF_THE_HUB = (hub_files.PRIVATE, hub_files.PUBLIC)
VERSION = 1
ALL_TABLES: tuple[Table, ...] = (*tables.TABLES, *selling_tables.TABLES)


class Manifest(msgspec.Struct, frozen=True):
    """`prefix`: of the tables' names. `kind`: of the store."""

    version: int
    at: int
    node: str
    kind: str
    prefix: str


class Source(NamedTuple):
    """What is backed up. `client`: for a store that is DynamoDB. `leave`: a file that is not to be in it."""

    settings: Settings
    settings_file: Path | None
    client: Any = None
    also: tuple[Path, ...] = ()
    leave: Path | None = None


def write(source: Source, target: BinaryIO, passphrase: bytes, now: int) -> None:
    """Write a backup. Raises Malformed or Unavailable where something cannot be read."""
    settings = source.settings
    manifest = Manifest(VERSION, now, settings.node_id, settings.store_kind, settings.table_prefix)
    sealing = Sealing(target, passphrase)
    with (
        gzip.GzipFile(fileobj=cast("IO[bytes]", sealing), mode="wb", compresslevel=6) as packed,
        tarfile.open(fileobj=cast("IO[bytes]", packed), mode="w|") as tar,
    ):
        _bytes(tar, MANIFEST, msgspec.json.encode(manifest), now)
        _bytes(tar, KEY, secrets.resolve(settings.key_ref), now)
        if source.settings_file is not None:
            _bytes(tar, SETTINGS, source.settings_file.read_bytes(), now)
        for name in OF_THE_HUB:
            if (settings.state_dir / name).is_file():
                _bytes(tar, name, (settings.state_dir / name).read_bytes(), now)
        _folder(tar, settings.state_dir / "radius" / "certs", CERTS, None)
        for path in source.also:
            _folder(tar, path, f"{ALSO}{path}", source.leave)
        _store(tar, source)
    sealing.close()


def _store(tar: tarfile.TarFile, source: Source) -> None:
    settings = source.settings
    with tempfile.TemporaryDirectory(dir=settings.state_dir, prefix="backup-") as name:
        folder = Path(name)
        if settings.store_kind == "embedded":
            snapshot(settings.store_file, folder / STORE)
            tar.add(folder / STORE, STORE)
            return
        for table in ALL_TABLES:
            path = folder / table.name
            with path.open("wb") as file:
                for page, _ in read_all(source.client, settings.table_prefix + table.name):
                    file.writelines(to_line(item) for item in page)
            tar.add(path, f"{TABLES}/{table.name}.jsonl")
            path.unlink()


def _bytes(tar: tarfile.TarFile, name: str, content: bytes, now: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o600, now
    tar.addfile(entry, io.BytesIO(content))


def _folder(tar: tarfile.TarFile, path: Path, name: str, leave: Path | None) -> None:
    """Files and folders; of links and sockets nothing is kept."""

    def chosen(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        here = path / entry.name.removeprefix(name).lstrip("/")
        return entry if (entry.isfile() or entry.isdir()) and here != leave else None

    if path.exists():
        tar.add(path, name, filter=chosen)


def read(backup: BinaryIO, passphrase: bytes, folder: Path) -> Manifest:
    """Unpack everything into an empty folder. Raises Corrupt for a file that is not whole and ours."""
    stream = cast("IO[bytes]", io.BufferedReader(Opening(backup, passphrase), 1 << 16))
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as tar:
            for entry in tar:
                _unpack(tar, entry, folder)
        while stream.read(1 << 16):  # to the end: that the last chunk is there
            pass
        manifest = decoder(Manifest).decode((folder / MANIFEST).read_bytes())
    except (tarfile.TarError, EOFError, msgspec.MsgspecError, FileNotFoundError) as bad:
        raise Corrupt(f"the backup is not whole: {bad}") from bad
    if manifest.version != VERSION:
        raise Corrupt(f"the backup is of version {manifest.version}, this program reads {VERSION}")
    return manifest


def _unpack(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    """One file, for its owner alone. Nothing outside of the folder, and no links: we write none."""
    path = folder.joinpath(*Path(entry.name).parts)
    if entry.name.startswith("/") or ".." in path.parts or not (entry.isfile() or entry.isdir()):
        raise Corrupt(f"the backup holds {entry.name}, which none of ours does")
    (path if entry.isdir() else path.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    if content is not None:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            shutil.copyfileobj(content, file)


def to_line(item: Raw) -> bytes:
    """An item as a line; bytes in base64, as DynamoDB's JSON has them."""
    return json.dumps(item, default=_base64, separators=(",", ":")).encode() + b"\n"


def of_line(line: bytes) -> dict[str, Any]:
    """The item. We store no bytes, so none are looked for."""
    item: dict[str, Any] = json.loads(line)
    return item


def _base64(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when it is written whole, and not before; for its owner alone. Raises Malformed."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as refused:
        raise Malformed("folder", f"{path} cannot be written: {refused.strerror}") from refused
    finally:
        fresh.unlink(missing_ok=True)
