"""What an operator does by hand: end a live session, or tell its router anew what it should have; answers are words."""

import secrets
import time
from typing import NamedTuple

import msgspec

from coa.claims import in_hand
from coa.codec import Code, Request
from coa.das import Das
from coa.families import WAYS, Way
from coa.outcome import Acked, Answer, Nak, Refused, Verdict, explain, meaning
from coa.pace import Pace
from coa.plan import plan, record_of, target_of
from coa.probe import Findings, probe, probe_registered
from coa.reach import das_of
from coa.requests import disconnect
from coa.sender import Sender
from coa.steps import CHANGE, CUT
from radius.domain import lifecycle
from radius.domain import subscriber as aggregate
from radius.domain.attempt import Attempt
from radius.domain.errors import Malformed
from radius.domain.identity import SessionUid, SubscriberId, parse_username, parse_written
from radius.domain.intent import IntentReason, IntentState
from radius.domain.nas import Nas, Router
from radius.domain.record import SessionRecord
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.wanted import Cut, Nothing, Owed, owed, session_of, wanted
from radius.services.desk import Decided
from radius.services.marks import lay_all_over, shards_of
from radius.wiring import BACKGROUND_DEADLINE_S, Core

WHO = "by hand"  # worker and reason in the audit
BY_ANSWER = "not sent: This router is told nothing but with the answers to its own reports:"
NOT_AGAIN = "It is not tried again by itself: repeat it, or block the customer, which is repeated until it is done."
_CALLED = {CUT: "disconnect", CHANGE: "change"}


class Told(NamedTuple):
    """What came of it. `good`: the session is gone, or its router says that it ends it."""

    good: bool
    line: str


def registered(core: Core, name: str, nas_ip: str = "") -> tuple[Router, Nas, Das | None]:
    """A registered router, and how it is spoken to if it can be; raises Malformed in words for a person."""
    core.directory.refresh(int(time.time()), _deadline())
    router, nas = core.directory.router(name), core.directory.nas(name)
    if router is None or nas is None:
        known = ", ".join(sorted(one.id for one in core.directory.all_nas())) or "none"
        raise Malformed("router", f"{name} is not registered; registered are: {known}")
    das = das_of(core.directory, router, nas_ip=nas_ip, source=core.settings.coa_source or "")
    return router, nas, das


def router_of(core: Core, name: str, nas_ip: str = "") -> tuple[Nas, Das]:
    """A registered router and how it is spoken to; raises Malformed in words for a person."""
    _, nas, das = registered(core, name, nas_ip)
    if das is None:
        raise Malformed("router", f"{name} has no single address that packets can be sent to; set its coa_address")
    return nas, das


def sessions_of(core: Core, router: str, uid: str, user: str) -> list[SessionRecord]:
    """The sessions that are meant: the one of that uid, or all of a customer that are open on that router."""
    if uid:
        filed = core.store.sessions.find(SessionUid(uid), _deadline())
        here = [record for record in filed if record.nas == router][-1:]
        if not here:
            raise Malformed("session", f"{uid} is no session of {router}")
        return here
    # Twelve hex digits may be an account, a code or a device's MAC: whoever has the name is meant.
    aliases = dict.fromkeys(core.names.alias(name) for name in (parse_username(user, None), parse_written(user)))
    found = (core.names.resolve(alias, _deadline()) for alias in aliases)
    subscriber = next((one for one in found if one is not None), None)
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


def find(das: Das, way: Way, pace: Pace, *, registered: bool = True) -> Findings:
    """Whether sessions can be ended there, and what the router wants (`coa.probe`); ends none.

    `registered`: `das` is what the worker would use, not a guess at an address.
    """

    def ask(whom: Das, request: Request) -> Answer:
        sender = Sender(pace)  # a new one each time: it must not hold the last silence against the router
        try:
            return sender.ask(whom, request).result()
        finally:
            sender.close()

    return (probe_registered if registered else probe)(ask, das, way, secrets.token_hex(6))


def cut(core: Core, sender: Sender, record: SessionRecord) -> Told:
    """End one session, audit it, and close it here if its router has it no more."""
    nas, das = router_of(core, record.nas, record.nas_ip)
    if nas.capabilities.by_answer:
        return Told(good=False, line=f"{BY_ANSWER} block the customer, and the next one ends the session.")
    way = WAYS[nas.family]
    told = _ask(core, sender, das, disconnect(target_of(record, record), way, nas.capabilities), way, record)
    return told if told.good else told._replace(line=f"{told.line} {NOT_AGAIN}")


