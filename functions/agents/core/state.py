"""The state that graphs hand from node to node: plain JSON, so that it survives any process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypedDict

from functions.agents.core.models import Spent

JsonObject = dict[str, Any]


def appended(before: list[JsonObject], more: list[JsonObject]) -> list[JsonObject]:
    """What is only ever added to."""
    return [*(before or ()), *(more or ())]


def summed(before: JsonObject, more: JsonObject) -> JsonObject:
    """What is counted."""
    return Spent.of(before or {}).plus(Spent.of(more or {})).fields()


class State(TypedDict, total=False):
    """What nodes read and change.

    Attributes:
        step: how many nodes have been run; each says the next.
        messages: the conversation with the model, in OpenAI's format.
        pending: tool calls that the model wants, each `id`, `name`, `arguments` and perhaps `approved`.
        draft: what the model would answer.
        rounds: how often it began again.
        position: which step of the plan is being done.
        result: the output, once there is one.
    """

    input: JsonObject
    step: int
    messages: Annotated[list[JsonObject], appended]
    pending: list[JsonObject]
    draft: str
    rounds: int
    plan: list[str]
    plan_approved: bool
    position: int
    notes: Annotated[list[JsonObject], appended]
    spent: Annotated[JsonObject, summed]
    result: JsonObject


_REDUCED: Mapping[str, Callable[[Any, Any], Any]] = {"messages": appended, "notes": appended, "spent": summed}


def folded(given: JsonObject, updates: Sequence[Mapping[str, Any]]) -> JsonObject:
    """The state that nodes' updates have led to, one after the other, as the graph itself puts them together."""
    state: JsonObject = {"input": given, "step": 0}
    for update in updates:
        for name, value in update.items():
            reduce = _REDUCED.get(name)
            state[name] = reduce(state.get(name), value) if reduce else value
    return state


def storable(value: Any) -> Any:
    """The same JSON without what Postgres cannot keep in a text: the character NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(name): storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
