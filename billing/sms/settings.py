"""Settings of messages. A secret is a reference here; what cannot be used is refused by its field, never its value."""

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from billing.told import problem_lines
from radius.settings import AbsolutePath, Endpoint, Reference, SettingsError

PLACEHOLDERS = ("to", "text", "sender", "key")
_KINDS = frozenset({"africas_talking", "gateway", "sns", "file"})
_ENDPOINT: TypeAdapter[str] = TypeAdapter(Endpoint)  # https, or a private address


def _template(text: str) -> str:
    try:
        fields = [found[1:] for found in Formatter().parse(text) if found[1] is not None]
    except ValueError as bad:
        raise ValueError("must have { and } in pairs; write {{ for a brace") from bad
    if any(field not in PLACEHOLDERS or spec or conversion for field, spec, conversion in fields):
        raise ValueError(f"may name {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)} and nothing else")
    return text


def _address(text: str) -> str:
    _template(text)
    url = urlsplit(text)
    if "{" in url.netloc or "{" in url.scheme or url.username or url.fragment:
        raise ValueError("must have its placeholders in the path or the query, and no user")
    try:
        _ENDPOINT.validate_python(f"{url.scheme}://{url.netloc}")
    except ValidationError as bad:
        raise ValueError(bad.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return text


def _header(text: str) -> str:
    if "{text}" in text or not text.isascii() or not text.isprintable():
        raise ValueError("must be plain characters, without the {text}")
    return _template(text)


Template = Annotated[str, AfterValidator(_template)]
HeaderTemplate = Annotated[str, AfterValidator(_header)]
SenderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,10}$")]
Deadline = Annotated[float, Field(ge=1, le=60)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AfricasTalkingSettings(_Model):
    """`endpoint` only to ask another host than theirs, as tests do."""

    kind: Literal["africas_talking"] = "africas_talking"
    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    key_ref: Reference
    sender_id: SenderId | None = None
    sandbox: bool = False
    endpoint: Endpoint | None = None
    deadline_s: Deadline = 15.0

    @model_validator(mode="after")
    def _agree(self) -> "AfricasTalkingSettings":
        if self.sandbox and self.sender_id:
            raise ValueError("sender_id: must be left out in the sandbox, which refuses any")
        return self


class GatewaySettings(_Model):
    """Any gateway that takes one HTTP request a message. `{to}` is 2547..; `form` or `json_body`, or neither for GET.

    `id_field`, `ok_field`: where the JSON answer has the message's id, and what says that it was taken (one of
    `ok_values`), as names with dots; without `ok_field` any 2xx is taken for it.
    """

    kind: Literal["gateway"] = "gateway"
    url: Annotated[str, AfterValidator(_address)]
    form: dict[str, Template] = Field(default_factory=dict, max_length=20)
    json_body: dict[str, Template] = Field(default_factory=dict, max_length=20)
    headers: dict[str, HeaderTemplate] = Field(default_factory=dict, max_length=10)
    key_ref: Reference | None = None
    sender_id: SenderId | None = None
    id_field: Annotated[str, StringConstraints(max_length=100)] = ""
    ok_field: Annotated[str, StringConstraints(max_length=100)] = ""
    ok_values: tuple[str, ...] = ()
    deadline_s: Deadline = 15.0

    @model_validator(mode="after")
    def _agree(self) -> "GatewaySettings":
        everything = "".join((self.url, *self.form.values(), *self.json_body.values(), *self.headers.values()))
        if self.form and self.json_body:
            raise ValueError("json_body: must be left out where there is a form")
        if bool(self.ok_field) != bool(self.ok_values):
            raise ValueError("ok_values: must be given together with ok_field")
        for placeholder in ("to", "text"):
            if f"{{{placeholder}}}" not in everything:
                raise ValueError(f"url: {{{placeholder}}} must be in it, in the form or in the JSON body")
        for placeholder, field, value in (("key", "key_ref", self.key_ref), ("sender", "sender_id", self.sender_id)):
            if f"{{{placeholder}}}" in everything and value is None:
                raise ValueError(f"{field}: must be given, {{{placeholder}}} is used")
        return self


class SnsSettings(_Model):
    """Amazon SNS. It names no price in its answer; `segment_cents` is what a day's budget reckons with."""

    kind: Literal["sns"] = "sns"
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    sender_id: SenderId | None = None
    deadline_s: Deadline = 15.0


class FileSettings(_Model):
    """The demo box: messages go to a file that its owner can read."""

    kind: Literal["file"] = "file"
    path: AbsolutePath


class SmsSettings(_Model):
    """How messages go out, and what a day of them may cost."""

    sender: AfricasTalkingSettings | GatewaySettings | SnsSettings | FileSettings = Field(discriminator="kind")
    day_cents: int = Field(default=50_000, ge=0, le=10_000_000)
    reserve_cents: int = Field(default=20_000, ge=0, le=10_000_000)
    segment_cents: int = Field(default=80, ge=1, le=10_000)

    @model_validator(mode="after")
    def _agree(self) -> "SmsSettings":
        if self.reserve_cents > self.day_cents:
            raise ValueError("reserve_cents: must be at most day_cents")
        return self


def load(values: Mapping[str, Any]) -> SmsSettings:
    """Settings from a table of a settings file; raises SettingsError with a line for each problem."""
    try:
        return SmsSettings.model_validate(values)
    except ValidationError as bad:  # not `from`: the original would show what was in the fields
        raise SettingsError(problem_lines(bad, "sms", _KINDS)) from None
