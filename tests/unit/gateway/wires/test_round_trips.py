"""Whatever a conversation is made of, it survives the way into another provider's format and out of it again."""

from itertools import groupby
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.gateway.core.translation.anthropic_request import message_request
from functions.gateway.core.translation.anthropic_response import chat_completion
from functions.gateway.core.translation.anthropic_stream import AnthropicStream
from functions.gateway.core.translation.gemini_request import content_request
from functions.gateway.core.translation.gemini_response import chat_completion as gemini_completion
from functions.gateway.core.translation.gemini_stream import GeminiStream
from functions.gateway.core.translation.messages_request import chat_request
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.messages_stream import MessageStream
from tests.unit.gateway.wires.told import of_chunks, of_completion

Json = dict[str, Any]

FEW = settings(max_examples=60, deadline=None)

# Lone surrogates are not text; every client and server refuses them.
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
maybe_words = st.one_of(st.just(""), words)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), maybe_words)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
arguments = st.dictionaries(words, values, max_size=3)
names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
ids = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True), words)
images = st.sampled_from(["data:image/png;base64,AAAA", "https://example.org/a.png"])


@st.composite
def parts(draw: st.DrawFn) -> Any:
    """The content of a user's message: a string, or texts and images."""
    if draw(st.booleans()):
        return draw(words)
    text = words.map(lambda text: {"type": "text", "text": text})
    image = images.map(lambda url: {"type": "image_url", "image_url": {"url": url}})
    return draw(st.lists(st.one_of(text, image), min_size=2, max_size=4))


@st.composite
def rounds(draw: st.DrawFn) -> list[Json]:
    """A question, and an answer in words or by way of tools."""
    asked = {"role": "user", "content": draw(parts())}
    calls = [
        {
            "id": call_id,
            "type": "function",
            "function": {"name": draw(names), "arguments": orjson.dumps(draw(arguments)).decode()},
        }
        for call_id in draw(st.lists(ids, max_size=3, unique=True))
    ]
    if not calls:
        return [asked, {"role": "assistant", "content": draw(words)}]
    called = {"role": "assistant", "content": draw(st.one_of(st.none(), words)), "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(words)} for call in calls]
    return [asked, called, *results, {"role": "assistant", "content": draw(words)}]


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    system = [{"role": "system", "content": text} for text in draw(st.lists(words, max_size=1))]
    middle = [one for several in draw(st.lists(rounds(), max_size=3)) for one in several]
    return [*system, *middle, {"role": "user", "content": draw(parts())}]


def spelled(call_id: str) -> str:
    """An id as Anthropic takes it."""
    plain = call_id.isascii() and all(character.isalnum() or character in "_-" for character in call_id)
    return call_id if plain else f"hex_{call_id.encode().hex()}"


def parsed(messages: list[Json]) -> list[Json]:
    """With arguments as objects and ids as Anthropic takes them."""
    copies: list[Json] = orjson.loads(orjson.dumps(messages))
    for copy in copies:
        for call in copy.get("tool_calls", ()):
            call["function"]["arguments"] = orjson.loads(call["function"]["arguments"])
            call["id"] = spelled(call["id"])
        if "tool_call_id" in copy:
            copy["tool_call_id"] = spelled(copy["tool_call_id"])
    return copies


@FEW
@given(conversations())
def test_conversations_by_way_of_anthropic(messages: list[Json]) -> None:
    there = message_request({"model": "claude-x", "messages": messages})
    assert [role for role, _ in groupby(turn["role"] for turn in there["messages"])] == [
        turn["role"] for turn in there["messages"]
    ], "user and assistant alternate"
    back = chat_request(there, "anthropic", "m")
    assert parsed(back["messages"]) == parsed(messages)


@FEW
@given(conversations())
def test_conversations_told_to_gemini(messages: list[Json]) -> None:
    request = content_request({"model": "gemini-x", "messages": messages})
    sent = [part for turn in request["contents"] for part in turn["parts"]]
    spoken = [m for m in messages if m["role"] in {"user", "assistant"}]
    assert [part["text"] for part in sent if "text" in part] == [text for m in spoken for text in texts(m["content"])]
    calls = [call for m in messages for call in m.get("tool_calls", ())]
    assert [part["functionCall"] for part in sent if "functionCall" in part] == [
        {
            "id": call["id"],
            "name": call["function"]["name"],
            "args": orjson.loads(call["function"]["arguments"]),
        }
        for call in calls
    ]
    results = [part["functionResponse"] for part in sent if "functionResponse" in part]
    assert [(result["id"], result["response"]["output"]) for result in results] == [
        (m["tool_call_id"], m["content"]) for m in messages if m["role"] == "tool"
    ]
    assert [result["name"] for result in results] == [call["function"]["name"] for call in calls]
    assert [turn["role"] for turn in request["contents"]] == [
        ("user", "model")[place % 2] for place in range(len(request["contents"]))
    ]
    pictures = [part for part in sent if "inlineData" in part or "fileData" in part]
    assert len(pictures) == orjson.dumps(messages).count(b'"image_url":{')


def texts(content: Any) -> list[str]:
    if content is None:
        return []
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


@st.composite
def completions(draw: st.DrawFn) -> Json:
    calls = [
        {
            "id": call_id,
            "type": "function",
            "function": {"name": draw(names), "arguments": orjson.dumps(draw(arguments)).decode()},
        }
        for call_id in draw(st.lists(ids.map(lambda text: text[:12]), max_size=2, unique=True))
    ]
    text = draw(words if not calls else maybe_words)
    counts = st.integers(0, 10**6)
    cached, written, fresh, completion = draw(counts), draw(counts), draw(counts), draw(counts)
    said: Json = {"role": "assistant", "content": text or None, "refusal": None}
    if calls:
        said["tool_calls"] = calls
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": cached + written + fresh,
            "completion_tokens": completion,
            "total_tokens": cached + written + fresh + completion,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "cache_creation_tokens": written,
                "cache_write_tokens": written,
            },
        },
    }


