"""The demo box has no gateway: messages go to a file, one JSON object a line, which only its owner can read."""

import json
import os
from pathlib import Path

from billing.sms.port import Message, Outcome, Reason, Refused, Sent

OUTBOX_BYTES_MAX = 4 * 1024**2  # then the file is put aside, and the one before it is lost


class Outbox:
    """A sender. Its ids are places in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Message) -> Outcome:
        """Write once; raises nothing."""
        line = json.dumps({"to": f"+{message.to}", "text": message.text, "critical": message.critical}) + "\n"
        try:
            if self._path.exists() and self._path.stat().st_size > OUTBOX_BYTES_MAX:
                self._path.replace(self._path.with_name(f"{self._path.name}.old"))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                at = file.seek(0, os.SEEK_END)
                file.write(line.encode())
        except OSError:
            return Refused(Reason.NETWORK, retryable=True)
        return Sent(f"file-{at}", 0)
