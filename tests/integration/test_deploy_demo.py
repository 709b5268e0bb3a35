"""What deploy/run makes once, and how it meets what an earlier run made."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.domain.books import Finding, Rule
from billing.domain.catalogue import CATALOGUE
from billing.mpesa import settings as mpesa
from billing.store.open import open_billing
from billing.wiring import BillingSettings
from deploy import application, options, programs, selling
from deploy.ports import Ports
from deploy.refusal import Refusal
from deploy.state import State
from deploy.telling import Untrue, soon
from radius import settings as settings_module
from radius.wiring import Core, build_core
from tests.fixtures_engine import Engine

pytestmark = pytest.mark.integration


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.make()
    return made


def settings(state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIFIBILLING_STORE_ENDPOINT", engine.url)
    monkeypatch.setenv("WIFIBILLING_TABLE_PREFIX", f"demo{secrets.token_hex(4)}-")  # the engine is that of all tests
    programs.write_key(state.key_file)
    return application.write_settings(options.parse(["--state", str(state.folder)]), state)


def test_another_key_than_that_of_the_tables_is_named(
    state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings(state, engine, monkeypatch)
    application.prepare_site(path, Ports())
    application.prepare_site(path, Ports())  # once is enough, twice does no harm
    state.key_file.unlink()
    programs.write_key(state.key_file)
    with pytest.raises(Refusal, match=r"restore the data\.key") as refused:
        application.prepare_site(path, Ports())
    assert "\n" not in str(refused.value)


@pytest.fixture
def core(state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    path = settings(state, engine, monkeypatch)
    application.prepare_site(path, Ports())
    made = build_core(settings_module.load(path))
    yield made
    made.close()


def test_the_default_catalogue_is_for_sale_until_there_is_another(core: Core) -> None:
    ports = open_billing(core.store).ports
    assert {each.id for each in ports.packages(soon())} == {each.id for each in (*CATALOGUE, selling.HOUR)}
    selling.stock(core)  # once is enough, twice does no harm


def test_an_operators_own_catalogue_is_left_alone(
    state: State, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = build_core(settings_module.load(settings(state, engine, monkeypatch)))
    core.store.create_tables()
    billing = open_billing(core.store)
    billing.create_tables()
    day = next(each for each in CATALOGUE if each.code == "day")
    own = msgspec.structs.replace(day, name_en="My own day")
    billing.ports.add(own, soon())
    selling.stock(core)
    found = {each.id: each.name_en for each in billing.ports.packages(soon())}
    core.close()
    assert found == {"day.1": "My own day", "demo-hour.1": "Demo hour"}


def test_where_m_pesa_is_set_up_none_is_simulated(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options.parse(["--state", str(state.folder), "--once"])
    simulated = application.simulated_program(given, state)
    assert simulated is not None
    assert "--real-money" not in application.story_command(given, state.settings_file)
    found = application.selling_environment(given, state)
    with monkeypatch.context() as during:
        for name, value in found.items():
            during.setenv(name, value)
        assert mpesa.load().endpoint == f"http://127.0.0.1:{given.ports.simulated_mpesa}"
        mpesa.open_daraja(mpesa.load()).close()
    assert not [name for name in simulated.environment if name.startswith(mpesa.PREFIX)]
    monkeypatch.setenv("MPESA_SHORTCODE", "600000")
    assert application.simulated_program(given, state) is None
    assert "--real-money" in application.story_command(given, state.settings_file)
    assert "MPESA_ENDPOINT" not in application.selling_environment(given, state)


def test_what_the_ledgers_check_finds_spoils_the_verdict_and_stops_no_hotspot(
    core: Core, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selling, "LOOK_AGAIN_S", 0)

    def shop(*, strict: bool) -> selling.Shop:
        made = selling.Shop(core, BillingSettings(), None, "http://127.0.0.1:1", real=True, strict=strict)  # type: ignore[arg-type]
        made._billing = made._billing._replace(check=Books(looks))
        return made

    looks: list[int] = []
    shop(strict=False).counts()
    assert len(looks) == selling.LOOKS, "what is found counts if it stays"
    assert "ledger check: unbalanced: sale:1: it is odd" in capsys.readouterr().out
    with pytest.raises(Untrue, match="ledger check"):
        shop(strict=True).counts()


class Books:
    """A check that always finds the same."""

    def __init__(self, looks: list[int]) -> None:
        self._looks = looks

    def check(self, *_: Any) -> list[Finding]:
        self._looks.append(1)
        return [Finding(Rule.UNBALANCED, "sale:1", "it is odd")]
