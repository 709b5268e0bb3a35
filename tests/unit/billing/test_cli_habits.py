"""Habits that every command keeps, found by walking all of them: what a command calls is read from its source.

A command that is excused says why here, so that a new one has to be thought about.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.cli.__main__ import main
from tests.unit.billing.test_cli_reference import COMMANDS

FOLDER = Path(__file__).resolve().parents[3] / "billing" / "cli"


class Module:
    """One file of commands: its functions, what it imports of its neighbours, and its commands."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(FOLDER).with_suffix("").as_posix().replace("/", ".")
        self.tree = ast.parse(path.read_text())
        self.functions = {each.name: each for each in ast.walk(self.tree) if isinstance(each, ast.FunctionDef)}
        self.imported: dict[str, tuple[str, str]] = {}  # name here -> neighbour, name there ("" for all of it)
        for each in ast.walk(self.tree):
            if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("billing.cli"):
                there = str(each.module).removeprefix("billing.cli").removeprefix(".")
                for one in each.names:
                    whole = f"{there}.{one.name}".removeprefix(".")
                    known = (FOLDER / f"{whole.replace('.', '/')}.py").exists()
                    self.imported[one.asname or one.name] = (whole, "") if known else (there, one.name)

    def commands(self) -> Iterator[tuple[str, ast.FunctionDef]]:
        """Under the last word that is typed."""
        for function in self.functions.values():
            for made in function.decorator_list:
                if isinstance(made, ast.Call) and _name(made.func) == "command":
                    yield _word(made), function
        for call in ast.walk(self.tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Call) and _name(call.func.func) == "command":
                (target,) = call.args
                yield _word(call.func), self.functions[_name(target)]

    def speaks(self, function: str) -> tuple[set[str], set[tuple[str, str]]]:
        """Attributes that a function uses, and functions here and of neighbours that it may call."""
        said: set[str] = set()
        calls: set[tuple[str, str]] = set()
        for each in ast.walk(self.functions[function]):
            if isinstance(each, ast.Attribute):
                said.add(each.attr)
                there, _ = self.imported.get(_name(each.value), ("", ""))
                calls.add((there, each.attr))
            elif isinstance(each, ast.Name) and each.id in self.functions:
                calls.add((self.name, each.id))
            elif isinstance(each, ast.Name) and each.id in self.imported:
                calls.add(self.imported[each.id])
        return said, calls


