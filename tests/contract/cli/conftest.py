import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.cli import frame
from billing.wallet import Money, read_callback, read_notice
from coa import hand
from radius import wiring
from radius.bell import Bell
from radius.secrets import create_key_file
from radius.services.names import NameBook
from radius.settings import Settings, load
from radius.wiring import Core, build_core
from tests.contract.cli.isp import Clock, World
from tests.fixtures_engine import Engine, new_prefix


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    """A world for one test."""
    yield from make(engine, tmp_path)


@pytest.fixture(scope="module")
def town(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that the tests of a module share; each has customers and routers of its own there."""
    yield from make(engine, tmp_path_factory.mktemp("town"))


def make(engine: Engine, folder: Path) -> Iterator[World]:
    """The store's connections are kept between commands: they cost more than the commands. Names are forgotten."""
    create_key_file(folder / "data.key")
    lines = [
        f"state_dir = {json.dumps(str(folder))}",
        f'store_endpoint = "{engine.url}"',
        f'table_prefix = "{new_prefix()}"',
        "request_deadline_ms = 5000",
    ]
    (folder / "settings.toml").write_text("\n".join(lines))
    clock = Clock()

    def again(settings: Settings) -> Core:
        store = dataclasses.replace(core.store, close=lambda: True)
        names = NameBook(core.store.names, core.keys.alias_key, time.monotonic, 1000, 30)
        return core._replace(settings=settings, store=store, bell=Bell(folder), names=names)

    def enter(patch: pytest.MonkeyPatch) -> None:
        for module in (wiring, hand):
            patch.setattr(module, "time", clock)
        patch.setattr(frame, "clock", clock.time)
        patch.setattr(frame, "build_core", again)
        patch.setattr(frame, "money_of_environment", lambda: Money(made.money, read_callback, read_notice))

    with pytest.MonkeyPatch.context() as patch:
        for module in (wiring, hand):
            patch.setattr(module, "time", clock)
        core = build_core(load(folder / "settings.toml"))
        made = World(folder, core, clock, enter)
        yield made
        core.close()
