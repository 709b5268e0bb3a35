"""Metrics to CloudWatch: what of the catalogue goes there, and how: by a thread on a host, by log lines on Lambda.

CloudWatch bills every combination of dimensions and never adds over one, so what dashboards and alarms look at is
named here (`PUBLISHED`), with each set of dimensions beside ``Environment``; everything else stays with Prometheus.
A histogram's values go as the upper bounds of their buckets: a threshold that is a bound is exact.

Sources: CloudWatch API, PutMetricData (1,000 metrics a request, 150 values a metric) and Embedded Metric Format
specification (100 metrics a line, 100 values a metric).
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol, cast

import boto3
from botocore.config import Config

from radius.metrics import NAMESPACE, InProcess, Kind, Metric, Unit
from radius.ticking import Ticking

FLUSH_S = 60.0
PATIENCE_S = 5.0  # for one answer of CloudWatch, and so twice that for `close`
BATCHES_MAX = 15  # of a minute each, kept while CloudWatch does not answer; the oldest go first
METRICS_MAX = 1_000  # a request
LINE_METRICS_MAX = 100  # a line of EMF
LINE_VALUES_MAX = 100  # a metric on one line

Sets = tuple[tuple[str, ...], ...]
PUBLISHED: Mapping[str, Sets] = {
    # AAA
    "ActiveSessions": ((),),
    "NewSessions": ((),),
    "TerminatedSessions": ((),),
    "DataUsage": ((),),
    "SessionDuration": ((),),
    "AccessAccepts": ((),),
    "AccessRejects": ((),),
    "AccessSilent": ((),),
    "AccountingPackets": ((),),
    "AccountingUnanswered": ((),),
    "AuthLatency": ((),),
    "StoreRequests": ((),),
    "StoreTransactionConflicts": ((),),
    "BreakerOpenings": ((),),
    "SpooledPackets": ((),),
    "ParkedPackets": ((),),
    "SpoolOldestAge": ((),),
    "HookErrors": ((),),
    "CorruptRecords": ((),),
    # Enforcement
    "DisconnectsSent": ((),),
    "RouterNaks": ((),),
    "RouterSilences": ((),),
    "EnforcementAlarms": ((),),
    "EnforcementWire": ((),),
    "EnforcementEnd": ((),),
    # Money
    "Revenue": ((), ("Package",)),
    "Transactions": ((),),
    "PaymentSuccess": ((),),
    "PaymentsInitiated": ((),),
    "PaymentOutcome": (("Status",),),
    "PaymentFailures": ((), ("ErrorClass",)),
    "NewUsers": ((),),
    "PaymentAnswer": ((),),
    "PaymentSettle": ((),),
    "PaymentSubmit": ((),),
    "PaymentOnline": ((),),
    "PaidNotOnline": ((),),
    "BillingRounds": ((),),
    "BillingRoundsFailed": ((),),
    "PaymentAlarms": ((),),
    "PaidNotCreditedAge": ((),),
    "PaymentsOpenLong": ((),),
    "SalesSilence": ((),),
    "LedgerImbalance": ((),),
    "MpesaRequests": ((),),
    "MpesaFailures": ((),),
    "Messages": ((),),
    "MessagesFailed": ((),),
    # Ourselves
    "Heartbeat": ((),),
    "ColdStarts": ((),),
}


class Datum(NamedTuple):
    """What one series had since the last time. `values` and `counts` run together; `dims` without Environment."""

    name: str
    unit: Unit
    dims: tuple[tuple[str, str], ...]
    values: tuple[float, ...]
    counts: tuple[int, ...]


class Batch(NamedTuple):
    """What one flush saw, and when (UTC seconds)."""

    at: int
    data: tuple[Datum, ...]


class Deltas:
    """What was counted since the last look. Counters that stood still are not told: CloudWatch bills what it hears."""

    def __init__(self, metrics: InProcess, published: Mapping[str, Sets] = PUBLISHED) -> None:
        self._metrics, self._published = metrics, published
        self._last: dict[tuple[str, tuple[tuple[str, str], ...]], float | list[int]] = {}

    def take(self) -> tuple[Datum, ...]:
        """Since the last `take`."""
        sums: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        metric_of: dict[str, Metric] = {}
        for metric, dims, now in self._metrics.read():
            if metric.name not in self._published:
                continue
            metric_of[metric.name] = metric
            new = self._new(metric, dims, now)
            for dim_set in self._published[metric.name]:
                key = (metric.name, tuple((dim, dims[dim]) for dim in dim_set))
                known = sums.setdefault(key, [0.0] * len(new))
                sums[key] = [a + b for a, b in zip(known, new, strict=True)]
        return tuple(datum for key, new in sums.items() if (datum := _datum(metric_of[key[0]], key[1], new)))

    def _new(self, metric: Metric, dims: Mapping[str, str], now: float | list[int]) -> list[float]:
        key = (metric.name, tuple(dims.items()))
        before, self._last[key] = self._last.get(key), now
        if isinstance(now, list):
            old = before if isinstance(before, list) else [0] * len(now)
            return [float(a - b) for a, b in zip(now, old, strict=True)]
        if metric.kind is Kind.GAUGE:
            return [now]
        return [now - (before if isinstance(before, int | float) else 0)]


def _datum(metric: Metric, dims: tuple[tuple[str, str], ...], new: Sequence[float]) -> Datum | None:
    if metric.kind is Kind.HISTOGRAM:
        seen = [(bound, int(count)) for bound, count in zip(bounds(metric), new, strict=True) if count]
        if not seen:
            return None
        return Datum(metric.name, metric.unit, dims, tuple(at for at, _ in seen), tuple(count for _, count in seen))
    if metric.kind is Kind.COUNTER and not new[0]:
        return None
    return Datum(metric.name, metric.unit, dims, (float(new[0]),), (1,))


def bounds(metric: Metric) -> tuple[float, ...]:
    """What a value in each bucket is told as. What is above all bounds is told as twice the last."""
    return (*metric.buckets, metric.buckets[-1] * 2)


def series(catalogue: Sequence[Metric], published: Mapping[str, Sets] = PUBLISHED) -> int:
    """How many series that is at most: what CloudWatch bills, for one environment."""
    total = 0
    for metric in catalogue:
        for dim_set in published.get(metric.name, ()):
            width = 1
            for dim in dim_set:
                width *= len(metric.dims[dim])
            total += width
    return total


def emf_lines(data: Sequence[Datum], environment: str, at: float) -> Iterator[str]:
    """Lines of Embedded Metric Format for standard output of a Lambda function. `at`: UTC seconds."""
    for dims, group in groupby(sorted(data, key=lambda datum: datum.dims), key=lambda datum: datum.dims):
        rest = {(datum.name, datum.unit): _spread(datum) for datum in group}
        while rest:
            now = dict(list(rest.items())[:LINE_METRICS_MAX])
            yield _line({"Environment": environment, **dict(dims)}, now, at)
            for key, values in now.items():
                if values[LINE_VALUES_MAX:]:
                    rest[key] = values[LINE_VALUES_MAX:]
                else:
                    del rest[key]


def _spread(datum: Datum) -> list[float]:
    return [value for value, count in zip(datum.values, datum.counts, strict=True) for _ in range(count)]


def _line(dims: Mapping[str, str], found: Mapping[tuple[str, Unit], list[float]], at: float) -> str:
    told: dict[str, Any] = {"Namespace": NAMESPACE, "Dimensions": [list(dims)]}
    told["Metrics"] = [{"Name": name, "Unit": unit.value} for name, unit in found]
    values = {name: values[:LINE_VALUES_MAX] for (name, _), values in found.items()}
    shown = {name: several[0] if len(several) == 1 else several for name, several in values.items()}
    return json.dumps({"_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [told]}, **dims, **shown})


class Lines:
    """A function's road to CloudWatch: what one invocation counted, as lines of its log."""

    def __init__(
        self, metrics: InProcess, clock: Callable[[], float], tally: Callable[[], object] = lambda: None
    ) -> None:
        """`tally` comes after the lines; it raises nothing."""
        self._tally = tally
        self._deltas, self._environment, self._clock = Deltas(metrics), metrics.environment, clock
        metrics.count("ColdStarts")  # there is one of these an instance

    def tell(self) -> None:
        """What was counted since the last time, to standard output."""
        for line in emf_lines(self._deltas.take(), self._environment, self._clock()):
            print(line, flush=True)  # noqa: T201 - on Lambda, standard output is the log
        self._tally()


