"""Every recorded interaction goes through the wires over HTTP; what comes out says what the recording says."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from functions.gateway.adapters.anthropic_wire import AnthropicWire
from functions.gateway.adapters.google_wire import GoogleWire
from functions.gateway.adapters.openai_wire import OpenAIWire
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest
from functions.gateway.adapters.vertex_credentials import VertexCredentials
from functions.gateway.adapters.vertex_wire import VertexWire
from functions.gateway.core.errors import ModelNotFound, ProviderRejected
from functions.gateway.core.models import Target
from functions.gateway.core.ports import ChatWire
from functions.gateway.core.translation.anthropic_request import message_request
from functions.gateway.core.translation.messages_request import chat_request
from functions.kit.egress import EgressPolicy
from tests.unit.gateway.wires.provider import LocalProvider, Reply, calling, serving, target
from tests.unit.gateway.wires.recordings import ABSENT, ALL, Recording, of
from tests.unit.gateway.wires.told import Told, of_chunks, of_completion

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "present")

QUESTION: Json = {"messages": [{"role": "user", "content": "?"}]}


class Replay:
    """The wires against a server that answers with recordings; the number in the path says which."""

    def __init__(self, server: LocalProvider, http: ProviderHttp) -> None:
        self.http = http
        self._server = server
        google = GoogleWire(http)
        self._wires: dict[str, ChatWire] = {
            "openai": OpenAIWire(http),
            "anthropic": AnthropicWire(http),
            "google": google,
            "vertex": VertexWire(http, VertexCredentials(http, EgressPolicy())),
        }

    def target(self, recording: Recording, reply: Reply | None = None) -> Target:
        kind = "openai" if recording.kind == "other" else recording.kind
        content_type = "text/event-stream" if recording.streamed else "application/json"
        given = reply or Reply(recording.status, recording.body, content_type)
        self._server.by_path = lambda _path: given
        return target(f"{self._server.url}/v1/projects/p/locations/l", kind, recording.model or "m")

    async def whole(self, recording: Recording, reply: Reply | None = None, body: Json = QUESTION) -> Json:
        return await self._wires[recording.kind].complete(self.target(recording, reply), body)

    async def chunks(self, recording: Recording, reply: Reply | None = None, body: Json = QUESTION) -> list[Json]:
        async with self._wires[recording.kind].stream(self.target(recording, reply), body) as chunks:
            return [chunk async for chunk in chunks]


@pytest_asyncio.fixture(scope="session")
async def replay() -> AsyncIterator[Replay]:
    async with serving() as server, calling(server.host) as http:
        yield Replay(server, http)


def each(*kinds: str, streamed: bool | None = None, failed: bool = False) -> pytest.MarkDecorator:
    chosen = [r for r in of(*kinds) if (r.status != 200) == failed and streamed in {None, r.streamed}]
    return pytest.mark.parametrize("recording", chosen, ids=lambda r: r.name)


def test_every_recording_is_replayed_by_a_test_below() -> None:
    assert len(ALL) == 329
    assert Counter((r.kind, r.streamed) for r in ALL) == {
        ("anthropic", False): 68,
        ("anthropic", True): 16,
        ("google", False): 49,
        ("google", True): 8,
        ("vertex", False): 12,
        ("vertex", True): 1,
        ("openai", False): 45,
        ("openai", True): 10,
        ("other", False): 111,
        ("other", True): 9,
    }


# Anthropic


def anthropic_told(message: Json) -> Told:
    """What a recorded message says, read without the code under test."""
    blocks, usage = message["content"], message["usage"]
    reasons = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls"}
    told = Told(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        thinking=[block for block in blocks if "thinking" in block["type"]],
        calls=[(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        finish=reasons[message["stop_reason"]],
    )
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    prompt = usage["input_tokens"] + read + written
    thought = usage.get("output_tokens_details", {}).get("thinking_tokens")
    told.usage = {
        "prompt_tokens": prompt,
        "completion_tokens": usage["output_tokens"],
        "total_tokens": prompt + usage["output_tokens"],
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_creation_tokens": written,
            "cache_write_tokens": written,
        },
        **({} if thought is None else {"completion_tokens_details": {"reasoning_tokens": thought}}),
    }
    return told


def without_extras(told: Told) -> Told:
    """Without the provider's own fields in the usage."""
    assert told.usage is not None
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details")
    told.usage = {name: told.usage[name] for name in names if name in told.usage}
    return told


