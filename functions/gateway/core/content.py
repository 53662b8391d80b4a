"""What was said in a call, as the detectors get it: bounded, the latest first, long texts by their two ends."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from functions.gateway.core.models import Json

# Of one call, in characters; a long conversation's oldest words are left out.
MOST_CHARACTERS = 24_000
_LEAST_WINDOW = 200
_ROLES = {"function": "tool"}


def content_of(body: Json, completion: Json | None) -> bytes:
    """JSON of `parts` (role, text, and the name of a tool) and of `omitted`, the characters left out.

    Args:
        body: the request as the caller wrote it.
        completion: the answer, as far as there is one.
    """
    parts: list[tuple[str, str, str]] = [*_said(body), *_answered(completion)]
    left, omitted = MOST_CHARACTERS, 0
    kept: list[dict[str, str]] = []
    for role, text, name in reversed(parts):
        # Half at most, so that one long text leaves room for the others.
        size = len(text) if len(text) <= left // 2 else left // 2
        if size < min(len(text), _LEAST_WINDOW):
            omitted += len(text)
            continue
        omitted += len(text) - size
        left -= size
        part = {"role": role, "text": _ends(text, size)}
        kept.append({**part, "name": name} if name else part)
    try:
        return orjson.dumps({"parts": kept[::-1], "omitted": omitted})
    except TypeError:
        # Lone surrogates, which JSON may carry and UTF-8 may not.
        readable = [{key: value.encode("utf-8", "replace").decode() for key, value in p.items()} for p in kept[::-1]]
        return orjson.dumps({"parts": readable, "omitted": omitted})


def _ends(text: str, size: int) -> str:
    """The beginning and the end; between them a note of what is missing."""
    if len(text) <= size:
        return text
    head = size // 2
    return f"{text[:head]}\n[… {len(text) - size} characters left out …]\n{text[len(text) - (size - head) :]}"


def _said(body: Json) -> Iterator[tuple[str, str, str]]:
    for message in body.get("messages") or ():
        role = str(message.get("role"))
        for text in _texts(message.get("content")):
            yield _ROLES.get(role, role), text, str(message.get("name") or "")
        yield from _calls(message)


def _answered(completion: Json | None) -> Iterator[tuple[str, str, str]]:
    for choice in (completion or {}).get("choices") or ():
        message = choice.get("message") or {}
        for text in (*_texts(message.get("content")), *_texts(message.get("refusal"))):
            yield "assistant", text, ""
        yield from _calls(message)


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The arguments that a model calls tools with: what leaves by them leaves the conversation."""
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("arguments"), str):
            yield "assistant", function["arguments"], str(function.get("name") or "")


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str) and part["text"]:
                yield part["text"]
