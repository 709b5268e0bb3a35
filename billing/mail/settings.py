"""Settings of letters: the table ``[mail]`` of the settings file.

``host``, ``sender``, and mostly ``user`` with ``password_ref``, which is a reference like every secret. What cannot be
used is named by its field.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from billing.mail.port import check_address
from billing.told import problem_lines
from radius.domain.errors import Malformed
from radius.settings import Reference, SettingsError

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
DEADLINE_S = 20.0  # a letter's whole way to the server: nobody waits for it


def _address(text: str) -> str:
    try:
        return check_address(text)
    except Malformed as bad:
        raise ValueError(bad.fix) from None


class MailSettings(BaseModel):
    """Where letters are handed in. `security` "none": only to a server on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{0,254}$")] = ""
    password_ref: Reference | None = None
    sender: Annotated[str, AfterValidator(_address)]
    deadline_s: float = Field(default=DEADLINE_S, ge=0.5, le=120)

    @model_validator(mode="after")
    def _agree(self) -> "MailSettings":
        if bool(self.user) != (self.password_ref is not None):
            raise ValueError("user: must be set together with password_ref")
        if self.security == "none" and self.host not in HERE:
            raise ValueError("security: must be starttls or tls, unless the server is this machine")
        return self


def load(values: Mapping[str, Any]) -> MailSettings:
    """Settings from a table of a settings file; raises SettingsError with a line for each problem."""
    try:
        return MailSettings.model_validate(values)
    except ValidationError as bad:  # not `from`: the original would show what was in the fields
        raise SettingsError(problem_lines(bad, "mail")) from None
