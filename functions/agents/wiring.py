"""The context's composition root: settings in, use cases out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.agents.core.calculator_box import CalculatorBox
from functions.agents.core.toolbox import ToolBox
from functions.kit.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Agents:
    """The context's use cases."""

    toolbox: ToolBox


@asynccontextmanager
async def agents(runtime: Runtime) -> AsyncIterator[Agents]:
    """Wire the context; its connections end with the block."""
    del runtime
    yield Agents(toolbox=CalculatorBox())
