"""What was said in a call, as the detectors get it: bounded, the latest first, long texts by their two ends."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from functions.gateway.core.models import Json

# Of one call, in characters; a long conversation's oldest words are left out.
MOST_CHARACTERS = 24_000
# Of whose parts none would be cut.
_MOST_WHOLE = MOST_CHARACTERS // 2
_LEAST_WINDOW = 200
_ROLES = {"function": "tool"}


def content_of(body: Json, completion: Json | None) -> bytes:
    """JSON of `parts` (role, text, and the name of a tool) and of `omitted`, the characters left out.

    Args:
        body: the request as the caller wrote it.
        completion: the answer, as far as there is one.
    """
    parts: list[dict[str, str]] = []
    for message in body.get("messages") or ():
        role = str(message.get("role"))
        _add(parts, _ROLES.get(role, role), message.get("content"), message.get("name"))
        if calls := message.get("tool_calls"):
            _add_calls(parts, calls)
    for choice in (completion or {}).get("choices") or ():
        message = choice.get("message") or {}
        _add(parts, "assistant", message.get("content"))
        if refusal := message.get("refusal"):
            _add(parts, "assistant", refusal)
        if calls := message.get("tool_calls"):
            _add_calls(parts, calls)
    omitted = 0
    if sum([len(part["text"]) for part in parts]) > _MOST_WHOLE:
        parts, omitted = _bounded(parts)
    try:
        return orjson.dumps({"parts": parts, "omitted": omitted})
    except TypeError:
        # Lone surrogates, which JSON may carry and UTF-8 may not.
        readable = [{key: value.encode("utf-8", "replace").decode() for key, value in part.items()} for part in parts]
        return orjson.dumps({"parts": readable, "omitted": omitted})


def _bounded(parts: list[dict[str, str]]) -> tuple[list[dict[str, str]], int]:
    """What is kept of a call's parts, and how many characters of them are not."""
    left, omitted = MOST_CHARACTERS, 0
    kept: list[dict[str, str]] = []
    for part in reversed(parts):
        text = part["text"]
        # Half at most, so that one long text leaves room for the others.
        size = min(len(text), left // 2)
        if size < min(len(text), _LEAST_WINDOW):
            omitted += len(text)
            continue
        omitted += len(text) - size
        left -= size
        kept.append({**part, "text": _ends(text, size)})
    return kept[::-1], omitted


def _ends(text: str, size: int) -> str:
    """The beginning and the end; between them a note of what is missing."""
    if len(text) <= size:
        return text
    head = size // 2
    return f"{text[:head]}\n[… {len(text) - size} characters left out …]\n{text[len(text) - (size - head) :]}"


def _add(parts: list[dict[str, str]], role: str, content: Any, name: Any = None) -> None:
    """Put down the texts of a message, or of an answer."""
    if isinstance(content, str):
        if content:
            parts.append(_part(role, content, name))
    elif isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        parts += [_part(role, text, name) for text in texts if text and isinstance(text, str)]


def _add_calls(parts: list[dict[str, str]], calls: Iterable[Any]) -> None:
    """Put down the arguments that a model calls tools with: what leaves by them leaves the conversation."""
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("arguments"), str):
            parts.append(_part("assistant", function["arguments"], function.get("name")))


def _part(role: str, text: str, name: Any) -> dict[str, str]:
    return {"role": role, "text": text, "name": str(name)} if name else {"role": role, "text": text}
