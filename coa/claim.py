"""A session in a worker's hands, and a note about one that needed none. Values."""

from typing import NamedTuple

from radius.domain.identity import SessionUid, SubscriberId
from radius.domain.intent import Intent, IntentReason, IntentState, Waiting
from radius.domain.nas import Nas
from radius.domain.subscriber import Session, Subscriber
from radius.domain.wanted import Cut, Owed


class Claim(NamedTuple):
    """A session that this worker has until `lease_until`, and what it should have. `session` is a copy."""

    subscriber: SubscriberId
    session: Session
    nas: Nas
    wish: Cut | Owed
    reason: IntentReason
    worker: str
    lease_until: int
    created_at: int
    number: int  # of the request for this intent, from 1
    cut: bool  # a change was tried and did not work
    again: bool  # it was given up before
    waits: Waiting | None = None  # no session yet: the device waits there, `session` is its slot

    @property
    def uid(self) -> SessionUid:
        """The session's name."""
        return self.session.uid

    def holds(self, intent: Intent) -> bool:
        """Whether an intent is (still) this worker's by this claim."""
        about = self.session.device if self.waits is not None else self.uid
        return (intent.session, intent.worker, intent.lease_until) == (about, self.worker, self.lease_until)


class Note(NamedTuple):
    """Something that was settled without a request. `nas` "" where the session is not known any more."""

    uid: SessionUid
    nas: str
    reason: IntentReason
    state: IntentState
    words: str
    created_at: int
    number: int
    end: bool = False  # the end of a session that was to be cut was seen


def note_of(session: Session | None, intents: list[Intent], state: IntentState, words: str) -> Note:
    """A note about these intents of one session."""
    first = intents[0]
    nas = session.nas if session is not None else ""
    return Note(SessionUid(first.session), nas, first.reason, state, words, first.created_at, first.attempts)


def drop(present: Subscriber, intents: list[Intent]) -> None:
    """They have come to their end."""
    gone = {id(intent) for intent in intents}
    present.intents = [intent for intent in present.intents if id(intent) not in gone]
