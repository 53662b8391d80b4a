"""Recorded answers told to callers who speak Anthropic: out to Anthropic's format and back nothing is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.gateway.core.translation.anthropic_response import chat_completion
from functions.gateway.core.translation.anthropic_stream import AnthropicStream
from functions.gateway.core.translation.gemini_response import chat_completion as gemini_completion
from functions.gateway.core.translation.gemini_stream import GeminiStream
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.messages_stream import MessageStream
from functions.gateway.core.translation.reasoning_items import is_sealed
from tests.unit.gateway.wires.recordings import ABSENT, Recording, of
from tests.unit.gateway.wires.told import Told, of_any_chunks, of_chunks, of_completion

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "present")


def each(*kinds: str, streamed: bool) -> pytest.MarkDecorator:
    chosen = [r for r in of(*kinds) if r.status == 200 and r.streamed == streamed and '"error"' not in str(r.response)]
    return pytest.mark.parametrize("recording", chosen, ids=lambda r: r.name)


def as_completion(recording: Recording) -> Json:
    if recording.kind == "anthropic":
        return chat_completion(recording.whole)
    return recording.whole if recording.kind == "openai" else gemini_completion(recording.whole, "m")


def as_chunks(recording: Recording) -> Iterator[Json]:
    if recording.kind == "openai":
        yield from recording.events
        return
    stream = AnthropicStream() if recording.kind == "anthropic" else GeminiStream("m")
    for event in recording.events:
        yield from stream.add(event)
    if isinstance(stream, GeminiStream):
        usage = stream.usage_chunk()
        assert usage is not None
        yield usage


def comparable(told: Told) -> Told:
    """Without what Anthropic's format has no place for."""
    usage = told.usage or {}
    told.usage = {name: usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens")}
    told.signatures, told.logprobs = [], []
    # An id that was missing is made up.
    told.calls = [(call_id if len(call_id) < 36 else "", name, given) for call_id, name, given in told.calls]
    unsigned = {"", *(text for block in told.thinking if is_sealed(text := block.get("signature")))}
    told.thinking = [block for block in told.thinking if block.get("signature") not in unsigned]
    if told.refusal:
        # There a refusal is words like any other.
        told.text, told.refusal = told.text or told.refusal, ""
    return told


@each("anthropic", "openai", "google", "vertex", streamed=False)
def test_whole_answers(recording: Recording) -> None:
    completion = as_completion(recording)
    said = message(completion)
    expected = of_completion(completion)
    expected.reasoning = expected.reasoning or completion["choices"][0]["message"].get("reasoning") or ""
    back = chat_completion(said)
    refused = comparable(expected).finish == "content_filter"
    came = of_completion(back)
    if refused:
        came.refusal = ""
    assert comparable(came) == comparable(expected)


@each("anthropic", "openai", "google", "vertex", streamed=True)
def test_streams(recording: Recording) -> None:
    chunks = list(as_chunks(recording))
    out, back = MessageStream(), AnthropicStream()
    events = [event for chunk in chunks for event in out.add(chunk)] + list(out.end())
    check_order(events)
    came = of_chunks([chunk for event in events for chunk in back.add(event)])
    expected = of_any_chunks(chunks)
    expected.finish = expected.finish or "tool_calls"
    expected.reasoning = expected.reasoning or "".join(
        choice["delta"].get("reasoning") or "" for chunk in chunks for choice in chunk["choices"]
    )
    assert comparable(came) == comparable(expected)


def check_order(events: list[Json]) -> None:
    """Blocks are numbered, opened, closed and never open two at a time."""
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    opened: int | None = None
    count = 0
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert opened is None
            assert event["index"] == count
            opened, count = count, count + 1
        elif event["type"] == "content_block_stop":
            assert event["index"] == opened
            opened = None
        else:
            assert event["type"] == "content_block_delta"
            assert event["index"] == opened
    assert opened is None
