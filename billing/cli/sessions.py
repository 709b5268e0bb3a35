"""`sessions`: who is online, since when, with how much, and who was."""

import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from billing.cli import find, live, progress, routers
from billing.cli.exits import Nobody
from billing.cli.frame import Frame, command
from billing.cli.live import Asked, Live
from billing.cli.progress import All, Search
from billing.cli.show import Column, fitting, render, size, span, when
from billing.cli.words import REASONS, STATES, ending, owed
from radius.domain import calendar
from radius.domain.attempt import Attempt
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import SessionUid
from radius.domain.intent import IntentState
from radius.domain.record import SessionRecord
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.wanted import session_of
from radius.ports import RECORDS_MAX, Where

app = typer.Typer(name="sessions", help="Who is online, and who was.", no_args_is_help=True)

LIST_MAX = 50
HISTORY_DAYS = 7
DAY_S = 86_400

User = Annotated[str, typer.Option("--user", metavar="WHO", help="Phone, MAC address, code, account number or id.")]
At = Annotated[str, typer.Option("--router", metavar="ROUTER", help="Of one router.")]
Package = Annotated[str, typer.Option("--package", metavar="CODE", help="On this package: day, or day.3.")]
_Over = Annotated[str, typer.Option("--over", metavar="SIZE", help="That used as much: 500MB, 2GB.")]
_Idle = Annotated[str, typer.Option("--idle", metavar="TIME", help="Without a report for as long: 10m, 2h.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")]

COLUMNS = (
    Column("SESSION", "session"),
    Column("USER", "user"),
    Column("ROUTER", "router"),
    Column("DEVICE", "device", spare=True),
    Column("IP", "ip", spare=True),
    Column("PACKAGE", "package"),
    Column("SINCE", "since", when, spare=True),
    Column("ONLINE", "seconds", span, right=True),
    Column("UP", "up_bytes", size, right=True, spare=True),
    Column("DOWN", "down_bytes", size, right=True),
    Column("SLOW", "slowed", spare=True),
)
PAST = (
    Column("SESSION", "session"),
    Column("USER", "user"),
    Column("ROUTER", "router"),
    Column("DEVICE", "device", spare=True),
    Column("IP", "ip", spare=True),
    Column("FROM", "since", when),
    Column("TO", "closed_at", when),
    Column("ONLINE", "seconds", span, right=True),
    Column("DATA", "bytes", size, right=True),
    Column("ENDED BY", "cause", ending),
)
ONE = (
    *COLUMNS,
    Column("CUSTOMER", "customer"),
    Column("LAST REPORT", "last_at", when),
    Column("ENDS AT THE LATEST", "ends_at", when),
    Column("ENDED", "closed_at", when),
    Column("ENDED BY", "cause", ending),
    Column("STILL OWED", "owed", owed),
)
STEPS = (
    Column("WHEN", "at", when),
    Column("WHY", "reason"),
    Column("ASKED", "request"),
    Column("CAME TO", "outcome"),
    Column("IN WORDS", "words"),
)


def asked_for(frame: Frame, router: str, package: str = "", over: str = "", idle: str = "") -> Asked:
    """Which sessions the options mean; raises Malformed, Nobody for a router that is not registered."""
    meant = [routers.find(frame, router)] if router else routers.here(frame)
    names = tuple(each.id for each in meant)
    return Asked(names, package, find.byte_count(over) if over else 0, find.seconds(idle) if idle else 0)


def listed(frame: Frame, asked: Asked, user: str, limit: int, search: Search | None = None) -> list[Live]:
    """The live sessions that are meant; without a `search` of all that there are."""
    if not user:
        return list(live.walk(frame, asked, limit, search or Search(None)))
    found = live.of_customer(frame, find.customer(frame, user))
    return [each for each in found if each.session.nas in asked.routers and asked.holds(each, frame.now)][:limit]


