"""What Prometheus and traces tell of calls, by OpenTelemetry's conventions for generative AI and Langfuse's attributes.

Labels are bounded: a provider by its kind, a model by its family in the price table, all others as `other`. Figures by
tenant, user or key are the ledger's, and the traces'.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from prometheus_client import Counter, Histogram

from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Json
from functions.gateway.core.usage import Said
from functions.kit.context import current
from functions.kit.redaction import redact
from functions.kit.subjects import UsageRecord
from functions.kit.tallies import Spread, Spreads, Tallies, Tally
from functions.kit.telemetry import is_tracing, tell_span
from functions.kit.tracing import SpanKind, encoded_attributes

_OURS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
_THEIRS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LABELS = ("provider", "model")

CALLS = Tallies("dcoder_llm_calls_total", "Calls that were counted.", [*_LABELS, "operation", "cache", "status"])
FAILURES = Counter("dcoder_llm_failures_total", "Calls that ended without anything to count.", [*_LABELS, "code"])
TOKENS = Tallies("dcoder_llm_tokens_total", "Tokens used, or saved by cache or compression.", [*_LABELS, "kind"])
COST = Tallies("dcoder_llm_cost_micro_usd_total", "Cost in millionths of a US dollar.", _LABELS)
OVERHEAD = Spreads("dcoder_llm_overhead_seconds", "Of a call, not waited for a provider.", ["cache"], buckets=_OURS)
PROVIDER = Spreads(
    "dcoder_llm_provider_seconds", "Waited for the provider, to the last byte.", _LABELS, buckets=_THEIRS
)
FIRST = Spreads("dcoder_llm_first_chunk_seconds", "From asking to a stream's first chunk.", _LABELS, buckets=_THEIRS)
WAITED = Histogram("dcoder_llm_queue_seconds", "Waited for what other calls hold of a limit.", buckets=_OURS)

# OpenTelemetry's names (semantic conventions, gen_ai.provider.name); other kinds go by their own.
_PROVIDERS = {"google": "gcp.gemini", "vertex": "gcp.vertex_ai"}
_MOST_CHARACTERS = 8_000
_logger = logging.getLogger(__name__)


class _Meters(NamedTuple):
    """The metrics of calls that have their labels in common; to look them up costs more than to count."""

    calls: Tally
    prompt: Tally
    completion: Tally
    saved: Tally
    compressed: Tally
    cost: Tally
    overhead: Spread
    provider: Spread
    first: Spread


class CallTelemetry:
    """Port `CallObserver`.

    Args:
        family: a model's name in the price table, by kind of provider and model; empty where it has none.
    """

    def __init__(self, family: Callable[[str, str], str]) -> None:
        self._family = family

    def ended(self, booking: Booking, record: UsageRecord, said: Said | None) -> None:
        """A call was counted."""
        target = booking.target
        kind, family = target.provider.kind, self._family(target.provider.kind, target.model) or "other"
        meters = _meters(kind, family, record.operation, record.cached, record.status)
        meters.calls.value += 1
        meters.prompt.value += record.prompt_tokens
        meters.completion.value += record.completion_tokens
        if record.saved_tokens:
            meters.saved.value += record.saved_tokens
        if record.compression_saved_tokens:
            meters.compressed.value += record.compression_saved_tokens
        meters.cost.value += record.cost_micro_usd
        if booking.queued_seconds:
            WAITED.observe(booking.queued_seconds)
        if said is not None:
            meters.overhead.observe(said.overhead_seconds)
            if record.cached == "miss":
                meters.provider.observe(said.provider_seconds)
            if said.first_chunk_seconds is not None:
                meters.first.observe(said.first_chunk_seconds)
        if is_tracing():
            self._tell(booking, record, said)

    def failed(self, booking: Booking, code: str) -> None:
        """A call has ended without anything to count."""
        target = booking.target
        kind, family = target.provider.kind, self._family(target.provider.kind, target.model) or "other"
        FAILURES.labels(kind, family, code).inc()
        if is_tracing():
            _tell(booking, {"error.type": code}, b"", SpanKind.CLIENT, error=code)

    def _tell(self, booking: Booking, record: UsageRecord, said: Said | None) -> None:
        try:
            kind = SpanKind.CLIENT if record.cached == "miss" else SpanKind.INTERNAL
            error = "" if record.status in {"ok", "cancelled"} else record.status
            _tell(booking, _of_said(booking, said), _of_record(record), kind, error=error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with telemetry, the call was answered and counted
            # Not its message: that may quote the prompt.
            _logger.warning("a call was not traced", extra={"reason": type(error).__name__})


@lru_cache(maxsize=2048)
def _meters(kind: str, family: str, operation: str, cached: str, status: str) -> _Meters:
    return _Meters(
        calls=CALLS.labels(kind, family, operation, cached, status),
        prompt=TOKENS.labels(kind, family, "prompt"),
        completion=TOKENS.labels(kind, family, "completion"),
        saved=TOKENS.labels(kind, family, "saved"),
        compressed=TOKENS.labels(kind, family, "compressed"),
        cost=COST.labels(kind, family),
        overhead=OVERHEAD.labels(cached),
        provider=PROVIDER.labels(kind, family),
        first=FIRST.labels(kind, family),
    )


def _tell(booking: Booking, attributes: dict[str, Any], encoded: bytes, kind: SpanKind, *, error: str = "") -> None:
    now = time.time_ns()
    began = now - round((time.perf_counter() - (booking.asked or booking.started)) * 1e9)
    name = f"{booking.operation} {booking.target.model}"
    tell_span(
        name,
        kind=kind,
        traceparent=current().traceparent,
        began_ns=began,
        ended_ns=now,
        attributes=_of_call(booking) | attributes,
        encoded=_of_line(_line(booking)) + encoded,
        error=error,
    )


def _of_call(booking: Booking) -> dict[str, Any]:
    caller = booking.caller
    return {
        # Tells spans of calls of models from others.
        "gen_ai.operation.name": booking.operation,
        "dcoder.platform.id": current().platform_id,
        "dcoder.request.id": caller.request_id,
        "dcoder.usage.id": booking.usage_id,
        "session.id": caller.session_id or None,
        "gen_ai.conversation.id": caller.session_id or None,
        "langfuse.trace.metadata.request": caller.request_id,
    }


def _line(booking: Booking) -> "_Line":
    caller, provider = booking.caller, booking.target.provider
    return _Line(
        operation=booking.operation,
        kind=provider.kind,
        provider=provider.name,
        base_url=provider.base_url,
        model=booking.target.model,
        tenant_id=caller.tenant_id,
        key_id=caller.api_key_id,
        user_id=caller.user_id,
    )


class _Line(NamedTuple):
    """What all calls of a key to a model have in common."""

    operation: str
    kind: str
    provider: str
    base_url: str
    model: str
    tenant_id: str
    key_id: str | None
    user_id: str | None


@lru_cache(maxsize=4096)
def _of_line(line: _Line) -> bytes:
    address = urlsplit(line.base_url)
    attributes = {
        "gen_ai.provider.name": _PROVIDERS.get(line.kind, line.kind),
        "gen_ai.request.model": line.model,
        "server.address": address.hostname,
        "server.port": address.port or (80 if address.scheme == "http" else 443),
        "dcoder.tenant.id": line.tenant_id,
        "dcoder.provider": line.provider,
        "dcoder.api_key.id": line.key_id,
        "user.id": line.user_id or line.key_id,
        "langfuse.observation.type": "embedding" if line.operation == "embeddings" else "generation",
        "langfuse.observation.model.name": line.model,
        "langfuse.trace.tags": (f"tenant:{line.tenant_id}",),
        "langfuse.trace.metadata.tenant": line.tenant_id,
    }
    return encoded_attributes(attributes)


# Sent as whole numbers, by the record's names of them.
_COUNTED = {
    "gen_ai.usage.input_tokens": "prompt_tokens",
    "gen_ai.usage.output_tokens": "completion_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_prompt_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "dcoder.cache.saved_tokens": "saved_tokens",
    "dcoder.compression.saved_tokens": "compression_saved_tokens",
    "dcoder.cost.micro_usd": "cost_micro_usd",
    "langfuse.observation.metadata.saved_tokens": "saved_tokens",
    "langfuse.observation.metadata.compression_saved_tokens": "compression_saved_tokens",
}
_counted = attrgetter(*_COUNTED.values())
# Every call has these, and they are never the same: one formatting takes a tenth of encoding them one by one.
_FIGURES = b"".join(b',{"key":"%s","value":{"intValue":"%%d"}}' % name.encode() for name in _COUNTED) + (
    b',{"key":"langfuse.observation.usage_details",'
    b'"value":{"stringValue":"{\\"input\\":%d,\\"output\\":%d,\\"total\\":%d}"}}'
    b',{"key":"langfuse.observation.cost_details","value":{"stringValue":"{\\"total\\":%a}"}}'
)


def _of_record(record: UsageRecord) -> bytes:
    prompt, completion = record.prompt_tokens, record.completion_tokens
    details = (prompt, completion, prompt + completion, record.cost_micro_usd / 1e6)
    return _of_outcome(record.status, record.cached, record.estimated) + _FIGURES % (*_counted(record), *details)


@lru_cache(maxsize=64)
def _of_outcome(status: str, cached: str, estimated: bool) -> bytes:
    attributes = {
        "error.type": status if status not in {"ok", "cancelled"} else None,
        "dcoder.status": status,
        "dcoder.cache.state": cached,
        "dcoder.usage.estimated": estimated,
        "langfuse.observation.metadata.cache": cached,
    }
    return b"," + encoded_attributes(attributes)


def _of_said(booking: Booking, said: Said | None) -> dict[str, Any]:
    if said is None:
        return {}
    body, completion = said.body, said.completion or {}
    reasons = tuple(c["finish_reason"] for c in completion.get("choices") or () if c.get("finish_reason"))
    found = {
        "gen_ai.response.model": completion.get("model"),
        "gen_ai.response.id": completion.get("id"),
        "gen_ai.response.finish_reasons": reasons or None,
        "gen_ai.request.stream": True if said.first_chunk_seconds is not None else None,
        "gen_ai.response.time_to_first_chunk": said.first_chunk_seconds,
        "dcoder.overhead_ms": round(said.overhead_seconds * 1000, 3),
        **{f"gen_ai.request.{name}": body[name] for name in _NUMBERS if isinstance(body.get(name), int | float)},
    }
    if booking.caller.settings.traced_content == "redacted":
        asked, answered = _messages(body.get("messages")), _messages(_answers(completion))
        found |= {
            "gen_ai.input.messages": asked,
            "gen_ai.output.messages": answered,
            "langfuse.observation.input": asked,
            "langfuse.observation.output": answered,
        }
    return found


_NUMBERS = ("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty")


def _answers(completion: Json) -> list[Json]:
    return [{"role": "assistant", **(choice.get("message") or {})} for choice in completion.get("choices") or ()]


def _messages(messages: Any) -> str:
    """Messages in the form of the conventions, their text redacted and cut."""
    told = []
    for message in messages or ():
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [str(p.get("text") or "") for p in content or () if p]
        parts = [{"type": "text", "content": redact(text[:_MOST_CHARACTERS])} for text in texts if text]
        told.append({"role": str(message.get("role")), "parts": parts})
    return orjson.dumps(told).decode()
