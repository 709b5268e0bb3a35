"""The catalogue is a contract, values add up from many threads, and the endpoint comes and goes cleanly."""

import ast
import re
import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from radius import meter
from radius.domain.errors import Malformed
from radius.domain.policy import Reason
from radius.metrics import (
    BY_NAME,
    CATALOGUE,
    SCRAPE_TIMEOUT_S,
    InProcess,
    Kind,
    Metrics,
    Recording,
    Unit,
    check,
    prometheus_name,
    serve,
)

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "radius").rglob("*.py"), *(ROOT / "coa").rglob("*.py")])


@pytest.mark.parametrize(
    ("name", "kind", "unit"),
    [
        ("ActiveSessions", Kind.GAUGE, Unit.COUNT),
        ("NewSessions", Kind.COUNTER, Unit.COUNT),
        ("TerminatedSessions", Kind.COUNTER, Unit.COUNT),
        ("DataUsage", Kind.COUNTER, Unit.BYTES),
        ("SessionDuration", Kind.HISTOGRAM, Unit.SECONDS),
    ],
)
def test_the_contract_names(name: str, kind: Kind, unit: Unit) -> None:
    assert (BY_NAME[name].kind, BY_NAME[name].unit, BY_NAME[name].dims) == (kind, unit, {})


def test_the_catalogue_is_well_formed() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    assert len({prometheus_name(metric) for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert re.fullmatch(r"([A-Z][a-z]+)+", metric.name)
        assert metric.meaning
        assert len(metric.dims) <= 1, "keys are looked up in the order the caller names dimensions"
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        for values in metric.dims.values():
            assert all(re.fullmatch(r"[a-z_]+", value) for value in values), "no label needs escaping"
    assert BY_NAME["AccessRejects"].dims["Reason"] == tuple(Reason)


def test_prometheus_names() -> None:
    names = {metric.name: prometheus_name(metric) for metric in CATALOGUE}
    assert names["AccessRejects"] == "wifibilling_access_rejects_total"
    assert names["DataUsage"] == "wifibilling_data_usage_bytes_total"
    assert names["OverspendBytes"] == "wifibilling_overspend_bytes_total"
    assert names["AuthLatency"] == "wifibilling_auth_latency_seconds"
    assert names["ActiveSessions"] == "wifibilling_active_sessions"


@pytest.mark.parametrize("metrics", [InProcess(strict=True), Recording()], ids=["in process", "recording"])
def test_what_is_not_in_the_catalogue_is_refused(metrics: Metrics) -> None:
    with pytest.raises(Malformed, match="AccesAccepts is no counter"):
        metrics.count("AccesAccepts")
    with pytest.raises(Malformed, match="ActiveSessions is no counter"):
        metrics.count("ActiveSessions")
    with pytest.raises(Malformed, match="NewSessions is no histogram"):
        metrics.observe("NewSessions", 1)
    with pytest.raises(Malformed, match=r"dimensions \['Reason'\], not \[\]"):
        metrics.count("AccessRejects")
    with pytest.raises(Malformed, match="'0712345678' is no Reason"):
        metrics.count("AccessRejects", Reason="0712345678")
    with pytest.raises(Malformed, match="dimensions"):
        metrics.gauge("SpoolOldestAge", 1, Nas="kilifi")


def test_in_production_it_is_dropped_and_counted() -> None:
    metrics = InProcess()
    metrics.count("AccessRejects", Reason="0712345678")
    metrics.count("NoSuch")
    metrics.observe("NoSuch", 1)
    metrics.gauge("NoSuch", 1)
    assert metrics.value("MetricsDropped") == 4
    assert "0712345678" not in metrics.render()


def test_recording_keeps_what_was_said() -> None:
    metrics = Recording()
    metrics.count("AccessRejects", Reason=Reason.BLOCKED)
    metrics.count("AccessRejects", 2, Reason="blocked")
    metrics.observe("AuthLatency", 0.5)
    metrics.gauge("BreakerOpen", 1)
    assert metrics.total("AccessRejects", Reason="blocked") == 3
    assert metrics.total("AccessAccepts") == 0
    assert metrics.observations["AuthLatency"] == [0.5]
    assert metrics.gauges["BreakerOpen"] == 1
    with pytest.raises(Malformed):
        metrics.total("AccesAccepts")


def test_nothing_is_lost_between_threads() -> None:
    metrics = InProcess(strict=True)

    def work() -> None:
        for _ in range(5000):
            metrics.count("AccessRejects", Reason="blocked")
            metrics.observe("AuthLatency", 0.002)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value("AccessRejects", Reason="blocked") == 40_000
    assert metrics.value("AuthLatency") == 40_000


@given(values=st.lists(st.sampled_from([0.0, 0.0004, 0.0005, 0.00051, 0.2, 0.21, 0.5, 1.0, 1.5, 60.0]), max_size=30))
def test_a_histogram_is_what_another_parser_makes_of_it(values: list[float]) -> None:
    metrics = InProcess("test", strict=True)
    for value in values:
        metrics.observe("AuthLatency", value)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render())}
    samples = families["wifibilling_auth_latency_seconds"].samples
    assert all(sample.labels["environment"] == "test" for sample in samples)
    for sample in samples:
        if sample.name.endswith("_bucket"):
            assert sample.value == sum(value <= float(sample.labels["le"]) for value in values)
    assert samples[-2].value == pytest.approx(sum(values))
    assert samples[-1].value == len(values)


