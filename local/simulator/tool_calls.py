"""Decides which tools the simulated model calls, and with what arguments."""

import re

from local.simulator.asks import Ask, Role, Tool, ToolCall, ToolMode
from local.simulator.schemas import Hints, example


def tool_calls(ask: Ask) -> tuple[ToolCall, ...]:
    """Calls for the tools that the last message, if it is the user's, names, or that the client forces.

    A forced call with no name mentioned goes to the first tool allowed.
    """
    if not ask.tools or ask.tool_mode is ToolMode.NONE:
        return ()
    allowed = [tool for tool in ask.tools if not ask.names or tool.name in ask.names]
    asked = ask.question if ask.last.role is Role.USER else ""
    chosen = [tool for tool in allowed if _mentioned(tool.name, asked)]
    if not chosen and ask.tool_mode is ToolMode.REQUIRED:
        chosen = allowed[:1]
    if not ask.parallel:
        chosen = chosen[:1]
    return tuple(ToolCall(tool.name, _arguments(tool, ask.question)) for tool in chosen)


def _mentioned(name: str, text: str) -> bool:
    spaced = re.escape(name).replace("_", "[_ -]").replace(r"\-", "[_ -]")
    return re.search(rf"(?<!\w){spaced}(?!\w)", text, re.IGNORECASE) is not None


def _arguments(tool: Tool, question: str) -> dict[str, object]:
    value = example({"type": "object", **tool.parameters}, Hints(question, question))
    return value if isinstance(value, dict) else {}
