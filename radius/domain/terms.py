"""What a right grants. A version of terms is immutable; rights and caches refer to it by `Terms.id`.

Units: bytes, seconds, bits per second. `None` means no such limit; nothing here is ever negative.
"""

import re
from enum import StrEnum

import msgspec

from radius.domain.errors import Malformed

DAYS_ALL = 0b1111111  # bit 0 is Monday
MINUTES_A_DAY = 1440
WINDOW_YEARS_MAX = 10  # longer is a typing error, and the calendar must stay within what dates can say
INTERIM_S_MIN = 60  # RFC 2869 §2.1 forbids less; CoovaChilli discards it
INTERIM_S_MAX = 3600  # silence is told by three of them
IDLE_S_MAX = 7 * 86_400
QUOTA_BYTES_MAX = 1 << 60  # an exabyte; gigawords end at 64 bits
DEVICES_MAX = 1_000  # all sessions of an account are in one item (`world.SESSIONS_MAX`)
RATE_BPS_MAX = 100_000_000_000
BURST_S_MAX = 3600
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,61}\.[0-9]+", re.ASCII)
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
    for field, value, least, most in (
        ("window.count", terms.window.count, 1, _WINDOW_MAX[terms.window.unit]),
        ("quota_bytes", terms.quota_bytes, 1, QUOTA_BYTES_MAX),
        ("quota_s", terms.quota_s, 1, _WINDOW_MAX[PeriodUnit.SECOND]),
        ("devices", terms.devices, 1, DEVICES_MAX),
        ("idle_s", terms.idle_s, 1, IDLE_S_MAX),
        ("interim_s", terms.interim_s, INTERIM_S_MIN, INTERIM_S_MAX),
    ):
        if value is not None and value < least:
            raise Malformed(field, f"must be at least {least}")
        if value is not None and value > most:
            raise Malformed(field, f"must be at most {most}")
    if terms.period is PeriodUnit.SECOND:
        raise Malformed("period", "must be d, w or m")
    if not _ID.fullmatch(terms.id):
        raise Malformed("id", "must be code.version, for example day.3, of at most 64 letters, digits, dashes and dots")
    for rate in (terms.rate, terms.slow_rate):
        if rate is not None:
            _check_rate(rate)
    for hours in terms.hours:
        _check_hours(hours)
    return terms


def _check_rate(rate: Rate) -> None:
    speeds = (rate.up_bps, rate.down_bps)
    bursts = (rate.burst_up_bps, rate.burst_down_bps, rate.threshold_up_bps, rate.threshold_down_bps)
    if min(speeds) < 1 or max(*speeds, *bursts) > RATE_BPS_MAX or min(bursts) < 0:
        raise Malformed("rate", f"must be 1 to {RATE_BPS_MAX} bit/s each way, bursts and thresholds 0 (none) or so")
    if not 0 <= rate.burst_s <= BURST_S_MAX:
        raise Malformed("rate.burst_s", f"must be 0 to {BURST_S_MAX}")


def _check_hours(hours: Hours) -> None:
    if not 0 < hours.days <= DAYS_ALL:
        raise Malformed("hours.days", "must name at least one of the seven days")
    if not (0 <= hours.start_minute < MINUTES_A_DAY and 0 < hours.end_minute <= MINUTES_A_DAY):
        raise Malformed("hours", "must be minutes of the day")
