"""The table ``[alerts]`` of the settings file: who is told, and how.

    [alerts]
    email = ["noc@example.co.ke"]                 # by [mail]; everything
    sms = ["254712345678"]                        # by [sms]; what cannot wait
    telegram_chat = "-1001234567"                 # everything; what a bot that you made writes to
    telegram_token_ref = "file:/etc/wifibilling/telegram.token"
    disk_percent = 80
    certificate_days = 10
    sms_balance_cents = 50_000                    # of Africa's Talking; 0: not asked for
    no_router_alarms = false
    heartbeat_url = "https://hc-ping.com/..."     # asked each minute; whoever is there calls you when it is not

It is read once, at the start.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from billing.mail.port import check_address
from billing.told import problem_lines
from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone
from radius.settings import Reference, SettingsError, table


class AlertSettings(BaseModel):
    """What was set."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    email: tuple[str, ...] = ()
    sms: tuple[str, ...] = ()
    telegram_chat: str = ""
    telegram_token_ref: Reference | None = None
    disk_percent: int = Field(default=80, ge=10, le=99)
    certificate_days: int = Field(default=10, ge=1, le=60)
    sms_balance_cents: int = Field(default=0, ge=0, le=100_000_000)
    no_router_alarms: bool = False
    heartbeat_url: str = Field(default="", pattern=r"^(https?://\S+)?$")

    @field_validator("email")
    @classmethod
    def _addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(check_address(each) for each in given)
        except Malformed as bad:
            raise ValueError(bad.fix) from None

    @field_validator("sms")
    @classmethod
    def _phones(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        phones = tuple(parse_phone(each) or "" for each in given)
        if not all(phones):
            raise ValueError("must be like 254712345678")
        return phones

    @model_validator(mode="after")
    def _agree(self) -> "AlertSettings":
        if bool(self.telegram_chat) != bool(self.telegram_token_ref):
            raise ValueError("telegram_chat: goes together with telegram_token_ref")
        return self


def load(path: Path | None) -> AlertSettings:
    """Read them; without any nobody is told. Raises SettingsError with a line for each problem."""
    try:
        return AlertSettings.model_validate(table("alerts", path))
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad, "alerts")) from None
