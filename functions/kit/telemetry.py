"""Traces by OpenTelemetry when a collector is set, metrics for Prometheus always."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

_PROPAGATOR = TraceContextTextMapPropagator()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter("dcoder_requests_total", "Answers by function, route and status.", ["function", "route", "status"])
REQUEST_SECONDS = Histogram(
    "dcoder_request_seconds", "Time until the answer's last byte.", ["function", "route"], buckets=_SECONDS
)
IN_FLIGHT = Gauge("dcoder_requests_in_flight", "Requests being served.", ["function"])
EVENTS = Counter("dcoder_events_total", "Events handled by function and outcome.", ["function", "outcome"])


def configure_tracing(service: str, platform_id: str, otlp_endpoint: str) -> None:
    """Send spans to a collector; without an endpoint, spans are no-ops that cost nothing."""
    if not otlp_endpoint or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": service, "dcoder.platform.id": platform_id})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)


@contextmanager
def server_span(name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[str]:
    """A span for a request or an event, child of the caller's.

    Yields:
        the W3C `traceparent` to pass on; it continues the caller's trace, or begins one, even with tracing off.
    """
    parent = _PROPAGATOR.extract(headers)
    span_parent = trace.get_current_span(parent).get_span_context()
    tracer = trace.get_tracer("dcoder")
    with tracer.start_as_current_span(name, context=parent, kind=SpanKind.SERVER, attributes=attributes) as span:
        own = span.get_span_context()
        if own.span_id in {0, span_parent.span_id}:
            own = SpanContext(
                trace_id=span_parent.trace_id or secrets.randbits(128),
                span_id=secrets.randbits(64) or 1,
                is_remote=False,
                trace_flags=TraceFlags(span_parent.trace_flags),
            )
        yield f"00-{own.trace_id:032x}-{own.span_id:016x}-{int(own.trace_flags):02x}"


def label_span(attributes: Mapping[str, Any]) -> None:
    """Add attributes to the current span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({name: value for name, value in attributes.items() if value is not None})


async def metrics_endpoint(_: object) -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
