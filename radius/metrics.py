"""What is counted: one catalogue, a port, an in-process implementation, and its Prometheus text over HTTP.

The catalogue's names are a contract: dashboards, alarms and reports use them (namespace `WiFiBilling`, dimension
`Environment`). Every dimension has a closed list of values, so the number of series is known; a phone, a MAC or a
receipt cannot become one. Prometheus names follow by rule: `AccessRejects` by `Reason` is
``wifibilling_access_rejects_total{environment="production",reason="blocked"}``.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum
from errno import EADDRINUSE
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from socket import AF_INET6
from socketserver import TCPServer
from threading import Lock, Thread
from typing import NamedTuple, Protocol

from radius.domain.clock import SuspectReason
from radius.domain.errors import Malformed
from radius.domain.guessing import LimitName
from radius.domain.intent import IntentReason, IntentState
from radius.domain.nas import Family
from radius.domain.policy import Reason

NAMESPACE = "WiFiBilling"
SCRAPE_TIMEOUT_S = 2  # a scraper that says nothing may hold the one serving thread, and so `close`, this long
POLL_S = 0.2  # how soon `close` is noticed


class Kind(StrEnum):
    """How values of a metric combine: added up, replaced, or sorted into buckets."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Units as CloudWatch spells them."""

    COUNT = "Count"
    BYTES = "Bytes"
    SECONDS = "Seconds"
    NONE = "None"  # money: the metric says of what


class Metric(NamedTuple):
    """One entry of the catalogue. `dims`: every dimension with all its values. `buckets`: upper bounds."""

    name: str
    kind: Kind
    unit: Unit
    meaning: str
    dims: Mapping[str, tuple[str, ...]] = {}
    buckets: tuple[float, ...] = ()


def _values(*enums: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for enum in enums for member in enum)


def _counter(name: str, meaning: str, unit: Unit = Unit.COUNT, **dims: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.COUNTER, unit, meaning, dims)


def _gauge(name: str, meaning: str, unit: Unit = Unit.COUNT, **dims: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.GAUGE, unit, meaning, dims)


def _seconds(name: str, meaning: str, buckets: tuple[float, ...], **dims: tuple[str, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Unit.SECONDS, meaning, dims, buckets)


LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)  # 0.15: an alarm
SESSION_S = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 604_800)
ENFORCEMENT_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)  # 0.25: the aim to the wire
GROUPS = ("read", "write")
CACHES = ("subscriber", "names")
KINDS = ("start", "interim", "stop", "on", "off", "other")
HOOKS = ("instantiate", "authorize", "authenticate", "post_auth", "accounting", "client", "detach")

