"""Traces as OTLP when a collector is set, metrics for Prometheus always."""

import atexit
import base64
import random
import re
import time
from functools import lru_cache
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from starlette.responses import Response

from functions.kit.settings import Settings
from functions.kit.tallies import Spreads, Tallies
from functions.kit.tracing import SpanExporter, SpanKind, closing, end_all, opening, quoted

_Answered = tuple[str | None, int | None, str | None]
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Tallies("dcoder_requests_total", "Answers by function, route and status.", ["function", "route", "status"])
REQUEST_SECONDS = Spreads(
    "dcoder_request_seconds", "Time until the answer's last byte.", ["function", "route"], buckets=_SECONDS
)
IN_FLIGHT = Tallies("dcoder_requests_in_flight", "Requests being served.", ["function"])
EVENTS = Counter("dcoder_events_total", "Events handled by function and outcome.", ["function", "outcome"])

# Who is sent the spans of calls of models, and of those who all others as well.
_exporters: list[SpanExporter] = []
_collectors: list[SpanExporter] = []


def configure_tracing(service: str, settings: Settings) -> None:
    """Send spans to a collector, and those of LLM calls to Langfuse; where neither is set, spans cost nothing.

    All are sent, whatever a caller's traceparent says of sampling: what a tenant pays for is not the caller's to hide.
    """
    if _exporters:
        return
    resource = {"service.name": service, "dcoder.platform.id": settings.platform_id}
    if settings.otlp_endpoint:
        _collectors.append(SpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", {}, resource))
        _exporters.extend(_collectors)
    if settings.langfuse_url and settings.langfuse_secret_key is not None:
        pair = f"{settings.langfuse_public_key}:{settings.langfuse_secret_key.get_secret_value()}"
        headers = {
            "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "x-langfuse-ingestion-version": "4",
        }
        url = f"{settings.langfuse_url.rstrip('/')}/api/public/otel/v1/traces"
        # It takes every span for an observation: what is no call of a model is not sent there.
        _exporters.append(SpanExporter(url, headers, resource))
    if _exporters:
        atexit.register(end_all, _exporters)


def is_tracing() -> bool:
    """Whether spans are recorded; asked before attributes are put together for nothing."""
    return bool(_exporters)


def tell_call(parts: list[bytes], *, traceparent: str, began_ns: int, ended_ns: int) -> None:
    """Send a span of a call of a model that is over.

    Args:
        parts: what it has in common with others, as `functions.kit.tracing.opening` gives it, then its own attributes,
            each behind a comma.
        traceparent: the span that it is a child of, as a `server_span` has it; empty outside any request.
    """
    _, trace_id, parent_id, _ = traceparent.split("-") if traceparent else ("", _new_id(16), "", "")
    parts.append(closing(trace_id, _new_id(8), parent_id, began_ns, ended_ns))
    span = b"".join(parts)
    for exporter in _exporters:
        exporter.add(span)


class server_span:  # noqa: N801 - a context manager, used like a function
    """A span for a request, child of the caller's.

    Args:
        function: who serves it.
        caller: the `traceparent` that came with it, if any.

    Attributes:
        traceparent: to pass on (W3C Trace Context); the caller's trace goes on, or one begins, even with tracing off.
        answered: the route that the request took, the status of its answer and the tenant, once they are known.
    """

    __slots__ = ("_asked", "_began_ns", "_parent_id", "_path", "_span_id", "_trace_id", "answered", "traceparent")

    def __init__(self, method: str, function: str, path: str, caller: str | None) -> None:
        known = _TRACEPARENT.fullmatch(caller) if caller else None
        ids = _new_id(24)
        span_id = ids[32:]
        trace_id, parent_id, flags = (ids[:32], "", "00") if known is None else known.groups()
        # Where nothing is recorded here, it is for the caller to say whether others record it.
        self.traceparent = f"00-{trace_id}-{span_id}-{'01' if _collectors else flags}"
        self.answered: _Answered = (None, None, None)
        self._trace_id = trace_id
        self._span_id = span_id
        self._parent_id = parent_id
        self._asked = (method, function)
        self._path = path
        self._began_ns = time.time_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not _collectors:
            return
        opened = _alike(self._asked, self.answered, "" if kind is None else kind.__name__)
        path = b',{"key":"url.path","value":{"stringValue":%b}}' % quoted(self._path)
        closed = closing(self._trace_id, self._span_id, self._parent_id, self._began_ns, time.time_ns())
        span = b"".join((opened, path, closed))
        for exporter in _collectors:
            exporter.add(span)


@lru_cache(maxsize=4096)
def _alike(asked: tuple[str, str], answered: _Answered, error: str) -> bytes:
    """How spans of requests begin that are alike but for what is in their paths."""
    method, function = asked
    route, status, tenant_id = answered
    attributes = {
        "http.request.method": method,
        "server.address": "dcoder",
        "http.route": route,
        "http.response.status_code": status,
        "dcoder.tenant.id": tenant_id,
    }
    return opening(f"{method} {function}", SpanKind.SERVER, attributes, error)


def _new_id(size: int) -> str:
    """So many random bytes in hex; not all of them zero, in any likelihood that matters."""
    return random.getrandbits(8 * size).to_bytes(size).hex()


async def metrics_endpoint(_: object) -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
