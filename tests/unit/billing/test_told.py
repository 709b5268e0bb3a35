"""What all settings of selling have in common."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from billing.told import problem_lines, read_secret
from radius.domain.errors import Malformed


class Inner(BaseModel):
    size: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner(size=1)
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _agree(self) -> "Outer":
        if self.low > self.high:
            raise ValueError("low: must not be above high")
        return self


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"inner": {"size": "s3cr3t"}}, "box.inner.size: should be a valid integer"),
        ({"other": "s3cr3t"}, "box.other: Extra inputs are not permitted"),
        ({"low": 7}, "box.low: must not be above high"),
    ],
)
def test_a_problem_names_its_field_and_shows_no_value(values: dict[str, object], line: str) -> None:
    with pytest.raises(ValidationError) as bad:
        Outer.model_validate(values)
    (said,) = problem_lines(bad.value, "box")
    assert said.startswith(line)
    assert "s3cr3t" not in said
    assert next(problem_lines(bad.value, "box", ("inner",))).startswith(line.replace("inner.", ""))


def test_a_secret_is_read_from_a_file_of_ours_alone_or_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text(" atsk_1\n")
    path.chmod(0o600)
    monkeypatch.setenv("SMS_KEY", "atsk_2\n")
    assert [read_secret("key_ref", f"file:{path}"), read_secret("key_ref", "env:SMS_KEY")] == ["atsk_1", "atsk_2"]
    path.chmod(0o644)
    with pytest.raises(Malformed, match="chmod 600"):
        read_secret("key_ref", f"file:{path}")


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff", "schlüssel".encode()])
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Malformed, match="key_ref"):
        read_secret("key_ref", f"file:{path}")
    with pytest.raises(Malformed, match="key_ref"):
        read_secret("key_ref", f"file:{path}.missing")
