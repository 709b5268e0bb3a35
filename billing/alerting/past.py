"""What was told of alarms, and when: for the timeline of an incident."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from billing.alerting.events import Notice
from radius.domain.shapes import decoder
from radius.hub.files import write

NOTE = "alerts-past.json"
PAST_MAX = 1_000  # some 200 KB; the oldest goes


class Past(msgspec.Struct, frozen=True):
    """One notice that was told."""

    at: int
    title: str
    text: str


def note(folder: Path, notices: Sequence[Notice], now: int) -> None:
    """Keep what was told now."""
    if notices:
        kept = [*told(folder), *(Past(now, each.title, each.text) for each in notices)][-PAST_MAX:]
        write(folder / NOTE, msgspec.json.encode(kept), 0o600)


def told(folder: Path) -> list[Past]:
    """All that is kept, the oldest first; nothing where no alerts are judged."""
    try:
        return decoder(list[Past]).decode((folder / NOTE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return []
