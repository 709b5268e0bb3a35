"""What deploy/run makes once, and how it meets what an earlier run made."""

from pathlib import Path

import pytest

from deploy import application, options
from deploy.refusal import Refusal
from deploy.state import State
from tests.fixtures_engine import Engine

pytestmark = pytest.mark.integration


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.make()
    return made


def settings(state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIFIBILLING_STORE_ENDPOINT", engine.url)
    monkeypatch.setenv("WIFIBILLING_TABLE_PREFIX", "demo-")
    application.write_key(state.key_file)
    return application.write_settings(options.parse(["--state", str(state.folder)]), state)


def test_another_key_than_that_of_the_tables_is_named(
    state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings(state, engine, monkeypatch)
    application.prepare_site(path, 18126)
    application.prepare_site(path, 18126)  # once is enough, twice does no harm
    state.key_file.unlink()
    application.write_key(state.key_file)
    with pytest.raises(Refusal, match=r"restore the data\.key") as refused:
        application.prepare_site(path, 18126)
    assert "\n" not in str(refused.value)
