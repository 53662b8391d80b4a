"""On llm.completed and tool.completed: what was said in the calls is examined, what was found stored and told."""

from collections.abc import Sequence

from functions.guardrails.core.examine_calls import ExaminedCall
from functions.guardrails.core.tool_calls import as_calls
from functions.guardrails.wiring import Guardrails, guardrails
from functions.kit.event_data import read
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import LlmCompleted, ToolCompleted


async def examine(use: Guardrails, event: Event) -> Sequence[ExaminedCall]:
    """Look at every call; takes as long as it takes."""
    if event.type == ToolCompleted.subject:
        return await use.examine_tool_calls(as_calls(read(ToolCompleted, event)))
    return await use.examine_calls(read(LlmCompleted, event))


async def store(use: Guardrails, examined: Sequence[ExaminedCall]) -> None:
    """Keep and tell what was found."""
    await use.store_findings(examined)


handle = event_function(guardrails, name="guardrails-detection", prepare=examine)(store)
