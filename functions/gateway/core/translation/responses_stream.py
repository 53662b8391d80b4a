"""OpenAI's stream of chunks as the typed events of its Responses API, and the other way round.

Source: platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections.abc import Generator, Iterator
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head
from functions.gateway.core.translation.reasoning_items import Thoughts, reasoning_item, thoughts_of
from functions.gateway.core.translation.responses_response import (
    blank,
    call_item,
    chat_usage,
    ended,
    finish_of,
    message_item,
    text_part,
)

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponseStream:
    """Takes chunks in and gives events out; `end` gives the last ones. One item is open at a time."""

    def __init__(self, request: Json) -> None:
        self._request = request
        self._count = 0
        self._whole: Json = {}
        self._open: Json | None = None
        self._pieces: list[str] = []
        self._logprobs: list[Json] = []
        self._thoughts = Thoughts()
        self._call: int | None = None
        self._finish: str | None = None
        self._usage: Json | None = None

    def add(self, chunk: Json) -> Iterator[Json]:
        """The events that a chunk makes.

        Raises:
            KeyError, TypeError, ValueError: the chunk is not in OpenAI's format.
        """
        self._usage = chunk.get("usage") or self._usage
        if not self._whole:
            yield from self._start(chunk["model"], chunk["created"])
        for choice in chunk.get("choices") or ():
            yield from self._delta(choice.get("delta") or {}, (choice.get("logprobs") or {}).get("content") or [])
            self._finish = choice.get("finish_reason") or self._finish

    def end(self) -> Iterator[Json]:
        """The events behind the last chunk."""
        if not self._whole:
            yield from self._start(str(self._request.get("model")), 0)
        yield from self._close()
        if thought := reasoning_item("", self._taken_thoughts()):
            yield from self._whole_item(thought)
        whole = ended(self._whole, self._finish, self._usage)
        yield self._event(f"response.{whole['status']}", response=whole)

    def _start(self, model: str, created: int) -> Iterator[Json]:
        self._whole = blank(self._request, model, created)
        yield self._event("response.created", response={**self._whole, "output": []})
        yield self._event("response.in_progress", response={**self._whole, "output": []})

    def _event(self, kind: str, **fields: Any) -> Json:
        event = {"type": kind, "sequence_number": self._count, **fields}
        self._count += 1
        return event

    def _delta(self, delta: Json, logprobs: list[Json]) -> Iterator[Json]:
        told = thoughts_of(delta)
        self._thoughts.blocks.extend(told.blocks)
        self._thoughts.extras.update(told.extras)
        if words := delta.get("reasoning_content") or delta.get("reasoning"):
            yield from self._reasoning(words)
        if text := delta.get("content"):
            yield from self._part("output_text", text, logprobs)
        if refusal := delta.get("refusal"):
            yield from self._part("refusal", refusal, [])
        for call in delta.get("tool_calls") or ():
            yield from self._tool_call(call)

    def _reasoning(self, words: str) -> Iterator[Json]:
        if self._kind() != "reasoning":
            item = reasoning_item(words, Thoughts())
            yield from self._begin({**(item or {}), "summary": []})
            part = {"type": "summary_text", "text": ""}
            yield self._item_event("response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(words)
        yield self._item_event("response.reasoning_summary_text.delta", summary_index=0, delta=words)

    def _part(self, kind: str, words: str, logprobs: list[Json]) -> Iterator[Json]:
        if self._kind() != "message" or (self._open or {})["content"][0]["type"] != kind:
            yield from self._begin(message_item([], "in_progress"))
            part = text_part("", []) if kind == "output_text" else {"type": "refusal", "refusal": ""}
            yield self._item_event("response.content_part.added", content_index=0, part=part)
            (self._open or {})["content"] = [part]
        self._pieces.append(words)
        self._logprobs.extend(logprobs)
        extra = {"logprobs": logprobs} if kind == "output_text" else {}
        yield self._item_event(f"response.{kind}.delta", content_index=0, delta=words, **extra)

    def _tool_call(self, call: Json) -> Iterator[Json]:
        function = call.get("function") or {}
        if call["index"] != self._call:
            if self._call is not None and call["index"] < self._call:
                raise ValueError("the pieces of several calls are mixed")
            yield from self._begin(call_item(call.get("id"), function["name"], "", "in_progress"))
            self._call = call["index"]
        if arguments := function.get("arguments"):
            self._pieces.append(arguments)
            yield self._item_event("response.function_call_arguments.delta", delta=arguments)

    def _kind(self) -> str | None:
        return None if self._open is None else str(self._open["type"])

    def _begin(self, item: Json) -> Iterator[Json]:
        yield from self._close()
        if item["type"] != "reasoning" and (thought := reasoning_item("", self._taken_thoughts())):
            # What was thought stands before what came of it, or could not be sent back in its place.
            yield from self._whole_item(thought)
        self._open, self._pieces, self._logprobs = item, [], []
        shown = {**item, "content": []} if "content" in item else item
        yield self._event("response.output_item.added", output_index=len(self._whole["output"]), item=shown)

    def _item_event(self, kind: str, **fields: Any) -> Json:
        item = self._open or {}
        return self._event(kind, item_id=item["id"], output_index=len(self._whole["output"]), **fields)

    def _close(self) -> Iterator[Json]:
        if self._open is None:
            return
        words, kind = "".join(self._pieces), self._kind()
        if kind == "reasoning":
            item: Json = yield from self._close_reasoning(words)
        elif kind == "message":
            item = yield from self._close_message(words)
        else:
            yield self._item_event("response.function_call_arguments.done", name=self._open["name"], arguments=words)
            item = {**self._open, "arguments": words or "{}", "status": "completed"}
        yield self._event("response.output_item.done", output_index=len(self._whole["output"]), item=item)
        self._whole["output"].append(item)
        self._open = None

    def _close_reasoning(self, words: str) -> Generator[Json, None, Json]:
        part = {"type": "summary_text", "text": words}
        yield self._item_event("response.reasoning_summary_text.done", summary_index=0, text=words)
        yield self._item_event("response.reasoning_summary_part.done", summary_index=0, part=part)
        whole = reasoning_item(words, self._taken_thoughts()) or {}
        return {**whole, "id": (self._open or {})["id"]}

    def _close_message(self, words: str) -> Generator[Json, None, Json]:
        opened = self._open or {}
        if opened["content"][0]["type"] == "refusal":
            part: Json = {"type": "refusal", "refusal": words}
            yield self._item_event("response.refusal.done", content_index=0, refusal=words)
        else:
            part = text_part(words, self._logprobs)
            done = {"text": words, "logprobs": self._logprobs}
            yield self._item_event("response.output_text.done", content_index=0, **done)
        yield self._item_event("response.content_part.done", content_index=0, part=part)
        return {**opened, "status": "completed", "content": [part]}

    def _taken_thoughts(self) -> Thoughts:
        taken, self._thoughts = self._thoughts, Thoughts()
        return taken

    def _whole_item(self, item: Json) -> Iterator[Json]:
        index = len(self._whole["output"])
        yield self._event("response.output_item.added", output_index=index, item=item)
        yield self._event("response.output_item.done", output_index=index, item=item)
        self._whole["output"].append(item)


class ResponseReader:
    """Reads events of OpenAI's own as chunks of a chat, as far as the bill and the cache need them."""

    def __init__(self) -> None:
        self._head = Head("", "")

    def add(self, event: Json) -> Iterator[Json]:
        """The chunks that an event makes.

        Raises:
            KeyError, TypeError: the event is not in OpenAI's format.
        """
        kind = event["type"]
        if kind == "response.created":
            begun = event["response"]
            self._head = Head(begun["id"], begun["model"], int(begun["created_at"]))
            yield self._head.chunk({"role": "assistant", "content": ""})
        elif kind == "response.output_text.delta":
            logprobs = {"content": event["logprobs"]} if event.get("logprobs") else None
            yield self._head.chunk({"content": event["delta"]}, logprobs=logprobs)
        elif kind == "response.refusal.delta":
            yield self._head.chunk({"refusal": event["delta"]})
        elif kind == "response.function_call_arguments.delta":
            yield self._head.chunk({"tool_calls": [{"index": 0, "function": {"arguments": event["delta"]}}]})
        elif kind in _ENDS:
            whole = event["response"]
            yield self._head.chunk({}, finish_reason=finish_of(whole))
            if usage := chat_usage(whole):
                yield self._head.usage_chunk(usage)
