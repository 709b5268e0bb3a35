"""What was earned and carried, with its definitions. Pure: no store, no clock.

Money is in cents; revenue is without tax, and a refund counts on the day that it was made. Ratios are in basis points
(ten thousandths), None where there is nothing to divide by. Spans are in seconds, data in bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from billing.domain.journal import MONEY, AccountKind, Cause, Journal, business_day
from billing.reports.arithmetic import HALF, NINE_OF_TEN, mean, rank
from billing.reports.span import closes_at
from radius.domain.record import SessionRecord

TOP_MAX = 10
WAYS = {  # how what was sold is paid for
    Cause.SALE_MPESA.value: "M-Pesa",
    Cause.SALE_CASH.value: "cash",
    Cause.SALE_AGENT.value: "agent",
    Cause.PURCHASE.value: "balance",
    Cause.VOUCHER_REDEEMED.value: "voucher",
}
SALES = frozenset(map(Cause, WAYS))
PAID = SALES | {Cause.TOP_UP}  # whoever did is active
_EARNED = frozenset({AccountKind.REVENUE, AccountKind.REFUNDS})


class Sold(NamedTuple):
    """A journal and the customer whom it concerns."""

    journal: Journal
    subscriber: str


class Part(NamedTuple):
    """`gross`: sold; `refunds`: given back or unsaid. Both without tax; `net` is what is left."""

    gross_cents: int = 0
    refunds_cents: int = 0

    @property
    def net_cents(self) -> int:
        """Gross without refunds."""
        return self.gross_cents - self.refunds_cents

    def and_(self, other: "Part") -> "Part":
        """Both."""
        return Part(self.gross_cents + other.gross_cents, self.refunds_cents + other.refunds_cents)


class Revenue(NamedTuple):
    """`late_*`: of it what was booked after its day was closed: the day's earlier reports did not have it."""

    gross_cents: int
    refunds_cents: int
    tax_cents: int
    by_package: Mapping[str, Part]
    by_site: Mapping[str, Part]  # of the customers; "" for nobody's
    by_day: Mapping[str, Part]
    taken_cents: Mapping[str, int]  # money that came in, by where it is: M-Pesa, cash, bank
    unmatched_cents: int  # of it: money that names nobody yet
    late_entries: int
    late_net_cents: int
    late_days: tuple[str, ...]

    @property
    def net_cents(self) -> int:
        """Gross without refunds."""
        return self.gross_cents - self.refunds_cents


class Trade(NamedTuple):
    """Sales one by one, at the price that was paid, tax included. `by_way`: by the names of `WAYS`."""

    sales: int
    mean_cents: int
    median_cents: int
    payers: int
    by_way: Mapping[str, int]


class Sessions(NamedTuple):
    """Those that ended in the span by a Stop, longer than nothing; `reaped`: ended without one. Data is of all.

    `empty`: ended by a Stop as soon as they began, which is no use of the network and would shorten every mean.
    """

    ended: int
    empty: int
    mean_s: int
    median_s: int
    p90_s: int
    reaped: int
    data_bytes: int
    overspend_bytes: int
    peak: int  # online at the same time
    peak_at: int  # the first instant of it, 0 for never
    top: tuple[tuple[str, int], ...]  # customers and their bytes
    bytes_by_day: Mapping[str, int]  # of the day that a session ended on
    peak_by_day: Mapping[str, int]


