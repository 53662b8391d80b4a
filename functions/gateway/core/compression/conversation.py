"""Where a conversation's texts are, and how to put others in their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.gateway.core.models import Json

_TEXT_TYPES = frozenset(["text", "input_text"])
_MAY_CHANGE = frozenset(["user", "tool", "function"])


@dataclass(slots=True)
class Text:
    """One text of a conversation.

    Attributes:
        message: index of its message.
        path: keys from the message down to it.
        may_change: it is a user's or a tool's, and nobody relies on its bytes.
        is_data: a tool's result.
    """

    message: int
    path: tuple[str | int, ...]
    text: str
    may_change: bool
    is_data: bool


def texts_of(messages: Sequence[Json]) -> list[Text]:
    """All texts of all messages in order."""
    found: list[Text] = []
    for index, message in enumerate(messages):
        role = message.get("role")
        is_data = role in {"tool", "function"}
        for path, text, pinned, inner in _texts(message.get("content"), ("content",)):
            may_change = role in _MAY_CHANGE and not pinned
            found.append(Text(index, path, text, may_change, is_data or inner))
    return found


def with_texts(messages: Sequence[Json], changed: Sequence[tuple[Text, str]]) -> list[Json]:
    """The messages with other texts; what is not changed is shared with the originals, which stay as they are."""
    result = list(messages)
    for text, replacement in changed:
        result[text.message] = _replaced(result[text.message], text.path, replacement)
    return result


def _texts(
    content: Any, path: tuple[str | int, ...], pinned: bool = False, inner: bool = False
) -> Iterator[tuple[tuple[str | int, ...], str, bool, bool]]:
    """Texts in a message's content. A part that the caller marked for the provider's prompt cache is pinned."""
    if isinstance(content, str):
        yield path, content, pinned, inner
    elif isinstance(content, list):
        for index, part in enumerate(content):
            if not isinstance(part, Mapping):
                continue
            here = pinned or part.get("cache_control") is not None
            if part.get("type") in _TEXT_TYPES and isinstance(part.get("text"), str):
                yield (*path, index, "text"), part["text"], here, inner
            elif part.get("type") == "tool_result" and not inner:
                yield from _texts(part.get("content"), (*path, index, "content"), here, inner=True)


def _replaced(node: Any, path: tuple[str | int, ...], replacement: str) -> Any:
    if not path:
        return replacement
    copy: Any = dict(node) if isinstance(node, Mapping) else list(node)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], replacement)
    return copy