CATALOGUE: tuple[Metric, ...] = (
    _gauge("ActiveSessions", "sessions that are online now; one publisher, where the truth is"),
    _counter("NewSessions", "sessions that began"),
    _counter("TerminatedSessions", "sessions that ended, however"),
    _counter("DataUsage", "bytes that sessions moved, both directions", Unit.BYTES),
    _seconds("SessionDuration", "length of sessions that ended", SESSION_S),
    _counter("AccessAccepts", "Access-Accepts sent"),
    _counter("AccessRejects", "Access-Rejects sent, by why", Reason=_values(Reason)),
    _counter("AccessSilent", "Access-Requests left unanswered on purpose, so that the router tries its second server"),
    _counter("AccountingPackets", "Accounting-Requests answered, by Acct-Status-Type", Kind=KINDS),
    _counter("AccountingUnanswered", "Accounting-Requests that neither store nor spool took"),
    _seconds("AuthLatency", "from the first hook of an Access-Request to the end of the last", LATENCY_S),
    _seconds("AccountingLatency", "duration of the accounting hook", LATENCY_S),
    _counter("StoreRequests", "requests that the store answered"),
    _counter("StoreWait", "time that requests to the store took; over StoreRequests it is the mean", Unit.SECONDS),
    _counter("StoreReads", "items asked for"),
    _counter("StoreWrites", "items written"),
    _counter("StoreReadUnits", "read capacity consumed (RCU, RRU)"),
    _counter("StoreWriteUnits", "write capacity consumed (WCU, WRU)"),
    _counter("StoreThrottles", "requests that the store refused because there were too many"),
    _counter("StoreTransactionConflicts", "requests that another transaction held up"),
    _counter("StoreUnanswered", "requests that the store did not answer, or too late"),
    _counter("StoreGroups", "groups of the hot path that travelled together", Call=GROUPS),
    _counter("StoreGrouped", "requests in these groups; over StoreGroups it is their mean size", Call=GROUPS),
    _gauge("StoreSlots", "groups of the hot path that may be under way at once", Call=GROUPS),
    _counter("StaleDecisions", "decisions taken again because another node's write came first"),
    _gauge("BreakerOpen", "1 while the circuit breaker keeps requests from the store"),
    _counter("BreakerOpenings", "times that the circuit breaker opened, also anew after a look that failed"),
    _counter("DegradedAccepts", "Accepts without the store, by the degrade policy"),
    _counter("SpooledPackets", "accounting packets that went to the spool"),
    _counter("ReplayedPackets", "spooled packets counted"),
    _counter("ParkedPackets", "spooled packets that cannot be counted and wait for a person"),
    _gauge("SpoolOldestAge", "age of the oldest packet that waits in the spool", Unit.SECONDS),
    _counter("OverspendBytes", "bytes used beyond a right", Unit.BYTES),
    _counter("CacheHits", "look-ups answered by a cache of this node", Cache=CACHES),
    _counter("CacheMisses", "look-ups that a cache could not answer", Cache=CACHES),
    _counter("GuessesRefused", "requests refused before the store, by limit", Limit=_values(LimitName)),
    _gauge("GuessCells", "cells in a table of limits", Limit=_values(LimitName)),
    _counter("UnknownSources", "packets from addresses that are no router's"),
    _counter("MissingMessageAuthenticator", "packets dropped for lack of a Message-Authenticator"),
    _gauge("RoutersWithoutMessageAuthenticator", "routers that are excepted from Message-Authenticator"),
    _counter("MalformedPackets", "requests whose attributes cannot be what they claim"),
    _counter("HookErrors", "hooks that ended in an unexpected exception", Hook=HOOKS),
    _counter("IntentsCommitted", "intents committed by packets, by why", Reason=_values(IntentReason)),
    _counter("DisconnectsSent", "Disconnect-Requests that went out, by router family", Family=_values(Family)),
    _counter("ChangesSent", "CoA-Requests that went out, by router family", Family=_values(Family)),
    _counter("RouterAcks", "requests that a router acknowledged", Family=_values(Family)),
    _counter("RouterNaks", "requests that a router refused", Family=_values(Family)),
    _counter("RouterSilences", "requests that a router did not answer to any try", Family=_values(Family)),
    _counter("EnforcementSteps", "steps of intents, by where they then stand", State=_values(IntentState)),
    _counter("EnforcementAlarms", "intents given up, and routers set up wrongly: a person must look"),
    _seconds("EnforcementWire", "from the packet that proved it to its request on the wire", ENFORCEMENT_S),
    _seconds(
        "EnforcementEnd",
        "from the packet that proved it until the session's end was seen",
        ENFORCEMENT_S,
        Family=_values(Family),
    ),
    _counter("SessionsReaped", "sessions closed without a Stop"),
    _counter("CorruptRecords", "stored records that cannot be read: an alarm"),
    _counter(
        "ClockSuspect", "judgements of a wall clock that is known to be wrong, by why", Reason=_values(SuspectReason)
    ),
    _gauge("RouterCacheAge", "age of the router table in memory", Unit.SECONDS),
    _counter("ColdStarts", "instances of functions that began: who asked them waited for that"),
    _counter("LogLinesDropped", "log lines that could not be written"),
    _counter("LogFieldsDropped", "log fields that are not on the allow-list"),
    _counter("MetricsUnsent", "times that CloudWatch did not take what was counted; it is sent again for 15 minutes"),
    _counter("MetricsDropped", "values for metrics or dimensions that are not in the catalogue"),
)
BY_NAME = {metric.name: metric for metric in CATALOGUE}
Catalogue = tuple[Metric, ...]


class Metrics(Protocol):
    """The port. Names and dimensions are the catalogue's."""

    def count(self, name: str, value: float = 1, **dims: str) -> None:
        """Add to a counter."""

    def gauge(self, name: str, value: float, **dims: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, value: float, **dims: str) -> None:
        """Sort one value into a histogram."""


def check(name: str, kind: Kind, dims: Mapping[str, str], by_name: Mapping[str, Metric] = BY_NAME) -> None:
    """Raise Malformed for anything the catalogue does not have."""
    metric = by_name.get(name)
    if metric is None or metric.kind is not kind:
        raise Malformed("metric", f"{name} is no {kind} in the catalogue")
    if dims.keys() != metric.dims.keys():
        raise Malformed("metric", f"{name} has the dimensions {sorted(metric.dims)}, not {sorted(dims)}")
    for dim, value in dims.items():
        if value not in metric.dims[dim]:
            raise Malformed("metric", f"{name}: {value!r} is no {dim}")


