"""What a first word brings is what all words together bring under it, and no more than it needs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from billing.cli import frame
from billing.cli.__main__ import main
from billing.cli.app import ALONE, GROUPS, build
from radius.settings import FILE_VARIABLE

WHOLE: Any = typer.main.get_command(build())
OTHERS_TOOLS = ("reportlab", "pygal", "httpx", "lxml", "segno", "billing.wiring")


@pytest.mark.parametrize("word", [*GROUPS, *ALONE])
def test_a_word_alone_has_its_commands(word: str) -> None:
    alone: Any = typer.main.get_command(build(word))
    own, known = alone.commands[word], WHOLE.commands[word]
    assert sorted(getattr(own, "commands", {})) == sorted(getattr(known, "commands", {}))
    assert (own.help, own.epilog) == (known.help, known.epilog)


def test_all_words_are_known() -> None:
    assert set(WHOLE.commands) == {*GROUPS, *ALONE}
    slip: Any = typer.main.get_command(build("nothing"))
    assert set(slip.commands) == set(WHOLE.commands)


def test_it_says_which_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"wifibilling \d+\.\d+\.\d+ \(/.+\)\n", capsys.readouterr().out)


def test_without_settings_it_says_how_they_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.setattr(frame, "BOX_SETTINGS", tmp_path / "none")
    monkeypatch.setenv("WIFIBILLING_KEY_REF", f"file:{tmp_path}/data.key")
    assert main(["routers", "list"]) == 2
    assert "--settings FILE" in capsys.readouterr().err


def test_a_list_of_sessions_waits_for_nobody_elses_tools() -> None:
    told = "import sys; from billing.cli.app import build; build('sessions'); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", told], capture_output=True, text=True, check=True)
    assert "billing.cli.cutting" in ran.stdout.split()
    assert not set(OTHERS_TOOLS) & set(ran.stdout.split())
