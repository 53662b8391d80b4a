"""Graphs on the wire."""

from typing import Annotated, Any

from pydantic import Field

from functions.agents.core import graphs
from functions.kit.models import ApiModel


class Graph(ApiModel):
    """A graph that can be executed."""

    graph_id: str
    title: str
    description: str
    input_schema: Annotated[dict[str, Any], Field(description="JSON Schema of `input`.")]
    tools: Annotated[
        list[str] | None, Field(description="Used where the order names none; null: all that the caller may use.")
    ]

    @classmethod
    def of(cls, graph: graphs.Graph) -> "Graph":
        """From the core's."""
        return cls(
            graph_id=graph.id,
            title=graph.title,
            description=graph.description,
            input_schema=graph.input_schema,
            tools=None if graph.tools is None else list(graph.tools),
        )


class GraphList(ApiModel):
    """All of them."""

    items: list[Graph]
