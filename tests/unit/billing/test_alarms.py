"""The list of alarms: what they look at is counted, and each is on at its fault and off on an ordinary day."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from billing.alarms import ALARMS, COMPOSITES, Alarm, Missing, Series, of_one_box
from billing.evaluation import Sample, State, judge, statistic
from billing.metrics import catalogue
from radius.cloudwatch import PUBLISHED, bounds
from radius.metrics import NAMESPACE, Kind

BASE = 1_800_000_000 // 10_800 * 10_800
BY_NAME = {metric.name: metric for metric in catalogue()}
MATH_METRICS_MAX = 10  # CloudWatch: metrics in the arithmetic of one alarm
IDS = [pytest.param(alarm, id=alarm.name) for alarm in ALARMS]
DIMS = {
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/ApiGateway", "Latency"): {"ApiId", "Stage"},
    ("AWS/ApiGateway", "5xx"): {"ApiId", "Stage"},
    ("AWS/ApiGateway", "Count"): {"ApiId", "Stage"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName"},
    ("AWS/DynamoDB", "WriteThrottleEvents"): {"TableName"},
}


ALWAYS = {
    "PaymentSuccess",
    "BillingRounds",
    "AccountingPackets",
    "Invocations",
    "AccessAccepts",
    "Count",
    "StoreRequests",
}


def series(alarm: Alarm) -> tuple[Series, ...]:
    return (*alarm.figure.parts, *alarm.figure.whole)


def test_names_are_one_each_and_composites_name_alarms() -> None:
    names = [each.name for each in (*ALARMS, *COMPOSITES)]
    assert len(names) == len(set(names))
    for composite in COMPOSITES:
        assert set(composite.any_of) <= {alarm.name for alarm in ALARMS}


def test_who_is_told_by_a_composite_is_who_its_alarms_are_for() -> None:
    """They are silent beside it: another topic would wake somebody for nothing, or nobody."""
    for composite in COMPOSITES:
        inside = [alarm for alarm in ALARMS if alarm.name in composite.any_of]
        assert {(alarm.topic, alarm.level) for alarm in inside} == {(composite.topic, composite.level)}


@pytest.mark.parametrize("alarm", IDS)
def test_what_an_alarm_looks_at_is_sent_with_exactly_these_dimensions(alarm: Alarm) -> None:
    for each in series(alarm):
        if each.namespace != NAMESPACE:
            assert {dim for dim, _ in each.dims} - {"GlobalSecondaryIndexName"} == DIMS[each.namespace, each.name]
            continue
        metric = BY_NAME[each.name]
        assert tuple(dim for dim, _ in each.dims) in PUBLISHED[each.name]
        assert all(value in metric.dims[dim] for dim, value in each.dims)
        percentile = alarm.figure.stat.startswith("p")
        assert percentile == (metric.kind is Kind.HISTOGRAM)
        if percentile:
            assert alarm.threshold in bounds(metric), "a threshold between bounds is not exact"
        if metric.kind is Kind.COUNTER:
            assert alarm.figure.stat == "Sum"
    assert len(series(alarm)) <= MATH_METRICS_MAX
    assert 1 <= alarm.periods <= alarm.of
    assert alarm.period_s % 60 == 0
    assert alarm.of * alarm.period_s <= 86_400, "CloudWatch evaluates a day at most"
    assert not alarm.above or alarm.missing is not Missing.BAD or kind_of(alarm) is Kind.GAUGE


def kind_of(alarm: Alarm) -> Kind | None:
    """What is silent when its publisher is: a counter that stands still is not told, a gauge always is."""
    (part, *_) = alarm.figure.parts
    return BY_NAME[part.name].kind if part.namespace == NAMESPACE else None


def at_fault(alarm: Alarm) -> Iterator[Sample]:
    """The least that should wake somebody, in every period that is looked at."""
    if not alarm.above:
        return  # silence is the fault
    for number in range(1, alarm.of + 1):
        at = BASE - number * alarm.period_s + 30
        if alarm.figure.whole:
            volume = int(max(alarm.figure.at_least, 100))
            yield Sample(at, alarm.figure.whole[0], (float(volume),), (1,))
            yield Sample(at, alarm.figure.parts[-1], (float(volume * alarm.threshold // 100 + 1),), (1,))
        else:
            yield Sample(at, alarm.figure.parts[-1], (alarm.threshold * 2 or 1.0,), (1,))


def an_ordinary_day(alarm: Alarm, seed: int) -> Iterator[Sample]:
    """Everything at work: sales every few minutes, customers who press Cancel, fast answers, no trouble."""
    rolls = random.Random(seed)
    quiet = {"PaymentFailures": 0.0}
    for at in range(BASE - 86_400, BASE, 60):
        for each in series(alarm):
            if each.namespace == NAMESPACE and BY_NAME[each.name].kind is Kind.HISTOGRAM:
                yield Sample(at, each, (bounds(BY_NAME[each.name])[0],), (rolls.randint(1, 9),))
            elif each.name in ("SalesSilence", "LedgerImbalance"):
                yield Sample(at, each, (rolls.random() if each.name == "SalesSilence" else 0.0,), (1,))
            elif each.name in ("Latency", "Duration"):
                yield Sample(at, each, (float(rolls.randint(20, 300)),), (5,))
            elif each.name in ALWAYS:
                yield Sample(at, each, (float(rolls.randint(1, 30)),), (1,))
            elif each.name in quiet and not each.dims:
                yield Sample(at, each, (float(rolls.randint(0, 2)),), (1,))  # customers: they cancelled


@pytest.mark.parametrize("alarm", IDS)
def test_an_alarm_is_on_at_its_fault(alarm: Alarm) -> None:
    assert judge(alarm, list(at_fault(alarm)), BASE + 5) is State.ALARM


@pytest.mark.parametrize("alarm", IDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_ordinary_day_wakes_nobody(alarm: Alarm, seed: int) -> None:
    day = list(an_ordinary_day(alarm, seed))
    for now in range(BASE - 86_400 + alarm.of * alarm.period_s, BASE, 600):
        recent = [sample for sample in day if sample.at >= now - (alarm.of + 1) * alarm.period_s]
        assert judge(alarm, recent, now) is State.OK


def test_other_dimensions_are_another_series() -> None:
    failures = next(alarm for alarm in ALARMS if alarm.name == "PaymentFailures")
    customers = Series("PaymentFailures", (("ErrorClass", "customer"),))
    at = BASE - 60
    many = [
        Sample(at, customers, (90.0,), (1,)),
        Sample(at, Series("PaymentFailures"), (90.0,), (1,)),
        Sample(at, Series("PaymentSuccess"), (100.0,), (1,)),
    ]
    assert judge(failures, many, BASE) is State.OK, "customers who cancel are no outage"
    ours = Sample(at, Series("PaymentFailures", (("ErrorClass", "system"),)), (30.0,), (1,))
    assert judge(failures, [*many, ours], BASE) is State.ALARM
    few = [Sample(at, each, (2.0,), (1,)) for each in failures.figure.parts]
    assert judge(failures, few, BASE) is State.OK, "8 of 0 is too little to judge"


@pytest.mark.parametrize(
    ("stat", "wanted"),
    [("Sum", 55.0), ("Minimum", 1.0), ("Maximum", 10.0), ("p50", 5.0), ("p90", 9.0), ("p95", 10.0), ("p99", 10.0)],
)
def test_statistics(stat: str, wanted: float) -> None:
    what = Series("Revenue")
    samples = [Sample(BASE, what, (float(value),), (1,)) for value in range(1, 11)]
    assert statistic(stat, samples, what) == wanted
    assert statistic(stat, samples, Series("Other")) is None


def a(**given: Any) -> Alarm:
    return next(alarm for alarm in ALARMS if alarm.name == "SpoolAge")._replace(**given)


def test_so_many_of_so_many_periods() -> None:
    alarm = a(periods=2, of=3)
    (what,) = alarm.figure.parts
    bad = [Sample(BASE - 60 * number, what, (601.0,), (1,)) for number in (1, 3)]
    assert judge(alarm, bad, BASE) is State.ALARM
    assert judge(alarm, bad, BASE + 60) is State.OK, "one of them is no longer looked at"
    assert judge(alarm, bad[:1], BASE) is State.OK
    assert judge(alarm, [*bad[:1], Sample(BASE + 1, what, (601.0,), (1,))], BASE + 30) is State.OK, "not complete yet"


def test_what_a_period_without_values_means() -> None:
    assert judge(a(missing=Missing.GOOD), [], BASE) is State.OK
    assert judge(a(missing=Missing.BAD), [], BASE) is State.ALARM
    for before in State:
        assert judge(a(missing=Missing.AS_BEFORE), [], BASE, before) is before


def test_one_box_has_all_that_is_ours() -> None:
    own = {alarm.name for alarm in of_one_box()}
    assert {"PaidNotOnline", "NoSales", "StoreAway"} <= own
    assert {alarm.name for alarm in ALARMS} - own == {
        "HighErrorRate",
        "HighLatency",
        "VeryHighLatency",
        "DynamoDB-Throttle",
        "DynamoDB-IndexReads",
        "DynamoDB-IndexWrites",
        "ApiErrors",
        "FunctionSlow",
        "FunctionVerySlow",
        "FunctionThrottle",
        "ColdStarts",
        "FailedRuns",
    }