def change(core: Core, sender: Sender, record: SessionRecord) -> Told:
    """Tell the router of one session what it should have now, also what it was told before.

    As the worker would: what only an end and a new log-in can say is a Disconnect. What the question itself changed is
    committed with an intent, so that the worker sees to it if nothing comes of this.
    """
    nas, das = router_of(core, record.nas, record.nas_ip)
    if nas.capabilities.by_answer:
        return Told(good=True, line=f"{BY_ANSWER} the next one brings all that it should have.")
    way = WAYS[nas.family]
    wish = _wish(core, record, nas)
    if isinstance(wish, str):
        return Told(good=False, line=wish)
    asked = plan(wish, target_of(record, record), way, nas.capabilities, cut=False)
    if asked is None:
        return Told(
            good=True, line="not sent: This router takes no limits in a session's midst; those of its log-in hold."
        )
    told = _ask(core, sender, das, asked, way, record)
    if isinstance(wish, Cut):
        return told._replace(line=f"It may not be online any more ({wish.reason.value}): a Disconnect. {told.line}")
    if isinstance(asked, Request) and asked.code is CUT:
        names = ", ".join(sorted(wish.moved))
        why = f"This router cannot be told {names} in a session's midst: a Disconnect, and a new log-in brings it."
        return told._replace(line=f"{why} {told.line}")
    return told


def _wish(core: Core, record: SessionRecord, nas: Nas) -> Cut | Owed | str:
    """What a session should have now; a text: nothing, because."""
    if not record.subscriber:
        return "not sent: It is nobody's session; only disconnect ends it."
    now, subscriber = int(time.time()), SubscriberId(record.subscriber)
    world = core.world(now)
    shards = shards_of(core.desk, core.marks, subscriber, _deadline)

    def decide(present: Subscriber) -> Decided[Cut | Owed | str]:
        lay_all_over(present, shards, world)
        session = session_of(present, record.uid)
        if session is None or session.state is not SessionState.OPEN or session.nas != nas.id:
            return Decided("not sent: It has ended; disconnect is for a router that serves it on.", changed=False)
        if any(in_hand(intent, now) for intent in present.intents if intent.session == record.uid):
            return Decided("not sent: A worker is telling its router just now.", changed=False)
        before = aggregate.encode(present)
        wish = wanted(present, session, nas, world)
        wish = owed(present, session, nas, world) if isinstance(wish, Nothing) else wish
        changed = aggregate.encode(present) != before
        if changed:
            reason = wish.reason if isinstance(wish, Cut) else IntentReason.TERMS
            lifecycle.add_intent(present, session.uid, reason, now)
        return Decided(wish, changed, recount=True)

    return core.desk.change(subscriber, decide, _deadline()) or "not sent: Its customer is no more."


def _ask(core: Core, sender: Sender, das: Das, asked: Request | Refused, way: Way, record: SessionRecord) -> Told:
    """Send, audit, and close the session here if its router has it no more."""
    answer = sender.ask(das, asked).result() if isinstance(asked, Request) else asked
    code = asked.code if isinstance(asked, Request) else CUT
    row = meaning(code, answer, way)
    gone = row.verdict is Verdict.GONE
    if gone and record.subscriber:
        _close(core, record)
    _audit(core, record, das, code, answer, row.verdict)
    return Told(gone or isinstance(answer, Acked), explain(code, answer, way))


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


def _audit(core: Core, record: SessionRecord, das: Das, code: Code, answer: Answer, verdict: Verdict) -> None:
    state = IntentState.CONFIRMED if verdict is Verdict.GONE else IntentState.REFUSED
    attempt = Attempt(
        uid=record.uid,
        at_ms=int(time.time() * 1000),
        worker=WHO,
        subscriber=SubscriberId(record.subscriber),
        nas=record.nas,
        reason=WHO,
        outcome=(IntentState.ACKED if isinstance(answer, Acked) else state).value,
        request="" if isinstance(answer, Refused) else _CALLED[code],
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
