"""A request to OpenAI's legacy completions: a bare prompt that a model goes on from, or answers.

Source: platform.openai.com/docs/api-reference/completions.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from functions.gateway.core.dialects import ChunkReader, EventWriter
from functions.gateway.core.models import Json, Target
from functions.gateway.core.translation.refusals import refuse
from functions.gateway.core.translation.text_completion import (
    CompletionStream,
    as_chat_chunk,
    as_chat_completion,
    chat_request,
    text_completion,
)

# The documented default: OpenAI's own chat has none.
DEFAULT_TOKENS = 16


class TextCompletions:
    """One request."""

    api: ClassVar[str] = "completions"

    def __init__(self, request: Json) -> None:
        self.request = request
        self.headers: Mapping[str, str] = {}
        self._wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))

    def chat(self, target: Target) -> Json:
        """The request as a chat in which the user says the prompt.

        Raises:
            ProviderRejected: something in it has no equal there.
        """
        if target.provider.kind != "openai":
            return {**chat_request(self.request, DEFAULT_TOKENS), "model": target.model}
        # OpenAI gets the prompt as it is; this says what shapes the answer, and how long it may be.
        if not isinstance(self.request.get("prompt"), str) or _wants_more_than_text(self.request):
            raise refuse("prompt", "is no chat")
        plain = {name: value for name, value in self.request.items() if name not in {"prompt", "best_of"}}
        messages = [{"role": "user", "content": self.request["prompt"]}]
        return {
            **plain,
            "messages": messages,
            "max_tokens": self._limit(),
            "n": self._answers(),
            "prompt_is_bare": True,
            "model": target.model,
        }

    def outline(self) -> Json:
        """A chat as long as all prompts, with as many answers as are made for them."""
        prompt = self.request.get("prompt")
        prompts = prompt if isinstance(prompt, list) else [prompt]
        text = "\n".join(_as_long_as(part) for part in prompts)
        answers = self._answers() * (1 if _is_tokens(prompt) else len(prompts))
        limit = self._limit()
        return {"messages": [{"role": "user", "content": text}], "max_tokens": limit, "n": answers}

    def native(self, target: Target, most_tokens: int | None, *, stream: bool) -> Json:
        """The request as OpenAI gets it."""
        limit = {} if most_tokens is None or self.request.get("max_tokens") == 0 else {"max_tokens": most_tokens}
        options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        plain = {name: value for name, value in self.request.items() if name not in {"stream", "stream_options"}}
        return {**plain, **limit, **options, "model": target.model}

    def turns(self) -> list[Json]:
        """None: a bare prompt is gone on from, not answered, and every word of it counts."""
        return []

    def with_turns(self, turns: list[Json]) -> "TextCompletions":
        """The request as it is."""
        del turns
        return self

    def is_told(self, event: Json) -> bool:
        """The usage, for which we asked, only who asked for it as well."""
        return self._wants_usage or bool(event.get("choices")) or not event.get("usage")

    def completion(self, answer: Json) -> Json:
        """OpenAI's completion as a chat completion."""
        return as_chat_completion(answer)

    def reader(self) -> ChunkReader:
        """Reads OpenAI's chunks."""
        return _Reader()

    def answer(self, completion: Json) -> Json:
        """A chat completion as a completion of the prompt."""
        return text_completion(completion, self._echo())

    def writer(self) -> EventWriter:
        """Tells a chat completion in a completion's chunks."""
        return CompletionStream(self._echo(), wants_usage=self._wants_usage)

    def _limit(self) -> int:
        asked = self.request.get("max_tokens")
        # Zero, to have the prompt echoed with its probabilities, is still a call.
        return DEFAULT_TOKENS if asked is None else max(1, asked)

    def _answers(self) -> int:
        return max(self.request.get("n") or 1, self.request.get("best_of") or 1)

    def _echo(self) -> str:
        prompt = self.request.get("prompt")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        return prompt if self.request.get("echo") and isinstance(prompt, str) else ""


class _Reader:
    def add(self, event: Json) -> Iterable[Json]:
        yield as_chat_chunk(event)


def _wants_more_than_text(request: Json) -> bool:
    return any(request.get(name) for name in ("echo", "suffix")) or request.get("logprobs") is not None


def _is_tokens(prompt: Any) -> bool:
    return isinstance(prompt, list) and bool(prompt) and all(isinstance(part, int) for part in prompt)


def _as_long_as(part: Any) -> str:
    """Text of about as many tokens."""
    if isinstance(part, list):
        return " a" * len(part)
    return " a" if isinstance(part, int) else str(part or "")
