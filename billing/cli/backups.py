"""`backup`: make one, list them, and prove that one can be restored."""

from pathlib import Path
from typing import Annotated

import typer

from billing.backup import nightly
from billing.backup import settings as backup_settings
from billing.backup.archive import Source
from billing.backup.prove import prove
from billing.backup.settings import BackupSettings
from billing.cli import progress
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.show import Column, size, when
from radius.domain.errors import Malformed, RadiusError, Unavailable

app = typer.Typer(name="backup", help="Backups, and the proof that they can be read.", no_args_is_help=True)

FILES = (Column("MADE", "at", when), Column("SIZE", "bytes", size, right=True), Column("FILE", "file"))
FINDINGS = (Column("RULE", "rule"), Column("WHAT", "what"), Column("FINDING", "text"))


@command(app, "run", "backup run\nbackup run --json\nbackup run --reason 'before the update'")
def run(
    frame: Frame, reason: Annotated[str, typer.Option("--reason", help="Kept with the line of the audit.")] = ""
) -> None:
    """Back everything up now, sealed, as the table [backup] of the settings says; what the timer does each night."""
    told = _told(frame)
    try:
        with progress.bar(frame, "Backing up"):
            path = nightly.back_up(Source(frame.settings, frame.settings_file, frame.raw_client), told, frame.now)
    except (RadiusError, OSError) as failed:
        _audit(frame, str(told.folder), reason, f"failed: {failed}")
        raise
    _audit(frame, path.name, reason, "done")
    facts = {"at": frame.now, "bytes": path.stat().st_size, "file": str(path)}
    frame.show.table([facts], FILES, "")
    frame.note("Prove it: wifibilling backup verify")


@command(app, "list", "backup list")
def listed(frame: Frame) -> Exit:
    """Backups on this machine, the newest first, and how the last one ended. Exit code 1 if it failed."""
    last = nightly.noted(frame.settings.state_dir)
    rows = [
        {"at": int(path.stat().st_mtime), "bytes": path.stat().st_size, "file": str(path)}
        for path in nightly.kept(_told(frame).folder)
    ]
    frame.show.table(rows, FILES, "There is no backup.")
    if last and last.why:
        frame.note(f"The last one, of {when(last.at)}, failed: {last.why}")
    return Exit.NOT if not rows or (last and last.why) else Exit.DONE


@command(app, "verify", "backup verify\nbackup verify /srv/backup/box1-20261125T010000Z.backup")
def verify(
    frame: Frame,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: the newest.")] = None,
    secret: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Default: that of the settings.")
    ] = None,
) -> Exit:
    """Restore a backup into an engine of its own and check its books there. Exit code 1 if something is wrong."""
    path = file or next(iter(nightly.kept(_told(frame).folder)), None)
    if path is None or not path.is_file():
        raise Nobody(f"there is no backup {path or ''}".rstrip())
    if secret is None:
        key = backup_settings.passphrase(_told(frame).passphrase_ref)
    else:
        key = backup_settings.read_passphrase(secret)
    with path.open("rb") as backup, progress.bar(frame, "Restoring and checking"):
        proof = prove(backup, key, frame.settings, frame.now)
    rows = [{"rule": each.rule.value, "what": each.what, "text": each.text} for each in proof.findings]
    rows += [{"rule": "key", "what": each, "text": "its secret does not open"} for each in proof.unopened]
    if frame.as_json:
        facts = {"file": str(path), "at": proof.manifest.at, "node": proof.manifest.node, "items": proof.items}
        frame.show.document({**facts, "routers": proof.routers, "good": proof.good, "findings": rows})
    else:
        held = sum(proof.items.values())
        frame.note(f"{path}: of {when(proof.manifest.at)}, {held} records, {proof.routers} routers.")
        frame.show.table(rows, FINDINGS, "It was restored, its key opens it, and its books are right.")
    return Exit.DONE if proof.good else Exit.NOT


def _audit(frame: Frame, about: str, reason: str, outcome: str) -> None:
    """Afterwards, and only where the store takes it: a backup is made also when it does not."""
    try:
        frame.noted_deed(about, reason, outcome)
    except Unavailable:
        frame.note("The audit has no line of it: the store does not answer.")


def _told(frame: Frame) -> BackupSettings:
    told = backup_settings.load(frame.settings_file)
    if told is None:
        raise Malformed("backup", "is not set: a table [backup] with folder and passphrase_ref in the settings file")
    return told
