"""POST /v1/chat/completions by OpenAI's own client: what its documentation shows, for every kind of provider."""

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.integration.gateway_apis.conftest import KINDS, Everywhere, OpenAiAt

PLACE: dict[str, object] = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": name, "parameters": PLACE}} for name in ("get_weather", "get_time")
]
ASKED: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Use get_weather and get_time for place: Oslo"},
]


class City(BaseModel):
    name: str
    people: int


def said(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_official_client_works_unchanged(everywhere: Everywhere, openai_at: OpenAiAt, kind: str) -> None:
    client, model = openai_at(""), f"{kind}/sim-chat"
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    called = await client.chat.completions.create(model=model, messages=ASKED, tools=TOOLS)
    calls = called.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["get_weather", "get_time"]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": f"{call.id} is fine"} for call in calls]
    turns: Any = [*ASKED, called.choices[0].message.to_dict(), *results]
    answered = await client.chat.completions.create(model=model, messages=turns, tools=TOOLS)
    assert "is fine" in (answered.choices[0].message.content or "")
    async with client.chat.completions.stream(model=model, messages=ASKED, tools=TOOLS) as stream:
        streamed = await stream.get_final_completion()
    assert len(streamed.choices[0].message.tool_calls or []) == 2
    parsed = await client.chat.completions.parse(
        model=model, messages=said("name: Oslo, people: 700000"), response_format=City
    )
    assert parsed.choices[0].message.parsed
    stopped = await client.chat.completions.create(
        model=model, messages=said("echo: one two three"), stop=[" three"], max_tokens=50
    )
    assert (stopped.choices[0].message.content or "").strip() == "one two"
    await everywhere.ensure_bill_is_met(kind, before + 5)


@pytest.mark.parametrize("kind", ["openai", "groq", "google", "vertex"])
async def test_json_mode_and_seeds(openai_at: OpenAiAt, kind: str) -> None:
    answer = await openai_at("").chat.completions.create(
        model=f"{kind}/sim-chat",
        messages=said("Answer in json, please."),
        response_format={"type": "json_object"},
        seed=7,
    )
    assert (answer.choices[0].message.content or "").startswith("{")


async def test_several_answers_with_their_probabilities(everywhere: Everywhere, openai_at: OpenAiAt) -> None:
    answer = await openai_at("").chat.completions.create(
        model="openai/sim-chat", messages=said("Tell me of fjords."), n=2, logprobs=True, top_logprobs=2
    )
    assert len(answer.choices) == 2
    logprobs = answer.choices[0].logprobs
    assert logprobs
    assert logprobs.content
    assert len(logprobs.content[0].top_logprobs) == 2
    await everywhere.ensure_bill_is_met("openai", 1)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("anthropic", {"n": 2}),
    ("anthropic", {"logprobs": True}),
    ("anthropic", {"seed": 7}),
    ("anthropic", {"response_format": {"type": "json_object"}}),
    ("anthropic", {"logit_bias": {"50256": -100}}),
    ("groq", {"logprobs": True}),
    ("groq", {"n": 2}),
    ("google", {"logit_bias": {"50256": -100}}),
    ("vertex", {"verbosity": "low"}),
]


@pytest.mark.parametrize(("kind", "asked"), REFUSED)
async def test_what_a_provider_lacks_is_refused_by_name(openai_at: OpenAiAt, kind: str, asked: dict[str, Any]) -> None:
    name = next(iter(asked))
    with pytest.raises(openai.BadRequestError, match=name) as refused:
        await openai_at("").chat.completions.create(
            **{"model": f"{kind}/sim-chat", "messages": said("Hello?"), **asked}
        )
    assert refused.value.code == "provider_rejected"