def assembled(events: list[Json]) -> Json:
    """The message that a recorded stream of events says."""
    message: Json = {}
    for event in events:
        if event["type"] == "message_start":
            message = {**event["message"], "content": []}
        elif event["type"] == "content_block_start":
            message["content"].append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            _grow(message["content"][event["index"]], event["delta"])
        elif event["type"] == "content_block_stop" and "partial" in message["content"][event["index"]]:
            block = message["content"][event["index"]]
            block["input"] = orjson.loads(block.pop("partial") or "{}")
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] = {**message["usage"], **event["usage"]}
    return message


def _grow(block: Json, delta: Json) -> None:
    if delta["type"] == "input_json_delta":
        block["partial"] = block.get("partial", "") + delta["partial_json"]
    elif delta["type"] == "signature_delta":
        block["signature"] = delta["signature"]
    elif delta["type"] in {"text_delta", "thinking_delta"}:
        name = delta["type"].removesuffix("_delta")
        block[name] += delta[name]


def events_of(message: Json) -> Iterator[Json]:
    """The stream that would have said a recorded message, arguments and words torn in two."""
    usage = {**message["usage"], "output_tokens": 1, "output_tokens_details": None}
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": usage}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty: dict[str, Json] = {
            "text": {"text": ""},
            "thinking": {"thinking": "", "signature": ""},
            "tool_use": {"input": {}},
        }
        start = {**block, **empty.get(block["type"], {})}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield {"type": "message_delta", "delta": ending, "usage": message["usage"]}
    yield {"type": "message_stop"}


