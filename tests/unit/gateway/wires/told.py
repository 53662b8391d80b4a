"""What a completion says, whether it came whole or in chunks, in a form in which the two can be compared."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

Json = dict[str, Any]


@dataclass(slots=True)
class Told:
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    thinking: list[Json] = field(default_factory=list)
    calls: list[tuple[str, str, Json]] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    finish: str | None = None
    usage: Json | None = None


def of_completion(completion: Json, index: int = 0) -> Told:
    assert completion["object"] == "chat.completion"
    choice = completion["choices"][index]
    message = choice["message"]
    assert message["role"] == "assistant"
    told = Told(
        message.get("content") or "",
        message.get("reasoning_content") or "",
        message.get("refusal") or "",
        message.get("thinking_blocks") or [],
        finish=choice["finish_reason"],
        usage=completion.get("usage"),
        signatures=signatures(message),
        logprobs=(choice.get("logprobs") or {}).get("content") or [],
    )
    for call in message.get("tool_calls") or ():
        function = call["function"]
        told.calls.append((call["id"], function["name"], orjson.loads(function["arguments"])))
        told.signatures += signatures(call)
    return told


def of_chunks(chunks: Iterable[Json], index: int = 0) -> Told:
    """What a stream of our own making says: the finish once, and the usage behind it in a chunk of its own."""
    chunks = list(chunks)
    for chunk in chunks[:-1]:
        assert chunk["usage"] is None
    finishes = [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["index"] == index]
    assert [finish for finish in finishes if finish] == finishes[-1:]
    if chunks[-1].get("usage"):
        assert chunks[-1]["choices"] == []
    return of_any_chunks(chunks, index)


def of_any_chunks(chunks: Iterable[Json], index: int = 0) -> Told:
    """What a stream says, however untidily."""
    told = Told()
    calls: list[Json] = []
    own: list[str] = []
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        told.usage = chunk.get("usage") or told.usage
        for choice in chunk["choices"]:
            if choice["index"] == index:
                _take(told, calls, own, choice)
    told.calls = [(call["id"], call["name"], orjson.loads("".join(call["pieces"]) or "{}")) for call in calls]
    told.signatures = own + told.signatures
    return told


def signatures(carrier: Json) -> list[str]:
    extra = carrier.get("extra_content")
    return [extra["google"]["thought_signature"]] if extra else []


def _take(told: Told, calls: list[Json], own: list[str], choice: Json) -> None:
    delta = choice["delta"]
    told.text += delta.get("content") or ""
    told.reasoning += delta.get("reasoning_content") or ""
    told.refusal += delta.get("refusal") or ""
    told.thinking += delta.get("thinking_blocks") or []
    told.logprobs += (choice.get("logprobs") or {}).get("content") or []
    own += signatures(delta)
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        if call["index"] == len(calls):
            calls.append({"id": call["id"], "name": function["name"], "pieces": []})
            told.signatures += signatures(call)
        calls[call["index"]]["pieces"].append(function.get("arguments") or "")
    told.finish = choice["finish_reason"] or told.finish
