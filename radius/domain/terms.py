"""What a right grants. A version of terms is immutable; rights and caches refer to it by `Terms.id`.

Units: bytes, seconds, bits per second. `None` means no such limit; nothing here is ever negative.
"""

from enum import StrEnum

import msgspec

from radius.domain.errors import Malformed

DAYS_ALL = 0b1111111  # bit 0 is Monday
MINUTES_A_DAY = 1440
WINDOW_YEARS_MAX = 10  # longer is a typing error, and the calendar must stay within what dates can say
INTERIM_S_MIN = 60  # RFC 2869 §2.1 forbids less; CoovaChilli discards it
INTERIM_S_DEFAULT = 300


class Service(StrEnum):
    """The service a right is for."""

    HOTSPOT = "hotspot"
    PPPOE = "pppoe"
    ANY = "any"


class PeriodUnit(StrEnum):
    """Length of a validity window or of a quota period, in the zone frozen in the right."""

    SECOND = "s"
    DAY = "d"
    WEEK = "w"
    MONTH = "m"


class WindowStart(StrEnum):
    """When the validity window opens."""

    PURCHASE = "purchase"
    FIRST_LOGIN = "first_login"


class ExtraDevice(StrEnum):
    """What happens when one device more than the right allows logs in."""

    REJECT = "reject"
    REPLACE_OLDEST = "replace_oldest"


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Speed in bits per second, from the customer's side: `up` is what the customer sends.

    Burst rates apply while the average over `burst_s` stays under the threshold (RouterOS queue burst); all zero: none.
    """

    up_bps: int
    down_bps: int
    burst_up_bps: int = 0
    burst_down_bps: int = 0
    threshold_up_bps: int = 0
    threshold_down_bps: int = 0
    burst_s: int = 0


class Hours(msgspec.Struct, frozen=True):
    """Opening hours: on the `days` (bit 0 = Monday) from `start_minute` to `end_minute` local time.

    An end at or before the start means the next day (22:00-06:00 belongs to the day it starts on).
    """

    days: int
    start_minute: int
    end_minute: int


class Window(msgspec.Struct, frozen=True):
    """Validity: `count` units from `start`. A month later is the same day of the month, clamped to its end."""

    start: WindowStart
    count: int
    unit: PeriodUnit


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """One immutable version of terms. `id` is ``code.version``, e.g. ``day.3``."""

    id: str
    window: Window
    service: Service = Service.HOTSPOT
    quota_bytes: int | None = None
    quota_s: int | None = None
    period: PeriodUnit | None = None  # the quota is per day/week/month instead of per life
    rate: Rate | None = None
    slow_rate: Rate | None = None  # at the quota: None cuts, a rate slows down
    devices: int = 1
    extra_device: ExtraDevice = ExtraDevice.REJECT
    hours: tuple[Hours, ...] = ()
    sites: tuple[str, ...] = ()
    idle_s: int | None = None
    interim_s: int = INTERIM_S_DEFAULT


_WINDOW_MAX = {
    PeriodUnit.SECOND: WINDOW_YEARS_MAX * 366 * 86_400,
    PeriodUnit.DAY: WINDOW_YEARS_MAX * 366,
    PeriodUnit.WEEK: WINDOW_YEARS_MAX * 53,
    PeriodUnit.MONTH: WINDOW_YEARS_MAX * 12,
}


def check_terms(terms: Terms) -> Terms:
    """Return `terms` if it can be sold; raise Malformed naming the first bad field."""
    if terms.window.count > _WINDOW_MAX[terms.window.unit]:
        raise Malformed("window.count", f"must be at most {_WINDOW_MAX[terms.window.unit]} {terms.window.unit.value}")
    for field, value, least in (
        ("window.count", terms.window.count, 1),
        ("quota_bytes", terms.quota_bytes, 1),
        ("quota_s", terms.quota_s, 1),
        ("devices", terms.devices, 1),
        ("idle_s", terms.idle_s, 1),
        ("interim_s", terms.interim_s, INTERIM_S_MIN),
    ):
        if value is not None and value < least:
            raise Malformed(field, f"must be at least {least}")
    if terms.period is PeriodUnit.SECOND:
        raise Malformed("period", "must be d, w or m")
    if not terms.id or "#" in terms.id:
        raise Malformed("id", "must be code.version")
    for rate in (terms.rate, terms.slow_rate):
        if rate is not None and (rate.up_bps < 1 or rate.down_bps < 1):
            raise Malformed("rate", "must be at least 1 bit/s each way")
    for hours in terms.hours:
        _check_hours(hours)
    return terms


def _check_hours(hours: Hours) -> None:
    if not 0 < hours.days <= DAYS_ALL:
        raise Malformed("hours.days", "must name at least one of the seven days")
    if not (0 <= hours.start_minute < MINUTES_A_DAY and 0 < hours.end_minute <= MINUTES_A_DAY):
        raise Malformed("hours", "must be minutes of the day")
