"""Reports to look at: of a month, of one day, of nothing."""

from random import Random

from billing.domain.compared import Compared
from billing.domain.daraja import ErrorClass
from billing.reports.figures import Part, Revenue, Sessions, Trade
from billing.reports.gather import DEFINITIONS, Report
from billing.reports.paying import Failed, Family, Paying
from billing.reports.people import Churn, People
from billing.reports.running import running
from billing.reports.span import begin, shifted
from billing.reports.statement import reconciliation
from billing.services.walk import days
from radius.ports import Tally

FIRST = "2026-11-01"
NAME = "<b>day & night</b>"  # a package as an operator may call it


def sample(count: int = 30, *, empty: bool = False, seed: int = 1) -> Report:
    chance = Random(seed)
    last = shifted(FIRST, count - 1)

    def some(most: int) -> int:
        return 0 if empty else chance.randrange(most // 2, most)

    span = list(days(FIRST, last))
    by_day = {day: Part(some(2_000_000), some(2_000) if chance.random() < 0.2 else 0) for day in span}
    whole = Part(sum(part.gross_cents for part in by_day.values()), sum(part.refunds_cents for part in by_day.values()))
    packages = (
        {} if empty else {NAME: whole, "week": Part(whole.gross_cents // 3), "of a very long name indeed": Part(9)}
    )
    late = (FIRST,) if count > 1 and not empty else ()
    failed = [
        ("1032", "customer"),
        ("1037", "customer"),
        ("1", "customer"),
        ("2028", "configuration"),
        ("26", "system"),
    ]
    codes = () if empty else tuple(
        Failed(Family.RESULT, code, whose, 90 // (at + 1), 2_000) for at, (code, whose) in enumerate(failed)
    )  # fmt: skip
    return Report(
        FIRST, last, "", DEFINITIONS, begin(shifted(last, 2)),
        Revenue(*whole, whole.gross_cents // 6, packages, {} if empty else {"kilimani": whole, "lodge": Part(7_000)},
                by_day, {} if empty else {"mpesa_clearing": 90_000}, 0, len(late), len(late) * 5_000, late),
        Trade(some(4_000), some(6_000), 5_000, some(900), {} if empty else {"sale_mpesa": 3_000, "sale_cash": 40}),
        People(some(900), {day: some(900) for day in span}, some(100), {day: some(9) for day in span}, 0,
               None if empty else 1_234, None if empty else 2_345),
        tuple(Churn(after, some(20), some(900), None if empty else 220, 0, after == 7) for after in (7, 30, 90)),
        Sessions(some(9_000), some(12), 1_200, 900, 3_600, some(30), some(10**13), 0, some(300),
                 0 if empty else begin(FIRST), (), {day: some(10**12) for day in span},
                 {day: some(300) for day in span}),
        Paying(some(4_000), some(3_000), some(300), 0, None if empty else 9_100, None, None,
               {each.value: some(60) for each in ErrorClass}, codes, 18, 40),
        reconciliation(span, [] if empty else [Compared(FIRST, 1, 40)]),
        running(span, [] if empty else [Tally(FIRST, "radius@a", {"AuthLatency<=0.005": 90, "NewUsers": 3})]),
    )  # fmt: skip
