import base64
import json
import struct
from typing import Any, Literal

import openai as openai_errors
import pytest
from openai import AsyncOpenAI
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
)

from tests.unit.local.simulator.conftest import Simulator

Json = dict[str, Any]

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def question(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def streamed(client: AsyncOpenAI, text: str, **options: Any) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(model="gpt-4o", messages=question(text), stream=True, **options)
    return [chunk async for chunk in stream]


def joined(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def test_a_whole_answer_reports_what_is_billed(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=question("Why do tides rise?"))
    assert answer.choices[0].finish_reason == "stop"
    assert "tides rise" in str(answer.choices[0].message.content)
    bill = await simulator.bill(key)
    assert answer.usage is not None
    assert bill["promptTokens"] == answer.usage.prompt_tokens > 0
    assert bill["completionTokens"] == answer.usage.completion_tokens > 0
    assert bill["byModel"]["gpt-4o"]["calls"] == bill["chatCalls"] == 1


async def test_a_stream_says_the_same_and_costs_the_same(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    whole = await openai.chat.completions.create(model="gpt-4o", messages=question("Why do tides rise?"))
    chunks = await streamed(openai, "Why do tides rise?", stream_options={"include_usage": True})
    assert joined(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert not chunks[-1].choices
    assert all(chunk.usage is None for chunk in chunks[:-1])
    bill = await simulator.bill(key)
    assert whole.usage is not None
    assert (bill["promptTokens"], bill["completionTokens"]) == (
        2 * whole.usage.prompt_tokens,
        2 * whole.usage.completion_tokens,
    )


async def test_usage_is_streamed_only_when_asked_for(openai: AsyncOpenAI) -> None:
    chunks = await streamed(openai, "echo: hello")
    assert joined(chunks) == "hello"
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_choices_stream_side_by_side(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    chunks = await streamed(openai, "Tell me about tides", n=2, stream_options={"include_usage": True})
    texts = {
        index: "".join(
            choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index
        )
        for index in (0, 1)
    }
    assert texts[0] != texts[1]
    usage = chunks[-1].usage
    assert usage is not None
    assert (await simulator.bill(key))["completionTokens"] == usage.completion_tokens


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_token_limit_is_kept(openai: AsyncOpenAI, limit: str) -> None:
    options: Json = {limit: 4}
    answer = await openai.chat.completions.create(model="gpt-4o", messages=question("Hello"), **options)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4


async def test_stop_sequences_end_an_answer(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=question("echo: a b c"), stop=["b"])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("a ", "stop")


async def test_a_tool_is_called_whole_and_in_a_stream(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    text = "Use get_weather for Paris"
    whole = await openai.chat.completions.create(model="gpt-4o", messages=question(text), tools=[WEATHER])
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.content is None
    (call,) = whole.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    chunks = await streamed(openai, text, tools=[WEATHER], stream_options={"include_usage": True})
    deltas = [part for chunk in chunks for choice in chunk.choices for part in choice.delta.tool_calls or []]
    arguments = "".join(delta.function.arguments or "" for delta in deltas if delta.function)
    assert json.loads(arguments) == {"city": "Paris"}
    assert len(deltas) > 2
    assert whole.usage is not None
    assert chunks[-1].usage == whole.usage
    assert (await simulator.bill(key))["completionTokens"] == 2 * whole.usage.completion_tokens


async def test_a_forced_tool_is_called(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(
        model="gpt-4o",
        messages=question("Hello"),
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    assert answer.choices[0].message.tool_calls


async def test_a_tool_result_is_reported(openai: AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "Use get_weather for Paris"},
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"},
    ]
    answer = await openai.chat.completions.create(model="gpt-4o", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "get_weather returned 22 degrees."


async def test_json_answers_are_json(openai: AsyncOpenAI) -> None:
    free = await openai.chat.completions.create(
        model="gpt-4o", messages=question("Answer in JSON: why?"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(str(free.choices[0].message.content)), dict)
    schema: Json = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    typed = await openai.chat.completions.create(
        model="gpt-4o",
        messages=question("There are 7 ships"),
        response_format={"type": "json_schema", "json_schema": {"name": "ships", "schema": schema}},
    )
    assert json.loads(str(typed.choices[0].message.content)) == {"count": 7}


async def test_legacy_completions(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    model = "gpt-3.5-turbo-instruct"
    whole = await openai.completions.create(model=model, prompt="echo: one two three", max_tokens=50)
    assert whole.choices[0].text == "one two three"
    stream = await openai.completions.create(
        model=model, prompt=["Tell me about tides"], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    usages = [whole.usage, chunks[-1].usage]
    assert (await simulator.bill(key))["completionTokens"] == sum(usage.completion_tokens for usage in usages if usage)


async def test_paraphrases_are_closer_than_other_sentences(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    texts = ["How do I reset my password?", "I forgot my password, how can I change it?", "The recipe needs two eggs."]
    reply = await openai.embeddings.create(model="text-embedding-3-small", input=texts)
    vectors = [item.embedding for item in reply.data]
    assert [len(vector) for vector in vectors] == [384, 384, 384]
    assert product(vectors[0], vectors[0]) == pytest.approx(1, abs=1e-5)
    assert product(vectors[0], vectors[1]) > 0.8
    assert product(vectors[0], vectors[2]) < 0.2
    bill = await simulator.bill(key)
    assert bill["embeddingTokens"] == reply.usage.prompt_tokens == reply.usage.total_tokens > 0
    assert (bill["embeddingCalls"], bill["chatCalls"]) == (1, 0)


async def test_floats_and_base64_are_the_same_vector(simulator: Simulator, key: str) -> None:
    async def embedding(encoding: str) -> Any:
        body = {"model": "text-embedding-3-small", "input": "tides", "encoding_format": encoding, "dimensions": 64}
        _, reply = await simulator.post("/openai/v1/embeddings", body, {"authorization": f"Bearer {key}"})
        return reply["data"][0]["embedding"]

    floats, encoded = await embedding("float"), await embedding("base64")
    assert list(struct.unpack("<64f", base64.b64decode(encoded))) == pytest.approx(floats, abs=1e-7)
    assert product(floats, floats) == pytest.approx(1, abs=1e-5)


async def test_many_texts_keep_their_order(openai: AsyncOpenAI) -> None:
    texts = [f"sentence number {number % 50}" for number in range(100)]
    reply = await openai.embeddings.create(model="sim-embedding", input=texts)
    assert reply.data[7].embedding == reply.data[57].embedding
    assert reply.data[7].embedding != reply.data[8].embedding


async def test_models_are_listed(openai: AsyncOpenAI) -> None:
    names = [model.id async for model in openai.models.list()]
    assert {"gpt-4o", "text-embedding-3-small", "sim-chat"} <= set(names)
    assert (await openai.models.retrieve("gpt-4o-2024-08-06")).id == "gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "gpt-nope"}, 404, "model_not_found", None),
        ({"model": None}, 400, "missing_required_parameter", "model"),
        ({"messages": None}, 400, "missing_required_parameter", "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user"}]}, 400, "invalid_value", "messages[0].content"),
        ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
        ({"n": "two"}, 400, "invalid_value", "n"),
        ({"stream_options": {"include_usage": True}}, 400, "invalid_value", "stream_options"),
        ({"model": "text-embedding-3-small"}, 404, None, "model"),
        ({"dcoder_tenant": "x"}, 400, None, None),
    ],
)
async def test_bad_requests(
    simulator: Simulator, key: str, body: Json, status: int, code: str | None, param: str | None
) -> None:
    request = {"model": "gpt-4o", "messages": question("Hello"), **body}
    got, answer = await simulator.post("/openai/v1/chat/completions", request, {"authorization": f"Bearer {key}"})
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
    assert (await simulator.bill(key))["calls"] == 0


@pytest.mark.parametrize(("credential", "code"), [("", None), ("Bearer sk-invalid-0123456789", "invalid_api_key")])
async def test_bad_keys(simulator: Simulator, credential: str, code: str | None) -> None:
    headers = {"authorization": credential} if credential else {}
    status, answer = await simulator.post("/openai/v1/chat/completions", {}, headers)
    assert (status, answer["error"]["code"]) == (401, code)
    assert "sk-invalid-0123456789" not in answer["error"]["message"]


async def test_malformed_json_and_unknown_paths(simulator: Simulator, key: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    url = f"{simulator.url}/openai/v1"
    async with simulator.http.post(f"{url}/chat/completions", data=b'{"model": ', headers=headers) as response:
        assert response.status == 400
        assert "could not parse the JSON body" in (await response.json())["error"]["message"]
    async with simulator.http.post(f"{url}/nothing", data=b"{}", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["message"]) == (
            404,
            "Invalid URL (POST /openai/v1/nothing)",
        )


async def test_too_long_a_prompt(openai: AsyncOpenAI) -> None:
    with pytest.raises(openai_errors.BadRequestError) as caught:
        await openai.chat.completions.create(model="sim-small", messages=question("tide " * 200))
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "texts", [[], "", ["fine", ""], [[1, 2], ["a"]]], ids=["none", "empty", "one empty", "tokens and text"]
)
async def test_bad_embedding_inputs(simulator: Simulator, key: str, texts: Any) -> None:
    body = {"model": "text-embedding-3-small", "input": texts}
    status, answer = await simulator.post("/openai/v1/embeddings", body, {"authorization": f"Bearer {key}"})
    assert (status, answer["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("content", ["text", "parts"])
async def test_content_parts_count_like_text(openai: AsyncOpenAI, content: Literal["text", "parts"]) -> None:
    messages: list[ChatCompletionMessageParam] = (
        question("echo: hi")
        if content == "text"
        else [{"role": "user", "content": [{"type": "text", "text": "echo: hi"}]}]
    )
    answer = await openai.chat.completions.create(model="sim-chat", messages=messages)
    assert answer.choices[0].message.content == "hi"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 10


def product(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
