"""`builtin.code`: runs code that a model wrote, in a sandbox. There is none so far, so it cannot be used."""

from typing import Final

from functions.agents.core.built_in import BuiltIn
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec

_WHY = "this platform has no sandbox to run code in"

TOOL: Final = Tool(
    spec=ToolSpec(
        name="builtin.code",
        description="Runs a program and returns what it printed.",
        input_schema={
            "type": "object",
            "properties": {
                "language": {"enum": ["python"]},
                "code": {"type": "string", "minLength": 1, "maxLength": 50_000},
            },
            "required": ["language", "code"],
            "additionalProperties": False,
        },
    ),
    title="Run code",
    source="builtin",
    on_by_default=False,
    unusable=_WHY,
)


async def run(space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
    """Refuse."""
    del space, call, setting
    raise ToolFailed("tool_disabled", _WHY)


CODE: Final = BuiltIn(TOOL, run)
