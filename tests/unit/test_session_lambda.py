"""`SessionLambda`: rounds of the worker until its reserve, over one wiring."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from radius import lambda_function, wiring
from radius.domain.errors import Malformed
from radius.domain.nas import Family, Router, Site
from radius.lambda_function import RESERVE_S, handler
from radius.secrets import create_key_file
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.lambda_context import Left

SCHEDULED = {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {}}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Settings with which a store was opened."""
    create_key_file(tmp_path / "data.key")
    (tmp_path / "settings.toml").write_text(
        f'state_dir = "{tmp_path}"\nlog_path = "{tmp_path}/log"\nclock_floor = 2020-01-01T00:00:00Z\n'
    )
    monkeypatch.setenv("WIFIBILLING_SETTINGS", str(tmp_path / "settings.toml"))
    store, made = memory_store(MemoryStore()), list[object]()
    monkeypatch.setattr(wiring, "open_store", lambda settings: made.append(settings) or store)
    lambda_function._wired.cache_clear()
    yield made
    if lambda_function._wired.cache_info().currsize:
        lambda_function._wired().worker._core.close()
    lambda_function._wired.cache_clear()


def test_it_counts_who_is_online_and_is_wired_once(opened: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    provision = lambda_function._wired().worker._core.provision
    provision.site(Site("kilifi"))
    provision.router(Router("kilifi-1", "kilifi", Family.MIKROTIK, ("10.8.0.2",)), "a-secret-of-it-0000")
    first = handler(SCHEDULED, Left(0.3, RESERVE_S))
    assert (first["rounds"], first["failed"], first["reaped"]) == (1, 0, 0)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ActiveSessions"] for line in told if "ActiveSessions" in line] == [0]
    assert handler(SCHEDULED, Left(0.1, RESERVE_S))["failed"] == 0
    assert len(opened) == 1


def test_nothing_is_opened_for_what_no_schedule_sent_or_without_time(opened: list[object]) -> None:
    with pytest.raises(Malformed, match="event: must be a Scheduled Event"):
        handler({"source": "aws.s3"}, Left(60, RESERVE_S))
    with pytest.raises(Malformed, match="timeout: must be more than the 20 s"):
        handler(SCHEDULED, Left(-1, RESERVE_S))
    assert opened == []
