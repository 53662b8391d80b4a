"""Spans of calls, by OpenTelemetry's conventions for generative AI and Langfuse's attributes.

What a key's calls to a model have in common is encoded once; what is never the same is filled into one text.
"""

import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Json
from functions.gateway.core.usage import Said
from functions.kit.context import current
from functions.kit.redaction import redact
from functions.kit.subjects import UsageRecord
from functions.kit.telemetry import tell_call
from functions.kit.tracing import SpanKind, encoded_attributes, opening, quoted

# Operation, kind of provider, its name and address, model.
_Asked = tuple[str, str, str, str, str]
# Platform, tenant, key, user.
_Asking = tuple[str, str, str | None, str | None]
# The status that is counted, how the cache served it, whether tokens are estimated; or an error and nothing counted.
_Outcome = tuple[str, str | None, bool | None]
# OpenTelemetry's names (semantic conventions, gen_ai.provider.name); other kinds go by their own.
_PROVIDERS = {"google": "gcp.gemini", "vertex": "gcp.vertex_ai"}
_NUMBERS = frozenset(("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty"))
_MOST_CHARACTERS = 8_000
# Of names that others choose: what is longer is not kept for the next call.
_LONGEST_KEPT = 128


def _blanks(form: str, *names: str) -> bytes:
    """Attributes to be filled in, each behind a comma."""
    return "".join(f',{{"key":"{name}","value":{{{form}}}}}' for name in names).encode()


_SESSION = _blanks('"stringValue":%b', "session.id", "gen_ai.conversation.id")
_IDS = _blanks('"stringValue":%b', "dcoder.usage.id", "dcoder.request.id", "langfuse.trace.metadata.request")
_FIGURES = (
    _blanks(
        '"intValue":"%d"',
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "dcoder.cache.saved_tokens",
        "langfuse.observation.metadata.saved_tokens",
        "dcoder.compression.saved_tokens",
        "langfuse.observation.metadata.compression_saved_tokens",
        "dcoder.cost.micro_usd",
    )
    + _blanks(r'"stringValue":"{\"input\":%d,\"output\":%d,\"total\":%d}"', "langfuse.observation.usage_details")
    + _blanks(r'"stringValue":"{\"total\":%d.%06d}"', "langfuse.observation.cost_details")
)
_ANSWER_ID = _blanks('"stringValue":%b', "gen_ai.response.id")
_OVERHEAD = _blanks('"doubleValue":%.3f', "dcoder.overhead_ms")
_STREAMED = _blanks('"boolValue":true', "gen_ai.request.stream") + _blanks(
    '"doubleValue":%a', "gen_ai.response.time_to_first_chunk"
)


def tell_ended(booking: Booking, record: UsageRecord, said: Said | None) -> None:
    """A call was counted."""
    own = [_of_record(record)]
    if said is not None:
        own += _of_said(booking, said)
    _tell(booking, (record.status, record.cached, record.estimated), own)


def tell_failed(booking: Booking, code: str) -> None:
    """A call has ended without anything to count."""
    _tell(booking, (code, None, None), [])


def _tell(booking: Booking, outcome: _Outcome, own: list[bytes]) -> None:
    context, caller, (provider, model) = current(), booking.caller, booking.target
    asked = (booking.operation, provider.kind, provider.name, provider.base_url, model)
    asking = (context.platform_id, caller.tenant_id, caller.api_key_id, caller.user_id)
    opened = (_opened if len(model) <= _LONGEST_KEPT else _opened.__wrapped__)(asked, asking, outcome)
    request_id = quoted(caller.request_id)
    parts = [opened, _IDS % (orjson.dumps(booking.usage_id), request_id, request_id), *own]
    if caller.session_id:
        session_id = quoted(caller.session_id)
        parts.append(_SESSION % (session_id, session_id))
    now = time.time_ns()
    began = now - int((time.perf_counter() - (booking.asked or booking.started)) * 1e9)
    tell_call(parts, traceparent=context.traceparent, began_ns=began, ended_ns=now)


