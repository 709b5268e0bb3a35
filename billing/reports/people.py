"""Customers: who is active, who is new, who is gone and who came back. Pure: no store, no clock.

A customer is a subscriber: a person who registered, a device that paid, a printed code that logged in by itself. What
was bought from a balance is a sale like any other; money put on a balance is none yet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from billing.reports.arithmetic import mean, share

DAY_S = 86_400
ACTIVE_DAYS = 30
GONE_DAYS = (7, 30, 90)  # who has not bought again for so long after the end of the last package is gone
GONE_S = 30 * DAY_S  # what is meant where only one is said


class Bought(NamedTuple):
    """A package: when it was bought, when its time is over, and the business day of the sale."""

    at: int
    ends_at: int
    day: str


Purchases = Mapping[str, Sequence[Bought]]  # of each customer, the earliest first


class Churn(NamedTuple):
    """`gone` of `at_start` active customers: their last package ended in the span, and they did not buy for `days`.

    `matured`: enough time has passed to know; else some of them may still come back. `back`: came back later.
    """

    days: int
    gone: int
    at_start: int
    share: int | None
    back: int
    matured: bool


class People(NamedTuple):
    """`active`: the mean over the days of those who had a session, or paid, in the 30 days up to the day's end.

    `new`: who bought for the first time. `came_back`: who bought again, more than 30 days after their last package
    had ended. `arpu`: net revenue a mean active customer, `arppu`: a payer.
    """

    active: int
    active_by_day: Mapping[str, int]
    new: int
    new_by_day: Mapping[str, int]
    came_back: int
    arpu_cents: int | None
    arppu_cents: int | None


def people(
    active_by_day: Mapping[str, AbstractSet[str]],
    first_bought: Mapping[str, str],
    came_back: int,
    net_cents: int,
    payers: int,
) -> People:
    """`active_by_day`: of each day, who was active in the 30 days up to it. `first_bought`: new customer -> day."""
    active = mean([len(each) for each in active_by_day.values()])
    new = Counter(first_bought.values())
    return People(
        active,
        {day: len(each) for day, each in active_by_day.items()},
        new.total(),
        {day: new[day] for day in active_by_day},
        came_back,
        net_cents // active if active else None,
        net_cents // payers if payers else None,
    )


def churn(bought: Purchases, at_start: AbstractSet[str], since: int, until: int, now: int, days: int) -> Churn:
    """`bought`: all that ended in the span [since, until) or was bought up to `days` after it. `at_start`: active."""
    gone = back = 0
    after_s = days * DAY_S
    told = min(until, now)  # what is still to end is nobody's loss yet
    for each in bought.values():
        last = _left_at(each, since, told)
        if last is None:
            continue
        again = [one.at for one in each if one.at >= last]
        gone += not any(at < last + after_s for at in again)
        back += bool(again) and all(at >= last + after_s for at in again)
    return Churn(days, gone, len(at_start), share(gone, len(at_start)), back, now >= until + after_s)


def _left_at(bought: Sequence[Bought], since: int, told: int) -> int | None:
    """When the last package of a customer ended, if that was in the span; None if another went on."""
    last = max((one.ends_at for one in bought if one.ends_at < told), default=0)
    return last if last >= since and not any(one.at <= last < one.ends_at for one in bought) else None


def came_back(bought: Purchases, new: AbstractSet[str], first: str, last: str) -> int:
    """Customers who bought on these days (ISO), and had had nothing for more than 30 days before."""
    found = 0
    for name, each in bought.items():
        at = min((one.at for one in each if first <= one.day <= last), default=None)
        if at is not None and name not in new:
            found += max((one.ends_at for one in each if one.at < at), default=0) + GONE_S < at
    return found
