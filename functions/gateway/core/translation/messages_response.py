"""OpenAI's completion as Anthropic's message, for callers who speak Anthropic to any provider."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import orjson

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import written_to_cache
from functions.gateway.core.translation.reasoning_items import Thoughts, sealed, thoughts_of

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_KEPT = ("cache_creation", "server_tool_use")


def message(completion: Json) -> Json:
    """The message that says what the completion's first choice says.

    Raises:
        KeyError, TypeError, ValueError: the completion is not in OpenAI's format.
    """
    choice = completion["choices"][0]
    return {
        "id": completion["id"],
        "type": "message",
        "role": "assistant",
        "model": completion["model"],
        "content": list(_blocks(choice["message"])),
        **ending(choice),
        "usage": usage_of(completion.get("usage") or {}),
    }


def ending(choice: Mapping[str, Any]) -> Json:
    """Why the message ended."""
    sequence = choice.get("stop_sequence")
    reason = STOP_REASONS.get(str(choice["finish_reason"]), "end_turn")
    return {"stop_reason": reason if sequence is None else "stop_sequence", "stop_sequence": sequence}


def usage_of(usage: Mapping[str, Any]) -> Json:
    """Anthropic's `usage`, which counts what a cache read and wrote beside `input_tokens`."""
    details = usage.get("prompt_tokens_details") or {}
    read, written = details.get("cached_tokens") or 0, written_to_cache(details)
    return {
        "input_tokens": (usage.get("prompt_tokens") or 0) - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.get("completion_tokens") or 0,
        **{name: usage[name] for name in _KEPT if usage.get(name)},
    }


def thinking_block(thinking: str, signature: str = "") -> Json:
    """What another provider's model thought, signed by it if at all; it cannot be sent to Anthropic."""
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def tool_use(call_id: str | None, name: str, arguments: Json) -> Json:
    """The call of a tool; some providers give it no id, without which its result could not be sent."""
    return {"type": "tool_use", "id": call_id or f"toolu_{uuid4().hex}", "name": name, "input": arguments}


def signatures(extras: Json) -> Iterator[Json]:
    """A block that carries what Google signed of calls, which it wants back with their results; at the end of them."""
    if any(extras):
        yield thinking_block("", sealed(Thoughts(extras=extras)))


def _blocks(said: Json) -> Iterator[Json]:
    thinking = said.get("reasoning_content") or said.get("reasoning")
    if said.get("thinking_blocks"):
        yield from said["thinking_blocks"]
    elif thinking:
        yield thinking_block(thinking)
    text = said.get("content") or said.get("refusal")
    if text:
        yield {"type": "text", "text": text}
    for call in said.get("tool_calls") or ():
        function = call["function"]
        arguments = orjson.loads(function["arguments"] or "{}")
        if not isinstance(arguments, dict):
            raise TypeError("the arguments of a call must be an object")
        yield tool_use(call.get("id"), function["name"], arguments)
    yield from signatures(thoughts_of(said).extras)
