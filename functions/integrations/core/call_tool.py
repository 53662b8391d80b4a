"""Calls a tool: its arguments checked, its request made, its answer told."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from functions.integrations.core.errors import ToolFailed
from functions.integrations.core.models import Json, McpServer, Tool, UpstreamAnswer, UpstreamRequest
from functions.integrations.core.openapi_tools import absolute
from functions.integrations.core.ports import Upstream

# Tells what is wrong with arguments; nothing when they fit the schema.
Check = Callable[[Json, Json], Iterable[str]]
_MOST_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class CallTool:
    """Calls tools.

    Args:
        check: judges arguments by a JSON schema.
    """

    upstream: Upstream
    check: Check

    async def __call__(self, server: McpServer, tool: Tool, arguments: Json) -> UpstreamAnswer:
        """What the API answered.

        Raises:
            ToolFailed: the arguments do not fit, or the API did not answer as it should.
        """
        problems = list(itertools.islice(self.check(tool.schema, arguments), _MOST_PROBLEMS))
        if problems:
            raise ToolFailed("the arguments do not fit the tool's schema: " + "; ".join(problems))
        return await self.upstream.call(server, request_of(server, tool, arguments))


def request_of(server: McpServer, tool: Tool, arguments: Mapping[str, Any]) -> UpstreamRequest:
    """The request that a tool's arguments make.

    Raises:
        ToolFailed: an argument cannot be sent where it belongs.
    """
    path, query, headers = tool.path, [], {}
    for parameter in tool.parameters:
        if parameter.argument not in arguments or arguments[parameter.argument] is None:
            continue
        value = arguments[parameter.argument]
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", _segment(parameter.name, value))
        elif parameter.place == "query":
            values = [_text(part) for part in (value if isinstance(value, list) else [value])]
            query += [(parameter.name, text) for text in (values if parameter.is_exploded else [",".join(values)])]
        else:
            headers[parameter.name] = _header(parameter.name, value)
    return UpstreamRequest(
        method=tool.method,
        url=absolute(server.base_url, path),
        query=tuple(query),
        headers=headers,
        body=arguments.get("body") if tool.has_body else None,
    )


def _segment(name: str, value: Any) -> str:
    """A value within a path, of which it can be one part only."""
    text = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    if text.strip(".") == "":
        raise ToolFailed(f"{name} must be part of a path")
    return quote(text, safe="")


def _header(name: str, value: Any) -> str:
    text = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    if not text.isascii() or not text.isprintable():
        raise ToolFailed(f"{name} holds what a header cannot")
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise ToolFailed("an argument is nested where a plain value belongs")
    text = str(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ToolFailed("an argument holds half of a character")
    return text
