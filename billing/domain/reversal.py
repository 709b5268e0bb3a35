"""The life of a reversal, which gives M-Pesa money back: asked, approved, sent, and its result, which comes later.

A reversal has no name of the caller's, so it is never sent again blindly; but the same receipt cannot be reversed twice
(R000001), so whoever asks again learns that it was done.
"""

from enum import StrEnum
from typing import NamedTuple


class ReversalState(StrEnum):
    """Where a reversal stands. The value is stored."""

    ASKED = "asked"  # by a member of staff; above a limit it waits for a second person
    APPROVED = "approved"  # the right is revoked from here on: nobody uses what is being paid back
    SENT = "sent"  # accepted by Daraja, which answers later
    UNKNOWN = "unknown"  # the reply was lost, or Daraja gave up waiting: transaction status tells
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"  # refused by the second person


class ReversalEvent(StrEnum):
    """What may be heard of it."""

    APPROVE = "approve"
    REFUSE = "refuse"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"
    RESULT_DONE = "result_done"  # also R000001, reversed already: the same receipt cannot be reversed twice
    RESULT_FAILED = "result_failed"
    QUEUE_TIMEOUT = "queue_timeout"  # Daraja gave up waiting, which is no failure
    STATUS_REVERSED = "status_reversed"
    STATUS_NOT_REVERSED = "status_not_reversed"


class ReversalStep(NamedTuple):
    """A cell. `book`: the refund's journal goes into the same transaction."""

    to: ReversalState
    book: bool = False
    alarm: bool = False


S, E = ReversalState, ReversalEvent
_MOVES: dict[tuple[ReversalState, ReversalEvent], ReversalStep] = {
    (S.ASKED, E.APPROVE): ReversalStep(S.APPROVED),
    (S.ASKED, E.REFUSE): ReversalStep(S.DROPPED),
    (S.APPROVED, E.REFUSE): ReversalStep(S.DROPPED),
    (S.APPROVED, E.ACCEPTED): ReversalStep(S.SENT),
    (S.APPROVED, E.REFUSED): ReversalStep(S.FAILED),
    (S.APPROVED, E.LOST): ReversalStep(S.UNKNOWN),
    (S.SENT, E.QUEUE_TIMEOUT): ReversalStep(S.UNKNOWN),
    (S.SENT, E.RESULT_FAILED): ReversalStep(S.FAILED),
    (S.UNKNOWN, E.RESULT_FAILED): ReversalStep(S.FAILED),
    (S.UNKNOWN, E.ACCEPTED): ReversalStep(S.SENT),
    (S.UNKNOWN, E.STATUS_NOT_REVERSED): ReversalStep(S.FAILED),
    # Its result overtook the reply to the request, or came after we had given it up: the money went back.
    **{
        (state, event): ReversalStep(S.DONE, book=True)
        for state in (S.APPROVED, S.SENT, S.UNKNOWN, S.FAILED)
        for event in (E.RESULT_DONE, E.STATUS_REVERSED)
    },
}
# What is heard again, or late, and says nothing new.
_OLD_NEWS = {
    S.APPROVED: {E.APPROVE, E.STATUS_NOT_REVERSED},
    S.SENT: {E.APPROVE, E.ACCEPTED, E.LOST, E.STATUS_NOT_REVERSED},
    S.UNKNOWN: {E.APPROVE, E.LOST, E.QUEUE_TIMEOUT},
    S.DONE: {E.APPROVE, E.ACCEPTED, E.LOST, E.RESULT_DONE, E.QUEUE_TIMEOUT, E.STATUS_REVERSED},
    S.FAILED: {E.APPROVE, E.ACCEPTED, E.REFUSED, E.LOST, E.RESULT_FAILED, E.QUEUE_TIMEOUT, E.STATUS_NOT_REVERSED},
    S.DROPPED: {E.REFUSE},
}


def reversal(state: ReversalState, event: ReversalEvent) -> ReversalStep:
    """The cell of the table; what is in none of the lists cannot be, changes nothing and alarms."""
    return _MOVES.get((state, event), ReversalStep(state, alarm=event not in _OLD_NEWS.get(state, set())))
