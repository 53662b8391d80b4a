"""Traces by OpenTelemetry when a collector is set, metrics for Prometheus always."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter("dcoder_requests_total", "Answers by function, route and status.", ["function", "route", "status"])
REQUEST_SECONDS = Histogram(
    "dcoder_request_seconds", "Time until the answer's last byte.", ["function", "route"], buckets=_SECONDS
)
IN_FLIGHT = Gauge("dcoder_requests_in_flight", "Requests being served.", ["function"])
EVENTS = Counter("dcoder_events_total", "Events handled by function and outcome.", ["function", "outcome"])


class _Tracing:
    """Whether this process records spans."""

    on = False


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
    _Tracing.on = True


@contextmanager
def server_span(name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[str]:
    """A span for a request or an event, child of the caller's.

    Yields:
        the W3C `traceparent` to pass on; it continues the caller's trace, or begins one, even with tracing off.
    """
    if not _Tracing.on:
        yield _continued(headers.get("traceparent", ""))
        return
    parent = _PROPAGATOR.extract(headers)
    tracer = trace.get_tracer("dcoder")
    with tracer.start_as_current_span(name, context=parent, kind=SpanKind.SERVER, attributes=attributes) as span:
        own = span.get_span_context()
        yield f"00-{own.trace_id:032x}-{own.span_id:016x}-{int(own.trace_flags):02x}"


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
