"""What only the wiring can get wrong: that parts which need each other have each other."""

from pathlib import Path

import pytest

from radius import wiring
from radius.bell import Ear
from radius.domain.intent import IntentReason
from radius.domain.lifecycle import add_intent
from radius.domain.subscriber import Subscriber
from radius.secrets import create_key_file
from radius.services.desk import Decided
from radius.settings import Settings
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.unit.domain.builders import T0


def test_who_blocks_is_heard_by_the_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key_file(tmp_path / "data.key")
    monkeypatch.setattr(wiring, "open_store", lambda _: memory_store(MemoryStore()))
    core = wiring.build_core(Settings(state_dir=tmp_path))
    ear = Ear(tmp_path)
    found = core.provision.customer(["0712345678"], "karibu", T0)

    def left_to_do(present: Subscriber) -> Decided[None]:
        add_intent(present, "81c00001", IntentReason.QUOTA, T0)
        return Decided(None, changed=True)

    core.desk.change(found, left_to_do, float("inf"))
    assert core.provision.block(found, "chargeback", T0)
    rung = ear.hear(1)
    assert rung is not None
    assert rung.subscriber == found
    ear.close()
    core.close()
