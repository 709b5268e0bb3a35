"""Spans by OpenTelemetry around what takes time, where `tracing = true`; without it nothing of it is even imported.

Nothing is instrumented by itself: the wiring puts a span around a hook of FreeRADIUS, a settlement and
a request to M-Pesa. No span holds a name, a phone, an address or a token. A span that cannot be sent is dropped by the
SDK's own thread; no work waits for it.

A host needs the packages of `deploy/tracing.lock` and the SDK's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, of a
collector; ``OTEL_TRACES_SAMPLER``). A function's layer (ADOT) has set a provider before any of our code runs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from radius.domain.errors import Malformed

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SERVICE = "wifibilling"

P = ParamSpec("P")
T = TypeVar("T")


class Spans(Protocol):
    """What the wiring puts around work."""

    def around(self, name: str, work: Callable[P, T]) -> Callable[P, T]:
        """The same work, in a span of that name when it is done."""

    def trace_id(self) -> str | None:
        """Of the span that is under way here, 32 hex digits; None: there is none, or it is not recorded."""


class Off:
    """No spans: work stays what it is."""

    def around(self, name: str, work: Callable[P, T]) -> Callable[P, T]:  # noqa: ARG002 - the port's
        """The work itself."""
        return work

    def trace_id(self) -> None:
        """None."""


class Traced:
    """Spans of a tracer."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    def around(self, name: str, work: Callable[P, T]) -> Callable[P, T]:
        """The work in a span; one that raises is marked, by the kind of its error alone: texts may quote people."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where it is switched on

        failed = Status(StatusCode.ERROR)

        def spanned(*args: P.args, **kwargs: P.kwargs) -> T:
            with self._tracer.start_as_current_span(
                name, record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    return work(*args, **kwargs)
                except BaseException as error:
                    span.set_status(failed)
                    span.set_attribute("error.type", type(error).__name__)
                    raise

        return spanned

    def trace_id(self) -> str | None:
        """See `Spans`."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415 - only where it is switched on

        context = get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid and context.trace_flags.sampled else None


def open_spans(*, tracing: bool, process: str) -> Spans:
    """Spans where they are switched on. Raises Malformed where what sends them is not installed."""
    if not tracing:
        return Off()
    from opentelemetry import trace  # noqa: PLC0415 - 0.1 s that nobody pays who does not trace

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nobody has set one: this is a host
        trace.set_tracer_provider(_provider(process))
    return Traced(trace.get_tracer(SERVICE))


def _provider(process: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        fix = "needs what sends spans: pip install --require-hashes -r deploy/tracing.lock, or say tracing = false"
        raise Malformed("tracing", fix) from None
    provider = TracerProvider(resource=Resource.create({"service.name": f"{SERVICE}-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
