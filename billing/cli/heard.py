"""What this machine's own log last said of a customer: the answer to the last Access-Request, and why.

Nothing of a refusal is stored but its log line, which names people by keyed hashes. Where no RADIUS node logs here
(AWS, another box) nothing is known.
"""

import json
from collections.abc import Collection, Iterator
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
    """The last answer. `reason` "": it was let in. `strange`: a refusal of a device that was never let in here.

    `since`: such a refusal that came after this answer.
    """

    at: int
    router: str
    reason: str = ""
    strange: bool = False
    since: "Heard | None" = None


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

    def of_device(self, device: MacAddress) -> Heard | None:
        """The last answer to this device, whoever it said to be; None if none is in the log."""
        mac = str(self._pseudonyms.of("device", device))
        return next((heard for heard, _, asking in self._answers(mac) if asking == mac), None)

    def last(self, subscriber: SubscriberId, own: Collection[str], device: MacAddress | None) -> Heard | None:
        """The last answer to this customer, of `device` if it is given; None if none is in the log.

        A refusal of a device that is not among their `own` may be somebody else's, who typed their number or code, or
        a new one's: it is told of as `strange`, beside the last answer that is surely theirs.
        """
        user = str(self._pseudonyms.of("user", subscriber))
        known = {str(self._pseudonyms.of("device", each)) for each in ([device] if device else own)}
        other: Heard | None = None
        for heard, named, asking in self._answers(user):
            if named != user:
                continue
            if not asking or asking in known or (not device and not (known and heard.reason)):
                return heard._replace(since=other)
            other = other or (None if device else heard._replace(strange=True))
        return other

    def _answers(self, pseudonym: str) -> Iterator[tuple[Heard, str, str]]:
        """What lines with this pseudonym say, the newest first: the answer, to whom, on which device."""
        for path in self._files:
            for line in _newest_first(path):
                found = _answer(line) if pseudonym in line else None
                if found is not None:
                    yield found


def _answer(line: str) -> tuple[Heard, str, str] | None:
    try:
        said: dict[str, Any] = json.loads(line)
        details = said["details"]
        if said["message"] not in _ANSWERS:
            return None
        at = int(datetime.fromisoformat(said["timestamp"]).timestamp())
        heard = Heard(at, str(details.get("nas", "")), str(details.get("reason", "")))
        return heard, str(said["userId"]), str(details.get("device", ""))
    except (ValueError, KeyError, TypeError):  # a line of FreeRADIUS's own, or half a line
        return None


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
