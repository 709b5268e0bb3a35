"""Settings: who wins, what is refused, and that each refusal says what to do."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from radius import vaults
from radius.domain.clock import RELEASE_AT
from radius.domain.errors import Malformed
from radius.settings import PREFIX, Settings, SettingsError, kept_document, load, table


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(PREFIX) or name.upper() == "ENVIRONMENT":
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def problems(path: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert str(refused.value) == "settings: cannot be used\n  " + "\n  ".join(refused.value.problems)
    return list(refused.value.problems)


def test_it_runs_without_any() -> None:
    settings = load()
    assert settings.environment == "production"
    assert settings.request_deadline_ms == 500
    assert settings.post_auth_share_ms == 200
    assert settings.store_endpoint == "http://127.0.0.1:8450"
    assert settings.key_ref == "file:/var/lib/wifibilling/data.key"
    assert settings.clock_floor_at == RELEASE_AT
    assert Settings(store_kind="dynamodb").store_endpoint is None


def test_defaults_follow_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIFIBILLING_STATE_DIR", "/srv/wifi")
    assert load().key_ref == "file:/srv/wifi/data.key"
    assert load().spool_dir == Path("/srv/wifi/spool")


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('environment = "staging"\nrequest_deadline_ms = 400\nlog_level = "WARN"\nmetrics_port = 1\n')
    monkeypatch.setenv("WIFIBILLING_REQUEST_DEADLINE_MS", "300")
    monkeypatch.setenv("wifibilling_metrics_port", "2")
    settings = load(file)
    assert (settings.environment, settings.request_deadline_ms, settings.log_level) == ("staging", 300, "WARN")
    assert settings.metrics_port == 2
    monkeypatch.setenv("ENVIRONMENT", "test")
    assert load(file).environment == "test"


def test_a_bad_value_in_the_file_does_not_matter_when_the_environment_has_another(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("request_deadline_ms = 1\n")
    monkeypatch.setenv("WIFIBILLING_REQUEST_DEADLINE_MS", "300")
    assert load(file).request_deadline_ms == 300


def test_the_file_may_be_named_by_the_environment_and_an_argument_wins(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('node_id = "by-variable"\n')
    monkeypatch.setenv("WIFIBILLING_SETTINGS", str(file))
    assert load().node_id == "by-variable"
    other = tmp_path / "other.toml"
    other.write_text('node_id = "by-argument"\n')
    assert load(other).node_id == "by-argument"


def test_all_problems_are_told_at_once_each_with_its_field_its_place_and_the_fix(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("request_deadline_ms = 9000\nnames_cache_secs = 3\n[shop]\nx = 1\n")
    monkeypatch.setenv("WIFIBILLING_LOG_FORMAT", "xml")
    monkeypatch.setenv("WIFIBILLING_LOG_LEVL", "INFO")
    assert problems(file) == [
        "WIFIBILLING_LOG_LEVL: is no setting; did you mean WIFIBILLING_LOG_LEVEL?",
        f"names_cache_secs: is no setting; did you mean names_cache_s? (in {file})",
        f"shop: is no setting (in {file})",
        f"request_deadline_ms: should be less than or equal to 5000, not 9000 (in {file})",
        "log_format: should be 'json' or 'pretty', not 'xml' (WIFIBILLING_LOG_FORMAT in the environment)",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("post_auth_share_ms = 500", "post_auth_share_ms: must be less than request_deadline_ms (500) (in FILE)"),
        ('state_dir = "state"', "state_dir: must be an absolute path, not 'state' (in FILE)"),
        ('metrics_port = "http"', "metrics_port: should be a valid integer, unable to parse string as an integer, not"),
        ('metrics_bind = "here"', "metrics_bind: 'here' does not appear to be an IPv4 or IPv6 address, not 'here'"),
        ('node_id = "a b"', "node_id: String should match pattern"),
        ('region = "Nairobi"', "region: String should match pattern"),
        ("clock_floor = 2026-12-01T00:00:00", "clock_floor: should have timezone info"),
        ('key_ref = "ssm:"', "key_ref: must say where the secret is"),
        ('key_ref = "kms:alias/wifi"', "key_ref: must say where the secret is"),
        ('key_ref = "env:A B"', "key_ref: must say where the secret is: file:/absolute/path, env:NAME, ssm:/name or "),
        ('key_ref = "file:data.key"', "key_ref: must say where the secret is"),
        (
            'store_endpoint = "http://db.example.com:8000"',
            "store_endpoint: must be https:// for a host that is neither",
        ),
        ('store_endpoint = "http://8.8.8.8:8000"', "store_endpoint: must be https:// for a host that is neither"),
        ('store_endpoint = "ftp://127.0.0.1"', "store_endpoint: must be like https://host:port (in FILE)"),
        ('store_endpoint = "https://x/y"', "store_endpoint: must be like https://host:port (in FILE)"),
        ('store_endpoint = "http://a:pw@127.0.0.1"', "store_endpoint: must not carry a user or a password (in FILE)"),
    ],
    ids=lambda text: text.split(" =", maxsplit=1)[0],
)
def test_one_problem_one_line(file: Path, line: str, said: str) -> None:
    file.write_text(line + "\n")
    (problem,) = problems(file)
    assert problem.startswith(said.replace("FILE", str(file)))
    assert "\n" not in problem


def test_a_secret_in_the_wrong_place_is_not_shown(file: Path) -> None:
    file.write_text('key_ref = "hunter2hunter2"\nstore_endpoint = "http://a:hunter2@127.0.0.1"\n')
    assert "hunter2" not in "".join(problems(file))


@pytest.mark.parametrize(
    "endpoint", ["https://dynamodb.af-south-1.amazonaws.com", "http://10.0.0.5:8000", "http://[::1]:1/"]
)
def test_endpoints(endpoint: str) -> None:
    assert Settings(store_endpoint=endpoint).store_endpoint == endpoint.rstrip("/")


def test_a_file_that_cannot_be_read_or_is_not_toml(file: Path) -> None:
    assert problems(file) == [f"{file}: cannot be read: No such file or directory"]
    file.write_text("a = ")
    assert problems(file)[0].startswith(f"{file}: is not TOML: ")
    file.write_bytes(b"\xff\xfe")
    assert problems(file)[0].startswith(f"{file}: is not TOML: ")


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.metrics_port = 1


def test_a_settings_error_is_malformed_input() -> None:
    assert issubclass(SettingsError, Malformed)


def test_the_clock_floor_only_rises(file: Path) -> None:
    file.write_text("clock_floor = 2027-01-01T03:00:00+03:00\n")
    assert load(file).clock_floor_at == 1_798_761_600
    file.write_text("clock_floor = 2001-01-01T00:00:00Z\n")
    assert load(file).clock_floor_at == RELEASE_AT


def test_every_number_has_bounds_and_its_unit_in_its_name() -> None:
    units = ("_s", "_ms", "_bytes", "_entries", "_packets", "_instances", "_failures", "_port", "_max", "_connections")
    for name, field in Settings.model_fields.items():
        if field.annotation is int:
            assert len([bound for bound in field.metadata if hasattr(bound, "ge") or hasattr(bound, "le")]) == 2, name
            assert name.endswith((*units, "_reachable", "_unreachable")), name


def test_a_document_that_aws_keeps_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(field: str, reference: str) -> str:
        asked.append((field, reference))
        return 'log_level = "WARN"\nregion = "eu-west-1"\n[sms]\nday_cents = 7\n'

    monkeypatch.setattr(vaults, "fetch", fetch)
    assert kept_document() == "", "a box has files"
    monkeypatch.setenv("WIFIBILLING_SETTINGS", "ssm:/wifi-billing-read-once/settings:3")
    monkeypatch.setenv("WIFIBILLING_REGION", "af-south-1")
    settings = load()
    assert (settings.log_level, settings.region) == ("WARN", "af-south-1"), "the environment wins"
    assert table("sms") == {"day_cents": 7}
    assert kept_document().startswith("log_level")
    assert asked == [("WIFIBILLING_SETTINGS", "ssm:/wifi-billing-read-once/settings:3")]


def test_a_document_that_is_not_there_or_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    def refuse(field: str, reference: str) -> str:
        raise Malformed(field, f"{reference} cannot be read: ParameterNotFound")

    monkeypatch.setenv("WIFIBILLING_SETTINGS", "ssm:/wifi-billing-gone/settings:9")
    monkeypatch.setattr(vaults, "fetch", refuse)
    with pytest.raises(SettingsError, match="WIFIBILLING_SETTINGS: ssm:/wifi-billing-gone/settings:9 cannot be read"):
        load()
    monkeypatch.setattr(vaults, "fetch", lambda *_: "brand = 1")
    assert problems() == ["brand: is no setting (in ssm:/wifi-billing-gone/settings:9)"]
    file.write_text('log_level = "ERROR"')
    assert load(file).log_level == "ERROR", "a file that is named is the one that is meant"
