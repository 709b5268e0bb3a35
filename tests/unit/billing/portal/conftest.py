from collections.abc import Iterator
from pathlib import Path

import pytest

from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.portal import Stand


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    made = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    yield made
    made.close()
