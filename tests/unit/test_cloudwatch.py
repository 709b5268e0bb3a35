"""What of the catalogue goes to CloudWatch, and the two forms in which it travels."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from billing.metrics import TOP_UP, catalogue
from radius.cloudwatch import (
    BATCHES_MAX,
    LINE_VALUES_MAX,
    PUBLISHED,
    Batch,
    Datum,
    Deltas,
    Publisher,
    bounds,
    emf_lines,
    requests,
    series,
)
from radius.domain.errors import Malformed
from radius.metrics import BY_NAME, InProcess, Kind, Unit

BASE = 1_800_000_000
PACKAGES = ("1-hour", "day", "week", "month", "data-1gb", "data-5gb", "family", "home")
SERIES_MAX = 60  # of an ordinary site: each is billed every month


def counted() -> InProcess:
    return InProcess("staging", strict=True, catalogue=catalogue(PACKAGES))


def test_everything_published_is_in_the_catalogue_with_these_dimensions() -> None:
    known = {metric.name: metric for metric in catalogue(PACKAGES)}
    for name, sets in PUBLISHED.items():
        assert sets
        for dims in sets:
            assert set(dims) <= known[name].dims.keys(), name
        if known[name].kind is Kind.GAUGE:  # what stands now does not add up over a dimension
            assert sets == (tuple(known[name].dims),)


def test_an_ordinary_site_costs_at_most_sixty_series() -> None:
    assert series(catalogue(PACKAGES)) <= SERIES_MAX + len(PACKAGES)
    everything = {metric.name: ((), tuple(metric.dims)) for metric in catalogue(PACKAGES)}
    assert series(catalogue(PACKAGES), everything) > 3 * SERIES_MAX


def test_only_what_was_counted_since_is_told_and_sums_go_over_the_dimensions_left_out() -> None:
    metrics = counted()
    deltas = Deltas(metrics)
    assert deltas.take() == ()
    metrics.count("Revenue", 50, Package="day")
    metrics.count("Revenue", 20, Package=TOP_UP)
    metrics.gauge("ActiveSessions", 7)
    assert set(deltas.take()) == {
        Datum("Revenue", Unit.NONE, (), (70.0,), (1,)),
        Datum("Revenue", Unit.NONE, (("Package", "day"),), (50.0,), (1,)),
        Datum("Revenue", Unit.NONE, (("Package", TOP_UP),), (20.0,), (1,)),
        Datum("ActiveSessions", Unit.COUNT, (), (7.0,), (1,)),
    }
    metrics.count("Revenue", 1, Package="day")
    assert {datum.name: datum.values for datum in deltas.take()} == {"Revenue": (1.0,), "ActiveSessions": (7.0,)}


def test_a_duration_is_told_as_its_buckets_bound() -> None:
    metrics = counted()
    deltas = Deltas(metrics)
    for value in (0.2, 0.15, 0.21, 99.0):
        metrics.observe("AuthLatency", value)
    (told,) = deltas.take()
    assert told == Datum("AuthLatency", Unit.SECONDS, (), (0.15, 0.2, 0.3, 2.0), (1, 1, 1, 1))
    assert bounds(BY_NAME["AuthLatency"])[-1] == 2.0


def test_lines_of_embedded_metrics_hold_all_values_and_no_more_than_a_line_may() -> None:
    many = LINE_VALUES_MAX + 1
    data = (
        Datum("AuthLatency", Unit.SECONDS, (), (0.2, 0.5), (many, 2)),
        Datum("NewSessions", Unit.COUNT, (), (3.0,), (1,)),
        Datum("Revenue", Unit.NONE, (("Package", "day"),), (50.0,), (1,)),
    )
    lines = [json.loads(line) for line in emf_lines(data, "staging", BASE + 0.5)]
    assert {line["_aws"]["Timestamp"] for line in lines} == {BASE * 1000 + 500}
    told: dict[str, list[float]] = {}
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "WiFiBilling"
        ((*dims,),) = directive["Dimensions"]
        assert line["Environment"] == "staging"
        assert all(isinstance(line[dim], str) for dim in dims)
        for metric in directive["Metrics"]:
            values = line[metric["Name"]] if isinstance(line[metric["Name"]], list) else [line[metric["Name"]]]
            assert 0 < len(values) <= LINE_VALUES_MAX
            told.setdefault("/".join([metric["Name"], metric["Unit"], *dims]), []).extend(values)
    assert told == {
        "AuthLatency/Seconds/Environment": [0.2] * many + [0.5] * 2,
        "NewSessions/Count/Environment": [3.0],
        "Revenue/None/Environment/Package": [50.0],
    }
    assert lines[-1]["Package"] == "day"


def test_a_request_holds_what_the_interface_takes() -> None:
    data = tuple(Datum(f"Name{number}", Unit.COUNT, (), (1.0,), (1,)) for number in range(1_001))
    first, second = requests(Batch(BASE, data), "staging")
    assert [len(first["MetricData"]), len(second["MetricData"])] == [1_000, 1]
    assert second["MetricData"][0] == {
        "MetricName": "Name1000",
        "Dimensions": [{"Name": "Environment", "Value": "staging"}],
        "Timestamp": BASE,
        "Unit": "Count",
        "Values": [1.0],
        "Counts": [1.0],
    }


class CloudWatch:
    """Answers or fails, and keeps what it took."""

    def __init__(self) -> None:
        self.fails = False
        self.tried = 0
        self.taken: list[dict[str, Any]] = []

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> object:  # noqa: N803
        assert Namespace == "WiFiBilling"
        self.tried += 1
        if self.fails:
            raise OSError("no way there")
        self.taken += MetricData
        return {}

    def sum(self, name: str) -> float:
        found = [datum for datum in self.taken if datum["MetricName"] == name and len(datum["Dimensions"]) == 1]
        return sum(
            value * count for datum in found for value, count in zip(datum["Values"], datum["Counts"], strict=True)
        )


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_publisher_sends_every_minute_and_once_more_when_it_ends() -> None:
    metrics, there = counted(), CloudWatch()
    publisher = Publisher(metrics, there, lambda: BASE, 0.01)
    metrics.count("NewSessions", 2)
    wait(lambda: there.sum("NewSessions") == 2)
    publisher.close()
    tried = there.tried
    metrics.count("NewSessions", 5)
    last = Publisher(metrics, there, lambda: BASE, 3_600)
    last.close()
    assert there.tried == tried + 1
    assert there.sum("NewSessions") == 2 + 7  # a publisher tells what its process counted


def test_what_cloudwatch_does_not_take_waits_and_is_bounded() -> None:
    metrics, there = counted(), CloudWatch()
    there.fails = True
    publisher = Publisher(metrics, there, lambda: BASE, 0.01)
    for number in range(3):
        metrics.count("NewSessions")
        wait(lambda so_far=there.tried + 1: there.tried > so_far)
        assert metrics.value("MetricsUnsent") > number
    there.fails = False
    wait(lambda: there.sum("NewSessions") == 3)
    publisher.close()
    assert BATCHES_MAX < 100
    assert publisher._waiting.maxlen == BATCHES_MAX
    assert not publisher._waiting


def test_a_publisher_that_could_not_pause_is_refused() -> None:
    with pytest.raises(Malformed, match="flush_s"):
        Publisher(counted(), CloudWatch(), lambda: BASE, 0)
