"""From what is wrong now to what is told: one message per event, and one when it is over. Pure.

What is wrong has a key and members (routers of "RouterDown"; of most things only ""). Members that fall within one
gathering time are one event and one message, however many: a thousand routers behind one uplink. Who falls after the
message was told is an event of its own. It is over when none of its members was wrong for a while, so that what
flaps is told once.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

OVER_S = 120  # nothing wrong for so long
NAMED_MAX = 5  # members named in a message; of more, how many


class Wrong(NamedTuple):
    """Something that is wrong now. `says`: a sentence; `gather_s`: how long others may join before it is told."""

    says: str
    members: frozenset[str] = frozenset({""})
    critical: bool = True
    gather_s: int = 0


class Event(msgspec.Struct):
    """One that is known. `wrong_at`: when a member was last wrong; `told_at` 0: not told yet."""

    key: str
    says: str
    critical: bool
    began_at: int
    wrong_at: int
    members: list[str]
    gather_s: int = 0
    told_at: int = 0


class Notice(NamedTuple):
    """A message to send."""

    title: str
    text: str
    critical: bool


def step(known: list[Event], wrong: Mapping[str, Wrong], now: int) -> tuple[list[Event], list[Notice]]:
    """The events after this look, and what is to be told."""
    events = [msgspec.structs.replace(event, members=list(event.members)) for event in known]
    for key, found in wrong.items():
        mine = [event for event in events if event.key == key]
        new = set(found.members)
        for event in mine:
            if new & set(event.members):
                event.wrong_at = now
            new -= set(event.members)
        gathering = next((event for event in mine if not event.told_at), None)
        if new and gathering:
            gathering.members, gathering.wrong_at = sorted({*gathering.members, *new}), now
        elif new:
            events.append(Event(key, found.says, found.critical, now, now, sorted(new), found.gather_s))
    notices = []
    kept = []
    for event in events:
        over = now - event.wrong_at >= OVER_S
        if over and event.told_at:
            notices.append(_over(event, now))
        elif not over:
            if not event.told_at and event.wrong_at == now and now - event.began_at >= event.gather_s:
                event.told_at = now
                notices.append(Notice(event.key, _text(event), event.critical))
            kept.append(event)
    return kept, notices


def _text(event: Event) -> str:
    return event.says + _members(event)


def _over(event: Event, now: int) -> Notice:
    minutes = max(1, round((now - event.began_at) / 60))
    return Notice(f"{event.key} is over", f"over after {minutes} min: {_text(event)}", event.critical)


def _members(event: Event) -> str:
    named = [each for each in event.members if each]
    if not named:
        return ""
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    return f" ({len(named)}: {', '.join(named[:NAMED_MAX])}{more})"
