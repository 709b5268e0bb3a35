"""The table ``[backup]`` of the settings file.

    [backup]
    folder = "/srv/backup"                              # on another disk than the store
    passphrase_ref = "file:/etc/wifibilling/backup.passphrase"
    keep = 14                                           # files
    also = ["/etc/wifibilling"]                         # what else a new machine needs, root's or ours
    sftp = "wifi@backup.example.net:boxes/kilifi"       # with a key, without a question
    s3 = "kilifi-backups/box1"                          # bucket and prefix; credentials from the usual chain

The passphrase is not in the backup: whoever has neither it nor a copy has no backup.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from billing.backup.seal import check_passphrase
from billing.told import problem_lines
from radius.domain.errors import Malformed
from radius.settings import AbsolutePath, Reference, SettingsError, table


class BackupSettings(BaseModel):
    """What was set. `keep`: backups in the folder, the newest; what was sent elsewhere is kept by who is there."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    folder: AbsolutePath
    passphrase_ref: Reference
    keep: int = Field(default=14, ge=1, le=1_000)
    also: tuple[AbsolutePath, ...] = ()
    sftp: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._/-]*$")] | None = None
    s3: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{3,63}(/[A-Za-z0-9._/-]*)?$")] | None = None


def load(path: Path | None) -> BackupSettings | None:
    """Read them; None where nothing is set. Raises SettingsError with a line for each problem."""
    values = table("backup", path)
    return _checked(values) if values else None


def _checked(values: Mapping[str, Any]) -> BackupSettings:
    try:
        return BackupSettings.model_validate(values)
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad, "backup")) from None


def passphrase(reference: str) -> bytes:
    """What ``file:/path`` or ``env:NAME`` holds. Raises Malformed with the fix."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        return check_passphrase(os.environ.get(rest, ""))
    return read_passphrase(Path(rest))


def read_passphrase(path: Path) -> bytes:
    """The first line of a file. Raises Malformed with the fix."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as bad:
        why = bad.strerror if isinstance(bad, OSError) else "is not text"
        raise Malformed("passphrase", f"cannot be read from {path}: {why}") from None
    return check_passphrase(text.partition("\n")[0])
