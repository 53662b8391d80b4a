"""Anthropic's messages."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from starlette.types import ASGIApp

from local.simulator import tokens
from local.simulator.asks import Answer, Ask, Finish, Role, Tool, ToolMode, Turn, Usage
from local.simulator.exchange import Exchange
from local.simulator.fields import Json, flag, integer, known_only, names, required_text, strings, table, tables
from local.simulator.listing import ANTHROPIC, Kind, Model
from local.simulator.refusals import invalid, missing
from local.simulator.replies import answers
from local.simulator.responses import Frame
from local.simulator.wires.anthropic_errors import NEWEST

_FIELDS = names(
    """cache_control container context_management diagnostics inference_geo max_tokens mcp_servers messages metadata
    model output_config output_format service_tier speed stop_sequences stream system thinking tool_choice tools"""
)
# Version 2026-10-21 removed them; sending one, even at its default, is an error there.
_SAMPLING_FIELDS = names("temperature top_k top_p")
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_FINISHES = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
}
_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "tool": ToolMode.REQUIRED, "none": ToolMode.NONE}
_ARGUMENT_TOKENS = 4


async def messages(exchange: Exchange) -> ASGIApp:
    """`POST /v1/messages`."""
    body = exchange.body
    ask = _ask(exchange)
    limit = integer(body, "max_tokens", low=1)
    if limit is None:
        raise missing("max_tokens")
    budget = integer(table(body, "thinking"), "budget_tokens", low=1024)
    if budget is not None and budget >= limit:
        raise invalid("max_tokens", "`max_tokens` must be greater than `thinking.budget_tokens`")
    exchange.ask_fits(ask, ANTHROPIC.of_kind(ask.model, Kind.CHAT))
    answer = answers(ask)[0]
    if not flag(body, "stream"):
        return exchange.whole_chat(ask, answer.tokens, lambda usage: _whole(ask, answer, usage))
    return exchange.stream(ask, list(_frames(ask, answer, exchange.usage(ask.prompt_tokens, answer.tokens))))


async def count_tokens(exchange: Exchange) -> ASGIApp:
    """`POST /v1/messages/count_tokens`: what the same messages would be billed. Free."""
    ask = _ask(exchange)
    ANTHROPIC.of_kind(ask.model, Kind.CHAT)
    return exchange.json({"input_tokens": ask.prompt_tokens})


async def list_models(exchange: Exchange) -> ASGIApp:
    """`GET /v1/models`."""
    data = [_model(model, model.id) for model in ANTHROPIC.all()]
    return exchange.json({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


async def get_model(exchange: Exchange) -> ASGIApp:
    """`GET /v1/models/{model}`."""
    name = exchange.request.path_params["model"]
    return exchange.json(_model(ANTHROPIC.get(name), name))


def _model(model: Model, name: str) -> Json:
    display = model.id.replace("-", " ").title()
    return {
        "type": "model",
        "id": name,
        "display_name": display,
        "created_at": "2025-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context,
        "max_tokens": 64_000,
    }


def _ask(exchange: Exchange) -> Ask:
    body = exchange.body
    model = required_text(body, "model")
    newest = exchange.request.headers["anthropic-version"] == NEWEST
    known_only(body, _FIELDS if newest else _FIELDS | _SAMPLING_FIELDS)
    if body.get("messages") is None:
        raise missing("messages")
    sent = tables(body, "messages")
    if not sent:
        raise invalid("messages", "at least one message is required")
    choice = table(body, "tool_choice")
    if newest:
        _check_blocks(sent)
    kind = choice.get("type", "auto")
    if kind not in _MODES:
        raise invalid("tool_choice.type", f"Input should be one of {', '.join(_MODES)}")
    wanted = table(table(body, "output_config"), "format") or table(body, "output_format")
    system = body.get("system")
    turns = [Turn(Role.SYSTEM, _content(system, "system", {})[0].text)] if system else []
    return Ask(
        model=model,
        turns=(*turns, *_turns(sent)),
        tools=tuple(_tool(tool) for tool in tables(body, "tools")),
        tool_mode=_MODES[kind],
        names=(required_text(choice, "name"),) if kind == "tool" else (),
        parallel=not flag(choice, "disable_parallel_tool_use"),
        as_json=bool(wanted),
        schema=table(wanted, "schema") or None,
        max_tokens=integer(body, "max_tokens"),
        stop=strings(body, "stop_sequences", most=8191),
    )


def _check_blocks(sent: list[Json]) -> None:
    """What version 2026-10-21 no longer takes: documents of the assistant, and the user's citations."""
    for index, message in enumerate(sent):
        blocks = message.get("content")
        for place, block in enumerate(blocks if isinstance(blocks, list) else []):
            if not isinstance(block, dict):
                continue
            name = f"messages.{index}.content.{place}"
            if message.get("role") == "assistant" and block.get("type") == "document":
                raise invalid(name, "`document` blocks are not permitted in `assistant` messages")
            if message.get("role") == "user" and block.get("type") == "text" and block.get("citations"):
                raise invalid(f"{name}.citations", "citations are not permitted in `user` messages")


