"""What came of a request, written into the aggregate: by its answer at once, by the session's own reports later.

Changes the aggregate in place; the dispatcher commits it.
"""

from coa.claim import Claim, Note, drop, note_of
from coa.codec import Code
from coa.steps import CHANGE, CONFIRM_S, REFUTE_LOOKS_MAX, STAYS_MAX, Follow
from radius.domain import lifecycle
from radius.domain.intent import ENDS, Intent, IntentState, Step, step
from radius.domain.nas import CoaScope
from radius.domain.subscriber import Session, SessionState, Subscriber, Told
from radius.domain.terms import INTERIM_S_MIN
from radius.domain.wanted import above, session_of
from radius.domain.world import END_GRACE_S, UNHEEDED_S, World

# -- later: is it as the router said? ------------------------------------------------------------------------------


def seen_through(
    present: Subscriber, session: Session, intents: list[Intent], world: World
) -> tuple[list[Intent], list[Note]]:
    """Look whether what was acknowledged is so. Back come the intents that need a decision."""
    going = [intent for intent in intents if intent.state is not IntentState.ACKED]
    newer, notes = bool(going), list[Note]()
    for intent in intents:
        if intent.state is not IntentState.ACKED:
            continue
        effect = Step.HOLD if newer and intent.mark_at else _effect(present, session, intent, world)
        if effect is Step.HOLD:
            drop(present, [intent])
            notes.append(note_of(session, [intent], step(intent.state, effect), "The router keeps to it."))
        elif effect is Step.STAY:
            note = _stays(present, session, intent, world.now)
            notes.append(note)
            going += [intent] if note.state is IntentState.REFUTED else []
    return going, notes


def _effect(present: Subscriber, session: Session, intent: Intent, world: World) -> Step | None:
    """None: only later reports will tell."""
    if not intent.mark_at:
        return Step.STAY
    interim_s = max(INTERIM_S_MIN, session.interim_s)
    right = present.right(session.right)
    rate = world.terms(right.terms).slow_rate if right is not None and session.slowed else None
    if rate is None or world.now > intent.created_at + REFUTE_LOOKS_MAX * interim_s:
        return Step.HOLD
    moved_s = session.last_at - intent.mark_at
    if moved_s > 0 and intent.mark_bytes >= 0:
        return Step.STAY if above(rate, session.total_bytes - intent.mark_bytes, moved_s) else Step.HOLD
    if moved_s > 0:  # the first report after the change covers some time before it: the next is measured from here
        intent.mark_at, intent.mark_bytes = session.last_at, session.total_bytes
    intent.due_at = world.now + interim_s
    return None


def _stays(present: Subscriber, session: Session, intent: Intent, now: int) -> Note:
    """It is not so: harder, once more, or an alarm."""
    if intent.mark_at:
        words = "Acknowledged, but it moves more than its new rate allows."
        intent.state = step(intent.state, Step.STAY, Step.ESCALATE, Step.RETRY)
        intent.cut, intent.mark_at, intent.mark_bytes = True, 0, -1
        session.told = Told(session.right, session.cap_bytes, slowed=False)
    elif intent.attempts < STAYS_MAX:
        words = f"Acknowledged, but there was no Stop in {CONFIRM_S} s."
        intent.state = step(intent.state, Step.STAY, Step.RETRY)
    else:
        words = f"Acknowledged {intent.attempts} times, and the session goes on."
        intent.state = step(intent.state, Step.STAY, Step.GIVE_UP)
        _put_away(session, intent, now, 0)
        _hold_against(present, session, now)
        return note_of(session, [intent], intent.state, words)
    return note_of(session, [intent], IntentState.REFUTED, words)


# -- at once: by the answer ----------------------------------------------------------------------------------------


def finish(present: Subscriber, claim: Claim, code: Code | None, then: Follow, now: int) -> IntentState:
    """Write down where the intents of a claim stand after `then`. `code`: what was asked; None: nothing was to be."""
    state = step(IntentState.LEASED, *then.steps)
    if claim.waits is not None:
        return _tried_entry(present, claim, then, now)
    session = session_of(present, claim.uid)
    mine = [intent for intent in present.intents if claim.holds(intent)]
    if Step.GONE in then.steps and session is not None and session.opened_at == claim.session.opened_at:
        if session.state is SessionState.OPEN:
            lifecycle.close(present, session, "gone", now)
        lifecycle.drop_intents(present, session)
    elif session is None or not mine:
        pass  # its Stop was faster, or another worker has it by now
    elif state in ENDS:
        session.told = None
        drop(present, mine)
    elif state is IntentState.ACKED:
        _acked(present, session, claim, mine, now, changed=code is CHANGE)
    else:
        _go_on(present, session, claim, mine, then, now)
    return (
        IntentState.CONFIRMED if state is IntentState.ACKED and code is CHANGE and not claim.session.slowed else state
    )


def _tried_entry(present: Subscriber, claim: Claim, then: Follow, now: int) -> IntentState:
    """Only the Start proves that a waiting device is in: whatever came of the request, it is looked for."""
    for intent in present.intents:
        if claim.holds(intent):
            intent.state, intent.lease_until, intent.worker = step(intent.state, *then.steps), 0, ""
            intent.due_at = now + then.wait_s
    return step(IntentState.LEASED, *then.steps)


def _acked(present: Subscriber, session: Session, claim: Claim, mine: list[Intent], now: int, *, changed: bool) -> None:
    if changed:
        given, has = ((s.right, s.cap_bytes, s.slowed, s.held) for s in (claim.session, session))
        session.told = None if given == has else Told(*given)
        if not claim.session.slowed:
            drop(present, mine)  # it may do more than before: no report can prove that it may not
            return
    for intent in mine:
        intent.state, intent.lease_until, intent.worker = IntentState.ACKED, 0, ""
        intent.due_at = now + (max(INTERIM_S_MIN, session.interim_s) if changed else CONFIRM_S)
        intent.mark_at, intent.mark_bytes = (now if changed else 0), -1


def _go_on(present: Subscriber, session: Session, claim: Claim, mine: list[Intent], then: Follow, now: int) -> None:
    for intent in mine:
        intent.state = step(intent.state, *then.steps)
        intent.cut = intent.cut or Step.ESCALATE in then.steps
        intent.attempts -= Step.HOLD_BACK in then.steps
        intent.lease_until, intent.worker, intent.due_at = 0, "", now + then.wait_s
        if then.gives_up:
            _put_away(session, intent, now, then.wait_s)
    if then.gives_up and claim.nas.capabilities.coa is not CoaScope.NONE:
        _hold_against(present, session, now)


def _put_away(session: Session, intent: Intent, now: int, wait_s: int) -> None:
    """It stays with its session, so that the same is not decided again with every report."""
    intent.lease_until, intent.worker = 0, ""
    intent.due_at = now + wait_s if wait_s else max(session.ends_at, now) + END_GRACE_S


def _hold_against(present: Subscriber, session: Session, now: int) -> None:
    present.unheeded_on, present.unheeded_until = session.nas, now + UNHEEDED_S
