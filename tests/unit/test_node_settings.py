"""What a RADIUS node lays for its programs: what is its own, and the document that AWS keeps for all."""

from pathlib import Path

import pytest

from deploy import node
from deploy.refusal import Refusal
from deploy.state import State
from radius import settings, vaults


@pytest.fixture
def slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> node.Slot:
    monkeypatch.setenv("WIFIBILLING_SETTINGS", f"ssm:{tmp_path}/settings:1")
    return node.Slot(7, tmp_path / "node-7", -1)


def test_its_programs_have_the_document_behind_what_is_its_own(
    tmp_path: Path, slot: node.Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vaults, "fetch", lambda *_: "degraded_known_s = 60\n[sms]\nday_cents = 5\n")
    path = node.write_settings(State(tmp_path), slot)
    monkeypatch.delenv("WIFIBILLING_SETTINGS")  # as its programs are started
    found = settings.load(path)
    assert (found.degraded_known_s, found.node_id, found.spool_dir) == (60, "node-7", slot.spool)
    assert settings.table("sms", path) == {"day_cents": 5}


def test_it_does_not_start_without_what_it_was_told_to_read(
    tmp_path: Path, slot: node.Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vaults, "fetch", lambda *_: "no_such_setting = 1")
    with pytest.raises(Refusal, match="no_such_setting: is no setting"):
        node.write_settings(State(tmp_path), slot)
