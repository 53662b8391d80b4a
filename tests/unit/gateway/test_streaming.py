"""Streams: torn frames, whole completions from chunks, chunks from whole completions."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.gateway.adapters.sse_reader import read_events
from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.models import Usage
from functions.gateway.core.streaming import Assembler, chunks_of, texts_in, written_in


async def torn(wire: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        yield wire[start:end]


async def events(wire: bytes, cuts: list[int]) -> list[bytes]:
    return [event async for event in read_events(torn(wire, cuts))]


# The end of a line and of the empty one behind it, of any kind each; CR and LF together are one end.
EMPTY_LINES = [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\n\r", b"\r\n\r", b"\r\r\n"]


@settings(deadline=None)
@given(
    st.lists(st.from_regex(rb"[a-z{}:\"]{1,30}", fullmatch=True), max_size=8),
    st.lists(st.sampled_from(EMPTY_LINES), min_size=8, max_size=8),
    st.lists(st.integers(0, 10_000), max_size=40),
)
async def test_frames_survive_any_tearing(payloads: list[bytes], ends: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(b"data: " + payload + end for payload, end in zip(payloads, ends, strict=False))
    assert await events(wire, cuts) == payloads


async def test_a_byte_order_mark_hides_no_event() -> None:
    assert await events(b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", []) == [b"a", b"b"]


async def test_comments_ids_and_several_data_lines() -> None:
    wire = b": ping\n\nid: 1\nevent: x\ndata: a\ndata:b\n\ndata: last"
    assert await events(wire, []) == [b"a\nb", b"last"]


async def test_an_endless_event_is_refused() -> None:
    async def flood() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    with pytest.raises(ProviderBadResponse):
        [event async for event in read_events(flood())]


def completion(text: str) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


@given(st.text(min_size=1, max_size=300))
def test_a_stored_completion_told_as_a_stream_says_the_same(text: str) -> None:
    assembler = Assembler()
    for chunk in chunks_of(completion(text), include_usage=True):
        assembler.add(chunk)
    assert assembler.completion() == completion(text)


def test_usage_is_told_only_when_asked_for() -> None:
    assert all(chunk["choices"] for chunk in chunks_of(completion("a b"), include_usage=False))


def test_an_explicit_zero_is_a_zero_and_nothing_is_none() -> None:
    assert Usage.of({"prompt_tokens": 0, "completion_tokens": 0}) == Usage(0, 0)
    assert Usage.of(None) is None
    assert Usage.of({"prompt_tokens": "many"}) is None
    assert Usage.of({"prompt_tokens": 2**62, "completion_tokens": 1}) is None
    assert Usage.of({"prompt_tokens": 1, "completion_tokens": 2**63}) is None


def test_tool_calls_are_not_put_together() -> None:
    assembler = Assembler()
    assembler.add({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]})
    assert assembler.completion() is None


def test_usage_is_found_wherever_a_provider_puts_it() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    for chunk in (
        {"choices": [], "usage": usage},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage},
        {"choices": [], "x_groq": {"usage": usage}},
    ):
        assembler = Assembler()
        assembler.add(chunk)
        assembler.add({"choices": [], "usage": None})
        assert assembler.usage == Usage(1, 2)


@pytest.mark.parametrize(
    "begun",
    [
        {"choices": [{"message": {"content": "Hello the"}}]},
        {"content": [{"type": "text", "text": "Hello the"}]},
        {"candidates": [{"content": {"parts": [{"text": "Hello the"}]}}]},
        {"output": [{"content": [{"type": "output_text", "text": "Hello the"}]}], "usage": None},
    ],
)
def test_what_was_written_is_found_in_an_answer_that_broke_off(begun: object) -> None:
    assert texts_in(begun) == ["Hello the"]
    assert texts_in([]) == texts_in("x") == texts_in({"usage": {"content": 3}}) == []


@pytest.mark.parametrize(
    "choices",
    [
        7,
        ["x"],
        [{"message": "x"}],
        [{"message": {"tool_calls": 7}}],
        [{"message": {"tool_calls": ["x", {"function": "y"}]}}],
    ],
)
def test_what_an_answer_of_no_form_says_is_nothing(choices: Any) -> None:
    assert "".join(written_in({"choices": choices})) == ""
