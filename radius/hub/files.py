"""The hub's files in the state folder: its private key, its public key for who writes scripts, its last report."""

import os
from pathlib import Path

import msgspec

from radius.domain.errors import Malformed
from radius.domain.shapes import decoder
from radius.domain.tunnel import check_key
from radius.hub.peers import Report

PRIVATE, PUBLIC, REPORT = "hub.key", "hub.pub", "hub.json"


def public_key(folder: Path) -> str:
    """The hub's public key; "" where it never ran."""
    try:
        return check_key("hub.pub", (folder / PUBLIC).read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, Malformed):
        return ""


def last_report(folder: Path) -> Report | None:
    """What the hub wrote last; None where it never did, or elsewhere."""
    try:
        return decoder(Report).decode((folder / REPORT).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as output:
        os.fchmod(descriptor, mode)  # whatever the umask: others write scripts with the public key
        output.write(content)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(path)