def test_every_counter_is_there_from_the_start_and_parses() -> None:
    metrics = InProcess("production", strict=True)
    metrics.count("DataUsage", 2**53 // 10)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render())}
    counted = [metric for metric in CATALOGUE if metric.kind is not Kind.GAUGE]
    assert families.keys() == {prometheus_name(metric).removesuffix("_total") for metric in counted}
    rejects = families["wifibilling_access_rejects"].samples
    assert [sample.labels["reason"] for sample in rejects] == [reason.value for reason in Reason]
    assert families["wifibilling_data_usage_bytes"].samples[0].value == 2**53 // 10
    assert 'wifibilling_access_rejects_total{environment="production",reason="blocked"} 0\n' in metrics.render()


def test_a_gauge_is_told_by_the_process_that_knows_it() -> None:
    worker, node = InProcess(strict=True), InProcess(strict=True)
    worker.gauge("ActiveSessions", 0)
    assert 'wifibilling_active_sessions{environment="production"} 0\n' in worker.render()
    assert "active_sessions" not in node.render(), "one publisher"


def fetch(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_endpoint_answers_and_goes_away() -> None:
    metrics = InProcess(strict=True)
    metrics.count("AccessAccepts", 7)
    before = threading.active_count()
    endpoint = serve(metrics, "127.0.0.1", 0)
    port = endpoint.port
    status, text = fetch(port, "/metrics")
    assert (status, text) == (200, metrics.render())
    assert fetch(port, "/")[0] == 404
    endpoint.close()
    endpoint.close()
    assert threading.active_count() == before
    again = serve(metrics, "127.0.0.1", port)
    assert fetch(port, "/metrics")[0] == 200, "the port is free at once"
    again.close()


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Malformed) as refused:
            serve(InProcess(), "127.0.0.1", port)
    assert str(refused.value) == f"metrics_port: {port} on 127.0.0.1 is in use; choose another port, or 0 for none"
    with pytest.raises(Malformed, match=r"metrics_bind: cannot listen on 192\.0\.2\.1"):
        serve(InProcess(), "192.0.2.1", 0)


def test_a_scraper_that_hangs_or_vanishes_holds_nobody_up() -> None:
    endpoint = serve(InProcess(), "127.0.0.1", 0)
    vanished = socket.create_connection(("127.0.0.1", endpoint.port))
    vanished.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    vanished.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    vanished.close()
    with socket.create_connection(("127.0.0.1", endpoint.port)) as silent:
        silent.sendall(b"GET")
        began = time.monotonic()
        endpoint.close()
        assert time.monotonic() - began < 10 * SCRAPE_TIMEOUT_S


def test_everything_in_the_catalogue_is_emitted_somewhere() -> None:
    emitted = {name for name, _, _ in meter.TOTALS.values()}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="count" | "_count" | "gauge" | "observe"),
                    args=[ast.Constant(value=str() as name), *_],
                ):
                    emitted.add(name)
    assert {metric.name for metric in CATALOGUE} - emitted == {"MetricsDropped"}  # counted inside


def test_the_code_names_only_what_the_catalogue_has() -> None:
    kinds = {"count": Kind.COUNTER, "gauge": Kind.GAUGE, "observe": Kind.HISTOGRAM}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="count" | "gauge" | "observe" as verb, value=receiver),
                    args=[ast.Constant(value=str() as name), *_],
                ) if ast.unparse(receiver).endswith("metrics"):
                    metric = BY_NAME.get(name)
                    assert metric, f"{path.name}:{node.lineno}: {name} is not in the catalogue"
                    assert metric.kind is kinds[verb], f"{path.name}:{node.lineno}: {name} is a {metric.kind}"
                    dims = {keyword.arg for keyword in node.keywords} - {"value"}
                    assert dims == set(metric.dims), f"{path.name}:{node.lineno}: {name} by {set(metric.dims)}"


def test_check_accepts_the_catalogue() -> None:
    for metric in CATALOGUE:
        check(metric.name, metric.kind, {dim: values[0] for dim, values in metric.dims.items()})
