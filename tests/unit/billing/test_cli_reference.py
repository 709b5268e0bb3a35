"""README's list of commands and of exit codes is what the command says. Run this file as a program to write it anew."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from billing.cli.app import build
from billing.cli.exits import MEANINGS

README = Path(__file__).resolve().parents[3] / "README.md"
COMMON = {"settings", "site", "as_json", "actor", "yes", "help"}


def walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, each in sorted(getattr(command, "commands", {}).items()):
        yield from walk(each, (*words, name))
    if not hasattr(command, "commands"):
        yield words, command


COMMANDS = list(walk(typer.main.get_command(build())))


def usage(words: tuple[str, ...], command: Any) -> str:
    said = ["wifibilling", *words]
    for param in command.params:
        if param.param_type_name == "argument":
            name = (param.metavar or param.name.upper()).strip("[]")
            said.append(name if param.required else f"[{name}]")
        elif param.required:
            said.append(f"{param.opts[0]} ...")
    return " ".join(said)


def first_sentence(command: Any) -> str:
    return re.split(r"(?<=\.)\s", " ".join(command.help.split()))[0]


def reference() -> str:
    rows = [f"| `{usage(words, command)}` | {first_sentence(command)} |" for words, command in COMMANDS]
    codes = [f"| {int(code)} | {text} |" for code, text in MEANINGS.items()]
    commands = "\n".join(["| command | what it does |", "| --- | --- |", *rows])
    return commands + "\n\n" + "\n".join(["| exit code | meaning |", "| --- | --- |", *codes])


def test_the_readme_lists_every_command() -> None:
    assert reference() in README.read_text()


@pytest.mark.parametrize(("words", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in COMMANDS])
def test_every_command_has_help_with_an_example(words: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert f"  wifibilling {' '.join(words)}" in command.epilog
    assert {param.name for param in command.params} >= COMMON - {"help"}
    assert all(param.help for param in command.params)


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(
        re.sub(r"\| command \| what it does \|.*?\| 130 \|[^\n]*", lambda _: reference(), text, flags=re.DOTALL)
    )
