"""What a call may use at most."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.core.models import Provider, Target
from functions.gateway.core.needs import chat_need, estimated, estimated_input, input_need, limited
from functions.gateway.core.prices import load_prices
from functions.gateway.core.streaming import Assembler, written_in
from functions.gateway.core.tokens import count_tokens

OPENAI = Target(Provider("openai", "openai", "https://api.openai.com/v1", "sk-x"), "gpt-4o-mini")
OTHER = Target(Provider("openai", "openai", "http://127.0.0.1:8090/openai/v1", "sk-x"), "gpt-4o-mini")
TEXT = "How far is it from the lighthouse to the harbour, and how long does the walk take?"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": TEXT}], **fields}


async def test_a_prompt_is_counted_by_the_model_s_own_tokenizer() -> None:
    need = await chat_need(OPENAI, body(max_tokens=50), load_prices(), 4096)
    assert need.tokens == count_tokens(TEXT, "gpt-4o-mini") + 4 + 3
    assert (need.requests, need.completion, need.answers) == (1, 50, 1)
    assert (need.nano_usd, need.completion_nano_usd) == (need.tokens * 150, 600)


async def test_a_server_that_only_speaks_like_openai_may_count_otherwise() -> None:
    exact = await chat_need(OPENAI, body(), load_prices(), 4096)
    other = await chat_need(OTHER, body(), load_prices(), 4096)
    assert exact.tokens < other.tokens <= exact.tokens * 1.5


@pytest.mark.parametrize(
    ("fields", "completion"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 7),
        ({"max_tokens": None}, 100),
        ({"max_tokens": 0}, 1),
    ],
)
async def test_how_long_an_answer_may_be(fields: dict[str, Any], completion: int) -> None:
    assert (await chat_need(OPENAI, body(**fields), load_prices(), 100)).completion == completion


@pytest.mark.parametrize(
    ("model", "fields"),
    [("gpt-5-mini", {}), ("gemini-2.5-pro", {}), ("claude-sonnet-4-5", {"reasoning_effort": "low"})],
)
async def test_a_model_that_thinks_gets_room_for_it(model: str, fields: dict[str, Any]) -> None:
    thinking = Target(OPENAI.provider, model)
    assert (await chat_need(thinking, body(**fields), load_prices(), 100)).completion == 400


async def test_everything_that_is_sent_is_counted() -> None:
    plain = await chat_need(OPENAI, body(n=3), load_prices(), 100)
    assert plain.answers == 3
    tools = [{"type": "function", "function": {"name": "walk", "description": TEXT}}]
    assert (await chat_need(OPENAI, body(tools=tools), load_prices(), 100)).tokens > plain.tokens + 15
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = body(messages=[{"role": "user", "content": [{"type": "text", "text": TEXT}, picture]}])
    assert (await chat_need(OPENAI, parts, load_prices(), 100)).tokens == plain.tokens + 1_600
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"arguments": TEXT}}]}
    answered = body(messages=[*body()["messages"], called])
    assert (await chat_need(OPENAI, answered, load_prices(), 100)).tokens > plain.tokens + 15


async def test_long_prompts_count_the_same() -> None:
    long = body(messages=[{"role": "user", "content": TEXT * 500}])
    need = await chat_need(OPENAI, long, load_prices(), 100)
    assert need.tokens == count_tokens(TEXT * 500, "gpt-4o-mini") + 7


@pytest.mark.parametrize(("given", "tokens"), [(TEXT, 20), ([TEXT, TEXT], 40), ([1, 2, 3], 3), ([[1, 2], [3]], 3)])
async def test_inputs_to_embed(given: Any, tokens: int) -> None:
    target = Target(OPENAI.provider, "text-embedding-3-small")
    need = await input_need(target, given, load_prices(), internal=False)
    assert (need.tokens, need.requests, need.completion) == (tokens, 1, 0)
    assert need.nano_usd == tokens * 20
    assert (await input_need(target, given, load_prices(), internal=True)).requests == 0


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("gpt-4o", {}, {"max_tokens": 5}),
        ("gpt-5", {}, {"max_completion_tokens": 5}),
        ("gpt-5", {"max_tokens": 9}, {"max_tokens": 5}),
        ("gpt-4o", {"max_completion_tokens": 9}, {"max_completion_tokens": 5}),
        ("gpt-4o", {"max_tokens": 9, "max_completion_tokens": 8}, {"max_tokens": 5, "max_completion_tokens": 5}),
    ],
)
def test_an_answer_is_limited_in_the_words_of_the_request(
    model: str, fields: dict[str, Any], expected: dict[str, int]
) -> None:
    sent = limited(Target(OPENAI.provider, model), body(**fields), 5)
    names = ("max_tokens", "max_completion_tokens")
    assert {name: sent[name] for name in names if name in sent} == expected


async def test_what_the_provider_did_not_count_is_counted_by_the_tokenizer_and_marked() -> None:
    call = {"function": {"name": "walk", "arguments": '{"to": "harbour"}'}}
    message = {"role": "assistant", "content": "It is far.", "reasoning_content": "Let me see.", "tool_calls": [call]}
    whole = await estimated(OTHER, body(), written_in({"choices": [{"message": message}]}))
    assert whole.estimated
    assert whole.prompt_tokens == count_tokens(TEXT, "gpt-4o-mini") + 7
    assembler = Assembler()
    for delta in (
        {"reasoning_content": "Let me "},
        {"reasoning_content": "see."},
        {"content": "It is"},
        {"content": " far."},
        {"tool_calls": [{"index": 0, "function": {"name": "walk", "arguments": '{"to":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ' "harbour"}'}}]},
    ):
        assembler.add({"choices": [{"index": 0, "delta": delta}]})
    streamed = await estimated(OTHER, body(), assembler.written())
    assert abs(streamed.completion_tokens - whole.completion_tokens) <= 3
    assert whole.completion_tokens > count_tokens("It is far.", "gpt-4o-mini") + 5
    assert (await estimated_input(OTHER, [TEXT, TEXT])).prompt_tokens == 2 * count_tokens(TEXT, "gpt-4o-mini")
    assert (await estimated_input(OTHER, [1, 2, 3])).prompt_tokens == 3


@given(st.text(max_size=200))
async def test_a_rough_need_is_never_less_than_what_the_provider_counts(text: str) -> None:
    asked = body(messages=[{"role": "user", "content": text}])
    exact = await chat_need(OPENAI, asked, load_prices(), 100)
    rough = await chat_need(OPENAI, asked, load_prices(), 100, roughly=True)
    assert rough.tokens >= exact.tokens
    assert rough.completion == exact.completion
