from radius.domain.attempt import ATTEMPT_KEPT_S
from radius.domain.identity import SessionUid
from radius.store.open import Store
from tests.contract.values import attempt, soon

UID = SessionUid("u1")


def test_steps_come_back_whole_and_in_order(store: Store) -> None:
    late = attempt(at_ms=1_764_000_000_900, outcome="refused", error_cause=503, verdict="gone", words="It ended.")
    for one in (late, attempt(), attempt("u2"), attempt(worker="w2")):
        store.attempts.record(one, soon())
    assert store.attempts.of_session(UID, 0, soon()) == [attempt(), attempt(worker="w2"), late]
    assert store.attempts.of_session(SessionUid("nobody"), 0, soon()) == []


def test_the_same_step_twice_is_one(store: Store) -> None:
    for _ in range(2):
        store.attempts.record(attempt(), soon())
    assert store.attempts.of_session(UID, 0, soon()) == [attempt()]


def test_steps_are_kept_for_ninety_days(store: Store) -> None:
    store.attempts.record(attempt(at_ms=1_000_999), soon())
    assert store.attempts.of_session(UID, 1_000 + ATTEMPT_KEPT_S - 1, soon()) == [attempt(at_ms=1_000_999)]
    assert store.attempts.of_session(UID, 1_000 + ATTEMPT_KEPT_S, soon()) == []