@command(
    app,
    "list",
    "sessions list --site kilimani\nsessions list --over 2GB --package day",
)
def list_sessions(
    frame: Frame, user: User = "", router: At = "", package: Package = "", over: _Over = "", idle: _Idle = "",
    limit: _Limit = LIST_MAX, whole: All = False,
) -> None:  # fmt: skip
    """Who is online now, router by router."""
    asked, search = asked_for(frame, router, package, over, idle), progress.search(limit, whole=whole)
    found = listed(frame, asked, user, limit, search)
    meant = "No such session is online." if user or asked.filters else "Nobody is online."
    frame.show.table([live.facts(each) for each in found], COLUMNS, meant)
    if len(found) == limit and not frame.as_json:
        frame.note(f"The first {limit}; more with --limit.")
    search.told(frame, "open sessions")


@command(app, "watch", "sessions watch --site kilimani\nsessions watch --every 2 --over 1GB")
def watch(
    frame: Frame, user: User = "", router: At = "", package: Package = "", over: _Over = "", idle: _Idle = "",
    limit: _Limit = LIST_MAX, whole: All = False,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two looks.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=0, help="Stop after so many looks; 0: at Ctrl-C.")] = 0,
) -> None:  # fmt: skip
    """The list again and again, until Ctrl-C. It goes on where the store does not answer for a while."""
    from rich.console import Group  # noqa: PLC0415 - only here
    from rich.live import Live as Screen  # noqa: PLC0415 - as above

    asked, done, console = asked_for(frame, router, package, over, idle), 0, frame.show.console
    rows: list[dict[str, Any]] = []
    with Screen(console=console, auto_refresh=False, screen=console.is_terminal) as screen:
        while True:
            said = ""
            try:
                search = progress.search(limit, whole=whole)
                rows = [live.facts(each) for each in listed(frame, asked, user, limit, search)]
                said = f", of the first {search.looked:,}" if search.cut else ""
            except Unavailable:
                said = "; the store does not answer: as it was"
            if frame.as_json or not console.is_terminal:
                frame.show.table(rows, COLUMNS, "Nobody is online.")
            else:
                head = Text(f"{when(frame.now)}  {len(rows)} online{said}  (Ctrl-C ends it)")
                screen.update(Group(head, render(rows, fitting(rows, COLUMNS, console.width))), refresh=True)
            done += 1
            if rounds and done >= rounds:
                return
            time.sleep(every)
            frame.tick()


@command(app, "show", "sessions show 3f2a9c0d11e4b7a86521")
def show(
    frame: Frame, session: Annotated[str, typer.Argument(metavar="SESSION", help="As `sessions list` names it.")]
) -> None:
    """One session: its figures, and every request to its router about it."""
    facts = one(frame, SessionUid(session))
    frame.show.item(facts, ONE)
    if facts["steps"] and not frame.as_json:
        frame.show.table(facts["steps"], STEPS, "")


def one(frame: Frame, uid: SessionUid) -> dict[str, Any]:
    """Everything about a session; raises Nobody."""
    records = frame.core.store.sessions.find(uid, frame.deadline())
    if not records:
        raise Nobody(f"there is no session {uid}")
    record = records[-1]
    there = in_aggregate(frame, record)
    steps = frame.core.store.attempts.of_session(uid, frame.now, frame.deadline())
    facts = there or past(record)
    told = [step_facts(step, awaited=step is steps[-1] and not facts["closed_at"]) for step in steps]
    return {**facts, "steps": told}


def now_or_past(frame: Frame, records: Sequence[SessionRecord]) -> Iterator[dict[str, Any]]:
    """The figures of sessions: of one that is not over its customer has them, its record only how it began."""
    for first in range(0, len(records), RECORDS_MAX):
        page = records[first : first + RECORDS_MAX]
        present = live.owners(frame, (str(record.subscriber) for record in page if not record.closed_at))
        for record in page:
            yield (not record.closed_at and _held(present.get(record.subscriber), record)) or past(record)


