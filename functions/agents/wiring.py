"""The context's composition root: settings in, use cases out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.agents.core.toolbox import ToolBox
from functions.agents.wiring_tools import agent_tools
from functions.kit.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Agents:
    """The context's use cases."""

    toolbox: ToolBox


@asynccontextmanager
async def agents(runtime: Runtime) -> AsyncIterator[Agents]:
    """Wire the context; its connections end with the block."""
    async with agent_tools(runtime) as tools:
        yield Agents(toolbox=tools.toolbox)