def requests(batch: Batch, environment: str) -> Iterator[dict[str, Any]]:
    """Arguments of PutMetricData."""
    data = [_entry(datum, environment, batch.at) for datum in batch.data]
    for start in range(0, len(data), METRICS_MAX):
        yield {"Namespace": NAMESPACE, "MetricData": data[start : start + METRICS_MAX]}


def _entry(datum: Datum, environment: str, at: int) -> dict[str, Any]:
    dims = (("Environment", environment), *datum.dims)
    return {
        "MetricName": datum.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dims],
        "Timestamp": at,
        "Unit": datum.unit.value,
        "Values": list(datum.values),
        "Counts": [float(count) for count in datum.counts],
    }


class Client(Protocol):
    """What of boto3's CloudWatch client is used."""

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> object:  # noqa: N803 - boto3's
        """Send them. Raises botocore's errors."""


def new_client(region: str) -> Client:
    """A client that asks once: what fails is sent again by the next flush."""
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S)
    return cast("Client", boto3.client("cloudwatch", region_name=region, config=once))


class Publisher:
    """A thread that sends what was counted every minute. It is in nobody's way: what fails waits, and is told."""

    def __init__(
        self, metrics: InProcess, client: Client, clock: Callable[[], float], flush_s: float = FLUSH_S
    ) -> None:
        self._deltas = Deltas(metrics)
        self._environment, self._client, self._clock = metrics.environment, client, clock
        self._metrics = metrics
        self._waiting: deque[Batch] = deque(maxlen=BATCHES_MAX)
        self._ticking = Ticking("cloudwatch", self._flush, flush_s)

    def close(self) -> None:
        """Send what there is, once, and join the thread."""
        self._ticking.close()

    def _flush(self) -> None:
        if data := self._deltas.take():
            self._waiting.append(Batch(int(self._clock()), data))
        while self._waiting:
            try:
                for request in requests(self._waiting[0], self._environment):
                    self._client.put_metric_data(**request)
            except Exception:  # noqa: BLE001 - whatever it is: numbers are never worth more than the work
                self._metrics.count("MetricsUnsent")
                return
            self._waiting.popleft()
