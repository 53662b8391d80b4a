"""Reads OpenAI's chat and legacy completion requests."""

from collections.abc import Mapping
from typing import Any

import orjson

from local.simulator.asks import Ask, Role, Tool, ToolMode, Turn
from local.simulator.fields import Json, flag, integer, known_only, names, required_text, strings, table, tables
from local.simulator.refusals import invalid, missing

CHAT_FIELDS = names(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
    stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options"""
)
_COMPLETION_FIELDS = names(
    """best_of echo frequency_penalty logit_bias logprobs max_tokens model n presence_penalty prompt seed stop stream
    stream_options suffix temperature top_p user"""
)
_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_MOST_CHOICES = 128
_LEGACY_MAX_TOKENS = 16


def chat_ask(body: Json, fields: frozenset[str], most_choices: int) -> Ask:
    """A chat completion request.

    Args:
        fields: those that the provider knows.
        most_choices: how many choices the provider gives at once.

    Raises:
        Refusal: it does not fit OpenAI's description.
    """
    model = required_text(body, "model")
    known_only(body, fields)
    messages = tables(body, "messages")
    if not messages:
        raise missing("messages") if body.get("messages") is None else invalid("messages", "empty array")
    mode, allowed = _tool_choice(body.get("tool_choice"))
    as_json, schema = _response_format(body)
    _check_stream_options(body)
    turns = _turns(messages)
    if as_json and schema is None and not any("json" in turn.text.lower() for turn in turns):
        raise invalid("messages", "'messages' must contain the word 'json' in some form, to use 'json_object'")
    limits = (integer(body, "max_completion_tokens", low=1), integer(body, "max_tokens", low=1))
    return Ask(
        model=model,
        turns=turns,
        tools=_tools(body),
        tool_mode=mode,
        names=allowed,
        parallel=body.get("parallel_tool_calls") is not False,
        as_json=as_json,
        schema=schema,
        max_tokens=next((limit for limit in limits if limit is not None), None),
        stop=strings(body, "stop", most=4),
        choices=integer(body, "n", low=1, high=most_choices) or 1,
    )


def completion_asks(body: Json) -> list[Ask]:
    """A legacy completion request: one ask for each prompt."""
    model = required_text(body, "model")
    known_only(body, _COMPLETION_FIELDS)
    _check_stream_options(body)
    prompts = _prompts(body)
    limit = integer(body, "max_tokens")
    choices = integer(body, "n", low=1, high=_MOST_CHOICES) or 1
    made = integer(body, "best_of", low=1, high=20) or choices
    if made < choices:
        raise invalid("best_of", f"must be at least n ({choices})")
    if made > choices and flag(body, "stream"):
        raise invalid("best_of", "results cannot be streamed when best_of is larger than n")
    return [
        Ask(
            model=model,
            turns=(Turn(Role.USER, prompt),),
            max_tokens=_LEGACY_MAX_TOKENS if limit is None else limit,
            stop=strings(body, "stop", most=4),
            choices=made,
            plain=True,
        )
        for prompt in prompts
    ]


def _prompts(body: Json) -> tuple[str, ...]:
    """The prompts as text; a token is a word of its own."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return (_spelled(prompt),)
    if isinstance(prompt, list) and prompt and all(isinstance(tokens, list) for tokens in prompt):
        return tuple(_spelled(tokens) for tokens in prompt)
    return strings(body, "prompt", most=2048) or ("",)


def _spelled(token_ids: list[int]) -> str:
    return " ".join(f"t{token}"[:6] for token in token_ids)


def wanted_logprobs(body: Json) -> int | None:
    """How many alternatives of each token shall be told; None when not even the token's own probability."""
    if isinstance(body.get("logprobs"), bool):
        return (integer(body, "top_logprobs", high=20) or 0) if body["logprobs"] else None
    return integer(body, "logprobs", high=5)


def wants_usage(body: Json) -> bool:
    """Whether the stream shall end with a usage chunk."""
    return flag(table(body, "stream_options"), "include_usage")


def _check_stream_options(body: Json) -> None:
    if body.get("stream_options") is not None and not flag(body, "stream"):
        raise invalid("stream_options", "only allowed when 'stream' is enabled")


def _turns(messages: list[Json]) -> tuple[Turn, ...]:
    called: dict[str, str] = {}
    turns = []
    for index, message in enumerate(messages):
        turn = _turn(message, f"messages[{index}]", called)
        for call in tables(message, "tool_calls"):
            called[str(call.get("id"))] = str(table(call, "function").get("name", ""))
        turns.append(turn)
    return tuple(turns)


def _turn(message: Json, place: str, called: Mapping[str, str]) -> Turn:
    role = message.get("role")
    if role is None:
        raise missing(f"{place}.role")
    if role not in _ROLES:
        raise invalid(f"{place}.role", f"'{role}' is not one of {', '.join(_ROLES)}")
    calls = message.get("tool_calls") or message.get("function_call")
    content = message.get("content")
    if content is None and not calls:
        raise invalid(f"{place}.content", "expected a string or an array of content parts, got null")
    text, images = _content(content, place)
    tool = called.get(str(message.get("tool_call_id")), str(message.get("name") or ""))
    return Turn(_ROLES[role], text, images, orjson.dumps(calls).decode() if calls else "", tool)


def _content(content: Any, place: str) -> tuple[str, int]:
    if content is None or isinstance(content, str):
        return content or "", 0
    if not isinstance(content, list):
        raise invalid(f"{place}.content", "expected a string or an array of content parts")
    texts = []
    images = 0
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in {"text", "refusal"}:
            texts.append(str(part.get(kind, "")))
        elif kind in {"image_url", "input_audio", "file"}:
            images += 1
        else:
            raise invalid(f"{place}.content[{index}].type", f"'{kind}' is not supported")
    return "\n".join(texts), images


def _tools(body: Json) -> tuple[Tool, ...]:
    functions = [table(tool, "function") for tool in tables(body, "tools") if tool.get("type") == "function"]
    functions += tables(body, "functions")
    return tuple(
        Tool(
            required_text(function, "name"), str(function.get("description") or ""), dict(table(function, "parameters"))
        )
        for function in functions
    )


def _tool_choice(choice: Any) -> tuple[ToolMode, tuple[str, ...]]:
    if choice is None:
        return ToolMode.AUTO, ()
    if isinstance(choice, str):
        if choice not in {"none", "auto", "required"}:
            raise invalid("tool_choice", f"'{choice}' is not one of none, auto, required")
        return ToolMode(choice), ()
    if not isinstance(choice, dict):
        raise invalid("tool_choice", "expected a string or an object")
    if choice.get("type") == "allowed_tools":
        allowed = table(choice, "allowed_tools")
        chosen = tuple(str(table(tool, "function").get("name")) for tool in tables(allowed, "tools"))
        return ToolMode(allowed.get("mode", "auto")), chosen
    return ToolMode.REQUIRED, (required_text(table(choice, "function"), "name"),)


def _response_format(body: Json) -> tuple[bool, Json | None]:
    wanted = table(body, "response_format")
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        described = table(wanted, "json_schema")
        required_text(described, "name")
        return True, table(described, "schema")
    if kind not in {"text", "json_object"}:
        raise invalid("response_format.type", f"'{kind}' is not one of text, json_object, json_schema")
    return kind == "json_object", None
