"""The timeline of an incident for its post-mortem: what happened and what was told, in order, with durations. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from billing.domain.brand import EVERYWHERE
from billing.domain.incident import Incident
from billing.domain.notice import Notice
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT

BEFORE_S, AFTER_S = 3_600, 600  # alarms so long before it was opened, and after it was over
TO_FILL_IN = """
## Cause

## What customers noticed, and how many

## What helped

## What will be done, by whom, until when
"""


class Alarm(NamedTuple):
    """An alarm that was told."""

    at: int
    title: str
    text: str


class Entry(NamedTuple):
    """A line: who did it ("" for a machine), what, and how."""

    at: int
    what: str
    who: str
    text: str


def around(incident: Incident, alarms: Iterable[Alarm], now: int) -> list[Alarm]:
    """Those from an hour before it was opened until ten minutes after it was over."""
    first, last = incident.opened_at - BEFORE_S, (incident.resolved_at or now) + AFTER_S
    return [each for each in alarms if first <= each.at <= last]


def entries(incident: Incident, alarms: Sequence[Alarm], notices: Iterable[Notice]) -> list[Entry]:
    """Everything, the earliest first."""
    found = [Entry(each.at, each.what.value, each.who, each.text) for each in incident.lines]
    found += [Entry(each.at, "alarm", "", f"{each.title}: {each.text}") for each in alarms]
    for each in notices:
        found.append(Entry(each.at, "customers are told", each.by, f"{each.id}, {each.people} people"))
        if each.done_at:
            found.append(Entry(each.done_at, "customers were told", "", f"{each.id}, {each.reached} people"))
    return sorted(found, key=lambda entry: entry.at)


def document(incident: Incident, listed: Sequence[Entry]) -> dict[str, Any]:
    """For scripts: instants are UTC seconds, durations seconds; None for what did not happen."""
    return {
        "id": incident.id,
        "level": incident.level.value,
        "title": incident.title,
        "site": incident.of,
        "about": incident.about.value,
        "ticket": incident.ticket,
        "opened_at": incident.opened_at,
        "opened_by": incident.opened_by,
        "acknowledged_at": incident.acked_at or None,
        "acknowledged_by": incident.acked_by,
        "resolved_at": incident.resolved_at or None,
        "resolved_by": incident.resolved_by,
        "to_acknowledge_s": incident.acked_at - incident.opened_at if incident.acked_at else None,
        "to_resolve_s": incident.resolved_at - incident.opened_at if incident.resolved_at else None,
        "timeline": [each._asdict() for each in listed],
    }


def markdown(incident: Incident, listed: Sequence[Entry]) -> str:
    """For people: times in Nairobi, and in UTC as logs have them."""
    facts = [
        ("level", str(incident.level.value)),
        ("where", "every site" if incident.of == EVERYWHERE else incident.of),
        ("ticket", incident.ticket or "none"),
        ("opened", f"{_wall(incident.opened_at)} by {incident.opened_by}"),
        ("acknowledged", _after(incident, incident.acked_at, incident.acked_by)),
        ("resolved", _after(incident, incident.resolved_at, incident.resolved_by)),
    ]
    rows = [
        f"| {_wall(each.at)} | {datetime.fromtimestamp(each.at, UTC):%H:%M:%S} | {_cell(each.what)} "
        f"| {_cell(each.who)} | {_cell(each.text)} |"
        for each in listed
    ]
    lines = [
        f"# Incident {incident.id}: {incident.title}",
        "",
        *(f"- {name}: {value}" for name, value in facts),
        "",
        "| Nairobi | UTC | what | who | |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
    return "\n".join(lines) + "\n" + TO_FILL_IN


def _after(incident: Incident, at: int, who: str) -> str:
    if not at:
        return "no"
    minutes = round((at - incident.opened_at) / 60)
    return f"{_wall(at)} by {who}, after {minutes // 60} h {minutes % 60:02} min"


def _wall(at: int) -> str:
    return f"{calendar.local(at, ZONE_DEFAULT):%Y-%m-%d %H:%M:%S}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
