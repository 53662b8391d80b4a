"""Anthropic's message as OpenAI's completion.

What Anthropic's own tools (search, code execution, remote MCP) do on the way has no place in OpenAI's format and is
passed over; the words around it are kept.
"""

from collections.abc import Mapping
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head, function_call, usage_object

# A pause and a full context both leave the answer unfinished.
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
THINKING = frozenset({"thinking", "redacted_thinking"})

_REFUSED = "The model declined to answer."
_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_KEPT = ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation", "server_tool_use")


def chat_completion(message: Json) -> Json:
    """The completion.

    Raises:
        KeyError, TypeError: the message is not in Anthropic's format.
    """
    blocks: list[Json] = message["content"]
    reason = message["stop_reason"]
    choice: Json = {
        "index": 0,
        "message": _message(blocks, refusal_text(message)),
        "logprobs": None,
        "finish_reason": FINISH_REASONS.get(reason, "stop"),
    }
    if message.get("stop_sequence") is not None:
        choice["stop_sequence"] = message["stop_sequence"]
    return Head(message["id"], message["model"]).completion([choice], usage_of(message.get("usage")))


def usage_of(usage: Mapping[str, Any] | None) -> Json | None:
    """OpenAI's `usage`: Anthropic counts what its cache read and wrote beside `input_tokens`, OpenAI within.

    None when Anthropic did not count.
    """
    if not usage:
        return None
    usage = _with_compactions(usage)
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    kept = {name: usage[name] for name in _KEPT if usage.get(name)}
    whole = usage_object(
        usage["input_tokens"] + read + written, usage["output_tokens"], cached=read, reasoning=thought, **kept
    )
    # Our name of it, and OpenAI's.
    whole["prompt_tokens_details"] |= {"cache_creation_tokens": written, "cache_write_tokens": written}
    return whole


def _with_compactions(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """All that is billed: what it took to compact the conversation is no part of the other figures.

    Source: anthropic-sdk-python, `BetaUsage.iterations`.
    """
    compactions = [each for each in usage.get("iterations") or () if each["type"] == "compaction"]
    if not compactions:
        return usage
    rounds = [usage, *compactions]
    kept = [each.get("cache_creation") or {} for each in rounds]
    return {
        **usage,
        **{name: sum(each.get(name) or 0 for each in rounds) for name in _COUNTS},
        "cache_creation": {
            name: sum(each.get(name) or 0 for each in kept) for name in {name for k in kept for name in k}
        },
    }


def refusal_text(message: Mapping[str, Any]) -> str | None:
    """Why the model refused; None when it did not."""
    if message.get("stop_reason") != "refusal":
        return None
    return (message.get("stop_details") or {}).get("explanation") or _REFUSED


def _message(blocks: list[Json], refusal: str | None) -> Json:
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    calls = [
        function_call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"
    ]
    thinking = [block for block in blocks if block["type"] in THINKING]
    message: Json = {
        "role": "assistant",
        "content": "".join(texts) if texts or not calls else None,
        "refusal": refusal,
    }
    if calls:
        message["tool_calls"] = calls
    if thinking:
        message["reasoning_content"] = "".join(block.get("thinking", "") for block in thinking)
        message["thinking_blocks"] = thinking
    return message
