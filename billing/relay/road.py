"""The table ``[callbacks]`` of the settings file: by which road M-Pesa's calls reach this box.

[callbacks]                                       # nothing: directly, at MPESA_CALLBACK_BASE
road = "relay"
name = "nairobi-relay"
url = "https://relay.example.net"                 # MPESA_CALLBACK_BASE is the same
token_ref = "file:/etc/wifibilling/relay.token"
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from billing.told import problem_lines, read_secret
from radius.domain.errors import Malformed
from radius.settings import Endpoint, Reference, SettingsError, table

TOKEN_CHARS_MIN = 32


class Road(BaseModel):
    """What was set."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    road: Literal["direct", "relay"] = "direct"
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")] = "relay"
    url: Endpoint | None = None
    token_ref: Reference | None = None

    @model_validator(mode="after")
    def _agree(self) -> "Road":
        if (self.road == "relay") != (self.url is not None) or (self.url is None) != (self.token_ref is None):
            raise ValueError('url: goes together with token_ref and road = "relay"')
        return self


def load(path: Path | None) -> Road:
    """Read it. Raises SettingsError with a line for each problem."""
    try:
        return Road.model_validate(table("callbacks", path))
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad, "callbacks")) from None


def read_token(reference: str) -> str:
    """What the box shows its relay. Raises Malformed with the fix."""
    token = read_secret("token_ref", reference)
    if len(token) < TOKEN_CHARS_MIN:
        raise Malformed("token_ref", f"must hold {TOKEN_CHARS_MIN} characters or more: openssl rand -hex 24")
    return token
