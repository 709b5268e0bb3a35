"""One backup, as the timer makes it each night: written, sent elsewhere, old ones dropped, and what came of it noted.

`state_dir`/backup.json says how the last one ended; the alarms read it.
"""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import msgspec
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from billing.backup.archive import Source, whole, write
from billing.backup.settings import BackupSettings, passphrase
from radius.domain.errors import Malformed, RadiusError, Unavailable
from radius.domain.shapes import decoder
from radius.hub.files import write as write_file

ENDING = ".backup"
NOTE = "backup.json"
SEND_S_MAX = 3 * 3_600.0  # a full store over the line of a village


class Noted(msgspec.Struct, frozen=True):
    """How the last backup ended. `good_at`: when the last good one was made; 0 for never. `why`: "" when it is good."""

    at: int
    good_at: int
    file: str = ""
    why: str = ""


def noted(state_dir: Path) -> Noted | None:
    """None where none was ever made."""
    try:
        return decoder(Noted).decode((state_dir / NOTE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def back_up(source: Source, told: BackupSettings, now: int) -> Path:
    """Make one; the file. Raises what stopped it, which is noted."""
    state_dir = source.settings.state_dir
    before = noted(state_dir)
    good_at = before.good_at if before else 0
    try:
        path = _make(source, told, now)
    except (RadiusError, OSError) as failed:
        write_file(state_dir / NOTE, msgspec.json.encode(Noted(now, good_at, why=str(failed))), 0o644)
        raise
    write_file(state_dir / NOTE, msgspec.json.encode(Noted(now, now, str(path))), 0o644)
    return path


def _make(source: Source, told: BackupSettings, now: int) -> Path:
    secret = passphrase(told.passphrase_ref)
    scheme, _, rest = told.passphrase_ref.partition(":")
    source = source._replace(also=told.also, leave=Path(rest) if scheme == "file" else None)
    path = told.folder / f"{source.settings.node_id}-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}{ENDING}"
    with whole(path) as file:
        write(source, file, secret, now)
    if told.sftp:
        send_sftp(path, told.sftp)
    if told.s3:
        send_s3(path, told.s3)
    for old in kept(told.folder, source.settings.node_id)[told.keep :]:
        old.unlink(missing_ok=True)
    return path


def kept(folder: Path, node: str = "") -> list[Path]:
    """Backups in a folder, of one node or of all; the newest first."""
    return sorted(folder.glob(f"{node or '*'}-*T*Z{ENDING}"), key=lambda path: path.stem[-16:], reverse=True)


def send_sftp(path: Path, target: str, program: str = "sftp") -> None:
    """By OpenSSH in batch mode: it asks nothing. Under another name until it is whole. Raises Unavailable."""
    where, _, folder = target.partition(":")
    name = f"{folder.rstrip('/')}/{path.name}".lstrip("/") if not folder.startswith("/") else f"{folder}/{path.name}"
    batch = f'put "{path}" "{name}.new"\nrename "{name}.new" "{name}"\n'
    command = [program, "-b", "-", "-o", "BatchMode=yes", where]
    try:
        done = subprocess.run(command, input=batch, text=True, capture_output=True, timeout=SEND_S_MAX, check=False)  # noqa: S603
    except FileNotFoundError:
        raise Malformed("sftp", "OpenSSH's sftp is not installed (openssh-client)") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the backup was not sent to {where} within {SEND_S_MAX:.0f} s") from None
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise Unavailable(f"the backup is in {path} but was not sent to {where}: {words}")


def send_s3(path: Path, target: str, client: Any = None) -> None:
    """To a bucket, with the credentials of the usual chain. Raises Unavailable."""
    bucket, _, prefix = target.partition("/")
    key = f"{prefix.strip('/')}/{path.name}".lstrip("/")
    try:
        (client or boto3.client("s3")).upload_file(str(path), bucket, key)
    except (Boto3Error, BotoCoreError, ClientError) as failed:
        raise Unavailable(f"the backup is in {path} but was not sent to {bucket}: {failed}") from failed
