"""Figures of a span of days, with their definitions. Pure: no store, no clock.

Money is in cents; revenue is without tax, and a refund counts on the day that it was made. Ratios are in basis points
(ten thousandths), None where there is nothing to divide by. Spans are in seconds, data in bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from billing.domain.daraja import ErrorClass, error_class
from billing.domain.journal import MONEY, AccountKind, Cause, Journal
from billing.domain.payment import PAID_STATES, Payment, PaymentState
from radius.domain.record import SessionRecord

ALL = 10_000  # basis points of a whole
TOP_MAX = 10
CHURN_S = 30 * 86_400  # who has not bought again for so long after the end of the last package is gone
SALES = frozenset({Cause.SALE_MPESA, Cause.SALE_CASH, Cause.SALE_AGENT, Cause.PURCHASE, Cause.VOUCHER_REDEEMED})
_FAILED = frozenset({PaymentState.FAILED, PaymentState.EXPIRED})


class Sold(NamedTuple):
    """A journal and the customer whom it concerns."""

    journal: Journal
    subscriber: str


class Revenue(NamedTuple):
    """`gross`: sold, without tax; `refunds`: given back or unsaid, without tax; `net` is what is left of it."""

    gross_cents: int
    refunds_cents: int
    tax_cents: int
    by_package: Mapping[str, int]  # net
    taken_cents: Mapping[str, int]  # money that came in, by where it is: M-Pesa, cash, bank
    unmatched_cents: int  # of it: money that names nobody yet

    @property
    def net_cents(self) -> int:
        """Gross without refunds."""
        return self.gross_cents - self.refunds_cents


class Trade(NamedTuple):
    """Sales one by one, at the price that was paid, tax included."""

    sales: int
    mean_cents: int
    median_cents: int
    payers: int


class People(NamedTuple):
    """`active`: the mean over the days of those with a session or a sale in the 30 days before the day's end.

    `new`: who paid for the first time. `arpu`: net revenue a mean active customer, `arppu`: a payer.
    """

    active: int
    new: int
    new_by_day: Mapping[str, int]
    arpu_cents: int | None
    arppu_cents: int | None


class Churn(NamedTuple):
    """`gone` of `at_start` active customers: their last package ended in the span, and they did not buy again.

    `matured`: enough time has passed to know; else some of them may still come back. `back`: came back later.
    """

    gone: int
    at_start: int
    share: int | None
    back: int
    matured: bool


class Sessions(NamedTuple):
    """Those that ended in the span by a Stop, longer than nothing; `reaped`: ended without one. Data is of both."""

    ended: int
    mean_s: int
    median_s: int
    p90_s: int
    reaped: int
    data_bytes: int
    overspend_bytes: int
    peak: int  # online at the same time
    top: tuple[tuple[str, int], ...]  # customers and their bytes


class Paying(NamedTuple):
    """M-Pesa payments by the day on which they were begun.

    `success`: of those that are decided; `system`: without those that failed by the customer; `conversion`: of all.
    `wait_*`: from the prompt to M-Pesa's own time of the money.
    """

    begun: int
    paid: int
    failed: int
    success: int | None
    system: int | None
    conversion: int | None
    by_code: tuple[tuple[str, str, int], ...]  # code, class, count
    wait_median_s: int
    wait_p90_s: int


def revenue(entries: Iterable[Sold]) -> Revenue:
    """What was earned."""
    gross = refunds = tax = unmatched = 0
    packages: defaultdict[str, int] = defaultdict(int)
    taken: defaultdict[str, int] = defaultdict(int)
    for journal, _ in entries:
        for leg in journal.legs:
            kind, cents = leg.account.kind, leg.cents
            if kind is AccountKind.REVENUE and cents < 0:
                gross -= cents
            elif kind in {AccountKind.REVENUE, AccountKind.REFUNDS}:
                refunds += cents
            if kind in {AccountKind.REVENUE, AccountKind.REFUNDS}:
                packages[leg.account.of] -= cents
            tax -= cents if kind is AccountKind.TAX else 0
            unmatched -= cents if kind is AccountKind.UNMATCHED else 0
            if kind in MONEY and cents > 0 and journal.cause is not Cause.MONEY_MOVED:
                taken[kind.value] += cents
    return Revenue(gross, refunds, tax, dict(sorted(packages.items())), dict(sorted(taken.items())), unmatched)


def trade(entries: Iterable[Sold]) -> Trade:
    """Sales, their price and their payers."""
    sales = [each for each in entries if each.journal.cause in SALES]
    prices = sorted(each.journal.cents for each in sales)
    payers = {each.subscriber for each in sales if each.subscriber}
    return Trade(len(prices), _mean(prices), _at(prices, ALL // 2), len(payers))


def people(
    days: Sequence[str],
    active_by_day: Mapping[str, AbstractSet[str]],
    first_paid: Mapping[str, str],
    net_cents: int,
    payers: int,
) -> People:
    """`active_by_day`: of each day, who was active in the 30 days up to it. `first_paid`: customer -> day."""
    means = [len(active_by_day.get(day, ())) for day in days]
    active = _mean(means)
    new = Counter(day for day in first_paid.values() if day in set(days))
    return People(
        active,
        sum(new.values()),
        {day: new[day] for day in days},
        net_cents // active if active else None,
        net_cents // payers if payers else None,
    )


def churn(
    ends: Mapping[str, Sequence[tuple[int, int]]], at_start: AbstractSet[str], since: int, until: int, now: int
) -> Churn:
    """`ends`: of each customer the packages as (bought at, ended at). The span is [since, until)."""
    gone = back = 0
    told = min(until, now)  # what is still to end is nobody's loss yet
    for bought in ends.values():
        last = max((end for _, end in bought if end < told), default=0)
        if not since <= last < told or any(at < last + 1 < end for at, end in bought):
            continue
        again = [at for at, _ in bought if at >= last]
        gone += not any(at < last + CHURN_S for at in again)
        back += bool(again) and all(at >= last + CHURN_S for at in again)
    share = gone * ALL // len(at_start) if at_start else None
    return Churn(gone, len(at_start), share, back, matured=now >= until + CHURN_S)


def sessions(records: Iterable[SessionRecord], since: int, until: int) -> Sessions:
    """`records`: all that may touch the span; each session once."""
    latest: dict[tuple[str, int], SessionRecord] = {(each.uid, each.started_at): each for each in records}
    ended = [each for each in latest.values() if since <= each.closed_at < until]
    lengths = sorted(each.time_s for each in ended if each.clean_stop and each.time_s)
    used: defaultdict[str, int] = defaultdict(int)
    for each in ended:
        used[str(each.subscriber) or "nobody"] += each.in_bytes + each.out_bytes
    top = sorted(used.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP_MAX]
    return Sessions(
        len(lengths),
        _mean(lengths),
        _at(lengths, ALL // 2),
        _at(lengths, ALL * 9 // 10),
        sum(not each.clean_stop for each in ended),
        sum(used.values()),
        sum(each.overspend_bytes for each in ended),
        _peak(latest.values(), since, until),
        tuple(top),
    )


def _peak(records: Iterable[SessionRecord], since: int, until: int) -> int:
    """The most sessions at one instant of the span; one that begins as another ends is not beside it."""
    steps: list[tuple[int, int]] = []
    for each in records:
        begin, end = max(each.started_at, since), min(each.closed_at or until, until)
        if begin < end:
            steps += [(begin, 1), (end, -1)]
    online = most = 0
    for _, step in sorted(steps):
        online += step
        most = max(most, online)
    return most


def paying(payments: Iterable[Payment]) -> Paying:
    """How paying by M-Pesa went."""
    found = list(payments)
    paid = [each for each in found if each.state in PAID_STATES]
    failed = [each for each in found if each.state in _FAILED]
    ours = [each for each in failed if error_class(each.code) is not ErrorClass.CUSTOMER]
    codes = Counter(each.code or each.state.value for each in failed)
    waits = sorted(each.paid_at - each.created_at for each in paid if each.paid_at >= each.created_at)
    return Paying(
        len(found),
        len(paid),
        len(failed),
        _share(len(paid), len(paid) + len(failed)),
        _share(len(paid), len(paid) + len(ours)),
        _share(len(paid), len(found)),
        tuple((code, error_class(code).value, count) for code, count in codes.most_common()),
        _at(waits, ALL // 2),
        _at(waits, ALL * 9 // 10),
    )


def by_site(entries: Iterable[Sold], site_of: Callable[[str], str]) -> dict[str, int]:
    """Net revenue by the site that a customer belongs to, "" for none."""
    sums: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        sums[site_of(entry.subscriber) if entry.subscriber else ""] += revenue([entry]).net_cents
    return {site: cents for site, cents in sorted(sums.items()) if cents}


def _mean(values: Sequence[int]) -> int:
    return round(sum(values) / len(values)) if values else 0


def _at(ordered: Sequence[int], part: int) -> int:
    """The value below or at which so many basis points of them lie (nearest rank), 0 of none."""
    return ordered[max(0, -(-part * len(ordered) // ALL) - 1)] if ordered else 0


def _share(part: int, whole: int) -> int | None:
    return part * ALL // whole if whole else None
