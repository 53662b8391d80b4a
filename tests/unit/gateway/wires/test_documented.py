"""The table of docs/gateway-api.md says what the translations do."""

import re
from pathlib import Path
from typing import Any

import pytest

from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.translation.anthropic_request import message_request
from functions.gateway.core.translation.gemini_request import content_request

PAGE = Path(__file__).parents[4] / "docs" / "gateway-api.md"
ROW = re.compile(r"^\| ([^|]+) \| (yes|refused) \| (yes|refused) \|$", re.MULTILINE)
Json = dict[str, Any]

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA: Json = {"name": "a", "schema": {"type": "object", "properties": {}}}


def seen(part: Json) -> Json:
    return {"messages": [{"role": "user", "content": [part]}]}


EXAMPLES: dict[str, Json] = {
    "system prompts": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]},
    "images as data": seen({"type": "image_url", "image_url": {"url": PNG}}),
    "images by https": seen({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}),
    "PDF files as data": seen({"type": "file", "file": {"file_data": PDF}}),
    "sound": seen({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    "`tools`": {"tools": [TOOL]},
    "`tool_choice` required or by name": {"tools": [TOOL], "tool_choice": "required"},
    "`tool_choice` of several allowed": {
        "tools": [TOOL],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "auto",
                "tools": [{"type": "function", "function": {"name": "f"}}],
            },
        },
    },
    "`parallel_tool_calls` false": {"tools": [TOOL], "parallel_tool_calls": False},
    "`response_format` json_object": {"response_format": {"type": "json_object"}},
    "`response_format` json_schema": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    "`reasoning_effort`": {"reasoning_effort": "low"},
    "`stop`": {"stop": ["x"]},
    "`seed`": {"seed": 7},
    "`n` above 1": {"n": 2},
    "`logprobs`": {"logprobs": True, "top_logprobs": 2},
    "`logit_bias`": {"logit_bias": {"1": 1}},
    "`presence_penalty`, `frequency_penalty`": {"presence_penalty": 0.5, "frequency_penalty": 0.5},
    "`temperature` above 1": {"temperature": 1.5},
    "`verbosity`": {"verbosity": "low"},
    "`prediction`": {"prediction": {"type": "content", "content": "x"}},
    "`web_search_options`": {"web_search_options": {}},
    "`audio` answers": {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "mp3"}},
}


MARKS: list[Json] = [
    {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"ttl": "30m"}},
    seen({"type": "text", "text": "?", "prompt_cache_breakpoint": {"mode": "explicit"}}),
]


@pytest.mark.parametrize("marks", MARKS)
def test_marks_of_openai_s_prompt_cache_are_left_out(marks: Json) -> None:
    plain = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "?"}]}
    for translate in (message_request, content_request):
        assert translate({**plain, **marks}) == translate(plain)


def test_an_original_image_is_looked_at_whole() -> None:
    body = {"model": "m", **seen({"type": "image_url", "image_url": {"url": PNG, "detail": "original"}})}
    assert (verdict(message_request, body), verdict(content_request, body)) == ("yes", "yes")


def documented() -> dict[str, tuple[str, str]]:
    return {name.strip(): (anthropic, google) for name, anthropic, google in ROW.findall(PAGE.read_text())}


def test_the_table_has_every_example() -> None:
    assert list(documented()) == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_row_says_what_happens(name: str) -> None:
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "?"}], **EXAMPLES[name]}
    assert documented()[name] == (verdict(message_request, body), verdict(content_request, body))


def verdict(translate: Any, body: Json) -> str:
    try:
        translate(body)
    except ProviderRejected:
        return "refused"
    return "yes"
