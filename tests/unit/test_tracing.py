"""Spans: where they are switched on they say what was done and name nobody; off, nothing is even imported."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from billing.metrics import catalogue
from billing.process import Timed
from billing.provider import PushRequest
from radius import tracing, wiring
from radius.domain.errors import Malformed
from radius.log import open_log
from radius.metrics import Recording
from radius.secrets import create_key_file
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from radius.tracing import Off, Traced, open_spans
from tests.contract.billing.town import FakeProvider
from tests.unit.billing.values import T0

ROOT = Path(__file__).parents[2]


@pytest.fixture
def seen() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
def spans(seen: InMemorySpanExporter) -> Traced:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    return Traced(provider.get_tracer("test"))


def test_work_in_a_span_is_the_same_work(spans: Traced, seen: InMemorySpanExporter) -> None:
    def inner(text: str, *, times: int) -> str:
        return text * times

    outer = spans.around("outer", lambda: spans.around("inner", inner)("a", times=3))
    assert outer() == "aaa"
    first, second = seen.get_finished_spans()
    assert (first.name, second.name) == ("inner", "outer")
    assert first.parent is not None
    assert first.parent.span_id == second.context.span_id
    assert spans.trace_id() is None, "over"


def test_what_fails_is_marked_by_its_kind_and_not_by_what_it_said(spans: Traced, seen: InMemorySpanExporter) -> None:
    def broken() -> None:
        raise ValueError("0712345678 cannot pay")

    with pytest.raises(ValueError, match="cannot pay"):
        spans.around("settle", broken)()
    (span,) = seen.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert span.events == ()
    assert "0712" not in span.to_json()


def test_requests_to_m_pesa_are_spans_without_the_phone(spans: Traced, seen: InMemorySpanExporter) -> None:
    timed = Timed(FakeProvider(), Recording(catalogue()), spans=spans)
    timed.push(PushRequest("254712345678", 5_000, "R1", "t0ken"), T0)
    timed.query("ws_CO_1", T0)
    timed.reverse("TKP1", 5_000, T0)
    told = seen.get_finished_spans()
    assert [span.name for span in told] == ["mpesa push", "mpesa query", "mpesa reversal"]
    assert not [word for word in ("2547", "t0ken", "TKP1") for span in told if word in span.to_json()]


def test_a_line_of_the_log_names_the_span_that_it_was_written_in(spans: Traced, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", strict=True, trace_id=spans.trace_id)
    log.logger.info("Hub ready")
    ids: list[Any] = []

    def work() -> None:
        ids.append(spans.trace_id())
        log.logger.info("Hub ready", count=1)

    spans.around("settle", work)()
    log.sink.close()
    before, inside = (json.loads(line)["details"] for line in (tmp_path / "log").read_text().splitlines())
    assert before == {}
    assert inside == {"count": 1, "traceId": ids[0]}
    assert len(ids[0]) == 32


def test_what_is_not_sampled_is_not_named() -> None:
    spans = Traced(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("test"))
    assert spans.around("settle", spans.trace_id)() is None


def test_off_work_is_not_even_wrapped() -> None:
    spans = open_spans(tracing=False, process="radius")
    assert spans.around("hook", test_off_work_is_not_even_wrapped) is test_off_work_is_not_even_wrapped
    assert (spans.trace_id(), type(spans)) == (None, Off)


def test_without_what_sends_spans_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(Malformed, match=r"tracing: needs what sends spans: pip install .*tracing\.lock"):
        tracing._provider("radius")
    assert (ROOT / "deploy" / "tracing.lock").exists()


def test_a_provider_that_a_layer_has_set_is_used_and_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    monkeypatch.setattr(tracing, "_provider", lambda _: pytest.fail("there is one"))
    assert isinstance(open_spans(tracing=True, process="selling"), Traced)


@pytest.mark.parametrize("on", [True, False])
def test_a_node_has_spans_around_its_hooks_where_they_are_switched_on(
    spans: Traced, seen: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on: bool
) -> None:
    create_key_file(tmp_path / "data.key")
    said = f'state_dir = "{tmp_path}"\nlog_path = "{tmp_path}/log"\nmetrics_port = 0\ntracing = {str(on).lower()}\n'
    (tmp_path / "settings.toml").write_text(said)
    monkeypatch.setattr(wiring, "open_store", lambda _: memory_store(MemoryStore()))
    monkeypatch.setattr(wiring, "open_spans", lambda *, tracing, process: spans if tracing else Off())
    node = wiring.build_node(tmp_path / "settings.toml")
    node.edge.authorize((("User-Name", "0712345678"),), "r1")
    node.edge.accounting((("User-Name", "0712345678"),), "r2")
    node.close()
    told = seen.get_finished_spans()
    assert [span.name for span in told] == (["hook authorize", "hook accounting"] if on else [])
    assert not [span for span in told if "0712" in span.to_json()]
    assert ("authorize" in vars(node.edge)) == on, "off, a hook is the class's own"


@pytest.mark.parametrize("module", ["radius.tracing", "radius.log"])
def test_off_nothing_of_theirs_is_imported(module: str) -> None:
    code = (
        f"import sys, {module}; from radius.tracing import open_spans; open_spans(tracing=False, process='x');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
