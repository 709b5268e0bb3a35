"""What an operator does by hand: end one session on a registered router, and hear in plain words what came of it."""

import time
from typing import NamedTuple

import msgspec

from coa.codec import Request
from coa.das import Das
from coa.families import WAYS
from coa.outcome import Acked, Nak, Refused, Verdict, explain, meaning
from coa.plan import record_of, target_of
from coa.reach import das_of
from coa.requests import disconnect
from coa.sender import Sender
from coa.steps import CUT
from radius.domain import lifecycle
from radius.domain import subscriber as aggregate
from radius.domain.attempt import Attempt
from radius.domain.errors import Malformed
from radius.domain.identity import SessionUid, SubscriberId, parse_username
from radius.domain.intent import IntentState
from radius.domain.nas import Nas
from radius.domain.record import SessionRecord
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.wanted import session_of
from radius.services.desk import Decided
from radius.wiring import BACKGROUND_DEADLINE_S, Core

WHO = "by hand"  # worker and reason in the audit


class Told(NamedTuple):
    """What came of it. `good`: the session is gone, or its router says that it ends it."""

    good: bool
    line: str


def router_of(core: Core, name: str, nas_ip: str = "") -> tuple[Nas, Das]:
    """A registered router and how it is spoken to; raises Malformed in words for a person."""
    core.directory.refresh(int(time.time()), _deadline())
    router, nas = core.directory.router(name), core.directory.nas(name)
    if router is None or nas is None:
        known = ", ".join(sorted(one.id for one in core.directory.all_nas())) or "none"
        raise Malformed("router", f"{name} is not registered; registered are: {known}")
    das = das_of(core.directory, router, nas_ip=nas_ip, source=core.settings.coa_source or "")
    if das is None:
        raise Malformed("router", f"{name} has no single address that packets can be sent to; set its coa_address")
    return nas, das


def sessions_of(core: Core, router: str, uid: str, user: str) -> list[SessionRecord]:
    """The sessions that are meant: the one of that uid, or all of a customer that are open on that router."""
    if uid:
        found = core.store.sessions.find(SessionUid(uid), _deadline())
        here = [record for record in found if record.nas == router][-1:]
        if not here:
            raise Malformed("session", f"{uid} is no session of {router}")
        return here
    subscriber = core.names.resolve(core.names.alias(parse_username(user, None)), _deadline())
    stored = core.desk.read(subscriber, _deadline()) if subscriber is not None else None
    if stored is None:
        raise Malformed("user", "nobody has that name")
    records = []
    for session in aggregate.decode(stored.body).sessions:
        if session.nas == router and session.state is SessionState.OPEN:
            record = record_of(session.uid, session.opened_at, core.store.sessions.find(session.uid, _deadline()))
            records += [record] if record is not None else []
    if not records:
        raise Malformed("user", f"has no open session on {router}")
    return records


def cut(core: Core, sender: Sender, record: SessionRecord) -> Told:
    """End one session, audit it, and close it here if its router has it no more."""
    nas, das = router_of(core, record.nas, record.nas_ip)
    way = WAYS[nas.family]
    asked = disconnect(target_of(record, record), way, nas.capabilities)
    answer = sender.ask(das, asked).result() if isinstance(asked, Request) else asked
    row = meaning(CUT, answer, way)
    gone = row.verdict is Verdict.GONE
    if gone and record.subscriber:
        _close(core, record)
    _audit(core, record, das, answer, row.verdict)
    return Told(gone or isinstance(answer, Acked), explain(CUT, answer, way))


def _close(core: Core, record: SessionRecord) -> None:
    now = int(time.time())

    def decide(present: Subscriber) -> Decided[bool]:
        session = session_of(present, record.uid)
        there = session is not None and session.state is SessionState.OPEN
        if session is not None and there:
            lifecycle.close(present, session, "gone", now)
        return Decided(there, changed=there, recount=True)

    subscriber = SubscriberId(record.subscriber)
    core.desk.read(subscriber, _deadline())
    core.desk.change(subscriber, decide, _deadline())


def _audit(core: Core, record: SessionRecord, das: Das, answer: object, verdict: Verdict) -> None:
    state = IntentState.CONFIRMED if verdict is Verdict.GONE else IntentState.REFUSED
    attempt = Attempt(
        uid=record.uid,
        at_ms=int(time.time() * 1000),
        worker=WHO,
        subscriber=SubscriberId(record.subscriber),
        nas=record.nas,
        reason=WHO,
        outcome=(IntentState.ACKED if isinstance(answer, Acked) else state).value,
        request="" if isinstance(answer, Refused) else "disconnect",
        target=f"{das.address}:{das.port}",
        number=1,
        verdict=verdict.value,
    )
    if isinstance(answer, Acked | Nak):
        trip = round(answer.round_trip_s * 1000)
        attempt = msgspec.structs.replace(attempt, tries=answer.tries, round_trip_ms=trip)
    core.store.attempts.record(attempt, _deadline())


def _deadline() -> float:
    return time.monotonic() + BACKGROUND_DEADLINE_S
