"""Requests in other formats that no chat can say, told as one that is as long, and by whom what in it was said."""

from collections.abc import Iterator, Mapping
from typing import Any

from functions.gateway.core.models import Json

_SETTINGS = frozenset({"model", "metadata", "user", "stream"})
_SYSTEM, _TURNS = ("system", "instructions"), ("messages", "input")
# Bytes in base64, and where to find them: counted as one attachment each, however long.
_OPAQUE = ("data", "file_data", "image_url", "url")
_UNSAID = frozenset({"type", "role"})


def outline_of(request: Json, limit: str) -> Json:
    """A chat as long as a request that cannot be said as one.

    Args:
        limit: the request's field that bounds its answer.
    """
    told = {*_SETTINGS, *_SYSTEM, *_TURNS}
    system = [request[name] for name in _SYSTEM if request.get(name)]
    messages = [*(_turn("system", value) for value in system)]
    for name in _TURNS:
        messages += _turns(request.get(name))
    rest = {name: value for name, value in request.items() if name not in told}
    return {
        "model": request.get("model"),
        "messages": messages or [_turn("user", "")],
        "tools": [rest],
        "max_completion_tokens": request.get(limit),
        "reasoning_effort": request.get("thinking") or request.get("reasoning"),
        # A guess is enough: it is reserved by, and a mark makes the prompt dearer.
        "cache_control": "cache_control" in str(request),
    }


def _turns(turns: Any) -> Iterator[Json]:
    if not isinstance(turns, list):
        if turns:
            yield _turn("user", turns)
        return
    for turn in turns:
        given = turn.get("content") if isinstance(turn, Mapping) else None
        content: list[Any] = given if isinstance(given, list) else []
        results = [block for block in content if _is_result(block)]
        if results:
            yield _turn("tool", results)
        rest = {**turn, "content": [block for block in content if not _is_result(block)]} if results else turn
        said = _turn(_role(turn), rest)
        if said["content"][0]["text"] or not results:
            yield said


def _role(turn: Any) -> str:
    if not isinstance(turn, Mapping):
        return "user"
    if turn.get("role"):
        return str(turn["role"])
    return "tool" if str(turn.get("type")).endswith("_output") else "assistant"


def _is_result(block: Any) -> bool:
    """Anthropic's results of tools are blocks of what the user says."""
    return isinstance(block, Mapping) and str(block.get("type")).endswith("tool_result")


def _turn(role: str, value: Any) -> Json:
    texts, attachments = _gather(value)
    parts: list[Json] = [{"type": "text", "text": "\n".join(texts)}, *([{"type": "file"}] * attachments)]
    return {"role": role, "content": parts}


def _gather(value: Any) -> tuple[list[str], int]:
    """What is to be read in a part of a request, in order, and how many things in it are no text."""
    texts: list[str] = []
    attachments = 0
    waiting: list[object] = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, Mapping):
            attachments += sum(isinstance(value.get(name), str) for name in _OPAQUE)
            waiting += [part for name, part in reversed([*value.items()]) if name not in {*_OPAQUE, *_UNSAID}]
        elif isinstance(value, list):
            waiting += reversed(value)
    return texts, attachments
