"""On llm.completed: what was said in the calls is examined, what was found stored and told."""

from collections.abc import Sequence

from pydantic import ValidationError

from functions.guardrails.core.errors import UnreadableEvent
from functions.guardrails.core.examine_calls import ExaminedCall
from functions.guardrails.wiring import Guardrails, guardrails
from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.kit.subjects import LlmCompleted


async def examine(use: Guardrails, event: Event) -> Sequence[ExaminedCall]:
    """Look at every call; takes as long as it takes."""
    try:
        completed = LlmCompleted.model_validate(event.data)
    except ValidationError as error:
        raise UnreadableEvent(f"llm.completed: {error.error_count()} fields are wrong") from error
    return await use.examine_calls(completed)


async def store(use: Guardrails, examined: Sequence[ExaminedCall]) -> None:
    """Keep and tell what was found."""
    await use.store_findings(examined)


handle = event_function(guardrails, name="guardrails-detection", prepare=examine)(store)