def _tool(tool: Json) -> Tool:
    """A client's tool; a server's tool, which has a type instead of a schema, is counted by its definition."""
    name = required_text(tool, "name")
    return Tool(name, str(tool.get("description") or ""), table(tool, "input_schema"))


def _turns(sent: list[Json]) -> Iterator[Turn]:
    called: dict[str, str] = {}
    for index, message in enumerate(sent):
        place = f"messages.{index}"
        role = message.get("role")
        if role not in _ROLES:
            raise invalid(f"{place}.role", f"Input should be one of {', '.join(_ROLES)}")
        content = message.get("content")
        if content is None:
            raise missing(f"{place}.content")
        for turn in _content(content, f"{place}.content", called):
            yield turn if turn.role is Role.TOOL else Turn(_ROLES[role], turn.text, turn.images, turn.calls)


def _content(content: Any, place: str, called: dict[str, str]) -> list[Turn]:
    """The message as one turn, and one turn before it for each tool result in it."""
    if isinstance(content, str):
        return [Turn(Role.USER, content)]
    if not isinstance(content, list):
        raise invalid(place, "Input should be a valid string or array")
    results: list[Turn] = []
    texts: list[str] = []
    calls: list[Json] = []
    images = 0
    for index, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            texts.append(str(block.get("text", "")))
        elif kind == "tool_result":
            text, attached = _result(block)
            results.append(Turn(Role.TOOL, text, attached, tool=called.get(str(block.get("tool_use_id")), "")))
        elif kind == "tool_use":
            calls.append({"name": block.get("name"), "input": block.get("input")})
            called[str(block.get("id"))] = str(block.get("name", ""))
        elif kind in {"image", "document"}:
            images += 1
        elif kind is None:
            raise missing(f"{place}.{index}.type")
    if results and not texts and not images:
        return results
    return [*results, Turn(Role.USER, "\n".join(texts), images, orjson.dumps(calls).decode() if calls else "")]


def _result(block: Json) -> tuple[str, int]:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return content or "", 0
    parts = [part for part in content if isinstance(part, dict)]
    texts = [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    return "\n".join(texts), len(parts) - len(texts)


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.completion,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _message(ask: Ask) -> Json:
    return {
        "model": ask.model,
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def _whole(ask: Ask, answer: Answer, usage: Usage | None) -> Json:
    content: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    content += [_tool_use(call.name) | {"input": call.arguments} for call in answer.calls]
    ending = {"stop_reason": _FINISHES[answer.finish], "stop_sequence": answer.stopped_by}
    body = _message(ask) | {"content": content} | ending
    return body if usage is None else body | {"usage": _usage(usage)}


def _tool_use(name: str) -> Json:
    return {"type": "tool_use", "id": f"toolu_{secrets.token_hex(12)}", "name": name, "input": {}}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def _frames(ask: Ask, answer: Answer, usage: Usage | None) -> Iterator[Frame]:
    message = _message(ask)
    if usage is not None:
        # The first event cannot know how much will be generated; Anthropic reports a small number there.
        message["usage"] = _usage(replace(usage, completion=min(usage.completion, 1)))
    yield Frame(_event("message_start", message=message))
    blocks = [_text_block(answer.text)] if answer.text else []
    blocks += [_tool_block(call.name, call.encoded) for call in answer.calls]
    for index, (start, deltas) in enumerate(blocks):
        yield Frame(_event("content_block_start", index=index, content_block=start))
        if index == 0:
            yield Frame(_event("ping"))
        for delta, count in deltas:
            yield Frame(_event("content_block_delta", index=index, delta=delta), count)
        yield Frame(_event("content_block_stop", index=index))
    ending: Json = {"stop_reason": _FINISHES[answer.finish], "stop_sequence": answer.stopped_by, "stop_details": None}
    closing = {} if usage is None else {"usage": _final_usage(usage)}
    yield Frame(_event("message_delta", delta=ending, **closing))
    yield Frame(_event("message_stop"))


def _final_usage(usage: Usage) -> Json:
    counted = _usage(usage)
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return {name: counted[name] for name in names}


def _text_block(text: str) -> tuple[Json, list[tuple[Json, int]]]:
    deltas = [({"type": "text_delta", "text": word}, tokens.count(word)) for word in tokens.words(text)]
    return {"type": "text", "text": ""}, deltas


def _tool_block(name: str, arguments: str) -> tuple[Json, list[tuple[Json, int]]]:
    # The first, empty delta stands for the name's tokens.
    opening: tuple[Json, int] = ({"type": "input_json_delta", "partial_json": ""}, tokens.count(name))
    pieces = tokens.fragments(arguments, _ARGUMENT_TOKENS)
    deltas = [({"type": "input_json_delta", "partial_json": piece}, tokens.count(piece)) for piece in pieces]
    return _tool_use(name), [opening, *deltas]
