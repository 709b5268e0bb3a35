"""Rows of retrying, escalating and giving up: each cell, and each leads through the life of an intent."""

from itertools import product

import pytest

from coa.codec import Code
from coa.outcome import Acked, Answer, Nak, Reason, Refused, Silent, Verdict
from coa.steps import AGAIN_S, BACK_OFF_S_MAX, CHANGE, CONFIRM_S, CUT, HELD_S_MAX, ROWS, Follow, back_off_s, follow
from radius.domain.intent import IntentState, Step, step

ACK, NAK, SILENT = Acked(1, 0.1), Nak(1, 0.1), Silent(5, 30.0)
S = Step


@pytest.mark.parametrize(
    ("code", "answer", "verdict", "number", "steps", "wait_s"),
    [
        (CUT, ACK, Verdict.DONE, 1, (S.SEND, S.ACK), CONFIRM_S),
        (CHANGE, ACK, Verdict.DONE, 9, (S.SEND, S.ACK), CONFIRM_S),
        (CUT, NAK, Verdict.GONE, 1, (S.SEND, S.GONE), 0),
        (CHANGE, NAK, Verdict.GONE, 1, (S.SEND, S.GONE), 0),
        (CUT, NAK, Verdict.CONFIGURATION, 1, (S.SEND, S.NAK, S.GIVE_UP), 0),
        (CUT, NAK, Verdict.ESCALATE, 1, (S.SEND, S.NAK, S.GIVE_UP), 0),
        (CUT, NAK, Verdict.LATER, 7, (S.SEND, S.NAK, S.RETRY), 300),
        (CUT, NAK, Verdict.LATER, 8, (S.SEND, S.NAK, S.GIVE_UP), 0),
        (CUT, NAK, Verdict.UNKNOWN, 1, (S.SEND, S.NAK, S.RETRY), 15),  # 507
        (CUT, SILENT, Verdict.UNKNOWN, 2, (S.SEND, S.SILENCE, S.RETRY), 30),
        (CUT, SILENT, Verdict.UNKNOWN, 8, (S.SEND, S.SILENCE, S.GIVE_UP), AGAIN_S),
        (CHANGE, NAK, Verdict.CONFIGURATION, 1, (S.SEND, S.NAK, S.ESCALATE, S.RETRY), 0),
        (CHANGE, NAK, Verdict.ESCALATE, 1, (S.SEND, S.NAK, S.ESCALATE, S.RETRY), 0),
        (CHANGE, NAK, Verdict.LATER, 2, (S.SEND, S.NAK, S.RETRY), 30),
        (CHANGE, NAK, Verdict.LATER, 3, (S.SEND, S.NAK, S.ESCALATE, S.RETRY), 0),
        (CHANGE, SILENT, Verdict.UNKNOWN, 1, (S.SEND, S.SILENCE, S.RETRY), 15),
        (CHANGE, SILENT, Verdict.UNKNOWN, 3, (S.SEND, S.SILENCE, S.ESCALATE, S.RETRY), 0),
    ],
)
def test_what_follows(
    code: Code, answer: Answer, verdict: Verdict, number: int, steps: tuple[Step, ...], wait_s: int
) -> None:
    assert follow(code, answer, verdict, number, 0) == Follow(steps, wait_s)


@pytest.mark.parametrize(
    ("refused", "verdict", "age_s", "expected"),
    [
        (Refused(Reason.NO_COA), Verdict.CONFIGURATION, 0, Follow((S.GIVE_UP,))),
        (Refused(Reason.NO_CHANGE), Verdict.ESCALATE, 0, Follow((S.ESCALATE, S.RETRY))),
        (Refused(Reason.BUSY), Verdict.LATER, 0, Follow((S.HOLD_BACK,), 5)),
        (Refused(Reason.DOWN, retry_after_s=41.7), Verdict.LATER, HELD_S_MAX - 1, Follow((S.HOLD_BACK,), 42)),
        (Refused(Reason.DOWN, retry_after_s=41.7), Verdict.LATER, HELD_S_MAX, Follow((S.GIVE_UP,), AGAIN_S)),
        (Refused(Reason.CANCELLED), Verdict.DROPPED, 0, Follow((S.HOLD_BACK,), 5)),
    ],
)
def test_what_follows_what_was_not_sent(refused: Refused, verdict: Verdict, age_s: int, expected: Follow) -> None:
    assert follow(CUT, refused, verdict, 1, age_s) == expected


@pytest.mark.parametrize(("code", "verdict", "number"), list(product((CUT, CHANGE), Verdict, (1, 3, 8, 99))))
def test_every_row_is_a_way_through_the_life_of_an_intent(code: Code, verdict: Verdict, number: int) -> None:
    answers: list[Answer] = [Refused(Reason.DOWN)]
    if verdict is not Verdict.DROPPED:
        answers += [ACK] if verdict is Verdict.DONE else [NAK, SILENT]
    for answer in answers:
        state = step(IntentState.LEASED, *follow(code, answer, verdict, number, 0).steps)
        assert state in {IntentState.PENDING, IntentState.ACKED, IntentState.CONFIRMED, IntentState.ABANDONED}


def test_no_row_goes_on_for_ever() -> None:
    for (code, verdict), row in ROWS.items():
        last = follow(code, NAK, verdict, row.tries_max, 0)
        assert last.gives_up or Step.ESCALATE in last.steps
        if code is CUT:
            assert last.gives_up, "there is nothing harder than a Disconnect"


def test_the_back_off_doubles_up_to_a_bound() -> None:
    assert [back_off_s(number) for number in (1, 2, 3, 4, 5, 6, 40)] == [15, 30, 60, 120, 240, 300, BACK_OFF_S_MAX]
