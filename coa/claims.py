"""Takes what is due of one aggregate: which sessions get a request, and what is settled without one.

Changes the aggregate in place; the dispatcher commits it before anything is sent.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from coa.claim import Claim, Note, drop, note_of
from coa.effects import seen_through
from coa.entry import entry
from coa.steps import LEASE_S
from radius.domain.identity import SubscriberId
from radius.domain.intent import Intent, IntentReason, IntentState, Step, step
from radius.domain.nas import Nas
from radius.domain.subscriber import Session, Subscriber
from radius.domain.terms import INTERIM_S_MIN
from radius.domain.wanted import Cut, Nothing, Owed, session_of, wanted
from radius.domain.world import SILENCE_GRACE_S, SILENCE_INTERIMS, World

UNKNOWN_ROUTER_S = 60


class Taken(NamedTuple):
    """What a look came to. `changed`: the aggregate must be written."""

    claims: list[Claim]
    notes: list[Note]
    changed: bool


def take(present: Subscriber, nas_of: Callable[[str], Nas | None], world: World, worker: str) -> Taken:
    """Claim the sessions that are due and in nobody's hands; settle those that need no request any more."""
    claims: list[Claim] = []
    notes: list[Note] = []
    changed = False
    for uid in dict.fromkeys(intent.session for intent in present.intents):
        intents = [intent for intent in present.intents if intent.session == uid]
        if ended := [intent for intent in intents if intent.state is IntentState.CONFIRMED]:
            changed = True
            drop(present, ended)
            intents = [intent for intent in intents if intent not in ended]
            words = note_of(session_of(present, uid), ended, IntentState.CONFIRMED, "The session has ended.")
            notes.append(words._replace(end=True))
        if any(in_hand(intent, world.now) for intent in intents) or all(i.due_at > world.now for i in intents):
            continue
        changed = True
        waits = intents[0].reason is IntentReason.REAUTHORIZE
        claim, told = (
            entry(present, intents[0], nas_of, world, worker)
            if waits
            else _take_one(present, intents, nas_of, world, worker)
        )
        notes += told
        if claim is not None:
            claims.append(claim)
    return Taken(claims, notes, changed)


def in_hand(intent: Intent, now: int) -> bool:
    """A worker has it, or a Disconnect was acknowledged and its Stop is awaited: one request a session at a time."""
    awaited = intent.state is IntentState.ACKED and not intent.mark_at and intent.due_at > now
    return awaited or intent.lease_until > now


def _take_one(
    present: Subscriber, intents: list[Intent], nas_of: Callable[[str], Nas | None], world: World, worker: str
) -> tuple[Claim | None, list[Note]]:
    session = session_of(present, intents[0].session)
    nas = nas_of(session.nas) if session is not None else None
    if session is None:
        drop(present, intents)
        return None, [note_of(None, intents, IntentState.SUPERSEDED, "The session is long over.")]
    if nas is None:  # registered a moment ago, or taken away: then its sessions fall silent and are ended
        for intent in intents:
            intent.due_at = world.now + UNKNOWN_ROUTER_S
        return None, []
    intents, notes = seen_through(present, session, intents, world)
    if not intents:
        return None, notes
    wish = wanted(present, session, nas, world)
    if nas.capabilities.by_answer and isinstance(wish, Owed):
        wish = Nothing("the answer to its next report tells its router")
    if isinstance(wish, Nothing):
        drop(present, intents)
        return None, [*notes, note_of(session, intents, IntentState.SUPERSEDED, f"Nothing to do: {wish.why}.")]
    if nas.capabilities.by_answer and world.now < (heed_by := _heed_by(session, intents)):
        for intent in intents:
            intent.due_at = heed_by
        return None, notes
    return _claim(present.id, session, nas, wish, intents, world.now, worker), notes


def _heed_by(session: Session, intents: list[Intent]) -> int:
    """Until when a router that takes limits in answers has had enough of them; then it is as deaf as any other."""
    created_at = max(intent.created_at for intent in intents)
    return created_at + SILENCE_INTERIMS * max(INTERIM_S_MIN, session.interim_s) + SILENCE_GRACE_S


def _claim(
    subscriber: SubscriberId, session: Session, nas: Nas, wish: Cut | Owed, intents: list[Intent], now: int, worker: str
) -> Claim:
    again = all(intent.state is IntentState.ABANDONED for intent in intents)
    for intent in intents:
        lapsed = (Step.LAPSE,) if intent.state is IntentState.LEASED else ()
        intent.state = step(intent.state, *lapsed, Step.CLAIM)
        intent.lease_until = intent.due_at = now + LEASE_S
        intent.worker = worker
        intent.attempts += 1
    return Claim(
        subscriber=subscriber,
        session=msgspec.structs.replace(session),
        nas=nas,
        wish=wish,
        reason=wish.reason if isinstance(wish, Cut) else intents[0].reason,
        worker=worker,
        lease_until=now + LEASE_S,
        created_at=min(intent.created_at for intent in intents),
        number=max(intent.attempts for intent in intents),
        cut=any(intent.cut for intent in intents),
        again=again,
    )
