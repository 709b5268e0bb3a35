"""The life of an intent: every cell of the table, and nothing beside it."""

from itertools import product

import pytest

from radius.domain.intent import ENDS, TABLE, IntentState, Step, step

S, E = IntentState, Step

LIFE: dict[tuple[IntentState, Step], IntentState] = {
    (S.PENDING, E.CLAIM): S.LEASED,
    (S.PENDING, E.STOP): S.SUPERSEDED,
    (S.LEASED, E.LAPSE): S.PENDING,
    (S.LEASED, E.OVERTAKE): S.SUPERSEDED,
    (S.LEASED, E.STOP): S.SUPERSEDED,
    (S.LEASED, E.HOLD_BACK): S.PENDING,
    (S.LEASED, E.ESCALATE): S.ESCALATED,
    (S.LEASED, E.GIVE_UP): S.ABANDONED,
    (S.LEASED, E.SEND): S.SENT,
    (S.SENT, E.LAPSE): S.PENDING,
    (S.SENT, E.ACK): S.ACKED,
    (S.SENT, E.NAK): S.REFUSED,
    (S.SENT, E.SILENCE): S.SILENT,
    (S.SENT, E.GONE): S.CONFIRMED,
    (S.SENT, E.STOP): S.CONFIRMED,
    (S.ACKED, E.STOP): S.CONFIRMED,
    (S.ACKED, E.HOLD): S.CONFIRMED,
    (S.ACKED, E.STAY): S.REFUTED,
    (S.REFUTED, E.RETRY): S.PENDING,
    (S.REFUTED, E.ESCALATE): S.ESCALATED,
    (S.REFUTED, E.GIVE_UP): S.ABANDONED,
    (S.REFUTED, E.STOP): S.CONFIRMED,
    (S.REFUSED, E.RETRY): S.PENDING,
    (S.REFUSED, E.ESCALATE): S.ESCALATED,
    (S.REFUSED, E.GIVE_UP): S.ABANDONED,
    (S.REFUSED, E.STOP): S.CONFIRMED,
    (S.SILENT, E.RETRY): S.PENDING,
    (S.SILENT, E.ESCALATE): S.ESCALATED,
    (S.SILENT, E.GIVE_UP): S.ABANDONED,
    (S.SILENT, E.STOP): S.CONFIRMED,
    (S.ESCALATED, E.RETRY): S.PENDING,
    (S.ESCALATED, E.STOP): S.CONFIRMED,
    (S.ABANDONED, E.CLAIM): S.LEASED,
    (S.PENDING, E.ARRIVE): S.CONFIRMED,
    (S.ACKED, E.ARRIVE): S.CONFIRMED,
    (S.PENDING, E.GIVE_UP): S.ABANDONED,
    (S.ABANDONED, E.STOP): S.CONFIRMED,
}


@pytest.mark.parametrize(("state", "event"), list(product(IntentState, Step)))
def test_every_cell(state: IntentState, event: Step) -> None:
    if (state, event) in LIFE:
        assert step(state, event) is LIFE[state, event]
    else:
        with pytest.raises(KeyError):
            step(state, event)


def test_every_state_is_reached_and_every_life_can_end() -> None:
    reached = {S.PENDING}
    while (more := reached | {after for (before, _), after in TABLE.items() if before in reached}) != reached:
        reached = more
    assert reached == set(IntentState)
    for state in IntentState:
        ends = {state}
        while (more := ends | {after for (before, _), after in TABLE.items() if before in ends}) != ends:
            ends = more
        assert ends & ENDS


def test_what_has_ended_begins_no_more() -> None:
    assert not [cell for cell in TABLE if cell[0] in ENDS]


def test_several_steps_are_one_after_the_other() -> None:
    assert step(S.PENDING, E.CLAIM, E.SEND, E.SILENCE, E.RETRY) is S.PENDING
