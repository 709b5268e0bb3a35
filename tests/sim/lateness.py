"""How late a cut may be: sessions of the blocked, of those whose time is over, and old ones of a device that moved.

A bound can only be stated where the router can be told, the store answered, and nothing changed meanwhile that would
let the session go on. It is counted from the instant at which the product knew.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.sim.plan import BAD_IN_A_ROW_MAX, ROUTER_SILENCE_S, SEND_S
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage
from tests.sim.verdict import LATE_END_S

BACK_OFF_S = (15, 30, 60)  # after each time that a router did not do as it was told
DEATH_S = 60 + 60  # a sender's claim lapses, and what was hidden behind it is looked at again
# One request may have been under way when the cut was decided, a change of terms, with bad manners of its own.
CUT_S = 2 * (BAD_IN_A_ROW_MAX * ROUTER_SILENCE_S + sum(BACK_OFF_S)) + 3 * SEND_S


class Span(NamedTuple):
    """From when on something was so, and until when it surely was."""

    since: int
    until: int


Objection = tuple[str, str]  # about whom, what


def objections(
    stage: Stage, blocks: Mapping[str, list[Span]], purchases: Mapping[str, list[int]]
) -> Iterator[Objection]:
    """Every session that lived longer than it may have. `purchases`: when each of them was first tried."""
    for session in stage.sessions:
        heard_at = _heard_at(stage, session)
        if session.nas.capabilities.coa == "none" or heard_at is None:
            continue
        who = session.subscriber
        spans = [("blocked", span) for span in blocks.get(who, [])]
        spans += [("over", span) for span in _over(session, purchases.get(who, []))]
        spans += [("replaced", span) for span in _replaced(stage, session)]
        for why, span in spans:
            known_at = max(span.since, heard_at)
            lived_s = min(session.ended_at, span.until) - known_at
            if lived_s > CUT_S and lived_s > CUT_S + _excused_s(stage, known_at, session.ended_at):
                yield who, f"{why} since {known_at}, served for {lived_s} s more: {session}"


def _heard_at(stage: Stage, session: TrueSession) -> int | None:
    """Since when the product knows for good that it is online: what a router says of its start ends what was before."""
    booted_at = max((at for at in stage.boots[session.router.name] if at <= session.ended_at), default=0)
    counted = (heard for heard in session.heard if heard.at == heard.known_at)
    return min((heard.at for heard in counted if heard.made_at > booted_at), default=None)


def _over(session: TrueSession, purchases: list[int]) -> Iterator[Span]:
    """Its time was over, and a report that says so was counted. What is bought then may let it go on."""
    proofs = [
        heard.at
        for heard in session.heard
        if heard.made_at >= session.must_end_at + LATE_END_S and heard.known_at == heard.at
    ]
    if proofs and not any(at >= session.must_end_at for at in purchases):
        yield Span(min(proofs), session.ended_at)


def _replaced(stage: Stage, session: TrueSession) -> Iterator[Span]:
    """The same device was heard of on another router, later."""
    for other in stage.of[session.subscriber]:
        if other.device == session.device and other.began_at > session.began_at and other.counted_at:
            yield Span(min(other.counted_at), other.ended_at)


def _excused_s(stage: Stage, since: int, until: int) -> float:
    """What dead senders cost, or a store that was away."""
    if stage.plan.badness.store_before or any(a <= until and b >= since for a, b in stage.away):
        return float("inf")
    return DEATH_S * sum(since <= at <= until for at in stage.deaths)
