"""Chunks and whole completions, one made from the other."""

import re
import time
from collections.abc import Iterator
from typing import Any

from functions.gateway.core.models import Json, Usage

_PIECE = re.compile(r"\S+\s*|\s+")
_WORDS_PER_CHUNK = 4
_WRITTEN = ("reasoning_content", "reasoning", "refusal")
# Wherever a provider puts what a model writes.
_TEXTS = frozenset({"content", "text", "thinking", "arguments", *_WRITTEN})


class Assembler:
    """Puts a stream's chunks together into the completion that the same call without streaming would give."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        # When the first chunk came, on the clock that measures time spent.
        self.began: float | None = None
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        self._parts: dict[int, list[str]] = {}
        self._calls: dict[tuple[int, int], tuple[list[str], list[str]]] = {}
        self._others: list[str] = []
        self._plain = True

    def written(self) -> list[str]:
        """All that the model has written so far: answers, names and arguments of tool calls, thoughts, refusals."""
        calls = [piece for name, arguments in self._calls.values() for piece in (*name, *arguments)]
        return [*("".join(parts) for parts in self._parts.values()), "".join(calls), "".join(self._others)]

    def said(self) -> Json:
        """The answer as far as it came, for whoever reads it; unlike `completion`, of any stream."""
        choices = []
        for index, parts in sorted(self._parts.items()):
            calls = [
                {"function": {"name": "".join(name), "arguments": "".join(arguments)}}
                for (choice, _), (name, arguments) in sorted(self._calls.items())
                if choice == index
            ]
            reason = self._choices[index]["finish_reason"]
            choices.append({"finish_reason": reason, "message": {"content": "".join(parts), "tool_calls": calls}})
        return {**self._head, "choices": choices}

    def add(self, chunk: Json) -> None:
        """Take in the next chunk."""
        if self.began is None:
            self.began = time.perf_counter()
        self._head = self._head or {name: chunk.get(name) for name in ("id", "created", "model")}
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        self.usage = Usage.of(usage) or self.usage
        for choice in chunk.get("choices") or ():
            self._add_choice(choice)

    def completion(self) -> Json | None:
        """The whole completion, or None when the stream said more than text."""
        if not self._plain or not self._choices:
            return None
        usage = self.usage or Usage()
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {**choice, "message": {"role": "assistant", "content": "".join(self._parts[index])}}
                for index, choice in sorted(self._choices.items())
            ],
            "usage": usage_object(usage),
        }

    def _add_choice(self, choice: Json) -> None:
        index = choice.get("index", 0)
        whole = self._choices.setdefault(index, {"index": index, "finish_reason": None})
        parts = self._parts.setdefault(index, [])
        delta = choice.get("delta") or {}
        if isinstance(delta.get("content"), str):
            parts.append(delta["content"])
        if choice.get("finish_reason"):
            whole["finish_reason"] = choice["finish_reason"]
        # Tool calls, refusals, reasoning and log probabilities are passed on but make no completion to keep.
        if any(delta.get(name) for name in delta.keys() - {"role", "content"}) or choice.get("logprobs"):
            self._plain = False
            self._add_others(index, delta)

    def _add_others(self, index: int, delta: Json) -> None:
        self._others += [delta[name] for name in _WRITTEN if isinstance(delta.get(name), str)]
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            name, arguments = self._calls.setdefault((index, call.get("index", 0)), ([], []))
            name.append(str(function.get("name") or ""))
            arguments.append(str(function.get("arguments") or ""))


def written_in(completion: Json) -> list[str]:
    """All that the model has written in a whole completion: as `Assembler.written` of a stream."""
    texts: list[str] = []
    for choice in _objects(completion.get("choices")):
        for message in _objects([choice.get("message")]):
            texts += [message[name] for name in ("content", *_WRITTEN) if isinstance(message.get(name), str)]
            for function in _objects([call.get("function") for call in _objects(message.get("tool_calls"))]):
                texts += [str(function.get(name) or "") for name in ("name", "arguments")]
    return texts


def _objects(value: Any) -> list[Json]:
    """The objects in a list; none where a provider put something else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts_in(begun: Any) -> list[str]:
    """What the model has written in an answer of any provider, whole or not: its texts, wherever they are."""
    if isinstance(begun, list):
        return [text for part in begun for text in texts_in(part)]
    if not isinstance(begun, dict):
        return []
    own = [value for name, value in begun.items() if name in _TEXTS and isinstance(value, str)]
    return [*own, *(text for value in begun.values() for text in texts_in(value))]


def usage_object(usage: Usage) -> Json:
    """OpenAI's `usage`, with the details that there are."""
    read = {"cached_tokens": usage.cached_prompt_tokens, "cache_creation_tokens": usage.cache_write_tokens}
    details: dict[str, Json] = {
        "prompt_tokens_details": {name: count for name, count in read.items() if count},
        "cache_creation": {"ephemeral_1h_input_tokens": hour} if (hour := usage.cache_write_hour_tokens) else {},
        "completion_tokens_details": {"reasoning_tokens": thought} if (thought := usage.reasoning_tokens) else {},
    }
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        **{name: detail for name, detail in details.items() if detail},
    }


def chunks_of(completion: Json, *, include_usage: bool) -> Iterator[Json]:
    """The stream that says a stored completion."""
    head: dict[str, Any] = {
        "id": completion.get("id"),
        "object": "chat.completion.chunk",
        "created": completion.get("created", int(time.time())),
        "model": completion.get("model"),
    }
    for choice in completion["choices"]:
        index = choice["index"]
        pieces = _PIECE.findall(choice["message"]["content"])
        texts = ["".join(pieces[at : at + _WORDS_PER_CHUNK]) for at in range(0, len(pieces), _WORDS_PER_CHUNK)]
        yield _chunk(head, index, {"role": "assistant", "content": ""}, None)
        for text in texts:
            yield _chunk(head, index, {"content": text}, None)
        yield _chunk(head, index, {}, choice["finish_reason"])
    if include_usage:
        yield {**head, "choices": [], "usage": completion["usage"]}


def _chunk(head: Json, index: int, delta: Json, finish_reason: str | None) -> Json:
    return {**head, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}
