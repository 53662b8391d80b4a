"""OpenAI's chat request as Anthropic's message request.

Source: platform.claude.com/docs/en/api/messages. Fields of Anthropic's own are taken beside OpenAI's, under the names
they have there: `top_k`, `thinking`, `output_config` and `cache_control` of the request, `cache_control` of tools,
parts and results, `thinking_blocks` of the assistant's messages, `is_error` of a tool's.
"""

import re
from collections.abc import Iterator
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.claude_thinking import EFFORTS, Thinking, thinking_of
from functions.gateway.core.translation.conversation import (
    AssistantTurn,
    Conversation,
    Result,
    Turn,
    UserTurn,
    read_conversation,
)
from functions.gateway.core.translation.parameters import Parameters
from functions.gateway.core.translation.parts import Media, Part, Text
from functions.gateway.core.translation.refusals import refuse
from functions.gateway.core.translation.tools import Tool, ToolChoice, read_tool_choice, read_tools

# Anthropic demands a limit where OpenAI has none.
DEFAULT_MAX_TOKENS = 4096

_PROVIDER = "Anthropic"
_ID = re.compile(r"[A-Za-z0-9_-]+")
_MODES = {"auto": "auto", "required": "any", "none": "none"}
_TIERS = {"auto": "auto", "default": "standard_only"}


def message_request(body: Json) -> Json:
    """Anthropic's request for an OpenAI one; `stream` is the wire's to set.

    Raises:
        ProviderRejected: something in it has no equal at Anthropic.
    """
    parameters = Parameters(body, _PROVIDER)
    conversation = read_conversation(body.get("messages"))
    limit = parameters.token_limit()
    thinking = _thinking(parameters, str(body.get("model")), limit)
    request = {
        "model": body.get("model"),
        "max_tokens": limit or DEFAULT_MAX_TOKENS + (thinking.budget or 0),
        "system": [_text(text) for text in conversation.instructions if text.text],
        "messages": list(_messages(conversation)),
        "temperature": parameters.number("temperature", 0, 1),
        "top_p": parameters.number("top_p", 0, 1),
        "top_k": parameters.integer("top_k", 0),
        "stop_sequences": parameters.stops(),
        "thinking": thinking.thinking,
        "output_config": _output_config(parameters, thinking),
        "metadata": _metadata(body),
        "cache_control": parameters.table("cache_control"),
        "service_tier": _TIERS.get(parameters.one_of("service_tier", tuple(_TIERS)) or ""),
        **_tools(parameters),
    }
    parameters.finish()
    return {name: value for name, value in request.items() if value not in (None, [], {})}


def _thinking(parameters: Parameters, model: str, limit: int | None) -> Thinking:
    effort = parameters.one_of("reasoning_effort", EFFORTS)
    native = parameters.table("thinking")
    if native is None:
        return thinking_of(effort, model, limit)
    if effort is not None:
        raise refuse("thinking", "contradicts reasoning_effort; give one of them")
    budget = native.get("budget_tokens")
    return Thinking(native, None, budget if isinstance(budget, int) else None)


def _output_config(parameters: Parameters, thinking: Thinking) -> Json:
    native = parameters.table("output_config") or {}
    effort = {"effort": thinking.effort} if thinking.effort else {}
    wanted = parameters.table("response_format")
    if wanted is None:
        return {**native, **effort}
    if wanted.get("type") != "json_schema":
        raise refuse("response_format.type", "Anthropic writes JSON only to a schema: json_schema")
    described = wanted.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    if not isinstance(schema, dict):
        raise refuse("response_format.json_schema.schema", "must be a JSON Schema")
    return {**native, **effort, "format": {"type": "json_schema", "schema": schema}}


def _metadata(body: Json) -> Json | None:
    user = body.get("safety_identifier") or body.get("user")
    return {"user_id": user} if isinstance(user, str) else None


def _tools(parameters: Parameters) -> Json:
    tools, choice = read_tools(parameters), read_tool_choice(parameters)
    if not tools:
        if choice.mode == "required":
            raise refuse("tool_choice", "there are no tools to choose from")
        return {}
    return {"tools": [_tool(tool) for tool in tools], "tool_choice": _choice(choice)}


def _tool(tool: Tool) -> Json:
    return {
        "name": tool.name,
        **({"description": tool.description} if tool.description is not None else {}),
        "input_schema": tool.schema if "type" in tool.schema else {"type": "object", **tool.schema},
        **({"strict": True} if tool.strict else {}),
        **_mark(tool),
    }


def _choice(choice: ToolChoice) -> Json | None:
    if choice.names is not None and (choice.mode == "auto" or len(choice.names) > 1):
        raise refuse("tool_choice.allowed_tools", "Anthropic cannot be held to some of the tools")
    if choice.mode is None and choice.parallel:
        return None
    named: Json = {"type": "tool", "name": choice.names[0]} if choice.names else {"type": _MODES[choice.mode or "auto"]}
    if not choice.parallel and choice.mode != "none":
        named["disable_parallel_tool_use"] = True
    return named


def _messages(conversation: Conversation) -> Iterator[Json]:
    for turn in conversation.turns:
        content = list(_content(turn))
        # Anthropic takes no message without words; an empty one said nothing.
        if content:
            yield {"role": "user" if isinstance(turn, UserTurn) else "assistant", "content": content}


def _content(turn: Turn) -> Iterator[Json]:
    if isinstance(turn, AssistantTurn):
        yield from turn.thinking
        yield from (_text(text) for text in turn.texts if text.text)
        for call in turn.calls:
            yield {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": call.arguments, **_mark(call)}
        return
    yield from (_result(result) for result in turn.results)
    yield from (_part(part) for part in turn.parts if not isinstance(part, Text) or part.text)


def _result(result: Result) -> Json:
    content = [_part(part) for part in result.parts if not isinstance(part, Text) or part.text]
    return {
        "type": "tool_result",
        "tool_use_id": _id(result.call_id),
        **({"content": content} if content else {}),
        **({"is_error": True} if result.is_error else {}),
        **_mark(result),
    }


def _part(part: Part) -> Json:
    if isinstance(part, Text):
        return _text(part)
    if part.kind == "audio":
        raise refuse(part.place, "Anthropic does not listen")
    if part.kind == "image":
        return {"type": "image", "source": _image_source(part), **_mark(part)}
    if part.media_type != "application/pdf":
        raise refuse(f"{part.place}.file_data", "Anthropic reads PDF files")
    source = {"type": "base64", "media_type": part.media_type, "data": part.data}
    return {"type": "document", "source": source, **({"title": part.name} if part.name else {}), **_mark(part)}


def _image_source(image: Media) -> Json:
    if image.url is None:
        return {"type": "base64", "media_type": image.media_type, "data": image.data}
    if not image.url.startswith("https://"):
        raise refuse(f"{image.place}.url", "must be an https or data URL")
    return {"type": "url", "url": image.url}


def _text(text: Text) -> Json:
    return {"type": "text", "text": text.text, **_mark(text)}


def _mark(carrier: Any) -> Json:
    return {"cache_control": carrier.cache_control} if carrier.cache_control else {}


def _id(call_id: str) -> str:
    """The id as Anthropic takes it: letters, digits, `_` and `-`. Others are spelled out, so that none collide."""
    return call_id if _ID.fullmatch(call_id) else f"hex_{call_id.encode().hex()}"
