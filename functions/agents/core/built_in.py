"""The tools that the platform itself has."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall

PREFIX = "builtin"
Run = Callable[[Space, ToolCall, ToolSetting], Awaitable[ToolAnswer]]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One of them."""

    tool: Tool
    run: Run


class BuiltIns:
    """Port `ToolSource`: the same for every tenant."""

    def __init__(self, tools: Sequence[BuiltIn]) -> None:
        self._tools = {built_in.tool.name: built_in for built_in in tools}

    async def all(self, space: Space) -> Sequence[Tool]:
        """All there are."""
        del space
        return [built_in.tool for built_in in self._tools.values()]

    async def find(self, space: Space, name: str) -> Tool | None:
        """The tool of that name."""
        del space
        found = self._tools.get(name)
        return found.tool if found else None

    async def call(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        """Run it."""
        return await self._tools[call.name].run(space, call, setting)