def revenue(entries: Iterable[Sold], days: Sequence[str], site_of: Callable[[str], str]) -> Revenue:
    """What was earned in `days`. `site_of` a customer."""
    tax = unmatched = late_net = 0
    packages: defaultdict[str, Part] = defaultdict(Part)
    sites: defaultdict[str, Part] = defaultdict(Part)
    by_day = dict.fromkeys(days, Part())
    taken: defaultdict[str, int] = defaultdict(int)
    late: Counter[str] = Counter()
    for journal, subscriber in entries:
        day = journal.fact.day
        for leg in journal.legs:
            kind, cents = leg.account.kind, leg.cents
            if kind in _EARNED:
                part = Part(-cents) if kind is AccountKind.REVENUE and cents < 0 else Part(0, cents)
                packages[leg.account.of] = packages[leg.account.of].and_(part)
                by_day[day] = by_day[day].and_(part)
                home = site_of(subscriber) if subscriber else ""
                sites[home] = sites[home].and_(part)
                late_net += part.net_cents if journal.fact.at >= closes_at(day) else 0
            tax -= cents if kind is AccountKind.TAX else 0
            unmatched -= cents if kind is AccountKind.UNMATCHED else 0
            if kind in MONEY and cents > 0 and journal.cause is not Cause.MONEY_MOVED:
                taken[kind.value] += cents
        late[day] += journal.fact.at >= closes_at(day)
    whole = Part(sum(part.gross_cents for part in by_day.values()), sum(part.refunds_cents for part in by_day.values()))
    return Revenue(
        *whole,
        tax,
        dict(sorted(packages.items())),
        dict(sorted(sites.items())),
        by_day,
        dict(sorted(taken.items())),
        unmatched,
        late.total(),
        late_net,
        tuple(sorted(day for day, count in late.items() if count)),
    )


def trade(entries: Iterable[Sold]) -> Trade:
    """Sales, their price and their payers."""
    sales = [each for each in entries if each.journal.cause in SALES]
    prices = sorted(each.journal.cents for each in sales)
    payers = {each.subscriber for each in sales if each.subscriber}
    ways = Counter(each.journal.cause.value for each in sales)
    return Trade(len(prices), mean(prices), rank(prices, HALF), len(payers), dict(sorted(ways.items())))


def sessions(records: Iterable[SessionRecord], since: int, until: int) -> Sessions:
    """`records`: all that may touch the span; each session once."""
    latest: dict[tuple[str, int], SessionRecord] = {(each.uid, each.started_at): each for each in records}
    ended = [each for each in latest.values() if since <= each.closed_at < until]
    lengths = sorted(each.time_s for each in ended if each.clean_stop and each.time_s)
    used: defaultdict[str, int] = defaultdict(int)
    by_day: defaultdict[str, int] = defaultdict(int)
    for each in ended:
        used[str(each.subscriber) or "nobody"] += each.in_bytes + each.out_bytes
        by_day[business_day(each.closed_at)] += each.in_bytes + each.out_bytes
    top = sorted(((who, count) for who, count in used.items() if count), key=lambda entry: (-entry[1], entry[0]))
    peak, peak_at, peaks = _peak(latest.values(), since, until)
    return Sessions(
        len(lengths),
        sum(each.clean_stop and not each.time_s for each in ended),
        mean(lengths),
        rank(lengths, HALF),
        rank(lengths, NINE_OF_TEN),
        sum(not each.clean_stop for each in ended),
        sum(used.values()),
        sum(each.overspend_bytes for each in ended),
        peak,
        peak_at,
        tuple(top[:TOP_MAX]),
        dict(sorted(by_day.items())),
        peaks,
    )


def _peak(records: Iterable[SessionRecord], since: int, until: int) -> tuple[int, int, dict[str, int]]:
    """The most sessions at one instant of the span, and of each of its days.

    One that begins as another ends is not beside it.
    """
    steps: list[tuple[int, int]] = [(midnight, 0) for midnight in range(since, until, 86_400)]
    for each in records:
        start, end = max(each.started_at, since), min(each.closed_at or until, until)
        if start < end:
            steps += [(start, 1), (end, -1)]
    online = most = most_at = 0
    by_day: defaultdict[str, int] = defaultdict(int)
    for at, step in sorted(steps):
        online += step
        if online > most:
            most, most_at = online, at
        if at < until:
            by_day[business_day(at)] = max(by_day[business_day(at)], online)
    return most, most_at, dict(by_day)
