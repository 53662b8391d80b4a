"""The catalogue of graphs: what each is for, and what it takes."""

from dataclasses import dataclass
from typing import Any, Final

from functions.agents.core.errors import GraphNotFound

Schema = dict[str, Any]

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 100_000}
_MESSAGES: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": 200,
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"enum": ["system", "user", "assistant"]},
            "content": {"type": "string", "maxLength": 200_000},
        },
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that can be run.

    Attributes:
        tools: those it uses where the caller names none; None for every tool that the caller may use.
        input_schema: JSON Schema of `input`.
    """

    id: str
    title: str
    description: str
    input_schema: Schema
    tools: tuple[str, ...] | None


def _takes(more: Schema | None = None, *, conversation: bool = False) -> Schema:
    task = {"task": {**_TEXT, "description": "What is to be done."}}
    if not conversation:
        return {
            "type": "object",
            "properties": {**task, **(more or {})},
            "required": ["task"],
            "additionalProperties": False,
        }
    messages = {"messages": {**_MESSAGES, "description": "A conversation, in place of a task."}}
    return {
        "type": "object",
        "properties": {**task, **messages, **(more or {})},
        "oneOf": [{"required": ["task"]}, {"required": ["messages"]}],
        "additionalProperties": False,
    }


_REFLECTIONS: Final = {
    "reflections": {
        "type": "integer",
        "minimum": 0,
        "maximum": 5,
        "default": 1,
        "description": "How often the agent looks at its answer and may begin again.",
    }
}

GRAPHS: Final = (
    Graph(
        "react",
        "Reason, act, reflect",
        "Thinks, calls tools, thinks again, and looks at its own answer before it gives it.",
        _takes(_REFLECTIONS, conversation=True),
        None,
    ),
    Graph(
        "plan-execute-review",
        "Plan, execute, review",
        "Makes a plan, carries it out step by step with tools, reviews what came of it and mends what is missing.",
        _takes(
            {
                "maxPlanSteps": {"type": "integer", "minimum": 1, "maximum": 20, "default": 6},
                "revisions": {"type": "integer", "minimum": 0, "maximum": 5, "default": 1},
            }
        ),
        None,
    ),
    Graph(
        "rag-research",
        "Research in documents",
        "Asks the tenant's documents, writes an answer that cites them, and asks on where it is thin.",
        _takes(
            {
                "corpusIds": {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 36}},
                "rounds": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2},
            }
        ),
        ("builtin.knowledge_search",),
    ),
    Graph(
        "code-assistant",
        "Code assistant",
        "Writes and explains code, with tools where there are some, and reviews its code before it gives it.",
        _takes(_REFLECTIONS, conversation=True),
        None,
    ),
)
_BY_ID: Final = {graph.id: graph for graph in GRAPHS}


def graph_named(graph_id: str) -> Graph:
    """The graph.

    Raises:
        GraphNotFound: there is none of this id.
    """
    found = _BY_ID.get(graph_id)
    if found is None:
        raise GraphNotFound("there is no such graph", details={"graphId": graph_id[:200]})
    return found