def _deltas(block: Json) -> Iterator[Json]:
    kind = block["type"]
    if kind in {"text", "thinking"}:
        for half in _halves(block[kind]):
            yield {"type": f"{kind}_delta", kind: half}
    if kind == "thinking":
        yield {"type": "signature_delta", "signature": block["signature"]}
    if kind == "tool_use" and block["input"]:
        for half in _halves(orjson.dumps(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": half}


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


@each("anthropic")
async def test_anthropic(replay: Replay, recording: Recording) -> None:
    message = assembled(recording.events) if recording.streamed else recording.whole
    stream = (
        Reply(200, recording.body, "text/event-stream") if recording.streamed else Reply.events(*events_of(message))
    )
    expected = anthropic_told(message)
    completion = await replay.whole(recording, Reply.json(message))
    assert without_extras(of_completion(completion)) == expected
    assert (completion["id"], completion["model"]) == (message["id"], message["model"])
    assert without_extras(of_chunks(await replay.chunks(recording, stream))) == expected


@each("anthropic")
def test_anthropic_requests_survive_the_way_there_and_back(recording: Recording) -> None:
    lacking = without_place(recording.request)
    if lacking:
        with pytest.raises(ProviderRejected) as refused:
            chat_request(recording.request, "anthropic", "m")
        assert refused.value.details["field"].startswith(tuple(lacking))
        return
    there = chat_request(recording.request, "anthropic", "m")
    assert message_request(there) == canonical(recording.request)


def without_place(request: Json) -> list[str]:
    """The fields of a recorded request that have no place in OpenAI's format."""
    places: list[str] = [name for name in ("container", "mcp_servers") if name in request]
    for at, message in enumerate(request["messages"]):
        for index, block in enumerate(blocks_of(message["content"])):
            if not has_place(block) or not all(has_place(inner) for inner in blocks_of(block.get("content"))):
                places.append(f"messages[{at}].content[{index}]")
    named = {"type", "name", "description", "input_schema", "strict", "cache_control"}
    for at, tool in enumerate(request.get("tools", ())):
        if tool.get("type", "custom") != "custom" or tool.keys() - named:
            places.append(f"tools[{at}]")
    return places


def has_place(block: Json) -> bool:
    if block["type"] == "document":
        return bool(block["source"]["type"] == "base64") and "citations" not in block
    known = {"text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking"}
    return block["type"] in known and not block.get("citations")


def canonical(request: Json) -> Json:
    """A recorded request with its shorthands written out, and instructions in front."""
    instructions = blocks_of(request.get("system"))
    messages: list[Json] = []
    for message in request["messages"]:
        content = [canonical_block(block) for block in blocks_of(message["content"])]
        if message["role"] == "system":
            instructions += content
            continue
        rank = {"tool_result": 0, "tool_use": 2} if message["role"] == "user" else {"text": 1, "tool_use": 2}
        content.sort(key=lambda block: rank.get(block["type"], 1 if message["role"] == "user" else 0))
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += content
        elif content:
            messages.append({"role": message["role"], "content": content})
    tools = [{name: tool[name] for name in tool if name != "type"} for tool in request.get("tools", ())]
    same = {name: value for name, value in request.items() if name not in {"stream", "system", "messages", "tools"}}
    listed = {"system": instructions, "messages": messages, "tools": tools}
    return {**same, **{name: value for name, value in listed.items() if value}}


def blocks_of(content: Any) -> list[Json]:
    blocks = (
        [{"type": "text", "text": content}]
        if isinstance(content, str)
        else content
        if isinstance(content, list)
        else []
    )
    return [dict(block) for block in blocks if block.get("text") != ""]


def canonical_block(block: Json) -> Json:
    if block["type"] != "tool_result":
        return block
    content = blocks_of(block.get("content"))
    same = {name: value for name, value in block.items() if name not in {"content", "is_error"}}
    return {
        **same,
        **({"content": content} if content else {}),
        **({"is_error": True} if block.get("is_error") else {}),
    }


# Google


def google_told(answers: list[Json]) -> Told:
    """What recorded partial answers say together, read without the code under test."""
    told = Told()
    parts = [p for a in answers for c in a.get("candidates", ()) for p in c.get("content", {}).get("parts", ())]
    told.text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    told.reasoning = "".join(part.get("text", "") for part in parts if part.get("thought"))
    told.calls = [
        (call.get("id", ""), call["name"], call["args"]) for part in parts if (call := part.get("functionCall"))
    ]
    told.finish = {"STOP": "tool_calls" if told.calls else "stop", "MAX_TOKENS": "length"}.get(
        next((c["finishReason"] for a in answers for c in a.get("candidates", ()) if "finishReason" in c), ""),
        "content_filter",
    )
    return told


def check_google(told: Told, answers: list[Json]) -> None:
    expected = google_told(answers)
    assert (told.text, told.reasoning, told.finish) == (expected.text, expected.reasoning, expected.finish)
    assert [call[1:] for call in told.calls] == [call[1:] for call in expected.calls]
    for call, recorded in zip(told.calls, expected.calls, strict=True):
        assert call[0] == recorded[0] if recorded[0] else call[0].startswith("call_")
    assert bool(told.refusal) == (told.finish == "content_filter")
    usage = answers[-1]["usageMetadata"]
    assert told.usage is not None
    assert told.usage["total_tokens"] == usage.get("totalTokenCount", 0)
    assert told.usage["prompt_tokens"] == usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    assert told.usage["prompt_tokens_details"]["cached_tokens"] == usage.get("cachedContentTokenCount", 0)
    reasoning = told.usage.get("completion_tokens_details", {}).get("reasoning_tokens")
    assert reasoning == usage.get("thoughtsTokenCount")


@each("google", "vertex")
async def test_google(replay: Replay, recording: Recording) -> None:
    answers = recording.events if recording.streamed else [recording.whole]
    stream = Reply(200, recording.body, "text/event-stream") if recording.streamed else Reply.events(*answers)
    chunks = of_chunks(await replay.chunks(recording, stream))
    check_google(chunks, answers)
    if not recording.streamed:
        completion = await replay.whole(recording)
        check_google(of_completion(completion), answers)
        assert completion["model"] == recording.whole["modelVersion"]
        assert of_completion(completion).signatures == chunks.signatures
        assert of_completion(completion).logprobs == chunks.logprobs


# OpenAI, Groq, and Google's endpoint that speaks as OpenAI does: nothing may change on the way


@each("openai", streamed=False)
async def test_openai_whole(replay: Replay, recording: Recording) -> None:
    assert await replay.whole(recording, body=recording.request) == recording.whole


@each("openai", streamed=True)
async def test_openai_streams(replay: Replay, recording: Recording) -> None:
    error = next((event["error"] for event in recording.events if "error" in event), None)
    if error is None:
        assert await replay.chunks(recording, body=recording.request) == recording.events
        return
    with pytest.raises(ProviderRejected, match=error["message"][:40]):
        await replay.chunks(recording, body=recording.request)


@each("openai", failed=True)
async def test_openai_refusals(replay: Replay, recording: Recording) -> None:
    with pytest.raises(ProviderRejected, match=recording.whole["error"]["message"][:20].replace("(", ".")):
        await replay.whole(recording, body=recording.request)


# The other APIs have no wire here; their bodies and streams must still come through the HTTP layer whole


@each("other", streamed=False)
async def test_other_answers(replay: Replay, recording: Recording) -> None:
    assert await replay.http.post(request(replay, recording)) == recording.whole


@each("other", streamed=True)
async def test_other_streams(replay: Replay, recording: Recording) -> None:
    async with replay.http.stream(request(replay, recording)) as events:
        assert [orjson.loads(data) async for data in events] == recording.events


@each("other", failed=True)
async def test_other_refusals(replay: Replay, recording: Recording) -> None:
    with pytest.raises((ProviderRejected, ModelNotFound)):
        await replay.http.post(request(replay, recording))


def request(replay: Replay, recording: Recording) -> ProviderRequest:
    to = replay.target(recording)
    return ProviderRequest.of(to, to.provider.base_url, {}, recording.request)
