"""What a first word brings is what all words together bring under it, and no more than it needs."""

import subprocess
import sys
from typing import Any

import pytest
import typer.main

from billing.cli.app import ALONE, GROUPS, build

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


def test_a_list_of_sessions_waits_for_nobody_elses_tools() -> None:
    told = "import sys; from billing.cli.app import build; build('sessions'); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", told], capture_output=True, text=True, check=True)
    assert "billing.cli.cutting" in ran.stdout.split()
    assert not set(OTHERS_TOOLS) & set(ran.stdout.split())
