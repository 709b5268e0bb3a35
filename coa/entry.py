"""Lets a device in that paid and waits behind the portal without a session.

By CoA where its router has a way, else by its own log-in, which is waited for: either way only an open session proves
it. Changes the aggregate in place; the dispatcher commits it before anything is sent.
"""

from collections.abc import Callable

import msgspec

from coa.claim import Claim, Note, drop
from coa.families import WAYS, Entry
from coa.requests import Target, nameable
from coa.steps import CONFIRM_S, ENTRY_LOOK_S, ENTRY_S_MAX, ENTRY_TRIES_MAX, LEASE_S
from radius.domain import policy
from radius.domain.identity import NasId, ReservationId, parse_mac, session_uid
from radius.domain.intent import Intent, IntentState, Step, Waiting, step
from radius.domain.nas import CoaScope, Nas
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.terms import Service
from radius.domain.wanted import Owed
from radius.domain.world import World

HAS_LEFT = "The device was online, and has left again."
NOBODY_CAME = "It did not come in within an hour of its payment; what was paid for waits for its next log-in."


def entry(
    present: Subscriber, intent: Intent, nas_of: Callable[[str], Nas | None], world: World, worker: str
) -> tuple[Claim | None, list[Note]]:
    """One look at a device that waits: in, given up, to be let in by a request, or to be looked for again."""
    if came := _came(present, intent):
        return None, [came]
    if world.now >= intent.created_at + ENTRY_S_MAX:
        return None, [_ends(present, intent, Step.GIVE_UP, NOBODY_CAME, None)]
    nas = nas_of(intent.waits.nas) if intent.waits is not None else None
    if nas is None or intent.waits is None or not _by_request(intent, intent.waits, nas):
        intent.due_at = world.now + ENTRY_LOOK_S
        return None, []
    asked = _ask(intent, intent.waits)
    granted = [s for s in present.sessions if s.device == asked.device and s.state is SessionState.RESERVED]
    if any(one.reservation != asked.reservation for one in granted):
        intent.due_at = world.now + CONFIRM_S  # it has just logged in by itself
        return None, []
    reserved = policy.reserve(present, asked, nas, world)
    if isinstance(reserved, policy.Reject):
        intent.due_at = world.now + ENTRY_LOOK_S
        return None, []
    return _claim(present, intent, intent.waits, nas, reserved, world.now, worker), []


def _came(present: Subscriber, intent: Intent) -> Note | None:
    """That the device is online, or was since it waits: an end is no reason to look for it."""
    mine = [s for s in present.sessions if s.device == intent.session and s.state is not SessionState.RESERVED]
    online = [s for s in mine if s.state is SessionState.OPEN]
    if not online and not intent.mark_at:
        return None
    latest = next(reversed(online or mine), None)
    return _ends(present, intent, Step.ARRIVE, "The device is online." if online else HAS_LEFT, latest)


def waiting_target(waits: Waiting, device: str) -> Target:
    """How its router knows a device that waits."""
    return Target(waits.acct_session_id, waits.user_name, device, waits.framed_ip)


def _by_request(intent: Intent, waits: Waiting, nas: Nas) -> bool:
    way = WAYS[nas.family]
    told = way.entry is not Entry.PAGE and nas.capabilities.coa is not CoaScope.NONE
    return told and intent.attempts < ENTRY_TRIES_MAX and nameable(waiting_target(waits, intent.session), way)


def _ask(intent: Intent, waits: Waiting) -> policy.Ask:
    """As its own log-in would ask. No secret is checked: whoever paid for this account named this device."""
    slot = session_uid(NasId(waits.nas), waits.acct_session_id, intent.session, str(intent.created_at))
    mac = parse_mac(intent.session)
    return policy.Ask(intent.session, mac, Service.HOTSPOT, waits.acct_session_id, ReservationId(slot[:10]))


def _claim(
    present: Subscriber, intent: Intent, waits: Waiting, nas: Nas, reserved: policy.Accept, now: int, worker: str
) -> Claim:
    intent.state = step(_rest(intent.state), Step.CLAIM)
    intent.lease_until = intent.due_at = now + LEASE_S
    intent.worker = worker
    intent.attempts += 1
    return Claim(
        subscriber=present.id,
        session=msgspec.structs.replace(reserved.session),
        nas=nas,
        wish=Owed(reserved.limits, frozenset()),
        reason=intent.reason,
        worker=worker,
        lease_until=intent.lease_until,
        created_at=intent.created_at,
        number=intent.attempts,
        cut=False,
        again=False,
        waits=waits,
    )


def _rest(state: IntentState) -> IntentState:
    """Where an intent stands that nobody works on."""
    steps = {IntentState.LEASED: (Step.LAPSE,), IntentState.ACKED: (Step.STAY, Step.RETRY)}
    return step(state, *steps.get(state, ()))


def _ends(present: Subscriber, intent: Intent, how: Step, words: str, online: Session | None) -> Note:
    drop(present, [intent])
    nas = online.nas if online is not None else (intent.waits.nas if intent.waits is not None else "")
    uid = online.uid if online is not None else session_uid(NasId(nas), "", intent.session, "")  # never the bare MAC
    return Note(uid, nas, intent.reason, step(_rest(intent.state), how), words, intent.created_at, intent.attempts)
