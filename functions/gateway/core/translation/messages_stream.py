"""OpenAI's stream of chunks as Anthropic's stream of events, for callers who speak Anthropic to any provider."""

from collections.abc import Iterator

from functions.gateway.core.models import Json
from functions.gateway.core.translation.messages_response import (
    ending,
    signatures,
    thinking_block,
    tool_use,
    usage_of,
)
from functions.gateway.core.translation.reasoning_items import thoughts_of


class MessageStream:
    """Takes chunks in and gives events out; `end` gives the last ones.

    OpenAI counts tokens at the end, so that `message_start` says zero and `message_delta` says it all.
    """

    def __init__(self) -> None:
        self._started = False
        self._next = 0
        self._open: Json | None = None
        self._call: int | None = None
        self._ending: Json | None = None
        self._calls: set[int] = set()
        self._usage: Json = {}
        self._extras: Json = {}

    def add(self, chunk: Json) -> Iterator[Json]:
        """The events that a chunk makes.

        Raises:
            KeyError, TypeError, ValueError: the chunk is not in OpenAI's format.
        """
        self._usage = chunk.get("usage") or self._usage
        if not self._started:
            self._started = True
            yield _start(chunk)
        for choice in chunk.get("choices") or ():
            yield from self._delta(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self._ending = ending(choice)

    def end(self) -> Iterator[Json]:
        """The events behind the last chunk."""
        yield from self._close()
        for block in signatures(self._extras):
            yield from self._thought(block)
        # Some providers end their stream without a word of why.
        said = self._ending or ending({"finish_reason": "tool_calls" if self._calls else "stop"})
        yield {"type": "message_delta", "delta": said, "usage": usage_of(self._usage)}
        yield {"type": "message_stop"}

    def _delta(self, delta: Json) -> Iterator[Json]:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if thinking:
            yield from self._within(thinking_block(""))
            yield self._piece({"type": "thinking_delta", "thinking": thinking})
        thoughts = thoughts_of(delta)
        self._extras |= thoughts.extras
        for block in thoughts.blocks:
            yield from self._thought(block)
        text = delta.get("content") or delta.get("refusal")
        if text:
            yield from self._within({"type": "text", "text": ""})
            yield self._piece({"type": "text_delta", "text": text})
        for call in delta.get("tool_calls") or ():
            yield from self._tool_call(call)

    def _thought(self, block: Json) -> Iterator[Json]:
        """A thinking block at its end: its words have been told, its signature not yet."""
        if block["type"] == "thinking":
            yield from self._within(thinking_block(""))
            yield self._piece({"type": "signature_delta", "signature": block.get("signature", "")})
        else:
            yield from self._begin(block)
        yield from self._close()

    def _tool_call(self, call: Json) -> Iterator[Json]:
        function = call.get("function") or {}
        if call["index"] != self._call:
            if call["index"] in self._calls:
                raise ValueError("the pieces of several calls are mixed")
            yield from self._begin(tool_use(call.get("id"), function["name"], {}))
            self._call = call["index"]
            self._calls.add(call["index"])
        if function.get("arguments"):
            yield self._piece({"type": "input_json_delta", "partial_json": function["arguments"]})

    def _within(self, block: Json) -> Iterator[Json]:
        """Go on in the open block, or begin one when another kind is open."""
        if self._open is None or self._open["type"] != block["type"]:
            yield from self._begin(block)

    def _begin(self, block: Json) -> Iterator[Json]:
        yield from self._close()
        self._open, self._call = block, None
        yield {"type": "content_block_start", "index": self._next, "content_block": block}

    def _piece(self, delta: Json) -> Json:
        return {"type": "content_block_delta", "index": self._next, "delta": delta}

    def _close(self) -> Iterator[Json]:
        if self._open is not None:
            yield {"type": "content_block_stop", "index": self._next}
            self._open = None
            self._next += 1


def _start(chunk: Json) -> Json:
    return {
        "type": "message_start",
        "message": {
            "id": chunk["id"],
            "type": "message",
            "role": "assistant",
            "model": chunk["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of({}),
        },
    }
