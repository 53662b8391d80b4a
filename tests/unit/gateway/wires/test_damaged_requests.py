"""Whatever stands in a request where something else belongs: it is refused by name, never a fault of ours."""

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.translation.anthropic_request import message_request
from functions.gateway.core.translation.gemini_embeddings import EmbeddingRequest
from functions.gateway.core.translation.gemini_request import content_request
from functions.gateway.core.translation.messages_request import chat_request
from tests.unit.gateway.wires.damage import damaged_copies

Json = dict[str, Any]

PNG = "data:image/png;base64,AAAA"
FUNCTION: Json = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}
CHAT: Json = {
    "model": "sim-chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}]},
        {
            "role": "assistant",
            "content": "a",
            "thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "b"}],
            "extra_content": {"google": {"thought_signature": "s"}},
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "a", "is_error": False},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}]},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": True,
    "temperature": 1,
    "top_p": 1,
    "stop": ["a"],
    "max_tokens": 4,
    "service_tier": "auto",
    "user": "u",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
}
ANTHROPIC_CHAT: Json = {**CHAT, "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
GOOGLE_CHAT: Json = {
    **CHAT,
    "reasoning_effort": "low",
    "logprobs": True,
    "top_logprobs": 2,
    "extra_body": {"google": {"safety_settings": [{}]}},
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
    },
}
MESSAGES: Json = {
    "model": "sim-chat",
    "max_tokens": 4,
    "system": [{"type": "text", "text": "a"}],
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.org/a"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "a"}]}],
        },
        {
            "role": "user",
            "content": [
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stop_sequences": ["a"],
}
EMBEDDINGS: Json = {"model": "m", "input": ["a"], "dimensions": 4, "encoding_format": "float", "task_type": "X"}

TRANSLATIONS: dict[str, tuple[Json, Callable[[Json], object]]] = {
    "to Anthropic": (ANTHROPIC_CHAT, message_request),
    "to Gemini": (GOOGLE_CHAT, content_request),
    "from Anthropic to Anthropic": (MESSAGES, lambda body: chat_request(body, "anthropic", "m")),
    "from Anthropic to others": (MESSAGES, lambda body: chat_request(body, "openai", "m")),
    "embeddings": (EMBEDDINGS, EmbeddingRequest.of),
}


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_the_whole_request_is_taken(name: str) -> None:
    body, translate = TRANSLATIONS[name]
    translate(copy.deepcopy(body))


@pytest.mark.parametrize("name", TRANSLATIONS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused(name: str, data: st.DataObject) -> None:
    body, translate = TRANSLATIONS[name]
    damaged = data.draw(damaged_copies(body))
    with suppress(ProviderRejected):
        translate(damaged)
