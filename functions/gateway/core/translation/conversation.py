"""Reads OpenAI's messages into turns, the shape that the other providers share.

Instructions may stand anywhere among OpenAI's messages; the others take them once, in front. They are put there in
their order, as Anthropic's and Google's own OpenAI-compatible endpoints do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from functions.gateway.core.models import Json
from functions.gateway.core.translation.parts import Part, Text, known_only, read_parts, texts_only
from functions.gateway.core.translation.refusals import refuse

# What an answer carries beside its words and a client may send back with them. It instructs nobody: it goes to the
# provider that it came from and can use it, and to no other.
_ECHOES = {"reasoning_content", "reasoning", "annotations", "thinking_blocks", "extra_content"}
_ASSISTANT = {"role", "content", "refusal", "tool_calls", *_ECHOES}
_TOOL = {"role", "content", "tool_call_id", "name", "is_error", "cache_control"}


@dataclass(frozen=True, slots=True)
class Call:
    """The model's call of a tool.

    Attributes:
        signature: Google's opaque proof of the thought that led to the call.
    """

    id: str
    name: str
    arguments: Json
    place: str
    signature: str | None = None
    cache_control: Json | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave back.

    Attributes:
        name: the tool's; None when no earlier message calls it.
    """

    call_id: str
    name: str | None
    parts: tuple[Part, ...]
    place: str
    is_error: bool = False
    cache_control: Json | None = None


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user says; the results of tools come first."""

    results: tuple[Result, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """What the model said.

    Attributes:
        thinking: Anthropic's thinking blocks as they came.
        signature: Google's opaque proof of the thought that led to the words.
    """

    texts: tuple[Text, ...]
    calls: tuple[Call, ...]
    thinking: tuple[Json, ...]
    signature: str | None


Turn = UserTurn | AssistantTurn


@dataclass(frozen=True, slots=True)
class Conversation:
    """Instructions and turns; user and assistant alternate."""

    instructions: tuple[Text, ...]
    turns: tuple[Turn, ...]


def read_conversation(messages: Any) -> Conversation:
    """The conversation in OpenAI's `messages`.

    Raises:
        ProviderRejected: a message is not one of OpenAI's, or cannot be read.
    """
    if not isinstance(messages, list):
        raise refuse("messages", "must be a list")
    instructions: list[Text] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if not isinstance(message, dict):
            raise refuse(place, "must be an object")
        role = message.get("role")
        if role in ("system", "developer"):
            instructions += _instructions(message, place)
        elif role in tuple(_READERS):
            _append(turns, _READERS[role](message, place, names))
        else:
            raise refuse(f"{place}.role", f"{role!r} is not offered for this provider")
    return Conversation(tuple(instructions), tuple(turns))


def _append(turns: list[Turn], turn: Turn) -> None:
    """Add a turn, joined to the last one when the same side goes on speaking."""
    last = turns[-1] if turns else None
    if isinstance(turn, UserTurn) and isinstance(last, UserTurn) and not (last.parts and turn.results):
        turns[-1] = UserTurn(last.results + turn.results, last.parts + turn.parts)
    elif isinstance(turn, AssistantTurn) and isinstance(last, AssistantTurn) and not last.calls:
        joined = (last.texts + turn.texts, turn.calls, last.thinking + turn.thinking)
        turns[-1] = AssistantTurn(*joined, turn.signature or last.signature)
    else:
        turns.append(turn)


def _instructions(message: Json, place: str) -> tuple[Text, ...]:
    known_only(message, {"role", "content"}, place)
    return texts_only(read_parts(message.get("content"), f"{place}.content"), "instructions")


def _user(message: Json, place: str, _names: dict[str, str]) -> UserTurn:
    known_only(message, {"role", "content"}, place)
    return UserTurn((), read_parts(message.get("content"), f"{place}.content"))


def _assistant(message: Json, place: str, names: dict[str, str]) -> AssistantTurn:
    known_only(message, _ASSISTANT, place)
    texts = texts_only(read_parts(message.get("content"), f"{place}.content"), "what the assistant said")
    if isinstance(message.get("refusal"), str):
        texts += (Text(message["refusal"], f"{place}.refusal"),)
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise refuse(f"{place}.tool_calls", "must be a list")
    read = tuple(_call(call, f"{place}.tool_calls[{index}]") for index, call in enumerate(calls))
    names.update({call.id: call.name for call in read})
    thinking = message.get("thinking_blocks") or []
    if not isinstance(thinking, list) or not all(isinstance(block, dict) for block in thinking):
        raise refuse(f"{place}.thinking_blocks", "must be a list of blocks as they came")
    return AssistantTurn(texts, read, tuple(thinking), _signature(message))


def _call(call: Any, place: str) -> Call:
    if not isinstance(call, dict) or call.get("type", "function") != "function":
        raise refuse(place, "must be the call of a function")
    known_only(call, {"id", "type", "function", "extra_content", "index", "cache_control"}, place)
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refuse(f"{place}.function", "must be an object with a name")
    if not isinstance(call.get("id"), str) or not call["id"]:
        raise refuse(f"{place}.id", "must be a string")
    arguments = function.get("arguments") or "{}"
    try:
        parsed = orjson.loads(arguments)
    except (orjson.JSONDecodeError, TypeError):
        parsed = None
    if not isinstance(parsed, dict):
        raise refuse(f"{place}.function.arguments", "must be a JSON object")
    return Call(call["id"], function["name"], parsed, place, _signature(call), call.get("cache_control"))


def _tool(message: Json, place: str, names: dict[str, str]) -> UserTurn:
    known_only(message, _TOOL, place)
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise refuse(f"{place}.tool_call_id", "must be a string")
    result = Result(
        call_id,
        names.get(call_id),
        read_parts(message.get("content"), f"{place}.content"),
        place,
        is_error=bool(message.get("is_error")),
        cache_control=message.get("cache_control"),
    )
    return UserTurn((result,), ())


def _signature(carrier: Json) -> str | None:
    """Google's thought signature, where its OpenAI-compatible endpoint puts it."""
    extra = carrier.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else None


_READERS: dict[str, Callable[[Json, str, dict[str, str]], Turn]] = {
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
