"""The tables ``[incidents]`` and ``[notices]`` of the settings file: who is called, and how customers are told.

[incidents]
senior = "Otieno"                                    # level 3 goes to them at once
ack_minutes = 15                                     # then the next person is called
status_page = "/var/www/status/index.html"           # written anew whenever an incident changes what is told;
                                                     # on AWS: s3://PagesBucket/status/index.html

[[incidents.on_call]]                                # in the order in which they are called
name = "Amina"
phone = "254712345678"                               # by [sms], out of what is kept for critical messages
email = "amina@example.co.ke"                        # by [mail]

[notices]
per_minute = 300                                     # messages to customers
quiet_from = 21                                      # what can wait is not sent from this hour ...
quiet_until = 8                                      # ... until this one, by the site's clock

They are read once, when a process starts.
"""

import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from billing.domain.notice import Quiet
from billing.mail.port import check_address
from billing.told import problem_lines
from radius.domain.errors import Malformed
from radius.domain.identity import parse_phone
from radius.settings import SettingsError, table

MINUTE_S = 60
S3 = "s3://"

Shape = TypeVar("Shape", bound=BaseModel)


def _address(text: str) -> str:
    try:
        return check_address(text)
    except Malformed as bad:
        raise ValueError(bad.fix) from None


def _phone(text: str) -> str:
    phone = parse_phone(text)
    if phone is None:
        raise ValueError("must be like 254712345678")
    return phone


def check_page(text: str) -> str:
    """Where a page may lie: an absolute path, or an object of S3. Raises ValueError."""
    if not re.fullmatch(rf"/.+|{S3}[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9]/[A-Za-z0-9/_.-]+", text):
        raise ValueError(f"must be an absolute path, or like {S3}BUCKET/status/index.html")
    return text


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OnCall(_Model):
    """Somebody who is called. Names stand in incidents and their export."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z .'-]{0,39}$")]
    phone: Annotated[str, AfterValidator(_phone)] | None = None
    email: Annotated[str, AfterValidator(_address)] | None = None

    @model_validator(mode="after")
    def _agree(self) -> "OnCall":
        if self.phone is None and self.email is None:
            raise ValueError("phone: must be given, or an email")
        return self


class Duty(_Model):
    """``[incidents]``."""

    on_call: tuple[OnCall, ...] = Field(default=(), max_length=20)
    senior: str = ""
    ack_minutes: int = Field(default=15, ge=1, le=24 * 60)
    status_page: Annotated[str, AfterValidator(check_page)] | None = None

    @property
    def ack_s(self) -> int:
        """How long somebody has to acknowledge."""
        return self.ack_minutes * MINUTE_S

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they are called."""
        return tuple(each.name for each in self.on_call)

    def person(self, name: str) -> OnCall | None:
        """Whom a name means; None for somebody who is no longer there."""
        return next((each for each in self.on_call if each.name == name), None)

    @model_validator(mode="after")
    def _agree(self) -> "Duty":
        if len(set(self.names)) != len(self.names):
            raise ValueError("on_call: must name each person once")
        if self.senior and self.senior not in self.names:
            raise ValueError("senior: must be one of on_call")
        return self


class NoticeSettings(_Model):
    """``[notices]``."""

    per_minute: int = Field(default=300, ge=1, le=6_000)
    quiet_from: int = Field(default=21, ge=0, le=23)
    quiet_until: int = Field(default=8, ge=0, le=23)

    @property
    def quiet(self) -> Quiet:
        """When what can wait is not sent."""
        return Quiet(self.quiet_from, self.quiet_until)


def load_duty(path: Path | None) -> Duty:
    """Who is called. Raises SettingsError with a line for each problem."""
    return _load(Duty, "incidents", path)


def load_notices(path: Path | None) -> NoticeSettings:
    """How customers are told. Raises SettingsError with a line for each problem."""
    return _load(NoticeSettings, "notices", path)


def _load(shape: type[Shape], name: str, path: Path | None) -> Shape:
    try:
        return shape.model_validate(table(name, path))
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad, name)) from None