def in_aggregate(frame: Frame, record: SessionRecord) -> dict[str, Any] | None:
    """What its customer says of a session that is not filed away yet."""
    return _held(live.owners(frame, [record.subscriber]).get(record.subscriber), record)


def _held(present: Subscriber | None, record: SessionRecord) -> dict[str, Any] | None:
    session = session_of(present, record.uid) if present is not None else None
    if present is None or session is None or session.opened_at != record.started_at:
        return None
    closed = {"closed_at": session.closed_at, "cause": session.cause} if session.state is SessionState.CLOSED else {}
    return {**live.facts(Live(present, session, record)), "closed_at": 0, "cause": "", **closed}


def past(record: SessionRecord) -> dict[str, Any]:
    """What is told of a session that is over."""
    return {
        "session": record.uid,
        "user": find.shown_name(record.user_name, record.device),
        "customer": record.subscriber,
        "router": record.nas,
        "site": record.site,
        "device": record.device,
        "ip": record.framed_ip,
        "since": record.started_at,
        "last_at": record.last_at,
        "closed_at": record.closed_at,
        "cause": record.cause,
        "seconds": record.time_s,
        "up_bytes": record.in_bytes,
        "down_bytes": record.out_bytes,
        "bytes": record.in_bytes + record.out_bytes,
        "overspend_bytes": record.overspend_bytes,
        "owed": [],
    }


def step_facts(step: Attempt, *, awaited: bool) -> dict[str, Any]:
    """What is told of a request to a router. `awaited`: what it acknowledged is still to be seen."""
    reasons = {reason.value: text for reason, text in REASONS.items()}
    outcomes = {state.value: text for state, text in STATES.items()}
    outcomes |= {} if awaited else {IntentState.ACKED.value: "the router said done"}
    return {
        "at": step.at_ms // 1000,
        "reason": reasons.get(step.reason, step.reason),
        "request": step.request,
        "target": step.target,
        "outcome": outcomes.get(step.outcome, step.outcome),
        "error_cause": step.error_cause,
        "round_trip_ms": step.round_trip_ms,
        "words": step.words,
    }


@command(
    app, "history",
    "sessions history --user 0712345678 --days 30\nsessions history --site kilimani --days 1",
)  # fmt: skip
def history(
    frame: Frame, user: User = "", router: At = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days back, today among them.")] = HISTORY_DAYS,
    limit: _Limit = LIST_MAX,
) -> None:  # fmt: skip
    """Sessions of a customer, a router or a site, the latest first, those that are open among them."""
    if user:
        where, name = Where.SUBSCRIBER, str(find.customer(frame, user))
    elif router:
        where, name = Where.ROUTER, str(routers.find(frame, router).id)
    elif frame.site:
        where, name = Where.SITE, frame.site
    else:
        raise Malformed("user", "say whose: --user, --router or --site")
    rows = list(now_or_past(frame, begun(frame, where, name, days, limit)))
    frame.show.table(rows, PAST, f"No session in {days} days.")
    if len(rows) == limit and not frame.as_json:
        frame.note(f"The latest {limit}; more with --limit.")


def begun(frame: Frame, where: Where, name: str, days: int, limit: int) -> list[SessionRecord]:
    """The latest `limit` records of so many days, the latest first."""
    found: list[SessionRecord] = []
    for ago in range(days):
        day = calendar.local(frame.now - ago * DAY_S, frame.zone).strftime("%Y%m%d")
        keys = frame.core.store.sessions.begun_on(where, name, day, limit - len(found), frame.deadline())
        found += records_of(frame, keys)
        if len(found) >= limit:
            break
    return found


def records_of(frame: Frame, keys: Sequence[tuple[SessionUid, int]]) -> Iterator[SessionRecord]:
    """The records of keys that come the latest first, in that order; reads a page when it is wanted."""
    for first in range(0, len(keys), RECORDS_MAX):
        page = frame.core.store.sessions.records(keys[first : first + RECORDS_MAX], frame.deadline())
        yield from sorted(page, key=lambda record: (-record.started_at, record.uid))
