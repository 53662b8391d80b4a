"""Traces by OpenTelemetry when a collector is set, metrics for Prometheus always."""

import atexit
import base64
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from functions.kit.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

_PROPAGATOR = TraceContextTextMapPropagator()
_EXPORT_SECONDS = 5
_EXPORT_EVERY_MS = 2000
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter("dcoder_requests_total", "Answers by function, route and status.", ["function", "route", "status"])
REQUEST_SECONDS = Histogram(
    "dcoder_request_seconds", "Time until the answer's last byte.", ["function", "route"], buckets=_SECONDS
)
IN_FLIGHT = Gauge("dcoder_requests_in_flight", "Requests being served.", ["function"])
EVENTS = Counter("dcoder_events_total", "Events handled by function and outcome.", ["function", "outcome"])


class _Tracing:
    """Whether this process records spans, and what begins them: to ask for a tracer costs more than a span."""

    on = False
    tracer: trace.Tracer = trace.NoOpTracer()


def configure_tracing(service: str, settings: Settings) -> None:
    """Send spans to a collector, and those of LLM calls to Langfuse; where neither is set, spans cost nothing.

    They leave in batches from a thread. One that nobody takes is tried for a few seconds and then dropped, as are
    those for which the queue has no room: telemetry never holds anybody up.
    """
    processors = _processors(settings)
    if not processors or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": service, "dcoder.platform.id": settings.platform_id})
    # Whatever a caller's traceparent says of sampling: what a tenant pays for is not the caller's to hide.
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    _send_the_rest_at_exit(processors)
    _Tracing.tracer = provider.get_tracer("dcoder")
    _Tracing.on = True


def _send_the_rest_at_exit(processors: "list[SpanProcessor]") -> None:
    """Send what waits when the process ends, for a few seconds; the SDK itself would try for half a minute each."""
    ending = threading.Event()

    def send(processor: "SpanProcessor") -> None:
        ending.wait()
        processor.shutdown()

    # Started now: an interpreter that is ending starts no threads.
    threads = [threading.Thread(target=send, args=(processor,), daemon=True) for processor in processors]
    for thread in threads:
        thread.start()

    def end() -> None:
        ending.set()
        until = time.monotonic() + _EXPORT_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    atexit.register(end)


def _processors(settings: Settings) -> "list[SpanProcessor]":
    found: list[SpanProcessor] = []
    if settings.otlp_endpoint:
        found.append(_batches(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", {}))
    if settings.langfuse_url and settings.langfuse_secret_key is not None:
        pair = f"{settings.langfuse_public_key}:{settings.langfuse_secret_key.get_secret_value()}"
        headers = {
            "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "x-langfuse-ingestion-version": "4",
        }
        url = f"{settings.langfuse_url.rstrip('/')}/api/public/otel/v1/traces"
        found.append(_only_llm_calls(_batches(url, headers)))
    return found


def _batches(url: str, headers: dict[str, str]) -> "SpanProcessor":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(url, headers=headers, timeout=_EXPORT_SECONDS)
    return BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS)


def _only_llm_calls(inner: "SpanProcessor") -> "SpanProcessor":
    """Langfuse takes every span for an observation: what is no LLM call is not sent there."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Selecting(SpanProcessor):
        def on_end(self, span: "ReadableSpan") -> None:
            if "gen_ai.operation.name" in (span.attributes or {}):
                inner.on_end(span)

        def shutdown(self) -> None:
            inner.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return inner.force_flush(timeout_millis)

    return Selecting()


def is_tracing() -> bool:
    """Whether spans are recorded; asked before attributes are put together for nothing."""
    return _Tracing.on


def tell_span(
    name: str,
    *,
    kind: SpanKind,
    traceparent: str,
    began_ns: int,
    ended_ns: int,
    attributes: Mapping[str, Any],
    error: str = "",
) -> None:
    """A span of something that is over, child of the span that `traceparent` names."""
    parent = _parent(traceparent)
    known = {name: value for name, value in attributes.items() if value is not None}
    span = _Tracing.tracer.start_span(name, context=parent, kind=kind, start_time=began_ns, attributes=known)
    if error:
        span.set_status(trace.StatusCode.ERROR, error)
    span.end(ended_ns)


@contextmanager
def server_span(name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[str]:
    """A span for a request or an event, child of the caller's.

    Yields:
        the W3C `traceparent` to pass on; it continues the caller's trace, or begins one, even with tracing off.
    """
    if not _Tracing.on:
        yield _continued(headers.get("traceparent", ""))
        return
    parent = _PROPAGATOR.extract(headers) if "traceparent" in headers else Context()
    with _Tracing.tracer.start_as_current_span(
        name, context=parent, kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        own = span.get_span_context()
        yield f"00-{own.trace_id:032x}-{own.span_id:016x}-{int(own.trace_flags):02x}"


def _parent(traceparent: str) -> Context:
    """The context of a span of ours, which is well-formed; an empty one outside any request."""
    parts = traceparent.split("-")
    if len(parts) != 4:
        return Context()
    _, of_trace, of_span, flags = parts
    known = SpanContext(int(of_trace, 16), int(of_span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(known), Context())


def _continued(traceparent: str) -> str:
    """The next span of the caller's trace, or of a new one, when nothing is recorded here."""
    parts = _TRACEPARENT.fullmatch(traceparent)
    span = random.getrandbits(64) | 1
    if parts is None:
        return f"00-{random.getrandbits(128) | 1:032x}-{span:016x}-00"
    return f"00-{parts[1]}-{span:016x}-{parts[2]}"


def label_span(attributes: Mapping[str, Any]) -> None:
    """Add attributes to the current span."""
    if not _Tracing.on:
        return
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({name: value for name, value in attributes.items() if value is not None})


async def metrics_endpoint(_: object) -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
