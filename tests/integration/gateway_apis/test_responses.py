"""POST /v1/responses by OpenAI's own client: native at OpenAI, translated elsewhere, and nothing kept anywhere."""

import base64
from typing import Any

import openai
import pytest
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from tests.integration.gateway_apis.conftest import KINDS, Everywhere, OpenAiAt
from tests.platform import eventually

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def function(name: str) -> FunctionToolParam:
    place: dict[str, object] = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    return {"type": "function", "name": name, "parameters": place, "strict": False}


TOOLS = [function("get_weather"), function("get_time")]


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("kind", KINDS)
async def test_the_official_client_works_unchanged(everywhere: Everywhere, openai_at: OpenAiAt, kind: str) -> None:
    client, model = openai_at(""), f"{kind}/sim-chat"
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    whole = await client.responses.create(model=model, instructions="Be brief.", input="echo: fjord and tide")
    assert whole.output_text == "fjord and tide"
    assert (whole.status, whole.object, whole.instructions) == ("completed", "response", "Be brief.")
    assert whole.usage
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    cut = await client.responses.create(model=model, input="words: 60", max_output_tokens=20)
    assert (cut.status, cut.incomplete_details and cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    asked: Any = [{"role": "user", "content": "Use get_weather and get_time for place: Oslo"}]
    called = await client.responses.create(model=model, input=asked, tools=TOOLS)
    calls = [item for item in called.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    results = [{"type": "function_call_output", "call_id": c.call_id, "output": f"{c.name} is fine"} for c in calls]
    turns: Any = [*asked, *(item.to_dict() for item in called.output), *results]
    answered = await client.responses.create(model=model, input=turns, tools=TOOLS)
    assert "get_weather is fine" in answered.output_text
    looked = await client.responses.create(
        model=model,
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
                ],
            }
        ],
    )
    assert looked.usage
    assert looked.usage.input_tokens > 85
    await everywhere.ensure_bill_is_met(kind, before + 5)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_is_told_in_typed_events(everywhere: Everywhere, openai_at: OpenAiAt, kind: str) -> None:
    client, model = openai_at(""), f"{kind}/sim-chat"
    before = (await everywhere.billed(kind)).get("chatCalls", 0)
    async with client.responses.stream(model=model, input="echo: fjord") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if "delta" not in event.type] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert final.output_text == "fjord"
    assert final.usage
    async with client.responses.stream(
        model=model, input="Use get_weather and get_time for place: Oslo", tools=TOOLS
    ) as stream:
        called = await stream.get_final_response()
    assert [item.name for item in called.output if item.type == "function_call"] == ["get_weather", "get_time"]
    await everywhere.ensure_bill_is_met(kind, before + 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_structured_output_is_parsed(openai_at: OpenAiAt, kind: str) -> None:
    parsed = await openai_at("").responses.parse(
        model=f"{kind}/sim-chat", input="name: Oslo, people: 700000", text_format=City
    )
    assert parsed.output_parsed
    assert parsed.output_parsed.name


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"),
    ({"store": True}, "store"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(("asked", "field"), REFUSED)
async def test_what_needs_a_memory_is_refused_by_name(
    openai_at: OpenAiAt, kind: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await openai_at("").responses.create(**{"model": f"{kind}/sim-chat", "input": "Hello?", **asked})
    assert isinstance(refused.value.body, dict)
    assert (refused.value.code, refused.value.body["details"]["field"]) == ("provider_rejected", field)


async def test_nothing_can_be_retrieved_or_deleted(openai_at: OpenAiAt) -> None:
    client = openai_at("")
    with pytest.raises(openai.BadRequestError, match="not kept"):
        await client.responses.retrieve("resp_123")
    with pytest.raises(openai.BadRequestError, match="not kept"):
        await client.responses.delete("resp_123")


async def test_openai_is_asked_as_the_caller_asked_and_told_to_keep_nothing(
    everywhere: Everywhere, openai_at: OpenAiAt
) -> None:
    await openai_at("").responses.create(
        model="openai/sim-chat",
        input="Hello?",
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        truncation="auto",
    )
    sent = (await everywhere.asked("openai"))[-1]
    assert sent["path"] == "/openai/v1/responses"
    assert sent["body"] == {
        "model": "sim-chat",
        "input": "Hello?",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "truncation": "auto",
        "store": False,
        "stream": False,
    }


@pytest.mark.parametrize("kind", ["openai", "groq"])
async def test_a_stream_that_breaks_ends_with_an_error_event(
    everywhere: Everywhere, openai_at: OpenAiAt, kind: str
) -> None:
    await everywhere.fault(kind, fault="error-mid-stream", times=1)
    seen: list[str] = []

    async def read() -> None:
        stream = await openai_at("").responses.create(model=f"{kind}/sim-chat", input="words: 30", stream=True)
        async for event in stream:
            seen.append(event.type)
            if event.type == "error":
                raise LookupError(event.code)

    with pytest.raises((LookupError, openai.APIError), match=r"provider_unavailable|broke off"):
        await read()
    assert seen[0] == "response.created"
    assert "response.completed" not in seen


@pytest.mark.parametrize("kind", ["openai", "google"])
async def test_a_reader_who_leaves_is_billed_what_the_provider_bills(everywhere: Everywhere, kind: str) -> None:
    before = await everywhere.billed(kind)
    body = {"model": f"{kind}/sim-chat", "input": "words: 60", "stream": True}
    await everywhere.fault(kind, chunkDelayMs=5, times=1)
    headers = {"authorization": f"Bearer {everywhere.tenant.key}"}
    url = f"{everywhere.platform.edge}/v1/responses"
    async with everywhere.api.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200
        await response.content.readany()
    await everywhere.ensure_bill_is_met(kind, before.get("chatCalls", 0) + 1)


async def test_the_cache_answers_and_streams(openai_at: OpenAiAt) -> None:
    client = openai_at("")
    ask: Any = {"model": "openai/sim-chat", "input": "What keeps a dune in its place?"}
    first = await client.responses.create(**ask)

    async def cached() -> bool:
        again = await client.responses.with_raw_response.create(**ask)
        return bool(again.headers["x-dcoder-cache"] == "hit" and again.parse().output_text == first.output_text)

    assert await eventually(cached)
    async with client.responses.stream(**ask) as stream:
        assert (await stream.get_final_response()).output_text == first.output_text
