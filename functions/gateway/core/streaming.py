"""Chunks and whole completions, one made from the other."""

import re
import time
from collections.abc import Iterator
from typing import Any

from functions.gateway.core.models import Json, Usage

_PIECE = re.compile(r"\S+\s*|\s+")
_WORDS_PER_CHUNK = 4


class Assembler:
    """Puts a stream's chunks together into the completion that the same call without streaming would give."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        self._parts: dict[int, list[str]] = {}
        self._plain = True

    @property
    def text_length(self) -> int:
        """Characters of content seen so far."""
        return sum(len(part) for parts in self._parts.values() for part in parts)

    def add(self, chunk: Json) -> None:
        """Take in the next chunk."""
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
        # Tool calls, refusals, reasoning and log probabilities are passed on but not put together.
        if any(delta.get(name) for name in delta.keys() - {"role", "content"}) or choice.get("logprobs"):
            self._plain = False


def usage_object(usage: Usage) -> Json:
    """OpenAI's `usage`."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
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
