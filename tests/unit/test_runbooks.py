"""The pages that alarms name are there, and every command in them exists with these options."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from billing.alarms import ALARMS, COMPOSITES
from billing.cli.app import build
from deploy.on_aws.__main__ import app as aws

FOLDER = Path(__file__).parents[2] / "deploy" / "runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
ROOTS: dict[str, Any] = {"wifibilling": typer.main.get_command(build()), "deploy/aws": typer.main.get_command(aws)}


def commands(text: str) -> list[str]:
    """`wifibilling` and `deploy/aws` lines of code blocks and code spans."""
    blocks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    spans = re.findall(r"`((?:wifibilling|deploy/aws) [^`]+)`", text)
    return [each for each in (*blocks, *spans) if each.split()[0] in ROOTS]


ALL = [(page.name, each) for page in PAGES for each in commands(page.read_text())]


@pytest.mark.parametrize("alarm", [*ALARMS, *COMPOSITES], ids=lambda alarm: alarm.name)
def test_every_alarm_has_its_page_that_names_it(alarm: Any) -> None:
    assert alarm.name in (FOLDER / f"{alarm.runbook}.md").read_text()


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for name in re.findall(r"\]\(([\w-]+\.md)\)", page.read_text()):
            assert (FOLDER / name).exists(), (page.name, name)


@pytest.mark.parametrize(("page", "line"), ALL)
def test_a_command_exists_and_takes_what_it_is_given(page: str, line: str) -> None:
    root, *words = shlex.split(line)
    command, path = ROOTS[root], [root]
    while hasattr(command, "commands"):
        assert words, f"{page}: {line} names a group"
        path.append(words[0])
        assert words[0] in command.commands, f"{page}: there is no {' '.join(path)}"
        command = command.commands[words.pop(0)]
    context = command.make_context(" ".join(path), words, resilient_parsing=False)
    assert context.params is not None


def test_the_pages_are_not_without_commands() -> None:
    assert len(ALL) > 40
    assert {page.name for page in PAGES} - {name for name, _ in ALL} <= {"parked-packets.md"}
