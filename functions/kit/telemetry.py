"""Traces as OTLP when a collector is set, metrics for Prometheus always."""

import atexit
import base64
import random
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from starlette.responses import Response

from functions.kit.settings import Settings
from functions.kit.tallies import Spreads, Tallies
from functions.kit.tracing import Span, SpanExporter, SpanKind, end_all, tell

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Tallies("dcoder_requests_total", "Answers by function, route and status.", ["function", "route", "status"])
REQUEST_SECONDS = Spreads(
    "dcoder_request_seconds", "Time until the answer's last byte.", ["function", "route"], buckets=_SECONDS
)
IN_FLIGHT = Tallies("dcoder_requests_in_flight", "Requests being served.", ["function"])
EVENTS = Counter("dcoder_events_total", "Events handled by function and outcome.", ["function", "outcome"])


_exporters: list[SpanExporter] = []
_current: ContextVar[Span | None] = ContextVar("dcoder_span", default=None)


def configure_tracing(service: str, settings: Settings) -> None:
    """Send spans to a collector, and those of LLM calls to Langfuse; where neither is set, spans cost nothing.

    All are sent, whatever a caller's traceparent says of sampling: what a tenant pays for is not the caller's to hide.
    """
    if _exporters:
        return
    resource = {"service.name": service, "dcoder.platform.id": settings.platform_id}
    if settings.otlp_endpoint:
        _exporters.append(SpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", {}, resource))
    if settings.langfuse_url and settings.langfuse_secret_key is not None:
        pair = f"{settings.langfuse_public_key}:{settings.langfuse_secret_key.get_secret_value()}"
        headers = {
            "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "x-langfuse-ingestion-version": "4",
        }
        url = f"{settings.langfuse_url.rstrip('/')}/api/public/otel/v1/traces"
        _exporters.append(SpanExporter(url, headers, resource, _is_llm_call))
    if _exporters:
        atexit.register(end_all, _exporters)


def _is_llm_call(span: Span) -> bool:
    """Langfuse takes every span for an observation: what is no LLM call is not sent there."""
    return "gen_ai.operation.name" in span.attributes


def is_tracing() -> bool:
    """Whether spans are recorded; asked before attributes are put together for nothing."""
    return bool(_exporters)


def tell_span(
    name: str,
    *,
    kind: SpanKind,
    traceparent: str,
    began_ns: int,
    ended_ns: int,
    attributes: dict[str, Any],
    encoded: bytes = b"",
    error: str = "",
) -> None:
    """A span of something that is over, child of the span that `traceparent` names, or of none outside any request.

    Args:
        encoded: more attributes, as `functions.kit.tracing.encoded_attributes` gives them.
    """
    parts = traceparent.split("-")
    trace_id, parent_id = (parts[1], parts[2]) if len(parts) == 4 else (_new_trace_id(), "")
    span_id = _new_span_id()
    tell(Span(name, kind, trace_id, span_id, parent_id, began_ns, ended_ns, attributes, error, encoded), _exporters)


class server_span:  # noqa: N801 - a context manager, used like a function
    """A span for a request or an event, child of the caller's.

    The block is given the W3C `traceparent` to pass on; it continues the caller's trace, or begins one, even with
    tracing off.
    """

    __slots__ = ("_span", "_token", "_traceparent")

    def __init__(self, name: str, headers: Mapping[str, str], attributes: dict[str, Any]) -> None:
        parts = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        trace_id, parent_id = (parts[1], parts[2]) if parts is not None else (_new_trace_id(), "")
        span_id = _new_span_id()
        # Where nothing is recorded here, it is for the caller to say whether others record it.
        flags = "01" if _exporters else parts[3] if parts is not None else "00"
        self._traceparent = f"00-{trace_id}-{span_id}-{flags}"
        self._span: Span | None = None
        if _exporters:
            self._span = Span(name, SpanKind.SERVER, trace_id, span_id, parent_id, time.time_ns(), 0, attributes)

    def __enter__(self) -> str:
        self._token = _current.set(self._span)
        return self._traceparent

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _current.reset(self._token)
        if self._span is not None:
            self._span.error = kind.__name__ if kind is not None else ""
            self._span.ended_ns = time.time_ns()
            tell(self._span, _exporters)


def _new_trace_id() -> str:
    return f"{random.getrandbits(128) | 1:032x}"


def _new_span_id() -> str:
    return f"{random.getrandbits(64) | 1:016x}"


def label_span(attributes: Mapping[str, Any]) -> None:
    """Add attributes to the current span."""
    span = _current.get()
    if span is not None:
        span.attributes.update(attributes)


async def metrics_endpoint(_: object) -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
