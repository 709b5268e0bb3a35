import pytest

from radius.domain.errors import Unavailable
from radius.ports import Outcome
from radius.store.memory import Faults, MemoryStore
from tests.contract.values import change, name, record, soon


def test_a_request_lost_before_it_took_effect() -> None:
    memory = MemoryStore(Faults(before=lambda method: method == "commit"))
    with pytest.raises(Unavailable):
        memory.commit(change(name(1), 1), soon())
    memory.faults = Faults()
    assert memory.read(name(1), soon()) is None


def test_an_answer_lost_after_it_took_effect_heals_by_the_same_change() -> None:
    memory = MemoryStore(Faults(after=lambda method: method == "commit"))
    mine = change(name(1), 1, "mine")
    with pytest.raises(Unavailable):
        memory.commit(mine, soon())
    memory.faults = Faults()
    assert memory.commit(mine, soon()) is Outcome.COMMITTED
    assert memory.commit(mine._replace(write_id="other"), soon()) is Outcome.STALE


def test_what_is_stored_does_not_change_with_the_callers_object() -> None:
    memory = MemoryStore()
    mine = record()
    memory.file(mine, soon())
    mine.time_s = 99
    memory.find(mine.uid, soon())[0].time_s = 98
    assert memory.find(mine.uid, soon())[0].time_s == 60


def test_the_deadline_is_of_the_injected_clock() -> None:
    memory = MemoryStore(clock=lambda: 50.0)
    assert memory.read(name(1), 50.1) is None
    with pytest.raises(Unavailable):
        memory.read(name(1), 50.0)
