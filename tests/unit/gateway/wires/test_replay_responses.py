"""Every recorded response and message goes through the native wires as it came, and says in a chat what it said."""

from collections import Counter
from typing import Any

import orjson
import pytest

from functions.gateway.adapters.native_wires import MessagesWire, ResponsesWire
from functions.gateway.core.errors import ProviderRejected
from functions.gateway.core.messages import Messages
from functions.gateway.core.responses import Responses
from functions.gateway.core.translation.responses_request import chat_request, ensure_stateless
from functions.gateway.core.translation.responses_response import chat_completion, response
from functions.gateway.core.translation.responses_stream import ResponseReader, ResponseStream
from tests.unit.gateway.wires.provider import Reply, calling, serving, target
from tests.unit.gateway.wires.recordings import ABSENT, ALL, Recording, of
from tests.unit.gateway.wires.told import Told, of_any_chunks, of_completion

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "present")

RESPONSES = [r for r in ALL if r.path.partition("?")[0].endswith("/responses")]
WHOLE = [r for r in RESPONSES if r.status == 200 and not r.streamed]
STREAMS = [r for r in RESPONSES if r.status == 200 and r.streamed]


CACHED = "cached_tokens"


def named(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.name)


def test_which_recordings_there_are() -> None:
    assert Counter((r.status, r.streamed) for r in RESPONSES) == {(200, False): 80, (200, True): 9, (400, False): 1}


def told_by(answer: Json) -> Told:
    """What a recorded response says, read without the code under test."""
    parts = [part for item in answer["output"] if item["type"] == "message" for part in item["content"]]
    told = Told("".join(part["text"] for part in parts if part["type"] == "output_text"))
    told.refusal = "".join(part["refusal"] for part in parts if part["type"] == "refusal")
    told.calls = [
        (item["call_id"], item["name"], orjson.loads(item["arguments"]))
        for item in answer["output"]
        if item["type"] == "function_call"
    ]
    usage = answer.get("usage") or {}
    if usage:
        told.usage = {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
            # What the cache was told to keep is billed at a premium: none of it may be lost on the way.
            "prompt_tokens_details": {
                name: n for name, n in usage["input_tokens_details"].items() if n or name == CACHED
            },
            "completion_tokens_details": {"reasoning_tokens": usage["output_tokens_details"]["reasoning_tokens"]},
        }
    return told


def same(came: Told, expected: Told) -> None:
    assert (came.text, came.refusal, came.calls) == (expected.text, expected.refusal, expected.calls)
    assert came.usage == expected.usage


@named(WHOLE)
async def test_whole_responses_pass_as_they_came(recording: Recording) -> None:
    async with serving() as server, calling(server.host) as http:
        server.by_path = lambda _path: Reply(200, recording.body)
        wire = ResponsesWire(http)
        assert await wire.complete(target(server.url), recording.request, {}) == recording.whole


@named(WHOLE)
def test_whole_responses_as_chats_and_back(recording: Recording) -> None:
    completion = chat_completion(recording.whole)
    expected = told_by(recording.whole)
    same(of_completion(completion), expected)
    back = response(completion, recording.request)
    same(told_by(back), expected)
    if recording.whole["status"] == "completed":
        assert back["status"] == "completed"


@named(STREAMS)
async def test_streams_pass_as_they_came_and_say_the_same_as_chats(recording: Recording) -> None:
    async with serving() as server, calling(server.host) as http:
        server.by_path = lambda _path: Reply(200, recording.body, "text/event-stream")
        async with ResponsesWire(http).stream(target(server.url), recording.request, {}) as events:
            came = [event async for event in events]
    assert came == recording.events
    reader = ResponseReader()
    chunks = [chunk for event in came for chunk in reader.add(event)]
    whole = came[-1]["response"]
    expected = told_by(whole)
    expected_usage = of_any_chunks([chunk for chunk in chunks if not _calls(chunk)])
    assert (expected_usage.text, expected_usage.usage) == (expected.text, expected.usage)


@named(WHOLE)
def test_answers_told_in_events_say_the_same(recording: Recording) -> None:
    completion = chat_completion(recording.whole)
    writer = ResponseStream(recording.request)
    said = completion["choices"][0]["message"]
    head = {name: completion[name] for name in ("id", "created", "model")}
    calls = [{"index": index, **call} for index, call in enumerate(said.get("tool_calls") or ())]
    deltas: list[Json] = [{"content": said["content"]}, {"refusal": said["refusal"]}, {"tool_calls": calls}]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    ending = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": completion.get("usage")}
    events = [event for chunk in [*chunks, ending] for event in writer.add(chunk)] + list(writer.end())
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    check_order(events)
    same(told_by(events[-1]["response"]), told_by(recording.whole))


def check_order(events: list[Json]) -> None:
    """Items are numbered, opened, filled and closed one after the other, and the last event repeats them all."""
    opened: Json | None = None
    done: list[Json] = []
    for event in events[2:-1]:
        if event["type"] == "response.output_item.added":
            assert opened is None
            opened = event["item"]
        else:
            assert opened is not None
        assert event["output_index"] == len(done)
        assert event.get("item_id", opened["id"]) == opened["id"]
        if event["type"] == "response.output_item.done":
            assert event["item"]["id"] == opened["id"]
            done.append(event["item"])
            opened = None
    assert opened is None
    assert events[-1]["response"]["output"] == done


@named(RESPONSES)
def test_requests_are_said_as_chats_or_refused_by_name(recording: Recording) -> None:
    lacking = without_place(recording.request)
    if not lacking:
        ensure_stateless(recording.request)
        chat = chat_request(recording.request, "google")
        assert chat["messages"]
        return
    with pytest.raises(ProviderRejected) as refused:
        Responses(recording.request).chat(target("http://x.example", "google"))
    assert refused.value.details["field"].startswith(tuple(lacking))


def without_place(request: Json) -> list[str]:
    """The fields of a recorded request that need a memory, hosted tools, or have no place in a chat."""
    places = [name for name in ("previous_response_id", "conversation", "background", "store") if request.get(name)]
    places += [name for name in ("context_management", "moderation") if name in request]
    hosted = {"web_search", "file_search", "mcp", "code_interpreter"}
    places += [f"tools[{i}]" for i, tool in enumerate(request.get("tools") or ()) if tool["type"] in hosted]
    places += [f"reasoning.{n}" for n in request.get("reasoning") or {} if n not in {"effort", "summary"}]
    choice = request.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] not in {"function", "allowed_tools"}:
        places.append("tool_choice")
    for index, item in enumerate(request["input"] if isinstance(request["input"], list) else ()):
        if item.get("type") in {"compaction", "mcp_list_tools", "mcp_call"}:
            places.append(f"input[{index}]")
    included = {"reasoning.encrypted_content", "message.output_text.logprobs"}
    return places + [f"include[{i}]" for i, n in enumerate(request.get("include") or ()) if n not in included]


@named(of("anthropic"))
async def test_messages_pass_as_they_came(recording: Recording) -> None:
    async with serving() as server, calling(server.host) as http:
        content_type = "text/event-stream" if recording.streamed else "application/json"
        server.by_path = lambda _path: Reply(200, recording.body, content_type)
        wire, to = MessagesWire(http), target(server.url, "anthropic")
        if not recording.streamed:
            assert await wire.complete(to, recording.request, {}) == recording.whole
            assert Messages(recording.request, {}).completion(recording.whole)["usage"]
            return
        async with wire.stream(to, recording.request, {}) as events:
            assert [event async for event in events] == recording.events


def _calls(chunk: Json) -> bool:
    return any(choice["delta"].get("tool_calls") for choice in chunk["choices"])
