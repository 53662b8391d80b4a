"""The same questions to every provider's wire: the same answers, and a usage equal to the bill."""

from typing import Any

import pytest

from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.kit.errors import DcoderError
from tests.integration.gateway_wires.conftest import Side
from tests.unit.gateway.wires.told import of_any_chunks, of_completion

Json = dict[str, Any]

TOOL: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def ask(text: str, model: str = "sim-chat", **more: Any) -> Json:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return {"model": model, "messages": messages, **more}


STREAMED: Json = {"stream_options": {"include_usage": True}}


async def test_the_same_whole_and_in_a_stream(side: Side) -> None:
    whole = of_completion(await side.wire.complete(side.target, ask('echo: Ünïcode "and" more')))
    assert whole.text == 'Ünïcode "and" more'
    chunks = of_any_chunks(await side.chunks(ask('echo: Ünïcode "and" more', **STREAMED)))
    assert (chunks.text, chunks.finish) == (whole.text, whole.finish) == (whole.text, "stop")
    assert whole.usage is not None
    assert chunks.usage is not None
    bill = await side.bill()
    told = [whole.usage, chunks.usage]
    assert bill["promptTokens"] == sum(usage["prompt_tokens"] for usage in told)
    assert bill["completionTokens"] == sum(usage["completion_tokens"] for usage in told)
    assert bill["chatCalls"] == 2


async def test_limits_and_stops(side: Side) -> None:
    cut = of_completion(await side.wire.complete(side.target, ask("words: 50", max_tokens=5)))
    assert cut.finish == "length"
    stopped = of_completion(await side.wire.complete(side.target, ask("echo: one two three", stop=["two"])))
    assert (stopped.text.strip(), stopped.finish) == ("one", "stop")


async def test_a_tool_is_called_and_its_result_heard(side: Side) -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    asked = ask('get_weather place="Rome"', tools=[TOOL], tool_choice=choice)
    completion = await side.wire.complete(side.target, asked)
    told = of_completion(completion)
    assert told.finish == "tool_calls" or side.kind in {"openai", "groq"}
    [(call_id, name, arguments)] = told.calls
    assert (name, arguments) == ("get_weather", {"place": "Rome"})
    chunks = of_any_chunks(await side.chunks({**asked, **STREAMED}))
    assert [call[1:] for call in chunks.calls] == [(name, arguments)]
    said = {name: value for name, value in completion["choices"][0]["message"].items() if value is not None}
    result = {"role": "tool", "tool_call_id": call_id, "content": "sunny"}
    after = {**ask("?"), "messages": [*asked["messages"], said, result], "tools": [TOOL]}
    assert "sunny" in of_completion(await side.wire.complete(side.target, after)).text


async def test_json_to_a_schema(side: Side) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    told = of_completion(await side.wire.complete(side.target, ask('city="Rome"', response_format=wanted)))
    assert '"city"' in told.text


async def test_a_model_that_does_not_exist(side: Side) -> None:
    with pytest.raises(ModelNotFound):
        await side.wire.complete(side.model("no-such-model"), ask("?", "no-such-model"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("401", ProviderAuthenticationFailed),
        ("429", ProviderRateLimited),
        ("500", ProviderUnavailable),
        ("503", ProviderUnavailable),
        ("context-length", ProviderRejected),
        ("timeout", ProviderTimeout),
        ("reset", ProviderUnavailable),
        ("garbage", ProviderBadResponse),
        ("wrong-content-type", ProviderBadResponse),
    ],
)
async def test_faults_at_the_start(side: Side, fault: str, kind: type[DcoderError]) -> None:
    await side.fault(fault, retryAfterSeconds=30)
    with pytest.raises(kind) as caught:
        await side.wire.complete(side.target, ask("?"))
    if fault == "429":
        assert caught.value.retry_after == 30
    with pytest.raises(kind):
        await side.chunks(ask("?", **STREAMED))
    assert (await side.bill()).get("chatCalls", 0) == 0


@pytest.mark.parametrize("fault", ["500", "503", "reset"])
async def test_a_fault_that_passes_is_not_noticed_and_not_billed_twice(side: Side, fault: str) -> None:
    await side.fault(fault, times=1)
    assert of_completion(await side.wire.complete(side.target, ask("echo: a"))).text == "a"
    await side.fault(fault, times=1)
    assert of_any_chunks(await side.chunks(ask("echo: a", **STREAMED))).text == "a"
    assert (await side.bill())["chatCalls"] == 2


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ("hang-mid-stream", (ProviderTimeout,)),
        ("cut-mid-stream", (ProviderUnavailable, ProviderBadResponse)),
        ("error-mid-stream", (ProviderUnavailable,)),
    ],
)
async def test_faults_in_the_middle(side: Side, fault: str, kinds: tuple[type[DcoderError], ...]) -> None:
    await side.fault(fault)
    with pytest.raises(kinds):
        await side.chunks(ask("words: 60", **STREAMED))
    assert (await side.bill())["chatCalls"] == 1


async def test_usage_zero_missing_and_behind_a_long_line(side: Side) -> None:
    await side.fault("zero-usage", times=2)
    await side.fault("no-usage", times=2)
    await side.fault("long-line", times=2)
    for expected in (0, None, True):
        whole = of_completion(await side.wire.complete(side.target, ask("echo: a b")))
        chunks = of_any_chunks(await side.chunks(ask("echo: a b", **STREAMED)))
        for told in (whole, chunks):
            assert told.text == "a b"
            if expected is None:
                assert told.usage is None
            else:
                assert told.usage is not None
                assert bool(told.usage["total_tokens"]) == bool(expected)


async def test_embeddings(side: Side) -> None:
    if side.kind == "groq":
        with pytest.raises(ModelNotFound):
            await side.wire.embed(side.model("sim-embedding"), {"model": "sim-embedding", "input": "a"})
        return
    if side.kind == "anthropic":
        with pytest.raises(ProviderRejected):
            await side.wire.embed(side.model("sim-embedding"), {"model": "sim-embedding", "input": "a"})
        return
    body: Json = {"model": "sim-embedding", "input": ["cats purr", "stocks fell"], "dimensions": 8}
    several = await side.wire.embed(side.model("sim-embedding"), body)
    one = await side.wire.embed(side.model("sim-embedding"), {**body, "input": "cats purr"})
    vectors = [item["embedding"] for item in several["data"]]
    assert [len(vector) for vector in vectors] == [8, 8]
    assert one["data"][0]["embedding"] == pytest.approx(vectors[0], abs=1e-4)
    assert (await side.bill())["embeddingTokens"] == sum(told["usage"]["prompt_tokens"] for told in (several, one))
