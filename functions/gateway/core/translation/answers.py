"""Builds OpenAI's completions and chunks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from functions.gateway.core.models import Json


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of a stream, and a whole completion, begins with.

    Attributes:
        created: seconds since 1970.
    """

    id: str
    model: str
    created: int = field(default_factory=lambda: int(time.time()))

    def completion(self, choices: list[Json], usage: Json | None) -> Json:
        """A whole completion."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            **({"usage": usage} if usage is not None else {}),
        }

    def chunk(self, delta: Json, *, index: int = 0, finish_reason: str | None = None, **choice: object) -> Json:
        """A chunk of one choice."""
        whole = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **choice}
        return {**self._chunk(), "choices": [whole], "usage": None}

    def usage_chunk(self, usage: Json) -> Json:
        """The last chunk, which has no choice."""
        return {**self._chunk(), "choices": [], "usage": usage}

    def _chunk(self) -> Json:
        return {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}


def function_call(call_id: str, name: str, arguments: object) -> Json:
    """A whole call of a function.

    Args:
        arguments: the object of the arguments.
    """
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": orjson.dumps(arguments).decode()},
    }


def usage_object(prompt: int, completion: int, *, cached: int, reasoning: int | None, **more: object) -> Json:
    """OpenAI's `usage` with its details.

    Args:
        prompt: all tokens of the prompt, cached ones among them.
        completion: all tokens of the answer, thoughts among them.
        more: what the provider says beyond OpenAI's fields.
    """
    details = {} if reasoning is None else {"completion_tokens_details": {"reasoning_tokens": reasoning}}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        **details,
        **more,
    }


def written_to_cache(details: Mapping[str, Any]) -> int:
    """Tokens of the prompt that the provider's cache has kept, by our name for them or by OpenAI's."""
    return details.get("cache_creation_tokens") or details.get("cache_write_tokens") or 0
