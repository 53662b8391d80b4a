"""Gemini's stream of partial answers as OpenAI's stream of chunks."""

from collections.abc import Iterator

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head
from functions.gateway.core.translation.gemini_response import (
    blocked_choice,
    ending,
    finish_reason,
    head_of,
    image_of,
    logprobs_of,
    refusal_of,
    signature_of,
    tool_call,
    usage_of,
)


class GeminiStream:
    """Takes partial answers in and gives chunks out; `usage_chunk` comes behind the last.

    Args:
        model: the model that was asked for, where the answers do not name one.

    Attributes:
        ended: whether every candidate that began came to its end.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._head: Head | None = None
        self._counted: Json | None = None
        self._calls: dict[int, int] = {}
        self._running: set[int] = set()
        self._finished = False

    @property
    def ended(self) -> bool:
        """Whether every candidate that began came to its end."""
        return self._finished and not self._running

    def add(self, answer: Json) -> Iterator[Json]:
        """The chunks that a partial answer makes.

        Raises:
            KeyError, TypeError: the answer is not in Gemini's format.
        """
        head = self._head = self._head or head_of(answer, self._model)
        counted = answer.get("usageMetadata")
        # Each says what was used so far; some say nothing but how it is billed.
        if counted is not None and (self._counted is None or "totalTokenCount" in counted):
            self._counted = counted
        candidates = answer.get("candidates") or ()
        for position, candidate in enumerate(candidates):
            yield from self._candidate(head, candidate, candidate.get("index", position))
        if not candidates and "promptFeedback" in answer:
            yield from self._blocked(head, blocked_choice(answer["promptFeedback"]))

    def usage_chunk(self) -> Json | None:
        """What was used so far; None when Gemini did not count."""
        usage = usage_of(self._counted)
        return self._head.usage_chunk(usage) if self._head and usage else None

    def _candidate(self, head: Head, candidate: Json, index: int) -> Iterator[Json]:
        if index not in self._calls:
            self._calls[index] = 0
            self._running.add(index)
            yield head.chunk({"role": "assistant", "content": ""}, index=index)
        logprobs = logprobs_of(candidate)
        for part in (candidate.get("content") or {}).get("parts") or ():
            delta = self._delta(part, index)
            if delta:
                # Probabilities come for the whole partial answer; they go with its first words.
                yield head.chunk(delta, index=index, logprobs=logprobs)
                logprobs = None
        if "finishReason" in candidate:
            self._running.discard(index)
            self._finished = True
            refusal = refusal_of(candidate)
            reason = finish_reason(candidate["finishReason"], called=self._calls[index] > 0)
            yield head.chunk(
                {"refusal": refusal} if refusal else {}, index=index, finish_reason=reason, **ending(candidate)
            )

    def _delta(self, part: Json, index: int) -> Json:
        if "functionCall" in part:
            number = self._calls[index]
            self._calls[index] += 1
            return {"tool_calls": [{"index": number, **tool_call(part)}]}
        if "text" not in part:
            image = image_of(part)
            return {"images": [image]} if image else {}
        if part.get("thought"):
            return {"reasoning_content": part["text"]}
        # The last part of an answer is often an empty text.
        return {**({"content": part["text"]} if part["text"] else {}), **signature_of(part)}

    def _blocked(self, head: Head, choice: Json) -> Iterator[Json]:
        self._finished = True
        yield head.chunk({"role": "assistant", "content": "", "refusal": choice["message"]["refusal"]})
        yield head.chunk({}, finish_reason=choice["finish_reason"], native_finish_reason=choice["native_finish_reason"])
