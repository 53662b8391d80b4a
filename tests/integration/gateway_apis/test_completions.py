"""POST /v1/completions by OpenAI's own client: native at OpenAI, as a chat elsewhere."""

from typing import Any

import openai
import pytest

from tests.integration.gateway_apis.conftest import KINDS, Everywhere, OpenAiAt


@pytest.mark.parametrize("kind", KINDS)
async def test_the_official_client_works_unchanged(everywhere: Everywhere, openai_at: OpenAiAt, kind: str) -> None:
    client, model = openai_at(""), f"{kind}/sim-completion"
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    whole = await client.completions.create(model=model, prompt="echo: once upon a time", max_tokens=50)
    assert (whole.object, whole.choices[0].text) == ("text_completion", "once upon a time")
    assert whole.choices[0].finish_reason == "stop"
    echoed = await client.completions.create(model=model, prompt="echo: of old", max_tokens=50, echo=True)
    assert echoed.choices[0].text == "echo: of oldof old"
    short = await client.completions.create(model=model, prompt="words: 40")
    assert short.choices[0].finish_reason == "length"
    assert short.usage
    assert short.usage.completion_tokens == 16
    text, usages = "", 0
    async for chunk in await client.completions.create(
        model=model, prompt="words: 9", max_tokens=50, stream=True, stream_options={"include_usage": True}
    ):
        text += "".join(choice.text for choice in chunk.choices)
        usages += chunk.usage is not None
    assert len(text.split()) == 9
    assert usages == 1
    plain = [
        chunk
        async for chunk in await client.completions.create(model=model, prompt="words: 8", max_tokens=50, stream=True)
    ]
    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    await everywhere.ensure_bill_is_met(kind, before + 5)


async def test_what_openai_alone_has(everywhere: Everywhere, openai_at: OpenAiAt) -> None:
    client, model = openai_at(""), "openai/gpt-3.5-turbo-instruct"
    several = await client.completions.create(model=model, prompt=["echo: a", "echo: b"], n=2, best_of=3)
    assert [choice.text for choice in several.choices] == ["a", "a", "b", "b"]
    tokens = await client.completions.create(model=model, prompt=[1, 22, 333], max_tokens=5)
    assert tokens.usage
    assert tokens.usage.prompt_tokens == 3
    lists = await client.completions.create(model=model, prompt=[[1, 22], [333]], max_tokens=5)
    assert len(lists.choices) == 2
    told = await client.completions.create(model=model, prompt="echo: fjord and tide", logprobs=2, suffix=".")
    assert told.choices[0].logprobs
    assert told.choices[0].logprobs.tokens == ["fjord", " and", " tide"]
    await everywhere.ensure_bill_is_met("openai", 4)


@pytest.mark.parametrize(
    ("kind", "asked", "field"),
    [
        ("anthropic", {"prompt": [1, 2, 3]}, "prompt"),
        ("groq", {"prompt": ["a", "b"]}, "prompt"),
        ("google", {"suffix": "."}, "suffix"),
        ("vertex", {"best_of": 4}, "best_of"),
        ("anthropic", {"logprobs": 2}, "logprobs"),
        ("anthropic", {"n": 2}, "n"),
        ("groq", {"echo": True, "logprobs": 1}, "logprobs"),
    ],
)
async def test_what_a_provider_lacks_is_refused_by_name(
    openai_at: OpenAiAt, kind: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await openai_at("").completions.create(**{"model": f"{kind}/sim-chat", "prompt": "Hello?", **asked})
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["details"]["field"] == field


async def test_a_model_that_only_chats_says_so(openai_at: OpenAiAt) -> None:
    with pytest.raises(openai.NotFoundError, match="not supported in the"):
        await openai_at("").completions.create(model="openai/gpt-4o-mini", prompt="Hello?")
