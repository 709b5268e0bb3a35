"""What follows from an answer: the rows of retrying, escalating and giving up. Data and a look-up; pure.

A change that does not work becomes a Disconnect (the device logs in anew and gets its terms then), a Disconnect that
does not work becomes an alarm, and sessions of that customer there are short for a while (`radius.domain.policy`).
"""

from typing import NamedTuple

from coa.codec import Code
from coa.outcome import Acked, Answer, Refused, Silent, Verdict
from radius.domain.intent import Step

LEASE_S = 60  # a request is over after 40 s (10 in the queue, 30 on the wire): then its worker is gone
CONFIRM_S = 10  # from the ACK of a Disconnect to its Stop
STAYS_MAX = 5  # requests to a router that acknowledges and does nothing
HELD_S_MAX = 3600  # a router that is down this long is an alarm
AGAIN_S = 3600  # what was given up for silence is tried once in so long, until the session ends: the router may be back
BACK_OFF_S, BACK_OFF_S_MAX = 15, 300
HELD_BACK_S = 5  # at least, when the sender could not take it
REFUTE_LOOKS_MAX = 6  # reports are waited for this many interims; then changed terms count as kept

ENTRY_TRIES_MAX = 3  # to let a waiting device in; then its own log-in is waited for
ENTRY_LOOK_S = 300
ENTRY_S_MAX = 3600  # who has not come by then asks again

CUT, CHANGE = Code.DISCONNECT_REQUEST, Code.COA_REQUEST


class Row(NamedTuple):
    """`then` what is next, `spent` when `tries_max` requests were made."""

    then: Step
    tries_max: int
    spent: Step


ROWS: dict[tuple[Code, Verdict], Row] = {
    (CUT, Verdict.CONFIGURATION): Row(Step.GIVE_UP, 1, Step.GIVE_UP),
    (CUT, Verdict.ESCALATE): Row(Step.GIVE_UP, 1, Step.GIVE_UP),
    (CUT, Verdict.LATER): Row(Step.RETRY, 8, Step.GIVE_UP),
    (CUT, Verdict.UNKNOWN): Row(Step.RETRY, 8, Step.GIVE_UP),
    (CHANGE, Verdict.CONFIGURATION): Row(Step.ESCALATE, 1, Step.ESCALATE),  # a Disconnect says less: it may be heard
    (CHANGE, Verdict.ESCALATE): Row(Step.ESCALATE, 1, Step.ESCALATE),
    (CHANGE, Verdict.LATER): Row(Step.RETRY, 3, Step.ESCALATE),
    (CHANGE, Verdict.UNKNOWN): Row(Step.RETRY, 3, Step.ESCALATE),
}


class Follow(NamedTuple):
    """The steps of an intent from `leased` on, and how long it then waits."""

    steps: tuple[Step, ...]
    wait_s: int = 0

    @property
    def gives_up(self) -> bool:
        """It ends in an alarm."""
        return self.steps[-1] is Step.GIVE_UP


def follow(code: Code, answer: Answer, verdict: Verdict, number: int, age_s: int) -> Follow:
    """What comes after `answer`, the `number`-th for an intent of that age."""
    if isinstance(answer, Refused):
        return _unsent(answer, verdict, age_s)
    if verdict is Verdict.DONE:
        return Follow((Step.SEND, Step.ACK), CONFIRM_S)
    if verdict is Verdict.GONE:
        return Follow((Step.SEND, Step.GONE))
    row = ROWS[code, verdict]
    then = row.then if number < row.tries_max else row.spent
    heard = Step.SILENCE if isinstance(answer, Silent) else Step.NAK
    steps = (Step.SEND, heard, then)
    if then is Step.ESCALATE:
        return Follow((*steps, Step.RETRY))
    if then is Step.GIVE_UP:
        return Follow(steps, AGAIN_S if isinstance(answer, Silent) else 0)
    return Follow(steps, back_off_s(number))


def follow_entry(answer: Answer, number: int) -> Follow:
    """What comes after `answer` to a request that lets a waiting device in."""
    if isinstance(answer, Refused):
        return Follow((Step.HOLD_BACK,), ENTRY_LOOK_S)
    if isinstance(answer, Acked):
        return Follow((Step.SEND, Step.ACK), CONFIRM_S)
    heard = Step.SILENCE if isinstance(answer, Silent) else Step.NAK
    return Follow((Step.SEND, heard, Step.RETRY), back_off_s(number))


def _unsent(answer: Refused, verdict: Verdict, age_s: int) -> Follow:
    if verdict is Verdict.ESCALATE:
        return Follow((Step.ESCALATE, Step.RETRY))
    if verdict is Verdict.CONFIGURATION:
        return Follow((Step.GIVE_UP,))
    if age_s >= HELD_S_MAX:
        return Follow((Step.GIVE_UP,), AGAIN_S)
    return Follow((Step.HOLD_BACK,), max(HELD_BACK_S, int(answer.retry_after_s) + 1))


def back_off_s(number: int) -> int:
    """Before the next try, after `number` of them."""
    return min(BACK_OFF_S << min(number - 1, 10), BACK_OFF_S_MAX)
