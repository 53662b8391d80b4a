"""OpenAI's legacy completions as chats and back, for providers that know only chats.

Source: platform.openai.com/docs/api-reference/completions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.refusals import refuse

_PLAIN = (
    *("temperature", "top_p", "n", "stop", "seed", "user", "frequency_penalty", "presence_penalty", "logit_bias"),
    *("stream", "stream_options"),
)
_FIELDS = {*_PLAIN, "model", "prompt", "max_tokens", "logprobs", "echo", "suffix", "best_of"}
_FINISHES = {"length": "length", "content_filter": "content_filter"}


def chat_request(request: Json, default_tokens: int) -> Json:
    """The chat in which the user says the prompt.

    Raises:
        ProviderRejected: something in it has no equal in a chat.
    """
    for name, value in request.items():
        if name not in _FIELDS and value is not None:
            raise refuse(name, "is not offered for this provider")
    if request.get("suffix"):
        raise refuse("suffix", "this provider cannot write what comes before a text")
    if request.get("best_of") not in (None, 1, request.get("n")):
        raise refuse("best_of", "this provider gives every answer that it makes; use n")
    limit = request.get("max_tokens")
    if limit == 0:
        raise refuse("max_tokens", "this provider writes at least one token")
    plain = {name: request[name] for name in _PLAIN if request.get(name) is not None}
    return {
        **plain,
        "messages": [{"role": "user", "content": _prompt(request.get("prompt"))}],
        "max_tokens": default_tokens if limit is None else limit,
        **_logprobs(request),
    }


def text_completion(completion: Json, echo: str) -> Json:
    """The completion of a prompt that says what a chat completion says.

    Args:
        echo: what stands before each answer; the prompt where it is to be repeated.

    Raises:
        KeyError, TypeError: it is not in OpenAI's format.
    """
    return {
        "id": completion["id"],
        "object": "text_completion",
        "created": completion["created"],
        "model": completion["model"],
        "choices": [_whole_choice(choice, echo) for choice in completion["choices"]],
        **({"usage": completion["usage"]} if completion.get("usage") else {}),
    }


class CompletionStream:
    """Takes a chat's chunks in and gives a completion's out."""

    def __init__(self, echo: str, *, wants_usage: bool) -> None:
        self._echo = echo
        self._wants_usage = wants_usage
        self._offsets: dict[int, int] = {}
        self._last: Json | None = None

    def add(self, chunk: Json) -> Iterator[Json]:
        """The chunks that a chunk makes.

        Raises:
            KeyError, TypeError: the chunk is not in OpenAI's format.
        """
        head = {name: chunk[name] for name in ("id", "created", "model")} | {"object": "text_completion"}
        for choice in chunk.get("choices") or ():
            text, finish = _words(choice.get("delta") or {}), choice.get("finish_reason")
            index = choice.get("index", 0)
            offset = self._offsets.get(index, 0)
            if index not in self._offsets:
                text = self._echo + text
                offset = len(self._echo)
            self._offsets[index] = offset + len(text)
            if text or finish:
                told = _choice(index, text, choice.get("logprobs"), finish, offset)
                yield {**head, "choices": [told], **({"usage": None} if self._wants_usage else {})}
        if self._wants_usage and chunk.get("usage"):
            # Some say it twice: with the last words and behind them.
            self._last = {**head, "choices": [], "usage": chunk["usage"]}

    def end(self) -> Iterator[Json]:
        """The usage, where it is wanted."""
        if self._last is not None:
            yield self._last


def as_chat_completion(answer: Json) -> Json:
    """A completion of a prompt as a chat completion.

    Raises:
        KeyError, TypeError: it is not in OpenAI's format.
    """
    choices = [
        {
            "index": choice["index"],
            "message": {"role": "assistant", "content": choice["text"]},
            "logprobs": None,
            "finish_reason": choice["finish_reason"],
        }
        for choice in answer["choices"]
    ]
    return {**answer, "object": "chat.completion", "choices": choices}


def as_chat_chunk(chunk: Json) -> Json:
    """A chunk of a completion as one of a chat.

    Raises:
        KeyError, TypeError: it is not in OpenAI's format.
    """
    choices = [
        {"index": choice["index"], "delta": {"content": choice["text"]}, "finish_reason": choice.get("finish_reason")}
        for choice in chunk.get("choices") or ()
    ]
    return {**chunk, "object": "chat.completion.chunk", "choices": choices}


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return prompt
    raise refuse("prompt", "this provider takes one text at a time, and no tokens")


def _logprobs(request: Json) -> Json:
    asked = request.get("logprobs")
    if asked is None:
        return {}
    if request.get("echo"):
        raise refuse("logprobs", "this provider has no probabilities of the prompt; leave echo out")
    return {"logprobs": True, **({"top_logprobs": asked} if asked else {})}


def _whole_choice(choice: Mapping[str, Any], echo: str) -> Json:
    text = echo + _words(choice["message"])
    return _choice(choice["index"], text, choice.get("logprobs"), choice["finish_reason"], len(echo))


def _choice(index: int, text: str, logprobs: Any, finish: str | None, offset: int) -> Json:
    reason = None if finish is None else _FINISHES.get(finish, "stop")
    return {"text": text, "index": index, "logprobs": _legacy(logprobs, offset), "finish_reason": reason}


def _legacy(logprobs: Any, offset: int) -> Json | None:
    """A chat's probabilities in the older format's columns."""
    entries = (logprobs or {}).get("content") or []
    if not entries:
        return None
    tops = [{top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()} for entry in entries]
    offsets = []
    for entry in entries:
        offsets.append(offset)
        offset += len(entry["token"])
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": tops if any(tops) else None,
        "text_offset": offsets,
    }


def _words(said: Mapping[str, Any]) -> str:
    return said.get("content") or said.get("refusal") or ""
