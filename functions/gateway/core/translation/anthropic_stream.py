"""Anthropic's stream of events as OpenAI's stream of chunks.

Source: platform.claude.com/docs/en/build-with-claude/streaming.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import orjson

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head
from functions.gateway.core.translation.anthropic_response import FINISH_REASONS, THINKING, refusal_text, usage_of


class AnthropicStream:
    """Takes events in and gives chunks out.

    A thinking block is told twice: its words as they come in `reasoning_content`, and whole at its end, with its
    signature, in `thinking_blocks`, in the form in which it can be sent back.

    Attributes:
        ended: whether the message came to its end.
    """

    def __init__(self) -> None:
        self.ended = False
        self._head = Head("", "")
        self._usage: Json = {}
        self._blocks: dict[int, Json] = {}
        self._pieces: dict[int, list[str]] = {}
        self._calls: dict[int, int] = {}

    def add(self, event: Json) -> Iterator[Json]:
        """The chunks that an event makes. Events of kinds not known yet make none, as Anthropic asks of its clients.

        Raises:
            KeyError, TypeError: the event is not in Anthropic's format.
        """
        reader = self._readers.get(event["type"])
        return reader(self, event) if reader else iter(())

    def _message_start(self, event: Json) -> Iterator[Json]:
        message = event["message"]
        self._head = Head(message["id"], message["model"])
        self._usage = dict(message.get("usage") or {})
        yield self._head.chunk({"role": "assistant", "content": ""})

    def _block_start(self, event: Json) -> Iterator[Json]:
        index, block = event["index"], dict(event["content_block"])
        self._blocks[index] = block
        self._pieces[index] = []
        if block["type"] == "tool_use":
            number = self._calls[index] = len(self._calls)
            function = {"name": block["name"], "arguments": ""}
            yield self._call(number, {"id": block["id"], "type": "function", "function": function})
        elif block["type"] == "text" and block["text"]:
            yield self._head.chunk({"content": block["text"]})

    def _block_delta(self, event: Json) -> Iterator[Json]:
        index, delta = event["index"], event["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            yield self._head.chunk({"content": delta["text"]})
        elif kind == "thinking_delta":
            self._pieces[index].append(delta["thinking"])
            yield self._head.chunk({"reasoning_content": delta["thinking"]})
        elif kind == "signature_delta":
            self._blocks[index]["signature"] = delta["signature"]
        elif kind == "input_json_delta" and index in self._calls and delta["partial_json"]:
            self._pieces[index].append(delta["partial_json"])
            yield self._call(self._calls[index], {"function": {"arguments": delta["partial_json"]}})

    def _block_stop(self, event: Json) -> Iterator[Json]:
        index = event["index"]
        block, pieces = self._blocks.pop(index), self._pieces.pop(index)
        if block["type"] == "tool_use" and not pieces:
            # A call without arguments says so with no delta at all.
            arguments = orjson.dumps(block.get("input") or {}).decode()
            yield self._call(self._calls[index], {"function": {"arguments": arguments}})
        elif block["type"] in THINKING:
            whole = {**block, "thinking": block["thinking"] + "".join(pieces)} if "thinking" in block else block
            yield self._head.chunk({"thinking_blocks": [whole]})

    def _message_delta(self, event: Json) -> Iterator[Json]:
        self._usage |= {name: value for name, value in (event.get("usage") or {}).items() if value is not None}
        delta = event["delta"]
        reason = delta.get("stop_reason")
        if reason is None:
            return
        refusal = refusal_text(delta)
        matched = {"stop_sequence": delta["stop_sequence"]} if delta.get("stop_sequence") is not None else {}
        yield self._head.chunk(
            {"refusal": refusal} if refusal else {}, finish_reason=FINISH_REASONS.get(reason, "stop"), **matched
        )

    def _message_stop(self, _event: Json) -> Iterator[Json]:
        self.ended = True
        if usage := usage_of(self._usage):
            yield self._head.usage_chunk(usage)

    def _call(self, number: int, call: Json) -> Json:
        return self._head.chunk({"tool_calls": [{"index": number, **call}]})

    _readers: ClassVar[dict[str, Callable[["AnthropicStream", Any], Iterator[Json]]]] = {
        "message_start": _message_start,
        "content_block_start": _block_start,
        "content_block_delta": _block_delta,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
    }
