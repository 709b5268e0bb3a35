"""Settings of selling: the tables ``[billing]``, ``[sms]`` and ``[mail]`` of the settings file, or variables as JSON.

    [billing]
    brand = "Kilifi WiFi"
    approval_cents = 100_000
    sells_from_hour = 7                # in Nairobi; nobody who pays within these hours for long is an alarm
    sells_until_hour = 22

    [sms.sender]
    kind = "file"
    path = "/var/lib/wifibilling/outbox"

    [mail]
    host = "smtp.example.co.ke"
    sender = "wifi@example.co.ke"

M-Pesa has variables of its own (`billing.mpesa.settings`).
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from billing.domain.money import VAT_KENYA
from billing.domain.silence import Hours
from billing.mail import settings as mail
from billing.mail.settings import MailSettings
from billing.sms import settings as sms
from billing.sms.settings import SmsSettings
from billing.told import problem_lines
from billing.wiring import BillingSettings
from radius.settings import SettingsError, table


class Selling(NamedTuple):
    """What was set. `sms` None: no message is sent; `mail` None: no letter."""

    billing: BillingSettings
    sms: SmsSettings | None
    mail: MailSettings | None = None


class _Billing(BaseModel):
    """``[billing]``; see `BillingSettings`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    brand: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .&'-]{0,23}$")] = "WiFi"
    vat_registered: bool = True
    approval_cents: int = Field(default=0, ge=0, le=100_000_000)
    queries_per_minute: float = Field(default=5, gt=0, le=600)
    first_day: date = date(2026, 11, 1)
    sells_from_hour: int = Field(default=Hours().since, ge=0, le=23)
    sells_until_hour: int = Field(default=Hours().until, ge=1, le=24)

    @model_validator(mode="after")
    def _agree(self) -> "_Billing":
        if self.sells_until_hour <= self.sells_from_hour:
            raise ValueError("sells_until_hour: must be after sells_from_hour")
        return self


def load(path: Path | None) -> Selling:
    """Read them; `path` as for `radius.settings.load`. Raises SettingsError with a line for each problem."""
    said = _billing(table("billing", path))
    messages, letters = table("sms", path), table("mail", path)
    return Selling(
        BillingSettings(
            VAT_KENYA if said.vat_registered else (),
            said.queries_per_minute,
            said.approval_cents,
            said.brand,
            said.first_day.isoformat(),
            hours=Hours(said.sells_from_hour, said.sells_until_hour),
        ),
        sms.load(messages) if messages else None,
        mail.load(letters) if letters else None,
    )


def _billing(values: Mapping[str, Any]) -> _Billing:
    try:
        return _Billing.model_validate(values)
    except ValidationError as bad:
        raise SettingsError(problem_lines(bad, "billing")) from None  # the original would show what was in the fields
