"""The pages that alarms name are there, and every command in them exists with these options."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from billing.alarms import ALARMS, COMPOSITES
from billing.cli.app import build
from billing.metrics import catalogue
from deploy.on_aws.__main__ import app as aws
from tests.named import missing, references

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


@pytest.mark.parametrize("page", ["self-healing.md", "penetration-scope.md"])
def test_what_a_page_says_that_a_test_proves_is_proven_by_one_that_is_there(page: str) -> None:
    text = (FOLDER / page).read_text()
    assert len(references(text)) > 20
    assert missing(references(text)) == []


def test_each_row_of_self_healing_has_a_bound_and_a_proof_and_metrics_are_in_the_catalogue() -> None:
    rows = [line.split("|")[1:-1] for line in (FOLDER / "self-healing.md").read_text().splitlines() if "tests/" in line]
    counted = {metric.name for metric in catalogue()}
    known = {alarm.name for alarm in ALARMS} | {"AuthErrors", "PaymentErrors"}
    for fault, heals, bound, seen, test in rows:
        assert all(cell.strip() for cell in (fault, heals, bound, seen)), fault
        assert len(references(test)) == 1, fault
        assert set(re.findall(r"`([A-Z]\w+)`", seen)) <= counted, fault
        assert set(re.findall(r"\b([A-Z][a-z]+[A-Z]\w+)\b", seen)) <= counted | known, fault


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
