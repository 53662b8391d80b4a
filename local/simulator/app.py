"""Assembles the simulator: each provider under its own prefix, and the simulator's own API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from local.simulator import admin
from local.simulator.exchange import Dialect, Exchange, Handler, Simulator, endpoint
from local.simulator.listing import GROQ, OPENAI
from local.simulator.refusals import Problem, Refusal
from local.simulator.wires import anthropic, google, groq
from local.simulator.wires.anthropic_errors import AnthropicDialect
from local.simulator.wires.google_errors import GoogleDialect, VertexDialect
from local.simulator.wires.openai_chat import ChatEndpoint, CompletionEndpoint, ModelEndpoints
from local.simulator.wires.openai_embeddings import embeddings
from local.simulator.wires.openai_errors import OpenAiDialect
from local.simulator.wires.openai_requests import CHAT_FIELDS
from local.simulator.wires.openai_responses import responses

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app() -> Starlette:
    """The ASGI app; it begins to load the embedding model when it starts."""
    simulator = Simulator()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        simulator.engine.start()
        yield
        simulator.engine.stop()

    app = Starlette(
        routes=[*_openai(), *_groq(), *_anthropic(), *_google(), *_vertex(), *admin.ROUTES], lifespan=lifespan
    )
    app.state.simulator = simulator
    return app


def _routes(prefix: str, dialect: Dialect, handlers: dict[str, Handler]) -> list[Route]:
    """Routes from `METHOD /path` keys; any other path under the prefix gets the provider's own 404."""
    routes = []
    for route, handler in handlers.items():
        method, path = route.split(" ")
        routes.append(Route(prefix + path, endpoint(dialect, handler), methods=[method]))
    return [*routes, Route(f"{prefix}/{{rest:path}}", endpoint(dialect, _unknown), methods=_METHODS)]


async def _unknown(_exchange: Exchange) -> ASGIApp:
    raise Refusal(Problem.UNKNOWN_ROUTE)


def _openai() -> list[Route]:
    models = ModelEndpoints(OPENAI)
    return _routes(
        "/openai/v1",
        OpenAiDialect(),
        {
            "POST /chat/completions": ChatEndpoint(OPENAI, CHAT_FIELDS),
            "POST /completions": CompletionEndpoint(OPENAI),
            "POST /responses": responses,
            "POST /embeddings": embeddings,
            "GET /models": models.all,
            "GET /models/{model:path}": models.one,
        },
    )


def _groq() -> list[Route]:
    models = ModelEndpoints(GROQ, extra=True)
    return _routes(
        "/groq/openai/v1",
        groq.GroqDialect(),
        {
            "POST /chat/completions": ChatEndpoint(GROQ, groq.FIELDS, groq.GroqShape, most_choices=1),
            "GET /models": models.all,
            "GET /models/{model:path}": models.one,
        },
    )


def _anthropic() -> list[Route]:
    return _routes(
        "/anthropic/v1",
        AnthropicDialect(),
        {
            "POST /messages": anthropic.messages,
            "POST /messages/count_tokens": anthropic.count_tokens,
            "GET /models": anthropic.list_models,
            "GET /models/{model}": anthropic.get_model,
        },
    )


def _google() -> list[Route]:
    """The Gemini API under both versions: the SDKs moved from v1beta to v1 in November 2026."""
    handlers: dict[str, Handler] = {
        "POST /models/{call}": google.gemini,
        "GET /models": google.list_models,
        "GET /models/{model}": google.get_model,
    }
    prefixes = ("/google/v1", "/google/v1beta")
    return [route for prefix in prefixes for route in _routes(prefix, GoogleDialect(), handlers)]


def _vertex() -> list[Route]:
    call = "POST /projects/{project}/locations/{location}/publishers/google/models/{call}"
    prefixes = ("/vertex/v1", "/vertex/v1beta1")
    listing = "GET /projects/{project}/locations/{location}/models"
    handlers: dict[str, Handler] = {call: google.vertex, listing: google.list_uploaded_models}
    return [route for prefix in prefixes for route in _routes(prefix, VertexDialect(), handlers)]