def without_copies(usage: Json | None) -> Json:
    """Without Anthropic's own counts, which OpenAI's repeat."""
    return {name: count for name, count in (usage or {}).items() if not name.startswith("cache_")}


@FEW
@given(completions())
def test_completions_by_way_of_anthropic(completion: Json) -> None:
    expected = of_completion(completion)
    back = of_completion(chat_completion(message(completion)))
    back.usage = without_copies(back.usage)
    assert back == expected


@FEW
@given(completions(), st.integers(1, 5))
def test_streams_by_way_of_anthropic(completion: Json, size: int) -> None:
    expected = of_completion(completion)
    out, back = MessageStream(), AnthropicStream()
    events = [event for chunk in torn(completion, size) for event in out.add(chunk)] + list(out.end())
    told = of_chunks([chunk for event in events for chunk in back.add(event)])
    told.usage = without_copies(told.usage)
    assert told == expected


def torn(completion: Json, size: int) -> list[Json]:
    """A completion as a stream of small chunks."""
    choice = completion["choices"][0]
    said = choice["message"]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(said["content"] or "", size)]
    for index, call in enumerate(said.get("tool_calls", ())):
        begun = {"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}}
        deltas.append({"tool_calls": [{"index": index, **begun}]})
        for piece in pieces(call["function"]["arguments"], size):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": None}
    chunks: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    return [*chunks, {**head, "choices": [], "usage": completion["usage"]}]


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@FEW
@given(
    st.lists(
        st.one_of(
            words.map(lambda t: {"text": t}),
            words.map(lambda t: {"text": t, "thought": True}),
            st.builds(lambda n, a, i: {"functionCall": {"name": n, "args": a, "id": i}}, names, arguments, ids),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 4),
)
def test_gemini_says_the_same_whole_and_in_a_stream(parts: list[Json], size: int) -> None:
    def answer(said: list[Json], **ending: str) -> Json:
        usage = {"promptTokenCount": 3, "totalTokenCount": 3}
        return {"candidates": [{"content": {"parts": said}, **ending}], "usageMetadata": usage, "responseId": "r"}

    whole = of_completion(gemini_completion(answer(parts, finishReason="STOP"), "m"))
    stream = GeminiStream("m")
    partial = [answer(parts[start : start + size]) for start in range(0, len(parts), size)]
    chunks = [chunk for one in [*partial, answer([], finishReason="STOP")] for chunk in stream.add(one)]
    usage = stream.usage_chunk()
    assert usage is not None
    assert stream.ended
    assert of_chunks([*chunks, usage]) == whole
