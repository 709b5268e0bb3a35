"""One bought or granted right: when it lives, what remains of it, and how usage is charged to it.

A right refers to immutable terms. Its zone is frozen at sale, so that a site which moves does not move anybody's month.
Charges are totals of the current period (or of the whole life where the terms name no period).
"""

from enum import StrEnum

import msgspec

from radius.domain import calendar
from radius.domain.terms import PeriodUnit, Terms, WindowStart

ZONE_DEFAULT = "Africa/Nairobi"
REDEEM_FOREVER = 0


class Right(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "id": "i",
        "terms": "t",
        "granted_at": "g",
        "starts_at": "s",
        "ends_at": "e",
        "zone": "z",
        "redeem_by": "d",
        "used_bytes": "b",
        "used_s": "u",
        "period_ends_at": "p",
        "past_bytes": "B",
        "past_s": "U",
        "revoked_at": "r",
    },
):
    """A right as stored in the aggregate.

    `starts_at` 0 means dormant: the window opens at the first login (`WindowStart.FIRST_LOGIN`, printed vouchers).
    `used_*` count the current period, `past_*` the earlier ones. All instants are UTC seconds, all sizes bytes.
    """

    id: str
    terms: str
    granted_at: int
    starts_at: int = 0
    ends_at: int = 0
    zone: str = ZONE_DEFAULT
    redeem_by: int = REDEEM_FOREVER
    used_bytes: int = 0
    used_s: int = 0
    period_ends_at: int = 0
    past_bytes: int = 0
    past_s: int = 0
    revoked_at: int = 0


class RightState(StrEnum):
    """What a right is at an instant."""

    DORMANT = "dormant"
    LIVE = "live"
    ENDED = "ended"
    REVOKED = "revoked"


def issue(
    right_id: str, terms: Terms, now: int, zone_name: str = ZONE_DEFAULT, redeem_by: int = REDEEM_FOREVER
) -> Right:
    """A new right under `terms`, started at once unless its window opens at the first login."""
    calendar.zone(zone_name)
    right = Right(right_id, terms.id, now, zone=zone_name, redeem_by=redeem_by)
    if terms.window.start is WindowStart.PURCHASE:
        start(right, terms, now)
    return right


def start(right: Right, terms: Terms, at: int) -> None:
    """Open the validity window (once; later calls change nothing)."""
    if right.starts_at:
        return
    right.starts_at = at
    right.ends_at = calendar.add(at, terms.window.count, terms.window.unit, right.zone)
    if terms.period is not None:
        right.period_ends_at = calendar.period_bounds(at, terms.period, right.zone, at)[1]


def state(right: Right, now: int) -> RightState:
    """State at `now`. Every read checks the end itself; nothing waits for a clean-up."""
    if right.revoked_at:
        return RightState.REVOKED
    if not right.starts_at:
        return RightState.ENDED if right.redeem_by and now >= right.redeem_by else RightState.DORMANT
    return RightState.LIVE if now < right.ends_at else RightState.ENDED


def prospective_end(right: Right, terms: Terms, now: int) -> int:
    """When the right ends, or would end if it were started now."""
    return right.ends_at or calendar.add(now, terms.window.count, terms.window.unit, right.zone)


def roll_period(right: Right, terms: Terms, now: int) -> bool:
    """Begin a new quota period if the current one is over; True if it did. The old period keeps what was charged."""
    if terms.period is None or not right.starts_at or now < right.period_ends_at:
        return False
    right.past_bytes += right.used_bytes
    right.past_s += right.used_s
    right.used_bytes = right.used_s = 0
    right.period_ends_at = calendar.period_bounds(right.starts_at, terms.period, right.zone, now)[1]
    return True


def use(right: Right, terms: Terms, since: int, used_bytes: int, used_s: int) -> None:
    """Charge what was used from `since` on. What began in an earlier period belongs to it, even if that was closed."""
    if terms.period is not None and max(since, right.starts_at) < _period_begins_at(right, terms.period):
        right.past_bytes += used_bytes
        right.past_s += used_s
    else:
        right.used_bytes += used_bytes
        right.used_s += used_s


def _period_begins_at(right: Right, unit: PeriodUnit) -> int:
    if not right.starts_at:
        return 0
    return calendar.period_bounds(right.starts_at, unit, right.zone, right.period_ends_at - 1)[0]


def remaining_bytes(right: Right, terms: Terms) -> int | None:
    """Bytes left in this period, never negative; None for unlimited."""
    return None if terms.quota_bytes is None else max(0, terms.quota_bytes - right.used_bytes)


def remaining_s(right: Right, terms: Terms) -> int | None:
    """Seconds of use left in this period, never negative; None for unlimited."""
    return None if terms.quota_s is None else max(0, terms.quota_s - right.used_s)


def exhausted(right: Right, terms: Terms) -> bool:
    """True when the data or the time of this period is used up."""
    return remaining_bytes(right, terms) == 0 or remaining_s(right, terms) == 0
