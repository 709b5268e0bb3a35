"""The figures of a report once more, from the diary, the dumb way. Imports nothing of the product, and never may.

Kenya is three hours ahead of UTC all year. Tax is 16 % inside the price, to the nearest cent, half a cent up.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from math import ceil, floor
from typing import Any

from tests.sim.month.diary import Diary, Sale, Stay

KENYA = timezone(timedelta(hours=3))
DAY = 86_400
NOON = 36 * 3_600  # after the day began: the books of the day before are closed


def day_of(at: int) -> str:
    return datetime.fromtimestamp(at, KENYA).date().isoformat()


def midnight(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+03:00").timestamp())


def days_between(first: str, last: str) -> list[str]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(begin + timedelta(days=number)).isoformat() for number in range((end - begin).days + 1)]


def tax(cents: int) -> int:
    return floor(Fraction(cents * 16, 116) + Fraction(1, 2))


def middle(values: Iterable[int], tenths: int = 5) -> int:
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * tenths / 10) - 1] if ordered else 0


def average(values: list[int]) -> int:
    return round(Fraction(sum(values), len(values))) if values else 0


def share(part: int, whole: int) -> int | None:
    return part * 10_000 // whole if whole else None


class Recount:
    """Of some days, of one site or of all ("")."""

    def __init__(self, diary: Diary, first: str, last: str, site: str, now: int) -> None:
        self.diary, self.site, self.now = diary, site, now
        self.days = days_between(first, last)
        self.since, self.until = midnight(first), midnight(last) + DAY
        self.sales = [sale for sale in diary.sales if self.mine(sale.who)]
        self.sold = [sale for sale in self.sales if day_of(sale.at) in self.days]
        self.backs = [back for back in diary.backs if self.mine(back.sale.who) and self.within(back.at)]
        self.unsaid = {back.sale.serial for back in diary.backs if back.unsaid}

    def mine(self, who: int) -> bool:
        return self.site in {"", self.diary.home.get(who, "")}

    def within(self, at: int) -> bool:
        return self.since <= at < self.until

    def figures(self) -> dict[str, Any]:
        """As the report's JSON has them."""
        return {
            "revenue": self.revenue(),
            "trade": self.trade(),
            "people": self.people(),
            "churn": [self.churn(days) for days in (7, 30, 90)],
            "sessions": self.sessions(),
            "paying": self.paying(),
        }

    # -- money -----------------------------------------------------------------------------------------------------

    def revenue(self) -> dict[str, Any]:
        earned = [(sale.package, self.diary.home[sale.who], day_of(sale.at), net(sale), 0) for sale in self.sold]
        given = [
            (back.sale.package, self.diary.home[back.sale.who], day_of(back.at), 0, back.cents - tax(back.cents))
            for back in self.backs
        ]
        whole = [*earned, *given]
        late = [sale for sale in self.sold if sale.noted_at >= midnight(day_of(sale.at)) + NOON]
        late_top_ups = [top for top in self.top_ups() if top.noted_at >= midnight(day_of(top.at)) + NOON]
        taken: Counter[str] = Counter()
        for sale in self.sold:
            if sale.way in {"sale_mpesa", "sale_cash"}:
                taken["mpesa_clearing" if sale.way == "sale_mpesa" else "cash_in_hand"] += sale.cents
        taken["mpesa_clearing"] += sum(top.cents for top in self.top_ups())
        if not self.site:  # paper is nobody's until its code is used
            taken["cash_in_hand"] += sum(cents for _, at, cents in self.diary.paper_cents if self.within(at))
        return {
            "gross_cents": sum(gross for *_, gross, _ in whole),
            "refunds_cents": sum(back for *_, back in whole),
            "net_cents": sum(gross - back for *_, gross, back in whole),
            "tax_cents": sum(tax(sale.cents) for sale in self.sold) - sum(tax(back.cents) for back in self.backs),
            "by_package": parts(whole, 0),
            "by_site": parts(whole, 1),
            "by_day": {day: part([line for line in whole if line[2] == day]) for day in self.days},
            "taken_cents": {name: cents for name, cents in sorted(taken.items()) if cents},
            "unmatched_cents": 0,
            "late_entries": len(late) + len(late_top_ups),
            "late_net_cents": sum(net(sale) for sale in late),
            "late_days": sorted({day_of(each.at) for each in (*late, *late_top_ups)}),
        }

    def top_ups(self) -> list[Any]:
        return [top for top in self.diary.top_ups if self.mine(top.who) and self.within(top.at)]

    def trade(self) -> dict[str, Any]:
        prices = [sale.cents for sale in self.sold]
        ways = Counter(sale.way for sale in self.sold)
        return {
            "sales": len(prices),
            "mean_cents": average(prices),
            "median_cents": middle(prices),
            "payers": len({sale.who for sale in self.sold}),
            "by_way": dict(sorted(ways.items())),
        }

    # -- people ----------------------------------------------------------------------------------------------------

    def active_on(self, day: str) -> set[int]:
        begin, end = midnight(day) - 29 * DAY, midnight(day) + DAY
        paid = {
            each.who for each in (*self.sales, *self.diary.top_ups) if self.mine(each.who) and begin <= each.at < end
        }
        here = {stay.who for stay in self.stays() if stay.begin < end and begin <= (stay.end or stay.begin)}
        return paid | here

    def people(self) -> dict[str, Any]:
        active = {day: len(self.active_on(day)) for day in self.days}
        firsts = {
            who: day_of(min(sale.at for sale in self.good_sales(who)))
            for who in {sale.who for sale in self.sold}
            if self.good_sales(who)
        }
        new = Counter(day for day in firsts.values() if day in self.days)
        revenue = self.revenue()["net_cents"]
        payers = len({sale.who for sale in self.sold})
        mean = average(list(active.values()))
        return {
            "active": mean,
            "active_by_day": active,
            "new": new.total(),
            "new_by_day": {day: new[day] for day in self.days},
            "came_back": sum(self.came_back(who) for who, day in firsts.items() if day not in self.days),
            "arpu_cents": revenue // mean if mean else None,
            "arppu_cents": revenue // payers if payers else None,
        }

    def good_sales(self, who: int) -> list[Sale]:
        mine = [sale for sale in self.diary.sales if sale.who == who and sale.serial not in self.unsaid]
        return sorted(mine, key=lambda sale: sale.noted_at)

    def spans(self, who: int) -> list[tuple[int, int]]:
        """From when to when each package was; one out of a balance begins where the last one ends."""
        found: list[tuple[int, int]] = []
        for sale in self.good_sales(who):
            begin = max([sale.noted_at, *(end for _, end in found)]) if sale.way == "purchase" else sale.noted_at
            cuts = [back.at for back in self.diary.backs if back.sale.serial == sale.serial]
            found.append((sale.noted_at, min([begin + sale.lasts_s, *cuts])))
        return found

    def came_back(self, who: int) -> bool:
        inside = [sale.noted_at for sale in self.good_sales(who) if day_of(sale.at) in self.days]
        before = [end for at, end in self.spans(who) if inside and at < min(inside)]
        return bool(inside) and (not before or max(before) + 30 * DAY < min(inside))

    def churn(self, days: int) -> dict[str, Any]:
        gone = back = 0
        told = min(self.until, self.now)
        for who in {sale.who for sale in self.sales}:
            spans = self.spans(who)
            ended = [end for _, end in spans if end < told]
            if not ended or max(ended) < self.since or any(at <= max(ended) < end for at, end in spans):
                continue
            later = [at for at, _ in spans if at >= max(ended) and at < self.until + (90 + 1) * DAY]
            gone += not [at for at in later if at < max(ended) + days * DAY]
            back += bool(later) and min(later) >= max(ended) + days * DAY
        start = len(self.active_on(day_of(self.since - DAY)))
        matured = self.now >= self.until + days * DAY
        return {
            "days": days, "gone": gone, "at_start": start, "share": share(gone, start), "back": back,
            "matured": matured,
        }  # fmt: skip

    # -- sessions --------------------------------------------------------------------------------------------------

    def stays(self) -> list[Stay]:
        return [stay for stay in self.diary.stays if self.site in {"", stay.site}]

    def sessions(self) -> dict[str, Any]:
        ended = [stay for stay in self.stays() if stay.end and self.within(stay.end)]
        lengths = [stay.end - stay.begin for stay in ended if stay.stopped and stay.end > stay.begin]
        used: Counter[str] = Counter()
        by_day: Counter[str] = Counter()
        for stay in ended:
            used[self.diary.names[stay.who]] += stay.octets
            by_day[day_of(stay.end)] += stay.octets
        return {
            "ended": len(lengths),
            "empty": sum(stay.stopped and stay.end == stay.begin for stay in ended),
            "mean_s": average(lengths),
            "median_s": middle(lengths),
            "p90_s": middle(lengths, 9),
            "reaped": sum(not stay.stopped for stay in ended),
            "data_bytes": sum(stay.octets for stay in ended),
            "overspend_bytes": sum(stay.excess for stay in ended),
            "peak": max((self.online(at) for at in self.moments()), default=0),
            "top": [[who, of] for who, of in sorted(used.items(), key=lambda entry: (-entry[1], entry[0])) if of][:10],
            "bytes_by_day": dict(sorted(by_day.items())),
            "peak_by_day": {
                day: max(self.online(at) for at in (*self.moments(), midnight(day)) if day_of(at) == day)
                for day in self.days
            },
        }

    def moments(self) -> list[int]:
        return [stay.begin for stay in self.stays() if self.within(stay.begin)] + [self.since]

    def online(self, at: int) -> int:
        return sum(stay.begin <= at < (stay.end or self.until) for stay in self.stays())

    # -- M-Pesa ----------------------------------------------------------------------------------------------------

    def paying(self) -> dict[str, Any]:
        begun = [each for each in self.diary.tries if self.mine(each.who) and self.within(each.at)]
        paid = [each for each in begun if each.end == "paid"]
        failed = [each for each in begun if each.end == "failed"]
        classes = Counter(each.whose for each in failed)
        codes = Counter(("result" if each.sent else "push", each.code, each.whose) for each in failed)
        waits = [each.paid_at - each.at for each in paid]
        ours = len(failed) - classes["customer"]
        return {
            "begun": len(begun),
            "paid": len(paid),
            "failed": len(failed),
            "open": len(begun) - len(paid) - len(failed),
            "success": share(len(paid), len(paid) + len(failed)),
            "system": share(len(paid), len(paid) + ours),
            "conversion": share(len(paid), len(begun)),
            "by_class": {name: classes[name] for name in ("customer", "network", "system", "configuration", "unknown")},
            "by_code": sorted([*what, count, share(count, len(failed))] for what, count in codes.items()),
            "wait_median_s": middle(waits),
            "wait_p90_s": middle(waits, 9),
        }


def net(sale: Sale) -> int:
    return sale.cents - tax(sale.cents)


def part(lines: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    rows = list(lines)
    gross, back = sum(row[3] for row in rows), sum(row[4] for row in rows)
    return {"gross_cents": gross, "refunds_cents": back, "net_cents": gross - back}


def parts(lines: list[tuple[Any, ...]], column: int) -> dict[str, dict[str, int]]:
    names = sorted({line[column] for line in lines})
    return {name: part(line for line in lines if line[column] == name) for name in names}
