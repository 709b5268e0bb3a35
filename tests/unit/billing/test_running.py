"""How the service ran, from what its processes kept: percentiles by buckets, shares, and what was not recorded."""

from billing.cli.report_lines import UNKNOWN, parts_of, within
from billing.domain.compared import Compared
from billing.metrics import Answer, catalogue
from billing.reports.running import CLOCKS, RATES, Clock, running
from billing.reports.statement import reconciliation
from radius.metrics import Kind
from radius.ports import Tally
from radius.tally import TALLIED, series

DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_percentiles_are_over_all_processes_and_days() -> None:
    found = running(DAYS, [
        Tally("2026-11-01", "radius@a", {"AuthLatency<=0.005": 90, "AuthLatency<=0.05": 6, "NewUsers": 2}),
        Tally("2026-11-01", "radius@b", {"AuthLatency<=0.05": 1, "AuthLatency<=inf": 3}),
        Tally("2026-11-03", "portal@a", {"NewUsers": 4}),
    ])  # fmt: skip
    clock = next(each for each in found.clocks if each.name == "AuthLatency")
    assert clock == ("AuthLatency", 100, 0.005, 0.05, None)
    assert (found.recorded_days, found.days) == (2, 3)
    assert found.registered_by_day == {"2026-11-01": 2, "2026-11-03": 4}


def test_shares_are_of_what_was_asked() -> None:
    counts = {
        "AccessAccepts": 60, "AccessRejects": 39, "AccessSilent": 1, "StoreRequests": 9_998, "StoreThrottles": 2,
        series("PortalRequests", of="done"): 7, series("PortalRequests", of="limited"): 1,
    }  # fmt: skip
    found = {each.name: each for each in running(DAYS, [Tally(DAYS[0], "x", counts)]).rates}
    assert found["log-ins refused"][1:] == (39, 100, 390_000)
    assert found["log-ins left unanswered"].millionths == 10_000
    assert found["store throttled"].millionths == 200
    assert found["pages slowed down (API throttled)"][1:] == (1, 8, 125_000)
    assert found["accounting reports not taken"].millionths is None


def test_what_was_not_recorded_is_not_nothing() -> None:
    found = running(DAYS, [])
    assert (found.recorded_days, found.registered_by_day) == (0, {})
    assert {each.millionths for each in found.rates} == {None}
    assert {(each.measured, each.p50_s, each.p99_s) for each in found.clocks} == {(0, None, None)}
    assert within(Clock("AuthLatency", 0, None, None, None)) == parts_of(None, 0) == UNKNOWN
    assert within(Clock("AuthLatency", 3, 0.025, 1.5, None)) == "25 ms, 1.5 s, longer"
    assert parts_of(0, 0) == "0.00 % (0)"


def test_all_that_is_asked_for_is_kept() -> None:
    kinds = {metric.name: metric.kind for metric in catalogue()}
    assert [name for name in CLOCKS if name not in TALLIED or kinds[name] is not Kind.HISTOGRAM] == []
    counters = {key for part, whole in RATES.values() for key in (*part, *whole)}
    kept = {name for name, of in TALLIED.items() if not of and kinds[name] is Kind.COUNTER}
    assert counters - kept == {series("PortalRequests", of=each.value) for each in Answer}


def test_the_statement_is_that_of_the_days_that_were_compared() -> None:
    compared = [Compared(DAYS[0], 9, 40, 1, 2, 3), Compared(DAYS[2], 9, 2)]
    assert reconciliation(DAYS, compared) == (2, (DAYS[1],), 42, 1, 2, 3)
