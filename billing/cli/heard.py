"""What this machine's own log last said of a customer: the answer to the last Access-Request, and why.

Nothing of a refusal is stored but its log line, which names people by keyed hashes. Where no RADIUS node logs here
(AWS, another box) nothing is known.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from billing.cli.frame import Frame
from radius.domain.identity import MacAddress, SubscriberId
from radius.log import Pseudonyms

TAIL_BYTES_MAX = 8 << 20  # of each file: some 20,000 packets, minutes of a large box and weeks of a small one
FILES = ("log/freeradius.log", "log/freeradius.log.1")  # of a box that deploy/run keeps, the newest first
_ANSWERS = ("Access accepted", "Access rejected")


class Heard(NamedTuple):
    """The last answer. `reason` "": it was let in."""

    at: int
    router: str
    reason: str = ""


class Log:
    """Reads the log of this machine."""

    def __init__(self, frame: Frame) -> None:
        folder = frame.settings.state_dir
        named = frame.settings.log_path
        self._files = [named] if named is not None else [folder / name for name in FILES]
        self._pseudonyms = Pseudonyms(frame.core.keys.subkey("pseudonym"))

    @property
    def there(self) -> bool:
        """Whether a RADIUS node logs on this machine, and we may read it."""
        return any(_readable(path) for path in self._files)

    def last(self, subscriber: SubscriberId | None, device: MacAddress | None) -> Heard | None:
        """The last answer to this customer, or to this device whoever it said to be; None if none is in the log."""
        user = str(self._pseudonyms.of("user", subscriber)) if subscriber else ""
        mac = str(self._pseudonyms.of("device", device)) if device else ""
        for path in self._files:
            for line in _newest_first(path):
                if (user and user in line) or (mac and mac in line):
                    heard = _answer(line, user, mac)
                    if heard is not None:
                        return heard
        return None


def _answer(line: str, user: str, mac: str) -> Heard | None:
    try:
        said: dict[str, Any] = json.loads(line)
        details = said["details"]
        if said["message"] not in _ANSWERS or not (said["userId"] == user or (mac and details.get("device") == mac)):
            return None
        at = int(datetime.fromisoformat(said["timestamp"]).timestamp())
    except (ValueError, KeyError, TypeError):  # a line of FreeRADIUS's own, or half a line
        return None
    return Heard(at, str(details.get("nas", "")), str(details.get("reason", "")))


def _readable(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _newest_first(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES_MAX))
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in reversed(lines):
        if line.startswith(b"{"):
            yield line.decode(errors="replace")
