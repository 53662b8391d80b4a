"""GET /v1/agents/graphs: what can be executed, and what it takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Path

from functions.agents.core import graphs
from functions.agents.graphs.schemas import Graph, GraphList
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.kit.runtime import Runtime

router = api_router()

_READ = [require("agents:read")]
GraphId = Annotated[str, Path(alias="graphId", max_length=100)]


@router.get("/v1/agents/graphs", dependencies=_READ, summary="List the graphs")
async def list_graphs() -> GraphList:
    """All of them, with the schemas of their inputs."""
    return GraphList(items=[Graph.of(graph) for graph in graphs.GRAPHS])


@router.get("/v1/agents/graphs/{graphId}", dependencies=_READ, summary="Get a graph")
async def get_graph(graph_id: GraphId) -> Graph:
    """One of them."""
    return Graph.of(graphs.graph_named(graph_id))


@asynccontextmanager
async def _nothing(runtime: Runtime) -> AsyncIterator[None]:
    """The catalogue needs nothing from outside."""
    del runtime
    yield


app = create_app(router, wire=_nothing)