@lru_cache(maxsize=4096)
def _opened(asked: _Asked, asking: _Asking, outcome: _Outcome) -> bytes:
    """How spans begin of what a key has asked a model for, with one outcome."""
    operation, kind, provider, base_url, model = asked
    platform_id, tenant_id, key_id, user_id = asking
    status, cached, estimated = outcome
    address = urlsplit(base_url)
    error = status if cached is None or status not in {"ok", "cancelled"} else ""
    attributes = {
        # Tells spans of calls of models from others.
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _PROVIDERS.get(kind, kind),
        "gen_ai.request.model": model,
        "server.address": address.hostname,
        "server.port": address.port or (80 if address.scheme == "http" else 443),
        "error.type": error or None,
        "user.id": user_id or key_id,
        "dcoder.platform.id": platform_id,
        "dcoder.tenant.id": tenant_id,
        "dcoder.provider": provider,
        "dcoder.api_key.id": key_id,
        "dcoder.status": None if cached is None else status,
        "dcoder.cache.state": cached,
        "dcoder.usage.estimated": estimated,
        "langfuse.observation.type": "embedding" if operation == "embeddings" else "generation",
        "langfuse.observation.model.name": model,
        "langfuse.observation.metadata.cache": cached,
        "langfuse.trace.tags": (f"tenant:{tenant_id}",),
        "langfuse.trace.metadata.tenant": tenant_id,
    }
    made = SpanKind.CLIENT if cached in {None, "miss"} else SpanKind.INTERNAL
    return opening(f"{operation} {model}", made, attributes, error)


def _of_record(record: UsageRecord) -> bytes:
    prompt, completion, cost = record.prompt_tokens, record.completion_tokens, record.cost_micro_usd
    saved, compressed = record.saved_tokens, record.compression_saved_tokens
    return _FIGURES % (
        prompt,
        completion,
        record.cached_prompt_tokens,
        record.cache_write_tokens,
        saved,
        saved,
        compressed,
        compressed,
        cost,
        prompt,
        completion,
        prompt + completion,
        cost // 1_000_000,
        cost % 1_000_000,
    )


def _of_said(booking: Booking, said: Said) -> list[bytes]:
    body, completion = said.body, said.completion or {}
    told = [_of_answer(completion), _OVERHEAD % (said.overhead_seconds * 1000)]
    if said.first_chunk_seconds is not None:
        told.append(_STREAMED % said.first_chunk_seconds)
    if not _NUMBERS.isdisjoint(body):
        told.append(_of_numbers(body))
    if booking.caller.settings.traced_content == "redacted":
        told.append(_of_content(body, completion))
    return told


def _of_answer(completion: Json) -> bytes:
    try:
        # What nearly all are: of one choice, with all of this, and as short as names are.
        (choice,) = completion["choices"]
        answer_id, model, reason = completion["id"], completion["model"], choice["finish_reason"]
        if reason and isinstance(answer_id, str) and len(model) + len(reason) <= _LONGEST_KEPT:
            return _answered(model, reason) + _ANSWER_ID % orjson.dumps(answer_id)
    except (KeyError, TypeError, ValueError):
        # A provider's answer may be of any form.
        pass
    choices = completion.get("choices") or ()
    return _also(
        {
            "gen_ai.response.model": completion.get("model"),
            "gen_ai.response.id": completion.get("id"),
            "gen_ai.response.finish_reasons": [c["finish_reason"] for c in choices if c.get("finish_reason")] or None,
        }
    )


@lru_cache(maxsize=1024)
def _answered(model: str, reason: str) -> bytes:
    return _also({"gen_ai.response.model": model, "gen_ai.response.finish_reasons": (reason,)})


def _of_numbers(body: Json) -> bytes:
    said = [(name, body[name]) for name in _NUMBERS.intersection(body)]
    return b"".join([_of_number(name, value) for name, value in said if isinstance(value, (int, float))])


# By type as well: 1, 1.0 and True are equal, and sent in different forms.
@lru_cache(maxsize=1024, typed=True)
def _of_number(name: str, value: float) -> bytes:
    return _also({f"gen_ai.request.{name}": value})


def _of_content(body: Json, completion: Json) -> bytes:
    asked, answered = _messages(body.get("messages")), _messages(_answers(completion))
    return _also(
        {
            "gen_ai.input.messages": asked,
            "gen_ai.output.messages": answered,
            "langfuse.observation.input": asked,
            "langfuse.observation.output": answered,
        }
    )


def _also(attributes: Json) -> bytes:
    told = encoded_attributes(attributes)
    return b"," + told if told else b""


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
