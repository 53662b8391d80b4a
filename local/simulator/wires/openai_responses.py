"""OpenAI's Responses API, stateless: functions, structured output, images; what needs a state is refused."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import orjson
from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.asks import Answer, Ask, Finish, Role, Tool, ToolMode, Turn, Usage
from local.simulator.exchange import Exchange
from local.simulator.fields import Json, flag, integer, known_only, names, required_text, table, tables
from local.simulator.listing import OPENAI, Kind
from local.simulator.refusals import Problem, Refusal, invalid, missing
from local.simulator.replies import answers
from local.simulator.responses import Frame

_FIELDS = names(
    """background context_management conversation include input instructions max_output_tokens max_tool_calls metadata
    model parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools
    top_logprobs top_p truncation user"""
)
_ROLES = {"user": Role.USER, "system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT}
_TEXTS = frozenset({"input_text", "output_text", "refusal"})
_ARGUMENT_TOKENS = 4


async def responses(exchange: Exchange) -> ASGIApp:
    """`POST /v1/responses`."""
    body = exchange.body
    ask = _ask(body)
    exchange.ask_fits(ask, OPENAI.of_kind(ask.model, Kind.CHAT))
    answer = answers(ask)[0]
    told = _Told(body, ask, answer)
    if not flag(body, "stream"):
        return exchange.whole_chat(ask, answer.tokens, told.whole)
    return exchange.stream(ask, list(told.frames(exchange.usage(ask.prompt_tokens, answer.tokens))))


class _Told:
    """The bodies of one answer."""

    def __init__(self, body: Json, ask: Ask, answer: Answer) -> None:
        self._body = body
        self._ask = ask
        self._answer = answer
        self._id = f"resp_{secrets.token_hex(24)}"
        self._created = int(time.time())
        self._count = 0
        self._items = list(self._output())

    def whole(self, usage: Usage | None, status: str | None = None) -> Json:
        """The response object."""
        cut = self._answer.finish is Finish.LENGTH
        status = status or ("incomplete" if cut else "completed")
        over = status != "in_progress"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "completed_at": self._created if status == "completed" else None,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": self._body.get("instructions"),
            "max_output_tokens": self._body.get("max_output_tokens"),
            "model": self._ask.model,
            "output": self._items if over else [],
            "parallel_tool_calls": self._ask.parallel,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": self._body.get("store") is not False,
            "temperature": 1.0,
            "text": self._body.get("text") or {"format": {"type": "text"}},
            "tool_choice": self._body.get("tool_choice") or "auto",
            "tools": self._body.get("tools") or [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": _usage(usage) if over and usage is not None else None,
            "metadata": self._body.get("metadata") or {},
        }

    def frames(self, usage: Usage | None) -> Iterator[Frame]:
        """The typed events of the stream."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self.whole(usage, "in_progress"))
        for index, item in enumerate(self._items):
            started: Json = {"content": []} if item["type"] == "message" else {"arguments": ""}
            yield self._event(
                "response.output_item.added", output_index=index, item={**item, **started, "status": "in_progress"}
            )
            yield from self._pieces(index, item)
            yield self._event("response.output_item.done", output_index=index, item=item)
        ended = self.whole(usage)
        yield self._event(f"response.{ended['status']}", response=ended)

    def _pieces(self, index: int, item: Json) -> Iterator[Frame]:
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            kind = "response.function_call_arguments"
            # The first delta stands for the name's tokens as well.
            extra = tokens.count(item["name"])
            for piece in tokens.fragments(item["arguments"], _ARGUMENT_TOKENS):
                yield self._event(f"{kind}.delta", count=tokens.count(piece) + extra, delta=piece, **place)
                extra = 0
            yield self._event(f"{kind}.done", arguments=item["arguments"], **place)
            return
        part = item["content"][0]
        place["content_index"] = 0
        yield self._event("response.content_part.added", part={**part, "text": "", "logprobs": []}, **place)
        for word in tokens.words(part["text"]):
            yield self._event("response.output_text.delta", count=tokens.count(word), delta=word, logprobs=[], **place)
        yield self._event("response.output_text.done", text=part["text"], logprobs=[], **place)
        yield self._event("response.content_part.done", part=part, **place)

    def _event(self, kind: str, *, count: int = 0, **fields: Any) -> Frame:
        data = orjson.dumps({"type": kind, "sequence_number": self._count, **fields})
        self._count += 1
        return Frame(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n", count)

    def _output(self) -> Iterator[Json]:
        answer = self._answer
        if answer.text or not answer.calls:
            part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
            head = {"id": f"msg_{secrets.token_hex(24)}", "type": "message", "status": "completed"}
            yield {**head, "content": [part], "role": "assistant"}
        for call in answer.calls:
            head = {"id": f"fc_{secrets.token_hex(24)}", "type": "function_call", "status": "completed"}
            yield {**head, "arguments": call.encoded, "call_id": f"call_{secrets.token_hex(12)}", "name": call.name}


def _ask(body: Json) -> Ask:
    model = required_text(body, "model")
    known_only(body, _FIELDS)
    for name in ("previous_response_id", "conversation", "prompt"):
        if body.get(name):
            raise Refusal(Problem.INVALID_FIELD, "not found", field=name)
    turns = [Turn(Role.SYSTEM, required_text(body, "instructions"))] if body.get("instructions") else []
    given = body.get("input")
    if given is None:
        raise missing("input")
    turns += [Turn(Role.USER, given)] if isinstance(given, str) else _turns(tables(body, "input"))
    wanted = table(table(body, "text"), "format")
    mode, allowed = _tool_choice(body.get("tool_choice"))
    return Ask(
        model=model,
        turns=tuple(turns),
        tools=tuple(_tool(tool, index) for index, tool in enumerate(tables(body, "tools"))),
        tool_mode=mode,
        names=allowed,
        parallel=body.get("parallel_tool_calls") is not False,
        as_json=wanted.get("type") in {"json_object", "json_schema"},
        schema=table(wanted, "schema") or None,
        max_tokens=integer(body, "max_output_tokens", low=16),
    )


def _turns(items: list[Json]) -> list[Turn]:
    turns: list[Turn] = []
    called: dict[str, str] = {}
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        place = f"input[{index}]"
        if kind == "message":
            if item.get("role") not in _ROLES:
                raise invalid(f"{place}.role", f"'{item.get('role')}' is not one of {', '.join(_ROLES)}")
            turns.append(Turn(_ROLES[item["role"]], *_content(item.get("content"), place)))
        elif kind == "function_call":
            called[required_text(item, "call_id")] = required_text(item, "name")
            call = orjson.dumps({"name": item["name"], "arguments": item.get("arguments")}).decode()
            turns.append(Turn(Role.ASSISTANT, "", calls=call))
        elif kind == "function_call_output":
            name = called.get(required_text(item, "call_id"))
            if name is None:
                raise invalid(place, f"No tool call found for function call output with call_id {item['call_id']}")
            turns.append(Turn(Role.TOOL, *_content(item.get("output"), place), tool=name))
        elif kind != "reasoning":
            raise invalid(f"{place}.type", f"'{kind}' is not supported")
    return turns


def _content(content: Any, place: str) -> tuple[str, int]:
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise invalid(f"{place}.content", "expected a string or an array")
    texts = [str(part.get("text") or part.get("refusal") or "") for part in content if part.get("type") in _TEXTS]
    others = [part for part in content if part.get("type") not in _TEXTS]
    for part in others:
        if part.get("type") not in {"input_image", "input_file", "input_audio"}:
            raise invalid(f"{place}.content", f"'{part.get('type')}' is not supported")
    return "\n".join(texts), len(others)


def _tool(tool: Json, index: int) -> Tool:
    if tool.get("type") != "function":
        raise invalid(f"tools[{index}].type", f"'{tool.get('type')}' is not simulated")
    return Tool(required_text(tool, "name"), str(tool.get("description") or ""), dict(table(tool, "parameters")))


def _tool_choice(choice: Any) -> tuple[ToolMode, tuple[str, ...]]:
    if choice is None:
        return ToolMode.AUTO, ()
    if isinstance(choice, str) and choice in set(ToolMode):
        return ToolMode(choice), ()
    if not isinstance(choice, dict):
        raise invalid("tool_choice", "expected auto, required, none or an object")
    if choice.get("type") == "allowed_tools":
        return ToolMode(choice.get("mode", "auto")), tuple(str(tool.get("name")) for tool in tables(choice, "tools"))
    return ToolMode.REQUIRED, (required_text(choice, "name"),)


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