class _Value:
    """A counter or a gauge with one set of dimension values."""

    __slots__ = ("_lock", "told", "value")

    def __init__(self) -> None:
        self._lock = Lock()
        self.value: float = 0
        self.told = False

    def add(self, value: float) -> None:
        with self._lock:
            self.value += value

    def set(self, value: float) -> None:
        self.value = value
        self.told = True


class _Buckets:
    """A histogram with one set of dimension values."""

    __slots__ = ("_bounds", "_lock", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._lock = Lock()
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0

    def add(self, value: float) -> None:
        index = bisect_left(self._bounds, value)  # a bucket's upper bound belongs to it (Prometheus `le`)
        with self._lock:
            self.counts[index] += 1
            self.sum += value

    def read(self) -> tuple[list[int], float]:
        with self._lock:
            return list(self.counts), self.sum


Key = str | tuple[str | tuple[str, str], ...]


class InProcess:
    """Every series of the catalogue, made at the start: counting is one look-up and one addition.

    What is not in the catalogue raises when `strict` (tests), else it is counted under `MetricsDropped`.
    """

    def __init__(
        self, environment: str = "production", *, strict: bool = False, catalogue: Catalogue = CATALOGUE
    ) -> None:
        """`catalogue`: with what a satellite counts besides."""
        self.environment = environment
        self._strict = strict
        self._catalogue = catalogue
        self._counters: dict[Key, _Value] = {}
        self._gauges: dict[Key, _Value] = {}
        self._buckets: dict[Key, _Buckets] = {}
        for metric, dims in _series(catalogue):
            key = _key(metric.name, dims)
            if metric.kind is Kind.COUNTER:
                self._counters[key] = _Value()
            elif metric.kind is Kind.GAUGE:
                self._gauges[key] = _Value()
            else:
                self._buckets[key] = _Buckets(metric.buckets)

    def count(self, name: str, value: float = 1, **dims: str) -> None:
        """Add to a counter."""
        found = self._counters.get((name, *dims.items()) if dims else name)
        if found is None:
            self._miss(name, Kind.COUNTER, dims)
        else:
            found.add(value)

    def gauge(self, name: str, value: float, **dims: str) -> None:
        """Set a gauge."""
        found = self._gauges.get((name, *dims.items()) if dims else name)
        if found is None:
            self._miss(name, Kind.GAUGE, dims)
        else:
            found.set(value)

    def observe(self, name: str, value: float, **dims: str) -> None:
        """Sort one value into a histogram."""
        found = self._buckets.get((name, *dims.items()) if dims else name)
        if found is None:
            self._miss(name, Kind.HISTOGRAM, dims)
        else:
            found.add(value)

    def _miss(self, name: str, kind: Kind, dims: Mapping[str, str]) -> None:
        if self._strict:
            check(name, kind, dims, {metric.name: metric for metric in self._catalogue})
        self._counters["MetricsDropped"].add(1)

    def value(self, name: str, **dims: str) -> float:
        """What a counter or gauge shows now; the number of observations of a histogram."""
        key = _key(name, dims)
        single = self._counters.get(key) or self._gauges.get(key)
        return single.value if single else sum(self._buckets[key].read()[0])

    def read(self) -> Iterator[tuple[Metric, dict[str, str], float | list[int]]]:
        """Every series that was told of, as it stands: a number, or the counts of a histogram's buckets."""
        for metric, dims in _series(self._catalogue):
            key = _key(metric.name, dims)
            if metric.kind is Kind.HISTOGRAM:
                yield metric, dims, self._buckets[key].read()[0]
            elif metric.kind is Kind.COUNTER:
                yield metric, dims, self._counters[key].value
            elif self._gauges[key].told:
                yield metric, dims, self._gauges[key].value

    def render(self) -> str:
        """All series in the Prometheus text format 0.0.4."""
        lines: list[str] = []
        last = ""
        for metric, dims in _series(self._catalogue):
            if metric.kind is Kind.GAUGE and not self._gauges[_key(metric.name, dims)].told:
                continue  # another process knows; a 0 of ours would contradict it
            name = prometheus_name(metric)
            if name != last:
                lines += (f"# HELP {name} {metric.meaning}", f"# TYPE {name} {metric.kind}")
                last = name
            labels = ",".join(
                f'{snake(dim)}="{value}"' for dim, value in {"Environment": self.environment, **dims}.items()
            )
            if metric.kind is Kind.HISTOGRAM:
                lines += _histogram_lines(name, labels, metric.buckets, self._buckets[_key(metric.name, dims)])
            else:
                lines.append(f"{name}{{{labels}}} {self.value(metric.name, **dims):.15g}")
        return "\n".join(lines) + "\n"


def _series(catalogue: Catalogue) -> Iterator[tuple[Metric, dict[str, str]]]:
    for metric in catalogue:
        for values in product(*metric.dims.values()):
            yield metric, dict(zip(metric.dims, values, strict=True))


def _key(name: str, dims: Mapping[str, str]) -> Key:
    return (name, *dims.items()) if dims else name


def _histogram_lines(name: str, labels: str, bounds: tuple[float, ...], buckets: _Buckets) -> Iterator[str]:
    counts, total = buckets.read()
    running = 0
    for bound, count in zip((*bounds, "+Inf"), counts, strict=True):
        running += count
        yield f'{name}_bucket{{{labels},le="{bound}"}} {running}'
    yield f"{name}_sum{{{labels}}} {total:.15g}"
    yield f"{name}_count{{{labels}}} {running}"


def prometheus_name(metric: Metric) -> str:
    """Name by the conventions of prometheus.io/docs/practices/naming: snake case, unit, `_total` for counters."""
    name = f"{NAMESPACE.lower()}_{snake(metric.name)}"
    unit = {Unit.BYTES: "_bytes", Unit.SECONDS: "_seconds", Unit.COUNT: "", Unit.NONE: ""}[metric.unit]
    return name.removesuffix(unit) + unit + ("_total" if metric.kind is Kind.COUNTER else "")


def snake(name: str) -> str:
    """A name of the catalogue as Prometheus spells names and labels."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Recording:
    """A fake for tests: keeps everything, and raises Malformed for what the catalogue does not have."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self._by_name = {metric.name: metric for metric in catalogue}
        self.counts: dict[Key, float] = defaultdict(float)
        self.gauges: dict[Key, float] = {}
        self.observations: dict[Key, list[float]] = defaultdict(list)

    def count(self, name: str, value: float = 1, **dims: str) -> None:
        """Add to a counter."""
        check(name, Kind.COUNTER, dims, self._by_name)
        self.counts[_key(name, dims)] += value

    def gauge(self, name: str, value: float, **dims: str) -> None:
        """Set a gauge."""
        check(name, Kind.GAUGE, dims, self._by_name)
        self.gauges[_key(name, dims)] = value

    def observe(self, name: str, value: float, **dims: str) -> None:
        """Sort one value into a histogram."""
        check(name, Kind.HISTOGRAM, dims, self._by_name)
        self.observations[_key(name, dims)].append(value)

    def total(self, name: str, **dims: str) -> float:
        """What a counter has reached, 0 if it was never counted."""
        check(name, Kind.COUNTER, dims, self._by_name)
        return self.counts.get(_key(name, dims), 0)


class Endpoint:
    """A running HTTP endpoint, with one thread of its own; made by `serve`."""

    def __init__(self, server: HTTPServer) -> None:
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(POLL_S,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening and wait for the thread to end; at most `SCRAPE_TIMEOUT_S` and a moment. Twice is harmless."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(HTTPServer):
    """Serves one scrape at a time: there are one or two scrapers, and a second thread would cost the hooks more."""

    def __init__(self, bind: str, port: int, metrics: InProcess) -> None:
        self.metrics = metrics
        if ":" in bind:
            self.address_family = AF_INET6
        super().__init__((bind, port), _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of our own name, which can hang where DNS does."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that goes away is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SCRAPE_TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = self.server.metrics.render().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden method's name
        """Scrapes are no news."""


def serve(metrics: InProcess, bind: str, port: int) -> Endpoint:
    """Answer ``GET /metrics`` on `bind`:`port` (0: any free port) until `Endpoint.close`.

    Raises Malformed, naming the setting, when it cannot listen there.
    """
    try:
        server = _Server(bind, port, metrics)
    except OSError as refused:
        if refused.errno == EADDRINUSE:
            raise Malformed(
                "metrics_port", f"{port} on {bind} is in use; choose another port, or 0 for none"
            ) from refused
        raise Malformed("metrics_bind", f"cannot listen on {bind} port {port}: {refused.strerror}") from refused
    return Endpoint(server)
