"""What the processes of a box counted since the last look, from their Prometheus pages, as CloudWatch would be told it.

Counters become what was added, histograms what fell into each bucket; a counter that ran back is one of a new process.
Kept is only what an alarm looks at.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from billing.alarms import Alarm, Series
from billing.evaluation import Sample
from radius.cloudwatch import PUBLISHED
from radius.metrics import Catalogue, Kind, Metric, prometheus_name, snake

OVERFLOW = 2  # above all bounds a value counts as twice the last (`radius.cloudwatch.bounds`)


class _Line(NamedTuple):
    """Of a page: which series it is of, with all its dimensions, and the bucket's bound, 0 for none."""

    process: str
    name: str
    dims: tuple[tuple[str, str], ...]
    bound: float


class Counted:
    """Remembers the last look at each process."""

    def __init__(self, alarms: Iterable[Alarm], catalogue: Catalogue) -> None:
        self._wanted = {series for alarm in alarms for series in (*alarm.figure.parts, *alarm.figure.whole)}
        names = {series.name for series in self._wanted}
        self._metrics = {prometheus_name(metric): metric for metric in catalogue if metric.name in names}
        self._beginnings = (*self._metrics, *(f"# TYPE {name} " for name in self._metrics))
        self._last: dict[_Line, float] = {}

    def take(self, process: str, page: str, now: int) -> list[Sample]:
        """Since the last look at this process; nothing at the first. Raises ValueError for a page that is none."""
        found = {line: value for line, value in self._lines(process, page) if value is not None}
        first = not any(line.process == process for line in self._last)
        sums: dict[Series, dict[float, float]] = {}
        for line, value in found.items():
            metric = self._by_name(line.name)
            new = value if metric.kind is Kind.GAUGE else self._added(line, value)
            for series in self._series(metric, dict(line.dims)):
                at = sums.setdefault(series, {})
                at[line.bound] = at.get(line.bound, 0.0) + new
        self._last = {line: value for line, value in self._last.items() if line.process != process} | found
        made = [self._sample(series, values, now) for series, values in sums.items()]
        return [each for each in made if each is not None and (not first or self._is_gauge(each.series))]

    def _lines(self, process: str, page: str) -> Iterable[tuple[_Line, float | None]]:
        wanted = [line for line in page.splitlines() if line.startswith(self._beginnings)]  # most of a page is not
        for family in text_string_to_metric_families("\n".join([*wanted, ""])):
            for sample in family.samples:
                base = sample.name.removesuffix("_bucket")
                metric = self._metrics.get(base) or self._metrics.get(f"{base}_total")
                if metric is None or (metric.kind is Kind.HISTOGRAM) != (base != sample.name):
                    continue
                dims = tuple((dim, sample.labels[snake(dim)]) for dim in metric.dims)
                bound = float(sample.labels["le"]) if metric.kind is Kind.HISTOGRAM else 0.0
                yield _Line(process, metric.name, dims, bound), sample.value

    def _by_name(self, name: str) -> Metric:
        return next(metric for metric in self._metrics.values() if metric.name == name)

    def _is_gauge(self, series: Series) -> bool:
        return self._by_name(series.name).kind is Kind.GAUGE

    def _added(self, line: _Line, value: float) -> float:
        before = self._last.get(line, 0.0)
        return value - before if value >= before else value

    def _series(self, metric: Metric, dims: Mapping[str, str]) -> list[Series]:
        sets = PUBLISHED.get(metric.name, ())
        made = [Series(metric.name, tuple((dim, dims[dim]) for dim in chosen)) for chosen in sets]
        return [series for series in made if series in self._wanted]

    def _sample(self, series: Series, values: Mapping[float, float], now: int) -> Sample | None:
        metric = self._by_name(series.name)
        if metric.kind is not Kind.HISTOGRAM:
            value = values[0.0]
            return Sample(now, series, (value,), (1,)) if value or metric.kind is Kind.GAUGE else None
        told, counts, below = [], [], 0.0
        for bound in sorted(values):  # a bucket of Prometheus counts those below it too
            count, below = round(values[bound] - below), values[bound]
            if count > 0:
                told.append(bound if bound in metric.buckets else metric.buckets[-1] * OVERFLOW)
                counts.append(count)
        return Sample(now, series, tuple(told), tuple(counts)) if told else None
