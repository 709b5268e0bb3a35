"""`region`: who writes the tables is shown, taken away and given, on the engine."""

from collections.abc import Callable
from contextlib import closing

import pytest

from billing.cli import regions
from billing.cli.exits import Exit
from radius.domain.errors import Fenced
from radius.settings import load
from radius.wiring import build_core
from tests.contract.cli.isp import Ran, World
from tests.contract.values import change, name, soon

Ask = Callable[..., Ran]


@pytest.fixture
def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The command over the world's tables as those of a Region; pauses are not made."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    monkeypatch.setattr(regions.time, "sleep", lambda _: None)
    path = world.folder / "settings.toml"
    path.write_text(f'store_kind = "dynamodb"\nregion = "eu-west-1"\n{path.read_text()}')
    return world


def write(world: World, version: int) -> None:
    """By a process that starts now."""
    with closing(build_core(load(world.folder / "settings.toml"))) as core:
        core.store.subscribers.commit(change(name(1), version), soon())


def test_a_region_is_frozen_and_opened_and_its_processes_obey(world: World, ask: Ask) -> None:
    assert ask("region", "show", "--json").json()["epoch"] == 0
    write(world, 1)
    assert ask("region", "show").code == Exit.DONE

    frozen = ask("region", "freeze", "--reason", "moving", "--json", yes=True)
    assert (frozen.code, frozen.json()["writer"], frozen.json()["reason"]) == (Exit.DONE, "", "moving")
    shown = ask("region", "show")
    assert (shown.code, "nobody" in shown.out, "mary" in shown.out) == (Exit.NOT, True, True)
    with pytest.raises(Fenced):
        write(world, 2)
    (found,) = [each for each in ask("doctor", "--all", "--json").json() if each["check"] == "region"]
    assert "nobody writes the tables" in found["text"]
    assert found["fix"] == "deploy/runbooks/fail-over.md"

    opened = ask("region", "open", "--reason", "moved", "--json", yes=True)
    assert (opened.code, opened.json()["writer"]) == (Exit.DONE, "eu-west-1")
    assert opened.json()["epoch"] > frozen.json()["epoch"]
    write(world, 2)


def test_a_region_is_not_opened_while_the_other_one_writes_and_can_be_asked(world: World, ask: Ask) -> None:
    write(world, 1)
    path = world.folder / "settings.toml"
    here, prefix = path.read_text(), load(path).table_prefix
    there = here.replace('region = "eu-west-1"', 'region = "af-south-1"').replace(prefix, f"{prefix}there-")

    def opens(other: str) -> Ran:
        path.write_text(f'other_region = "eu-west-1/{other}"\n{there}')
        with closing(build_core(load(path))) as core:
            core.store.create_tables()
        ran = ask("region", "open", "--reason", "lost", yes=True)
        path.write_text(here)
        return ran

    refused = opens(prefix)
    assert (refused.code, "freeze it first" in refused.err) == (Exit.USAGE, True)
    ask("region", "freeze", "--reason", "moving", yes=True)
    assert opens(prefix).code == Exit.DONE
    assert "cannot be asked" in opens("nothing-").err


def test_nothing_is_raised_without_a_yes_or_a_reason(ask: Ask) -> None:
    assert ask("region", "freeze", "--reason", "moving").code == Exit.DECLINED
    assert ask("region", "open", yes=True).code == Exit.USAGE
    assert ask("region", "show", "--json").json()["epoch"] == 0


def test_a_box_has_its_tables_for_itself(world: World) -> None:
    ran = world("region", "show")
    assert (ran.code, "embedded" in ran.err) == (Exit.USAGE, True)
