"""What MCP servers say of tools, and what tools say, as the platform takes it."""

import re
from typing import Any

import orjson
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

from functions.agents.core.mcp_models import Description
from functions.agents.core.tool_models import ToolAnswer
from functions.kit.storable import holds_zero

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_LONGEST_DESCRIPTION = 4_000
_LONGEST_TITLE = 200
_LARGEST_SCHEMA = 32 * 1024


def described(tool: Tool) -> Description | str:
    """What a model is told of a tool, or why it is told nothing."""
    if not _NAME.fullmatch(tool.name):
        return "its name has characters that names may not have"
    description, title = tool.description or "", tool.title or ""
    # Cut off, it would say something that nobody has accepted.
    if len(description) > _LONGEST_DESCRIPTION or len(title) > _LONGEST_TITLE:
        return f"its description has more than {_LONGEST_DESCRIPTION} characters"
    if "\0" in description + title:
        return "its description is not text"
    why = _schema_trouble(tool.input_schema)
    if why:
        return why
    hints = tool.annotations
    idempotent = bool(hints and (hints.read_only_hint or hints.idempotent_hint))
    return Description(title, description, tool.input_schema, idempotent)


def answer_of(result: CallToolResult) -> ToolAnswer:
    """What a tool said, as text."""
    texts = [_text(block) for block in result.content]
    if not texts and result.structured_content is not None:
        texts = [orjson.dumps(result.structured_content).decode()]
    is_error = bool(result.is_error)
    return ToolAnswer("\n".join(texts) or "(no content)", is_error, "tool_failed" if is_error else None)


def _schema_trouble(schema: dict[str, Any]) -> str:
    try:
        written = orjson.dumps(schema)
    except (TypeError, ValueError):
        return "its schema nests too deeply or holds what is no JSON"
    if len(written) > _LARGEST_SCHEMA:
        return f"its schema has more than {_LARGEST_SCHEMA} bytes"
    if holds_zero(written):
        return "its schema holds what cannot be stored"
    return "" if schema.get("type") == "object" else "its schema is not an object's"


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            size = len(block.data) * 3 // 4 - block.data.count("=", -2)
            return f"({block.type}, {size} bytes of {block.mime_type[:100]})"
        case ResourceLink():
            return f"{block.name}: {block.uri}"
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return resource.text
        case EmbeddedResource():
            return f"(resource {block.resource.uri})"