def said_by(modules: dict[str, Module], name: str, function: str) -> set[str]:
    """Every attribute that it, or what it calls within these files, speaks of; the frame's own parts left out."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    open_ = {(name, function)}
    while open_:
        at = open_.pop()
        seen.add(at)
        module = modules.get(at[0])
        if module is None or at[0] in {"frame", "show"} or at[1] not in module.functions:
            continue
        said, calls = module.speaks(at[1])
        found |= said
        open_ |= calls - seen
    return found


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _word(call: ast.Call) -> str:
    word = call.args[1]
    assert isinstance(word, ast.Constant)
    return str(word.value)


def walked() -> dict[str, tuple[set[str], Any]]:
    modules = {each.name: each for each in map(Module, sorted(FOLDER.rglob("*.py")))}
    by_docs = {}
    for module in modules.values():
        for word, function in module.commands():
            doc = " ".join((ast.get_docstring(function) or "").split())
            by_docs[word, doc] = said_by(modules, module.name, function.name)
    return {
        " ".join(words): (by_docs[words[-1], " ".join(command.help.split())], command) for words, command in COMMANDS
    }


ALL = walked()
AUDITS = {"deed", "noted_deed"}
CHANGES = {name for name, (said, _) in ALL.items() if said & AUDITS}
SHOWS = {"table", "item", "done", "document"}

UNAUDITED = {  # they call something that changes, and no line of the audit is theirs
    "backup rewind": "the epochs of both prefixes keep who and why",
    "region freeze": "the epoch itself keeps who and why: the tables of its audit are what it freezes",
    "region open": "the epoch itself keeps who and why",
}
REASONLESS = {
    "incident ack": "it says no more than who",
    "incident note": "its text is the reason",
    "incident open": "its title is the reason",
    "incident resolve": "its text is the reason",
    "notify resume": "goes on with what has its reason",
    "relist": "an update runs it; it adds what lists lack and nothing else",
}
UNASKED = {  # neither one customer is cut nor does money move, nor is it done to many
    "agents put": "what is agreed with an agent can be changed back",
    "backup run": "adds a file",
    "customers add": "adds",
    "customers devices": "can be said again the other way round",
    "customers export": "reads; audited because of what it shows",
    "customers notices": "can be said again the other way round",
    "customers unblock": "can be said again the other way round",
    "incident ack": "a word of whoever is on duty",
    "incident note": "a word of whoever is on duty",
    "notify resume": "goes on with what was asked about",
    "notify status": "tells, on a page that can be changed back",
    "notify stop": "ends what was asked about",
    "packages add": "sells something more; hide takes it back",
    "packages hide": "what was sold stays; add takes it back",
    "payments reconcile": "what the worker does each minute",
    "payments refuse": "no money moves",
    "payments statement": "books only what M-Pesa itself says",
    "routers add": "adds",
    "routers rotate-secret": "the old secret works until the router has the new one",
    "routers script": "prints a line",
    "sessions refresh": "tells a router what its session has anyway",
    "sites add": "adds",
    "sites brand": "looks, which can be changed back",
    "sites tell": "a page, which can be changed back",
    "vouchers batch": "codes that nobody has seen yet",
    "who-had": "reads; audited because of what it shows",
    "relist": "adds rows of lists that are not there yet",
}
EVERYWHERE = {  # what they are about has no site, or an id names one thing
    "agents": "an agent sells everywhere",
    "backup": "all of it, or nothing",
    "incident export": "by its id",
    "incident show": "by its id",
    "ledger": "the books are one",
    "migrate": "all of it",
    "notify show": "by its id",
    "ops": "one page of the whole; what of it is of a site is that site's",
    "packages show": "by its code",
    "payments refund-state": "by its id",
    "payments show": "by its id",
    "region": "all of it",
    "routers unknown": "who is not registered is nowhere",
    "sites status-page": "tells of all sites",
    "vouchers show": "by its serial number",
    "waiting": "what is on disk belongs to a node",
}


def params(name: str) -> set[str]:
    return {each.name for each in ALL[name][1].params}


def excused(name: str, excuses: dict[str, str]) -> bool:
    return name in excuses or name.split(maxsplit=1)[0] in excuses


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_is_kept_with_its_reason(name: str) -> None:
    assert "reason" in params(name) or name in REASONLESS


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_asks_or_is_dry_or_does_no_harm(name: str) -> None:
    assert "sure" in ALL[name][0] or "apply" in params(name) or name in UNASKED


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_asks_or_applies_is_audited(name: str) -> None:
    asks = "sure" in ALL[name][0] or "apply" in params(name)
    assert not asks or name in CHANGES or name in UNAUDITED


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_script_can_read_it(name: str) -> None:
    assert ALL[name][0] & SHOWS


@pytest.mark.parametrize("name", sorted(set(ALL) - CHANGES))
def test_what_is_read_can_be_of_one_site(name: str) -> None:
    assert {"site", "zone"} & ALL[name][0] or excused(name, EVERYWHERE)


def test_nobody_is_excused_who_is_not_there_or_needs_no_excuse() -> None:
    assert not {*UNAUDITED, *REASONLESS, *UNASKED} - set(ALL)
    assert not [name for name in REASONLESS if "reason" in params(name)]
    assert not [name for name in UNASKED if "sure" in ALL[name][0] or "apply" in params(name)]
    assert not UNAUDITED.keys() & CHANGES
    assert not [key for key in EVERYWHERE if not any(key in {name, name.split()[0]} for name in ALL)]


def test_dry_runs_say_so() -> None:
    for name, (_, command) in ALL.items():
        for option in command.params:
            if option.name == "apply":
                assert option.default is False, name
                assert option.help, name


def test_words_are_completed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_WIFIBILLING_COMPLETE", "complete_bash")
    for typed, offered in (("wifibilling ops ", {"daily", "weekly", "monthly"}), ("wifibilling age", {"agents"})):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        main([])
        assert set(capfd.readouterr().out.split()) >= offered
